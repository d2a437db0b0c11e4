"""BPMN XML into executable models: all executable processes of a resource, or all its problems at once.

Knows the structure of BPMN (scopes, flows, events, boundaries) and no element kind: an element reads its own part.
There is no recursion over the model, and every step is linear in its size.
"""

from functools import partial

from domain.bpmn.activities import read_loop, read_mappings
from domain.bpmn.checks import CHOOSING, check
from domain.bpmn.events import DEFINITIONS, read_trigger
from domain.bpmn.outline import outline
from domain.bpmn.problems import InvalidModel, Problem, shorten
from domain.bpmn.tags import Document, XmlPart, is_true, text_of
from domain.bpmn.unsupported import Unsupported, unsupported
from domain.bpmn.xml import BPMN, Xml, bpmn_children, line_of, parse
from domain.elements import EVENT_SUB_PROCESS, PROCESS, find
from domain.elements.element import Element
from domain.model import Flow, Node, ProcessModel

__all__ = ["InvalidModel", "Problem", "outline", "read_processes"]

MODEL_ELEMENTS_MAX = 20_000
"""Flow nodes and sequence flows of one resource."""

SCOPE_DEPTH_MAX = 50
"""Sub-processes inside of each other."""

ACTIVITIES = frozenset(
    {
        "task", "serviceTask", "sendTask", "receiveTask", "userTask", "manualTask", "scriptTask", "businessRuleTask",
        "callActivity", "subProcess", "transaction", "adHocSubProcess",
    }
)  # fmt: skip
"""What boundary events can be attached to, and what can be repeated."""

FLOW_NODES = ACTIVITIES | {
    "startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent", "implicitThrowEvent",
    "exclusiveGateway", "inclusiveGateway", "parallelGateway", "eventBasedGateway", "complexGateway",
    "callChoreography", "choreographyTask", "subChoreography",
}  # fmt: skip

IGNORED = frozenset(
    {
        "documentation", "extensionElements", "auditing", "monitoring", "category", "property", "ioSpecification",
        "dataInputAssociation", "dataOutputAssociation", "laneSet", "dataObject", "dataObjectReference", "dataStoreReference",
        "textAnnotation", "group", "association", "artifact", "correlationSubscription", "supports", "supportedInterfaceRef",
        "ioBinding", "resourceRole", "performer", "humanPerformer", "potentialOwner", "incoming", "outgoing",
        "multiInstanceLoopCharacteristics",
    }
)  # fmt: skip
"""What may stand in a scope and changes nothing of what the engine does."""

NOT_YET_EXTENSIONS = ("executionListeners", "taskListeners", "linkedResources")
"""`zeebe:` extensions that would change what an element does."""


class _Process:
    """A process while it is read."""

    def __init__(self, document: Document, root: Node) -> None:
        self.document = document
        self.root = root
        self.nodes: dict[str, Node] = {root.id: root}
        self.tags: dict[str, tuple[str, Xml]] = {}
        """Tag and XML of each node but the root, by id."""
        self.flows: list[tuple[Xml, Node]] = []
        """Sequence flows, each with the scope in which it stands."""
        self.flow_lines: dict[str, int] = {}

    def problem(self, place: Node | Flow, reason: str) -> None:
        line = place.line if isinstance(place, Node) else self.flow_lines[place.id]
        self.document.problems.add(place.id, line, reason)


def read_processes(content: bytes, name: str) -> list[ProcessModel]:
    """Return all executable processes of the resource `name`, in document order.

    Raise `InvalidModel`, with all problems, if it is no BPMN, has no executable process, or one of them cannot run.
    """
    root = parse(content)
    if root.tag != f"{BPMN}definitions":
        raise InvalidModel.of(
            f"expected '{shorten(name)}' to be BPMN 2.0 definitions, but found {shorten(root.tag)}", line_of(root)
        )
    processes = _executable(root)
    _refuse_excess(processes)
    document = Document(root)
    found = [_read_process(document, xml) for xml in processes if document.claim(xml.get("id", ""), xml)]
    for model, process in found:
        _check(model, process)
    document.problems.refuse()
    return [model for model, _ in found]


def load_process(content: bytes, process_id: str) -> ProcessModel:
    """Return a process of a resource that was accepted once. It is not checked again: a rule that came later must not stop
    the instances that run in it.
    """
    root = parse(content)
    document = Document(root)
    for xml in _executable(root):
        if xml.get("id", "") == process_id:
            return _read_process(document, xml)[0]
    raise AssertionError(f"process '{process_id}' was deployed with this resource, but is not in it")


def _executable(root: Xml) -> list[Xml]:
    processes = root.findall(f"{BPMN}process")
    executable = [xml for xml in processes if is_true(xml.get("isExecutable"), default=False)]
    if executable:
        return executable
    if not processes:
        raise InvalidModel(
            (
                Problem(
                    root.get("id", ""), line_of(root), "expected at least one executable process, but found no process"
                ),
            )
        )
    reason = "expected the process to be executable (isExecutable), but neither it nor another one is"
    raise InvalidModel(tuple(Problem(xml.get("id", ""), line_of(xml), reason) for xml in processes[:1]))


def _refuse_excess(processes: list[Xml]) -> None:
    wanted = tuple(f"{BPMN}{name}" for name in (*FLOW_NODES, "sequenceFlow"))
    count = sum(1 for xml in processes for _ in xml.iter(*wanted))
    if count > MODEL_ELEMENTS_MAX:
        raise InvalidModel.of(
            f"expected at most {MODEL_ELEMENTS_MAX} flow nodes and sequence flows, but found {count};"
            " split the model with call activities"
        )


def _read_process(document: Document, xml: Xml) -> "tuple[ProcessModel, _Process]":
    process_id = xml.get("id", "")
    root = Node(process_id, PROCESS, None, name=xml.get("name", ""), line=line_of(xml))
    process = _Process(document, root)
    part = XmlPart(document, xml, process_id)
    _refuse_extensions(part)
    _read_scopes(process, xml)
    flows = _read_flows(process)
    for node in process.nodes.values():
        _link(process, node)
    version_tag = part.extension("versionTag")
    model = ProcessModel(
        root, process.nodes, flows, version_tag.get("value") or None if version_tag is not None else None
    )
    return model, process


def _check(model: ProcessModel, process: "_Process") -> None:
    for node in process.nodes.values():
        # Once all are linked: an element may look at its neighbours.
        node.element.check(node, partial(process.problem, node))
    check(model, process.problem)


# --- nodes ---------------------------------------------------------------------------------------------------------------


def _read_scopes(process: _Process, xml: Xml) -> None:
    """Read all nodes, scope by scope; flows are only gathered."""
    todo: list[tuple[Xml, Node, int]] = [(xml, process.root, 0)]
    while todo:
        scope_xml, scope, depth = todo.pop()
        if depth > SCOPE_DEPTH_MAX:
            reason = f"expected at most {SCOPE_DEPTH_MAX} sub-processes inside of each other, but found more"
            raise InvalidModel((Problem(scope.id, scope.line, reason),))
        for tag, child in bpmn_children(scope_xml):
            if tag == "sequenceFlow":
                process.flows.append((child, scope))
            elif tag in FLOW_NODES:
                node = _read_node(process, tag, child, scope)
                if node is not None and node.element.is_scope:
                    todo.append((child, node, depth + 1))
            elif tag not in IGNORED:
                process.document.problems.add(
                    child.get("id", ""), line_of(child), f"{shorten(tag)} is not supported yet"
                )


def _read_node(process: _Process, tag: str, xml: Xml, scope: Node) -> Node | None:
    node_id = xml.get("id", "")
    if not process.document.claim(node_id, xml):
        return None
    part = XmlPart(process.document, xml, node_id)
    definition = _event_definition(part, tag, xml)
    element = _element(part, tag, definition)
    node = Node(node_id, element, scope, name=xml.get("name", ""), line=line_of(xml))
    process.nodes[node_id] = node
    process.tags[node_id] = (tag, xml)
    scope.inner.append(node)
    if element is EVENT_SUB_PROCESS:
        scope.event_subprocesses.append(node)
    _refuse_extensions(part)
    if isinstance(element, Unsupported):
        return node
    starts = scope.id if tag == "startEvent" and scope is process.root else ""
    node.trigger = read_trigger(part, tag, definition, starts=starts)
    node.interrupting = is_true(
        part.get("cancelActivity" if tag == "boundaryEvent" else "isInterrupting"), default=True
    )
    node.inputs, node.outputs = read_mappings(part)
    if tag in ACTIVITIES:
        node.loop = read_loop(part)
    node.config = element.read(part, node)
    return node


def _event_definition(part: XmlPart, tag: str, xml: Xml) -> str:
    """Return the tag of the event definition, or "" if there is none or the element is no event."""
    if tag not in DEFINITIONS:
        return ""
    found = [name for name, _ in bpmn_children(xml) if name.endswith("EventDefinition") or name == "eventDefinitionRef"]
    if len(found) > 1:
        part.problem(f"expected one event definition, but found {len(found)}: {', '.join(found)}")
    return found[0] if found else ""


def _element(part: XmlPart, tag: str, definition: str) -> Element:
    if tag == "subProcess" and is_true(part.get("triggeredByEvent"), default=False):
        return EVENT_SUB_PROCESS
    if is_true(part.get("isForCompensation"), default=False):
        part.problem(f"{tag} with isForCompensation is not supported yet")
    if part.children("standardLoopCharacteristics"):
        part.problem(f"standardLoopCharacteristics on {tag} is not supported yet; expected multi-instance")
    element = find(tag, definition)
    if element is not None:
        return element
    allowed = DEFINITIONS.get(tag)
    if allowed is None:
        part.problem(f"{tag} is not supported yet")
    elif definition not in allowed:
        expected = ", ".join(name.removesuffix("EventDefinition") or "none" for name in allowed)
        found = definition.removesuffix("EventDefinition") or "none"
        part.problem(f"expected the event definition of this {tag} to be one of {expected}, but found {found}")
    else:
        part.problem(f"{f'{definition} on ' if definition else ''}{tag} is not supported yet")
    return unsupported(tag)


def _refuse_extensions(part: XmlPart) -> None:
    for name in NOT_YET_EXTENSIONS:
        extension = part.extension(name)
        if extension is not None and any(True for _ in extension.children(name[:-1])):
            part.problem(f"zeebe:{name} is not supported yet")


# --- flows and attachment ------------------------------------------------------------------------------------------------


def _read_flows(process: _Process) -> dict[str, Flow]:
    flows: dict[str, Flow] = {}
    for xml, scope in process.flows:
        flow_id = xml.get("id", "")
        if not process.document.claim(flow_id, xml):
            continue
        process.flow_lines[flow_id] = line_of(xml)
        part = XmlPart(process.document, xml, flow_id)
        source = _end(process, part, "sourceRef", scope)
        target = _end(process, part, "targetRef", scope)
        conditions = xml.findall(f"{BPMN}conditionExpression")
        condition = text_of(conditions[0]) if conditions else ""
        compiled = part.expression(condition, "the condition") if condition else None
        if source is None or target is None:
            continue
        if compiled is not None and not (source.element.type in CHOOSING or isinstance(source.element, Unsupported)):
            part.problem(
                "expected conditions only on flows out of exclusive and inclusive gateways,"
                f" but this one comes out of '{shorten(source.id)}'"
            )
        flow = flows[flow_id] = Flow(flow_id, source, target, compiled)
        source.outgoing.append(flow)
        target.incoming.append(flow)
    return flows


def _end(process: _Process, part: XmlPart, attribute: str, scope: Node) -> Node | None:
    reference = part.get(attribute)
    node = process.nodes.get(reference)
    if node is None:
        found = f"'{shorten(reference)}' is none" if reference else "it is missing"
        part.problem(f"expected {attribute} to be a flow node of the process, but {found}")
        return None
    if node.scope is not scope:
        part.problem(
            f"expected {attribute} to be a flow node of the same scope '{shorten(scope.id)}', but '{shorten(reference)}' is not"
        )
        return None
    return node


def _link(process: _Process, node: Node) -> None:
    """Find the default flow, the activity of a boundary event, and the start of a scope."""
    if node.element.is_scope:
        _find_start(node)
    if node is process.root:
        return
    tag, xml = process.tags[node.id]
    default = xml.get("default")
    if default:
        node.default = next((flow for flow in node.outgoing if flow.id == default), None)
        if node.default is None:
            process.problem(node, f"expected the default flow to start here, but '{shorten(default)}' does not")
    if tag == "boundaryEvent":
        _attach(process, node, xml.get("attachedToRef", ""))


def _find_start(scope: Node) -> None:
    starts = [
        node for node in scope.inner if node.element.type == "START_EVENT" and not isinstance(node.element, Unsupported)
    ]
    event_subprocess = scope.element is EVENT_SUB_PROCESS
    scope.start = next((node for node in starts if event_subprocess or node.trigger is None), None)


def _attach(process: _Process, node: Node, reference: str) -> None:
    activity = process.nodes.get(reference)
    if activity is None or activity.scope is not node.scope:
        found = f"'{shorten(reference)}' is none" if reference else "attachedToRef is missing"
        process.problem(node, f"expected the boundary event to be attached to an activity of its scope, but {found}")
        return
    if process.tags[reference][0] not in ACTIVITIES or activity.element is EVENT_SUB_PROCESS:
        process.problem(
            node, f"expected the boundary event to be attached to an activity, but '{shorten(reference)}' is none"
        )
        return
    node.attached_to = activity
    activity.boundaries.append(node)
