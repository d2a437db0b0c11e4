"""From XML to the executable model."""

import pytest

from domain.bpmn.read import InvalidModel, load_process, outline, read_processes
from domain.feel import Expression
from domain.model import Flow
from domain.triggers import ErrorTrigger, MessageTrigger, SignalTrigger, TimerTrigger
from tests.bpmn.models import JOB, MESSAGE, NAMESPACES, START, condition, document, flow, read, reasons, refused, timer
from tests.support.bpmn import bpmn


def _expression(value: object) -> str:
    assert isinstance(value, Expression)
    return value.source


def test_nodes_and_flows_refer_to_each_other_in_document_order() -> None:
    model = read(
        START + '<exclusiveGateway id="x" default="other"/><task id="a" name="A"/><task id="b"/>'
        + flow("in", "start", "x") + flow("other", "x", "b") + flow("chosen", "x", "a", condition("= n &gt; 1"))
    )  # fmt: skip
    gateway = model.nodes["x"]

    assert [node.id for node in model.root.inner] == ["start", "x", "a", "b"]
    assert model.root.start is model.nodes["start"]
    assert [each.id for each in gateway.outgoing] == ["other", "chosen"]
    assert gateway.default is model.flows["other"]
    assert _expression(model.flows["chosen"].condition).strip() == "n > 1"
    assert isinstance(model.nodes["a"].incoming[0], Flow)
    assert model.nodes["a"].name == "A"


def test_scopes_know_their_start_and_their_event_sub_processes() -> None:
    model = read(
        START + '<subProcess id="u"><startEvent id="us"/></subProcess>'
        '<subProcess id="v" triggeredByEvent="true"><startEvent id="vs" isInterrupting="false">'
        '<messageEventDefinition messageRef="m"/></startEvent></subProcess>' + flow("f", "start", "u"),
        MESSAGE,
    )
    event_subprocess = model.nodes["v"]

    assert model.nodes["u"].start is model.nodes["us"]
    assert model.root.event_subprocesses == [event_subprocess]
    assert event_subprocess.start is model.nodes["vs"]
    assert event_subprocess.element.type == "EVENT_SUB_PROCESS"
    assert not model.nodes["vs"].interrupting


def test_triggers_say_what_an_event_waits_for() -> None:
    boundary = '<boundaryEvent id="{0}" attachedToRef="a"{2}>{1}</boundaryEvent>'
    model = read(
        f'{START}<serviceTask id="a">{JOB}</serviceTask>'
        + boundary.format("bm", '<messageEventDefinition messageRef="m"/>', "")
        + boundary.format("bs", '<signalEventDefinition signalRef="s"/>', "")
        + boundary.format("bt", timer("R3/PT10S", "timeCycle"), ' cancelActivity="false"')
        + boundary.format("be", '<errorEventDefinition errorRef="e"/>', "")
        + boundary.format("ball", "<errorEventDefinition/>", ""),
        MESSAGE + '<signal id="s" name="= name"/><error id="e" errorCode="E-1"/>',
    )
    triggers = [node.trigger for node in model.nodes["a"].boundaries]
    message, signal, cycle, error, catch_all = triggers

    assert isinstance(message, MessageTrigger)
    assert (message.name, _expression(message.correlation_key)) == ("paid", "key")
    assert isinstance(signal, SignalTrigger)
    assert _expression(signal.name).strip() == "name"
    assert cycle == TimerTrigger("cycle", "R3/PT10S")
    assert error == ErrorTrigger("E-1")
    assert catch_all == ErrorTrigger(None)
    assert [node.interrupting for node in model.nodes["a"].boundaries] == [True, True, False, True, True]


def test_a_message_start_event_needs_no_correlation_key_and_may_have_a_constant_name() -> None:
    start = '<startEvent id="s"><messageEventDefinition messageRef="n"/></startEvent>'

    assert read(start, '<message id="n" name="go"/>').root.start is None
    assert not refused(start, '<message id="n" name="= &quot;go&quot;"/>')
    assert refused(start, '<message id="n" name="= 1"/>') == ["s"]


def test_mappings_and_loops_are_read_for_every_activity() -> None:
    model = read(
        START + '<serviceTask id="a"><extensionElements><zeebe:taskDefinition type="t"/><zeebe:ioMapping>'
        '<zeebe:input source="= order.id" target="id"/><zeebe:input source="fixed" target="a.b"/>'
        '<zeebe:output source="= id" target="done.id"/></zeebe:ioMapping></extensionElements>'
        '<multiInstanceLoopCharacteristics isSequential="true"><extensionElements><zeebe:loopCharacteristics'
        ' inputCollection="= items" inputElement="item" outputCollection="out" outputElement="= item"/></extensionElements>'
        "<completionCondition>= numberOfCompletedInstances &gt; 2</completionCondition></multiInstanceLoopCharacteristics>"
        "</serviceTask>"
    )
    node = model.nodes["a"]
    assert node.loop is not None

    assert [mapping.target for mapping in node.inputs] == [("id",), ("a", "b")]
    assert node.inputs[1].source == "fixed"
    assert _expression(node.outputs[0].source).strip() == "id"
    assert node.loop.sequential
    assert (node.loop.input_element, node.loop.output_collection) == ("item", "out")
    assert node.loop.completion_condition is not None


def test_all_executable_processes_are_read_and_others_ignored() -> None:
    content = (
        f'<definitions {NAMESPACES} id="d"><process id="a" isExecutable="true"><extensionElements>'
        f'<zeebe:versionTag value="v1"/></extensionElements>{START}</process><process id="b"><task id="x"/></process>'
        '<process id="c" isExecutable="true"><startEvent id="cs"/></process></definitions>'
    ).encode()
    models = read_processes(content, "two.bpmn")

    assert [(model.process_id, model.version_tag) for model in models] == [("a", "v1"), ("c", None)]


def test_all_problems_are_told_at_once_with_element_and_line() -> None:
    with pytest.raises(InvalidModel) as refusal:
        read_processes(
            document(f'\n{START}\n<serviceTask id="a"/>\n<complexGateway id="x"/>\n' + flow("f", "start", "nowhere")),
            "p.bpmn",
        )

    lines = str(refusal.value).splitlines()
    assert lines[0].startswith("element 'a' (line 3): ")
    assert lines[1] == "element 'x' (line 4): complexGateway is not supported yet"
    assert (
        lines[2] == "element 'f' (line 5): expected targetRef to be a flow node of the process, but 'nowhere' is none"
    )


def test_what_the_register_does_not_know_is_not_supported_yet_and_hides_nothing_else() -> None:
    boundary = '<boundaryEvent id="b" attachedToRef="a"><compensateEventDefinition/></boundaryEvent>'
    told = reasons(f'{START}<serviceTask id="a">{JOB}</serviceTask>{boundary}<scriptTask id="c"/>')

    assert "element 'b' (line 1): compensateEventDefinition on boundaryEvent is not supported yet" in told
    assert "element 'c'" in told
    assert len(told.splitlines()) == 2


def test_elements_that_change_nothing_are_ignored_and_unknown_ones_refused() -> None:
    assert not refused(START + '<laneSet id="l"/><group id="g"/><association id="as" sourceRef="start" targetRef="g"/>')
    assert refused(START + '<servicetask id="typo"/>') == ["typo"]


def test_listeners_are_not_supported_yet() -> None:
    listener = (
        '<zeebe:executionListeners><zeebe:executionListener eventType="start" type="x"/></zeebe:executionListeners>'
    )

    assert refused(f'{START}<task id="a"><extensionElements>{listener}</extensionElements></task>') == ["a"]
    assert refused(f"<extensionElements>{listener}</extensionElements>{START}") == ["p"]


def test_a_wrong_expression_names_element_attribute_line_and_column() -> None:
    told = reasons(START + '<exclusiveGateway id="x"/><task id="a"/>' + flow("f", "x", "a", condition("= 1 +")))

    assert told.startswith("element 'f' (line 1): expected the condition to be a FEEL expression, but ' 1 +' is none: ")
    assert told.endswith(" of the expression)")
    assert "(line 1, column " in told


def test_the_outline_has_types_and_names_of_all_elements() -> None:
    content = document(
        START + '<subProcess id="v" triggeredByEvent="true"><startEvent id="vs"/></subProcess>'
        '<subProcess id="u" name="Inner"><callActivity id="c"/></subProcess><intermediateCatchEvent id="w"/>'
    )

    assert outline(content) == {
        "p": {
            "p": ("PROCESS", ""),
            "start": ("START_EVENT", ""),
            "v": ("EVENT_SUB_PROCESS", ""),
            "vs": ("START_EVENT", ""),
            "u": ("SUB_PROCESS", "Inner"),
            "c": ("CALL_ACTIVITY", ""),
            "w": ("INTERMEDIATE_CATCH_EVENT", ""),
        }
    }


def test_a_model_that_was_accepted_once_is_loaded_without_being_checked_again() -> None:
    refused_today = bpmn("o start -> x choice -> one -> O end; choice -> two -> end")
    with pytest.raises(InvalidModel):
        read_processes(refused_today, "p.bpmn")

    assert set(load_process(refused_today, "p").nodes) >= {"start", "choice", "one", "two", "end"}


def test_a_loop_over_links_that_never_waits_is_refused() -> None:
    with pytest.raises(InvalidModel, match="loop"):
        read_processes(bpmn("o start -> task a -> link> t again; >link c again -> a"), "p.bpmn")

    read_processes(bpmn("o start -> work -> link> t again; >link c again -> work"), "p.bpmn")
