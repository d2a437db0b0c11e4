"""All that is deployed: the fold of the definitions stream, with models compiled once.

Every partition reads the same definitions. What a decision takes from them (a definition key, a version) goes into its
events, so that replay never asks again.
"""

from collections.abc import Iterator
from typing import Protocol

from domain.model import ProcessModel


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

    def message_starts(self, name: str) -> Iterator[tuple[ProcessModel, str]]:
        """Yield the latest models with a message start event of that name, and the element's id."""
        ...

    def signal_starts(self, name: str) -> Iterator[tuple[ProcessModel, str]]:
        """Yield the latest models with a signal start event of that name, and the element's id."""
        ...
