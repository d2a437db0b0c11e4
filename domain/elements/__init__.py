"""The elements: one file each, and one line each in the register."""

from domain.elements.boundary_event import BoundaryEvent
from domain.elements.business_rule_task import BusinessRuleTask
from domain.elements.call_activity import CallActivity
from domain.elements.catch_event import IntermediateCatchEvent
from domain.elements.element import Element
from domain.elements.end_event import EndEvent, ErrorEndEvent, MessageEndEvent, TerminateEndEvent
from domain.elements.escalation_throw import EscalationEndEvent, EscalationThrowEvent
from domain.elements.gateways import EventBasedGateway, ExclusiveGateway, InclusiveGateway, ParallelGateway
from domain.elements.job_task import SendTask, ServiceTask
from domain.elements.link_event import LinkCatchEvent, LinkThrowEvent
from domain.elements.receive_task import ReceiveTask
from domain.elements.scopes import EventSubProcess, Process, SubProcess
from domain.elements.script_task import ScriptTask
from domain.elements.signal_throw import SignalEndEvent, SignalThrowEvent
from domain.elements.start_event import StartEvent
from domain.elements.tasks import ManualTask, UndefinedTask
from domain.elements.throw_event import IntermediateThrowEvent, MessageThrowEvent
from domain.elements.user_task import UserTask

PROCESS = Process()
EVENT_SUB_PROCESS = EventSubProcess()
"""A `subProcess` with `triggeredByEvent`."""

REGISTER: tuple[tuple[str, str, Element], ...] = (
    ("startEvent", "", StartEvent()),
    ("startEvent", "messageEventDefinition", StartEvent()),
    ("startEvent", "timerEventDefinition", StartEvent()),
    ("startEvent", "signalEventDefinition", StartEvent()),
    ("startEvent", "errorEventDefinition", StartEvent()),
    ("startEvent", "escalationEventDefinition", StartEvent()),
    ("endEvent", "", EndEvent()),
    ("endEvent", "terminateEventDefinition", TerminateEndEvent()),
    ("endEvent", "errorEventDefinition", ErrorEndEvent()),
    ("endEvent", "messageEventDefinition", MessageEndEvent()),
    ("endEvent", "escalationEventDefinition", EscalationEndEvent()),
    ("endEvent", "signalEventDefinition", SignalEndEvent()),
    ("intermediateCatchEvent", "messageEventDefinition", IntermediateCatchEvent()),
    ("intermediateCatchEvent", "timerEventDefinition", IntermediateCatchEvent()),
    ("intermediateCatchEvent", "signalEventDefinition", IntermediateCatchEvent()),
    ("intermediateCatchEvent", "linkEventDefinition", LinkCatchEvent()),
    ("intermediateThrowEvent", "", IntermediateThrowEvent()),
    ("intermediateThrowEvent", "messageEventDefinition", MessageThrowEvent()),
    ("intermediateThrowEvent", "signalEventDefinition", SignalThrowEvent()),
    ("intermediateThrowEvent", "escalationEventDefinition", EscalationThrowEvent()),
    ("intermediateThrowEvent", "linkEventDefinition", LinkThrowEvent()),
    ("boundaryEvent", "messageEventDefinition", BoundaryEvent()),
    ("boundaryEvent", "timerEventDefinition", BoundaryEvent()),
    ("boundaryEvent", "signalEventDefinition", BoundaryEvent()),
    ("boundaryEvent", "errorEventDefinition", BoundaryEvent()),
    ("boundaryEvent", "escalationEventDefinition", BoundaryEvent()),
    ("task", "", UndefinedTask()),
    ("manualTask", "", ManualTask()),
    ("serviceTask", "", ServiceTask()),
    ("sendTask", "", SendTask()),
    ("scriptTask", "", ScriptTask()),
    ("businessRuleTask", "", BusinessRuleTask()),
    ("userTask", "", UserTask()),
    ("receiveTask", "", ReceiveTask()),
    ("exclusiveGateway", "", ExclusiveGateway()),
    ("parallelGateway", "", ParallelGateway()),
    ("inclusiveGateway", "", InclusiveGateway()),
    ("eventBasedGateway", "", EventBasedGateway()),
    ("subProcess", "", SubProcess()),
    ("callActivity", "", CallActivity()),
)
"""(BPMN tag, tag of the event definition or "", element). What is not here is not supported yet."""

_BY_TAG = {(tag, definition): element for tag, definition, element in REGISTER}


def find(tag: str, definition: str) -> Element | None:
    """Return the element for a BPMN tag with an event definition (or ""), or None if it is not supported yet."""
    return _BY_TAG.get((tag, definition))
