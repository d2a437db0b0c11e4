"""Small models as text, and what reading them gives."""

from domain.bpmn.problems import InvalidModel, Problem
from domain.bpmn.read import read_processes
from domain.model import ProcessModel

NAMESPACES = (
    'xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
JOB = '<extensionElements><zeebe:taskDefinition type="t"/></extensionElements>'
START = '<startEvent id="start"/>'
MESSAGE = '<message id="m" name="paid"><extensionElements><zeebe:subscription correlationKey="=key"/></extensionElements></message>'


def document(body: str, roots: str = "") -> bytes:
    """Return definitions with one executable process `p`."""
    return f'<definitions {NAMESPACES} id="d">{roots}<process id="p" isExecutable="true">{body}</process></definitions>'.encode()


def read(body: str, roots: str = "") -> ProcessModel:
    """Return the model of process `p`."""
    (model,) = read_processes(document(body, roots), "p.bpmn")
    return model


def problems_of(content: bytes) -> tuple[Problem, ...]:
    """Return why the content is refused; nothing if it is accepted."""
    try:
        read_processes(content, "p.bpmn")
    except InvalidModel as error:
        refusal = error
    else:
        return ()
    assert refusal.problems, "a refusal gives reasons"
    assert all(problem.reason in str(refusal) for problem in refusal.problems)
    return refusal.problems


def refused(body: str, roots: str = "") -> list[str]:
    """Return the ids of the elements for which process `p` is refused."""
    return [problem.element_id for problem in problems_of(document(body, roots))]


def reasons(body: str, roots: str = "") -> str:
    """Return all problems of process `p` as one text."""
    return "\n".join(str(problem) for problem in problems_of(document(body, roots)))


def flow(flow_id: str, source: str, target: str, inside: str = "") -> str:
    """Return a sequence flow."""
    return f'<sequenceFlow id="{flow_id}" sourceRef="{source}" targetRef="{target}">{inside}</sequenceFlow>'


def condition(text: str) -> str:
    """Return a condition."""
    return f'<conditionExpression xsi:type="tFormalExpression">{text}</conditionExpression>'


def timer(text: str, kind: str = "timeDuration") -> str:
    """Return a timer event definition."""
    return f"<timerEventDefinition><{kind}>{text}</{kind}></timerEventDefinition>"
