"""Start events: whatever started the scope has happened, so they pass at once."""

from typing import ClassVar

from domain.elements.element import Element


class StartEvent(Element):
    """Where a scope begins. Its trigger, if any, was armed by the definition or by the scope around it."""

    type: ClassVar[str] = "START_EVENT"
