"""A problem while an element begins or ends: it becomes an incident with one of Camunda's types."""


class Problem(Exception):  # noqa: N818 - it is a user's problem that becomes an incident, not an error of ours
    """Why an element instance cannot go on. Raised before the step's first fact."""

    def __init__(self, incident_type: str, message: str) -> None:
        super().__init__(message)
        self.incident_type = incident_type
        self.message = message
