"""All that is deployed: the fold of the definitions stream, with models compiled once.

Every partition reads the same definitions. What a decision takes from them (a definition key, a version) goes into its
events, so that replay never asks again.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from domain.model import ProcessModel

if TYPE_CHECKING:
    from domain.decisions import DecisionVersion
    from domain.dmn import Decision


class Definitions(Protocol):
    """What deciding asks about deployed definitions."""

    def process(self, key: int) -> ProcessModel | None:
        """Return the compiled model of a definition key; deleted ones too, for the instances that still run."""

    def usable(self, key: int) -> bool:
        """Say whether new instances of a definition key may be created: it is there and not deleted."""
        ...

    def latest(self, process_id: str) -> ProcessModel | None:
        """Return the latest version of a process id that is not deleted."""

    def version(self, process_id: str, version: int) -> ProcessModel | None:
        """Return one version of a process id, if it is not deleted."""

    def tagged(self, process_id: str, version_tag: str) -> ProcessModel | None:
        """Return the latest version of a process id that carries the version tag."""

    def form(self, form_id: str, definition_key: int | None = None, version_tag: str | None = None) -> int | None:
        """Return the key of the latest version of a form (of those that carry the version tag) that is not deleted.

        With `definition_key`, the key of the version that was deployed together with that version of a process.
        """

    def message_starts(self, name: str) -> Iterator[tuple[ProcessModel, str]]:
        """Yield the latest models with a message start event of that name, and the element's id."""
        ...

    def signal_starts(self, name: str) -> Iterator[tuple[ProcessModel, str]]:
        """Yield the latest models with a signal start event of that name, and the element's id."""
        ...

    def decision(self, key: int) -> "DecisionVersion | None":
        """Return one version of a decision, if it is not deleted."""

    def latest_decision(self, decision_id: str, version_tag: str | None = None) -> "DecisionVersion | None":
        """Return the latest version of a decision (of those that carry the version tag) that is not deleted."""

    def bound_process(self, process_id: str, definition_key: int) -> ProcessModel | None:
        """Return the version of a process that was deployed together with a version of another one."""

    def bound_decision(self, decision_id: str, definition_key: int) -> "DecisionVersion | None":
        """Return the version of a decision that was deployed together with a version of a process."""

    def decision_in(self, requirements_key: int, decision_id: str) -> "DecisionVersion":
        """Return the version of a decision that is in a version of its requirements."""
        ...

    def logic(self, key: int) -> "Decision":
        """Return the compiled decision of a decision key."""
        ...
