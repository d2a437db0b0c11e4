"""Boundary event: armed by the activity it is attached to; once entered, it passes."""

from typing import ClassVar

from domain.elements.element import Element


class BoundaryEvent(Element):
    """Its trigger has come: it passes at once."""

    type: ClassVar[str] = "BOUNDARY_EVENT"
    waits: ClassVar[bool] = True
