"""Types and names of a model's elements, for those who only show them. Tolerant: the model was accepted before."""

from typing import TypeAlias

from domain.bpmn.tags import is_true
from domain.bpmn.unsupported import element_type
from domain.bpmn.xml import BPMN, bpmn_children, parse

Outline: TypeAlias = dict[str, tuple[str, str]]
"""Element id -> (element type in Camunda's words, name)."""

_SCOPES = frozenset({"subProcess", "adHocSubProcess", "transaction"})
_NODES = ("Event", "Task", "Gateway", "Activity", "Process")


def outline(content: bytes) -> dict[str, Outline]:
    """Return each process of the resource with its elements, itself among them.

    A multi-instance activity appears with its own type; its body has the same id and is a MULTI_INSTANCE_BODY.
    Raise `InvalidModel` only if the content is no XML.
    """
    found: dict[str, Outline] = {}
    for process in parse(content).iterchildren(f"{BPMN}process"):
        process_id = process.get("id", "")
        elements: Outline = {process_id: ("PROCESS", process.get("name", ""))}
        todo = [process]
        while todo:
            for tag, xml in bpmn_children(todo.pop()):
                if tag != "task" and not tag.endswith(_NODES) and tag != "transaction":
                    continue
                by_event = is_true(xml.get("triggeredByEvent"), default=False)
                elements[xml.get("id", "")] = (element_type(tag, triggered_by_event=by_event), xml.get("name", ""))
                if tag in _SCOPES:
                    todo.append(xml)
        found[process_id] = elements
    return found
