"""Tasks that need no one: undefined and manual tasks pass at once."""

from typing import ClassVar

from domain.elements.element import Element


class UndefinedTask(Element):
    """A task of no kind."""

    type: ClassVar[str] = "TASK"


class ManualTask(Element):
    """Work that happens outside of any system."""

    type: ClassVar[str] = "MANUAL_TASK"
