"""The processes that are run while things die: everything that waits, in one instance, and a call across instances."""

from typing import Final

ROOT: Final = "chaos"
CHILD: Final = "chaos-child"
JOB_TYPES: Final = ("chaos-work", "chaos-ship")
MESSAGE: Final = "chaos-paid"
ORDER: Final = "order"
"""The variable that tells orders apart, and the correlation key of their message."""

_NAMESPACES: Final = (
    'xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
    'targetNamespace="http://procession.chaos"'
)


def _flow(source: str, target: str) -> str:
    return f'<sequenceFlow id="{source}-{target}" sourceRef="{source}" targetRef="{target}"/>'


def _timer(name: str, duration: str) -> str:
    return (
        f'<intermediateCatchEvent id="{name}"><timerEventDefinition><timeDuration>{duration}</timeDuration>'
        "</timerEventDefinition></intermediateCatchEvent>"
    )


def _service(name: str, job_type: str) -> str:
    return (
        f'<serviceTask id="{name}"><extensionElements><zeebe:taskDefinition type="{job_type}"/></extensionElements>'
        "</serviceTask>"
    )


_BRANCHES: Final = ("work", "approve", "paid", "pause", "check")

CHAOS: Final = "".join((
    f"<definitions {_NAMESPACES}>",
    f'<message id="paid-message" name="{MESSAGE}"><extensionElements><zeebe:subscription correlationKey="={ORDER}"/>',
    "</extensionElements></message>",
    f'<process id="{ROOT}" isExecutable="true">',
    '<startEvent id="start"/><parallelGateway id="fork"/><parallelGateway id="join"/><endEvent id="end"/>',
    _service("work", JOB_TYPES[0]),
    '<userTask id="approve"><extensionElements><zeebe:userTask/></extensionElements></userTask>',
    '<intermediateCatchEvent id="paid"><messageEventDefinition messageRef="paid-message"/></intermediateCatchEvent>',
    _timer("pause", "PT0.3S"),
    f'<callActivity id="check"><extensionElements><zeebe:calledElement processId="{CHILD}"/></extensionElements></callActivity>',
    _service("ship", JOB_TYPES[1]),
    _flow("start", "fork"),
    *(_flow("fork", branch) + _flow(branch, "join") for branch in _BRANCHES),
    _flow("join", "ship"),
    _flow("ship", "end"),
    "</process></definitions>",
)).encode()  # fmt: skip

CHAOS_CHILD: Final = "".join((
    f'<definitions {_NAMESPACES}><process id="{CHILD}" isExecutable="true">',
    '<startEvent id="start"/><endEvent id="end"/>',
    _timer("pause", "PT0.1S"),
    _flow("start", "pause"),
    _flow("pause", "end"),
    "</process></definitions>",
)).encode()  # fmt: skip
