"""Processes written as text, for tests: `given("o start -> pack -> O end")`.

Statements are separated by `;` or new lines; a statement is a chain of nodes joined by `->`. A node is declared where it
stands first, as `<kind> <id> <argument>`; later its id alone suffices. A bare id is a service task whose job type is the id.

    o start                none start event                O end         none end event
    O! stop                terminate end event             error e CODE  error end event
    + fork   x choice   i some   e first                   gateways: parallel, exclusive, inclusive, event-based
    user u   receive r name   task t   manual m            tasks
    script s result = 1 + 2                                script task
    link> a name   >link b name   throw-signal t name   escalate t CODE
    message m name   timer t PT1S   signal s name          intermediate catch events (messages correlate by `=key`)
    call c process                                         call activity
    at host timer t PT1S     at host error e CODE          boundary events; `at host ~ timer t PT1S` does not interrupt
    on timer s PT1H / on message s name / on signal s name start events of the process
    sub s { … }                                            embedded sub-process
    each items pack / after items pack                     multi-instance service task, parallel / sequential

A flow's condition stands after its arrow: `x choice ->[= a > 1] yes`; `->[else]` is the default flow.
"""

import re
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

NAMESPACES = (
    'xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="http://procession.test"'
)

_ARROW = re.compile(r"->(?:\[(.*?)\])?")
_BODY = re.compile(r"\{.*\}", re.DOTALL)
_EVENTS = {"message": "messageEventDefinition", "timer": "timerEventDefinition", "signal": "signalEventDefinition"}


@dataclass
class _Process:
    roots: dict[str, str] = field(default_factory=dict)
    scopes: list[list[str]] = field(default_factory=lambda: [[]])
    declared: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    flows: int = 0


def bpmn(text: str, process_id: str = "p", version_tag: str = "") -> bytes:
    """Return the BPMN XML of a process written as text."""
    process = _Process()
    _body(process, text)
    body = "".join(process.scopes[0])
    for node, flow in process.defaults.items():
        body = body.replace(f'id="{node}"', f'id="{node}" default="{flow}"', 1)
    tag = (
        f"<extensionElements><zeebe:versionTag value={quoteattr(version_tag)}/></extensionElements>"
        if version_tag
        else ""
    )
    return (
        f"<definitions {NAMESPACES}>{''.join(process.roots.values())}"
        f'<process id="{process_id}" isExecutable="true">{tag}{body}</process></definitions>'
    ).encode()


def _body(process: _Process, text: str) -> None:
    for statement in _statements(text):
        inside = _BODY.search(statement)
        parts = _ARROW.split(_BODY.sub("{}", statement))
        if inside is not None:
            parts = [part and part.replace("{}", inside.group()) for part in parts]
        before = _node(process, parts[0].strip())
        for condition, target in zip(parts[1::2], parts[2::2], strict=True):
            after = _node(process, target.strip())
            _flow(process, before, after, condition)
            before = after


def _statements(text: str) -> list[str]:
    """Split at `;` and line ends, but not inside of braces."""
    found: list[str] = []
    depth = 0
    current = ""
    for character in text:
        depth += (character == "{") - (character == "}")
        if character in ";\n" and depth == 0:
            found.append(current)
            current = ""
        else:
            current += character
    return [statement.strip() for statement in [*found, current] if statement.strip()]


def _flow(process: _Process, source: str, target: str, condition: str | None) -> None:
    process.flows += 1
    flow = f"{source}-{target}-{process.flows}"
    inside = ""
    if condition == "else":
        process.defaults[source] = flow
    elif condition:
        inside = f'<conditionExpression xsi:type="tFormalExpression">{escape(condition)}</conditionExpression>'
    process.scopes[-1].append(
        f'<sequenceFlow id="{flow}" sourceRef="{source}" targetRef="{target}">{inside}</sequenceFlow>'
    )


def _node(process: _Process, text: str) -> str:
    kind, _, rest = text.partition(" ")
    if not rest and kind in process.declared:
        return kind
    if not rest:
        return _declare(process, kind, "serviceTask", extensions=_job(kind))
    rest = rest.strip()
    if kind == "at":
        return _boundary(process, rest)
    if kind == "sub":
        return _sub(process, rest)
    if kind in ("each", "after"):
        items, name = rest.split()
        loop = _loop(items, sequential=kind == "after")
        return _declare(process, name, "serviceTask", extensions=_job(name), inside=loop)
    name, _, argument = rest.partition(" ")
    return _simple(process, kind, name, argument.strip())


def _simple(process: _Process, kind: str, name: str, argument: str) -> str:
    plain = {
        "o": "startEvent", "O": "endEvent", "+": "parallelGateway", "x": "exclusiveGateway", "i": "inclusiveGateway",
        "e": "eventBasedGateway", "task": "task", "manual": "manualTask", "throw": "intermediateThrowEvent",
    }  # fmt: skip
    match kind:
        case _ if kind in plain:
            return _declare(process, name, plain[kind])
        case "O!":
            return _declare(process, name, "endEvent", inside="<terminateEventDefinition/>")
        case "error":
            return _declare(process, name, "endEvent", inside=_definition(process, "error", argument))
        case "user":
            return _declare(process, name, "userTask", extensions="<zeebe:userTask/>")
        case "receive":
            return _declare(
                process, name, "receiveTask", attributes=f' messageRef="{_root(process, "message", argument)}"'
            )
        case "script":
            result, _, expression = argument.partition("=")
            script = f"<zeebe:script expression={quoteattr('=' + expression.strip())} resultVariable={quoteattr(result.strip())}/>"
            return _declare(process, name, "scriptTask", extensions=script)
        case "call":
            return _declare(
                process, name, "callActivity", extensions=f"<zeebe:calledElement processId={quoteattr(argument)}/>"
            )
        case "link>" | ">link":
            tag = "intermediateThrowEvent" if kind == "link>" else "intermediateCatchEvent"
            return _declare(process, name, tag, inside=f"<linkEventDefinition name={quoteattr(argument)}/>")
        case "escalate":
            return _declare(
                process, name, "intermediateThrowEvent", inside=_definition(process, "escalation", argument)
            )
        case "throw-signal":
            return _declare(process, name, "intermediateThrowEvent", inside=_definition(process, "signal", argument))
        case "on":
            trigger, start, what = (*f"{name} {argument}".split(" ", 2), "")[:3]
            return _declare(process, start, "startEvent", inside=_definition(process, trigger, what))
        case _ if kind in _EVENTS:
            return _declare(process, name, "intermediateCatchEvent", inside=_definition(process, kind, argument))
        case _:
            raise ValueError(f"expected a kind of node, but found '{kind}' in '{kind} {name} {argument}'")


def _boundary(process: _Process, text: str) -> str:
    host, *words = text.split()
    interrupting = words[0] != "~"
    kind, name, *argument = words if interrupting else words[1:]
    attributes = f' attachedToRef="{host}" cancelActivity="{str(interrupting).lower()}"'
    return _declare(
        process, name, "boundaryEvent", attributes=attributes, inside=_definition(process, kind, " ".join(argument))
    )


def _sub(process: _Process, text: str) -> str:
    name, _, body = text.partition("{")
    process.declared[name.strip()] = "subProcess"
    process.scopes.append([])
    _body(process, body.rpartition("}")[0])
    inside = "".join(process.scopes.pop())
    process.scopes[-1].append(f'<subProcess id="{name.strip()}">{inside}</subProcess>')
    return name.strip()


def _declare(
    process: _Process, name: str, tag: str, *, extensions: str = "", inside: str = "", attributes: str = ""
) -> str:
    process.declared[name] = tag
    wrapped = f"<extensionElements>{extensions}</extensionElements>" if extensions else ""
    process.scopes[-1].append(f'<{tag} id="{name}"{attributes}>{wrapped}{inside}</{tag}>')
    return name


def _job(job_type: str) -> str:
    return f"<zeebe:taskDefinition type={quoteattr(job_type)}/>"


def _loop(items: str, *, sequential: bool) -> str:
    return (
        f'<multiInstanceLoopCharacteristics isSequential="{str(sequential).lower()}"><extensionElements>'
        f'<zeebe:loopCharacteristics inputCollection="={items}" inputElement="item" outputCollection="results"'
        ' outputElement="=result"/></extensionElements></multiInstanceLoopCharacteristics>'
    )


def _definition(process: _Process, kind: str, argument: str) -> str:
    if kind == "timer":
        tag = "timeCycle" if argument.startswith("R") or " " in argument else "timeDuration"
        return f'<timerEventDefinition><{tag} xsi:type="tFormalExpression">{escape(argument)}</{tag}></timerEventDefinition>'
    if kind in ("error", "escalation") and not argument:
        return f"<{kind}EventDefinition/>"
    return f'<{kind}EventDefinition {kind}Ref="{_root(process, kind, argument)}"/>'


def _root(process: _Process, kind: str, name: str) -> str:
    root = f"{kind}-{re.sub(r'[^A-Za-z0-9]', '_', name)}"
    if kind == "message":
        inside = '<extensionElements><zeebe:subscription correlationKey="=key"/></extensionElements>'
        process.roots[root] = f'<message id="{root}" name={quoteattr(name)}>{inside}</message>'
    elif kind in ("error", "escalation"):
        process.roots[root] = f'<{kind} id="{root}" {kind}Code={quoteattr(name)}/>'
    else:
        process.roots[root] = f'<signal id="{root}" name={quoteattr(name)}/>'
    return root
