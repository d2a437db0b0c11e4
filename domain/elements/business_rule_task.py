"""Business rule task done by a worker."""

from typing import ClassVar

from domain.elements.job_task import JobTask


class BusinessRuleTask(JobTask):
    """A decision that a worker takes."""

    type: ClassVar[str] = "BUSINESS_RULE_TASK"
