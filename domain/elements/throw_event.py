"""Intermediate throw events: none passes at once, message is a worker's job."""

from typing import ClassVar

from domain.elements.element import Element
from domain.elements.job_task import JobTask


class IntermediateThrowEvent(Element):
    """A milestone."""

    type: ClassVar[str] = "INTERMEDIATE_THROW_EVENT"


class MessageThrowEvent(JobTask):
    """A worker sends the message."""

    type: ClassVar[str] = "INTERMEDIATE_THROW_EVENT"
