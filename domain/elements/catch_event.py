"""Intermediate catch event: waits for its message, timer or signal."""

from typing import ClassVar

from domain.elements.receive_task import WaitingElement


class IntermediateCatchEvent(WaitingElement):
    """Waits for what its trigger names."""

    type: ClassVar[str] = "INTERMEDIATE_CATCH_EVENT"
