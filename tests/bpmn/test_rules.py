"""What has to fit together in a process. Each rule is shown with a model that breaks it, and one that does not."""

import pytest

from tests.bpmn.models import JOB, MESSAGE, NAMESPACES, START, condition, flow, problems_of, reasons, refused, timer

TASK = f'<serviceTask id="a">{JOB}</serviceTask>'
SIGNAL = '<signal id="s" name="go"/>'
ON_MESSAGE = '<messageEventDefinition messageRef="m"/>'
ON_SIGNAL = '<signalEventDefinition signalRef="s"/>'


def _boundary(node_id: str, definition: str, attributes: str = "") -> str:
    return f'<boundaryEvent id="{node_id}" attachedToRef="a" {attributes}>{definition}</boundaryEvent>'


def _start(node_id: str, definition: str = "", attributes: str = "") -> str:
    return f'<startEvent id="{node_id}" {attributes}>{definition}</startEvent>'


def _event_subprocess(node_id: str, start: str) -> str:
    return f'<subProcess id="{node_id}" triggeredByEvent="true">{start}</subProcess>'


def _catch(node_id: str, definition: str) -> str:
    return f'<intermediateCatchEvent id="{node_id}">{definition}</intermediateCatchEvent>'


BROKEN = {
    "a process has a start event": (TASK, ["p"]),
    "a process has one none start event": (START + _start("second"), ["p"]),
    "a process does not start with an error": (START + _start("e", "<errorEventDefinition/>"), ["e"]),
    "a sub-process has a start event": (START + '<subProcess id="u"/>', ["u"]),
    "a sub-process starts with a none start event": (
        START + f'<subProcess id="u">{_start("us", timer("PT1S"))}</subProcess>', ["u"],
    ),
    "an event sub-process has one start event": (
        START + _event_subprocess("v", _start("v1", timer("PT1S")) + _start("v2", timer("PT1S"))), ["v"],
    ),
    "an event sub-process is not in the flow": (
        START + _event_subprocess("v", _start("vs", timer("PT1S"))) + flow("f", "start", "v"), ["v"],
    ),
    "nothing leads into a start event": (START + TASK + flow("f", "a", "start"), ["start"]),
    "nothing leads into a boundary event": (START + TASK + _boundary("b", timer("PT1S")) + flow("f", "start", "b"), ["b"]),
    "a boundary event is attached to an activity": (
        START + '<boundaryEvent id="b" attachedToRef="start"><errorEventDefinition/></boundaryEvent>', ["b"],
    ),
    "a split has conditions or a default flow": (
        START + '<inclusiveGateway id="x"/><task id="t"/><task id="u"/>' + flow("f", "x", "t", condition("= true"))
        + flow("g", "x", "u"), ["g"],
    ),
    "an event-based gateway has two flows": (
        START + '<eventBasedGateway id="g"/>' + _catch("c", ON_MESSAGE) + flow("f", "g", "c"), ["g"],
    ),
    "nothing else leads to an event behind a gateway": (
        START + '<eventBasedGateway id="g"/>' + _catch("c", ON_MESSAGE) + _catch("d", timer("PT1S")) + flow("f1", "g", "c")
        + flow("f2", "g", "d") + flow("f3", "start", "d"), ["g"],
    ),
    "start events have different messages": (_start("s1", ON_MESSAGE) + _start("s2", ON_MESSAGE), ["m"]),
    "start events have different signals": (_start("s1", ON_SIGNAL) + _start("s2", ON_SIGNAL), ["p"]),
    "event sub-processes of a scope have different messages": (
        START + _event_subprocess("v", _start("vs", ON_MESSAGE)) + _event_subprocess("w", _start("ws", ON_MESSAGE)), ["p"],
    ),
    "event sub-processes of a scope catch different errors": (
        START + _event_subprocess("v", _start("vs", "<errorEventDefinition/>"))
        + _event_subprocess("w", _start("ws", "<errorEventDefinition/>")), ["p"],
    ),
    "an activity has one boundary event for all errors": (
        START + TASK + _boundary("b", "<errorEventDefinition/>") + _boundary("c", "<errorEventDefinition/>"), ["a"],
    ),
    "an event sub-process that catches an error interrupts": (
        START + _event_subprocess("v", _start("vs", "<errorEventDefinition/>", 'isInterrupting="false"')), ["v"],
    ),
    "an interrupting boundary event has no cycle": (
        START + TASK + _boundary("b", timer("R/PT1S", "timeCycle")), ["b"],
    ),
    "a static timer can be read": (START + _catch("c", timer("5 minutes")), ["c"]),
    "a timer start event does not refer to variables": (_start("s1", timer("= when", "timeDate")), ["s1"]),
    "a timer has a value": (START + _catch("c", "<timerEventDefinition/>"), ["c"]),
    "a loop waits somewhere": (
        START + '<parallelGateway id="x"/><task id="t"/>' + flow("f", "start", "t") + flow("g", "t", "x") + flow("h", "x", "t"),
        ["x"],
    ),
    "a loop of tasks without a job waits nowhere": (
        START + '<scriptTask id="a"><extensionElements><zeebe:script expression="= 1" resultVariable="x"/></extensionElements>'
        '</scriptTask><manualTask id="t"/>' + flow("f", "a", "t") + flow("g", "t", "a"), ["a"],
    ),
    "a process does not call itself at once": (
        START + '<callActivity id="c"><extensionElements><zeebe:calledElement processId="p"/></extensionElements></callActivity>'
        + flow("f", "start", "c"), ["c"],
    ),
    "a condition is an expression": (
        START + '<exclusiveGateway id="x"/><task id="t"/>' + flow("f", "x", "t", condition("true")), ["f"],
    ),
    "ids are unique": (START + '<task id="start"/>', ["start"]),
    "ids are bounded": (START + f'<task id="{"x" * 256}"/>', ["x" * 256]),
    "flow nodes have ids": (START + "<task/>", [""]),
    "sequence flows have ids": (START + TASK + '<sequenceFlow sourceRef="start" targetRef="a"/>', [""]),
    "flows stay in their scope": (START + f'<subProcess id="u">{_start("us")}</subProcess>' + flow("f", "us", "u"), ["f"]),
    "the target of a mapping is a path of names": (
        START + '<task id="t"><extensionElements><zeebe:ioMapping><zeebe:input source="1" target="a..b"/></zeebe:ioMapping>'
        "</extensionElements></task>", ["t"],
    ),
    "a multi-instance has an input collection": (
        START + f'<serviceTask id="a">{JOB}<multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics/>'
        "</extensionElements></multiInstanceLoopCharacteristics></serviceTask>", ["a"],
    ),
    "a multi-instance has loop characteristics": (
        START + f'<serviceTask id="a">{JOB}<multiInstanceLoopCharacteristics/></serviceTask>', ["a"],
    ),
    "a catch event refers to a message that is there": (
        START + _catch("c", '<messageEventDefinition messageRef="nowhere"/>'), ["c"],
    ),
    "a reference leads to the right kind": (START + _catch("c", '<messageEventDefinition messageRef="s"/>'), ["c"]),
    "a link has no place on a boundary": (START + TASK + _boundary("b", "<linkEventDefinition/>"), ["b"]),
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_a_model_that_breaks_the_rule_is_refused_at_its_element(rule: str) -> None:
    body, expected = BROKEN[rule]

    assert refused(body, MESSAGE + SIGNAL) == expected, reasons(body, MESSAGE + SIGNAL)


GOOD = {
    "a single flow out of a gateway needs no condition": START + '<exclusiveGateway id="x"/><task id="t"/>' + flow("f", "x", "t"),
    "a loop with a job": START + TASK + '<exclusiveGateway id="x" default="g"/><task id="t"/>' + flow("e", "start", "a")
    + flow("f", "a", "x") + flow("g", "x", "a") + flow("h", "x", "t", condition("= done")),
    "a loop with a sub-process": START + f'<subProcess id="u">{_start("us")}</subProcess><task id="t"/>'
    + flow("f", "u", "t") + flow("g", "t", "u"),
    "recursion that chooses first": START + '<exclusiveGateway id="x" default="g"/><task id="t"/><callActivity id="c">'
    '<extensionElements><zeebe:calledElement processId="p"/></extensionElements></callActivity>' + flow("f", "start", "x")
    + flow("g", "x", "t") + flow("h", "x", "c", condition("= n &gt; 0")),
    "a cycle that does not interrupt": START + TASK + _boundary("b", timer("R/PT1S", "timeCycle"), 'cancelActivity="false"'),
    "a start event with a cron expression": _start("s1", timer("0 0 * * * *", "timeCycle")),
    "one message in several scopes": START + _catch("c", ON_MESSAGE) + TASK + _boundary("b", ON_MESSAGE),
    "an error event for a code beside one for all": START + TASK + _boundary("b", "<errorEventDefinition/>")
    + _boundary("c", '<errorEventDefinition errorRef="e"/>'),
}  # fmt: skip


@pytest.mark.parametrize("rule", GOOD)
def test_a_model_that_keeps_the_rules_is_accepted(rule: str) -> None:
    assert not refused(GOOD[rule], MESSAGE + SIGNAL + '<error id="e" errorCode="E"/>')


def test_a_root_element_may_share_its_id_with_another_only_while_it_is_not_used() -> None:
    assert refused(START + _catch("c", ON_MESSAGE), MESSAGE + MESSAGE) == ["m"]
    assert not refused(START, MESSAGE + MESSAGE)


def test_a_reference_may_carry_a_prefix() -> None:
    assert not refused(START + _catch("c", '<messageEventDefinition messageRef="tns:m"/>'), MESSAGE)


def test_a_message_starts_one_process_of_a_resource_and_a_name_may_start_several() -> None:
    process = '<process id="{0}" isExecutable="true"><startEvent id="{0}s"><messageEventDefinition messageRef="{1}"/></startEvent></process>'
    roots = '<message id="m" name="paid"/><message id="n" name="paid"/>'

    def told(first: str, second: str) -> list[str]:
        body = roots + process.format("a", first) + process.format("b", second)
        return [
            problem.element_id for problem in problems_of(f"<definitions {NAMESPACES}>{body}</definitions>".encode())
        ]

    assert told("m", "m") == ["m"]
    assert not told("m", "n")
    assert refused(_start("s1", ON_MESSAGE) + _start("s2", '<messageEventDefinition messageRef="n"/>'), roots) == ["n"]
