"""What BPMN and Camunda know and this engine not yet: it keeps its place in the model, so that everything else is checked."""

import re

from domain.elements.element import Element


class Unsupported(Element):
    """Stands in for an element that the register does not know. Models with one are refused."""


def unsupported(tag: str) -> Unsupported:
    """Return a stand-in with the element type that Camunda has for the tag, of which nothing more is claimed."""
    kind: type[Unsupported] = type("Unsupported", (Unsupported,), {"type": element_type(tag), "waits": True})
    return kind()


def element_type(tag: str, *, triggered_by_event: bool = False) -> str:
    """Return the element type in Camunda's words: serviceTask is a SERVICE_TASK."""
    if triggered_by_event:
        return "EVENT_SUB_PROCESS"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", tag).upper()
