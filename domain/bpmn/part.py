"""An element's own part of the XML, as the element reads it. Problems are collected, so that all are told at once."""

from typing import Protocol

from domain.feel import Expression
from domain.model import Value


class Tag(Protocol):
    """An XML element inside a part: a BPMN child or a `zeebe:` extension."""

    def get(self, attribute: str, default: str = "") -> str:
        """Return an attribute (local name), or the default if it is absent."""
        ...

    def has(self, attribute: str) -> bool:
        """Say whether the attribute is there at all."""
        ...

    def text(self) -> str:
        """Return the text inside, stripped."""
        ...

    def children(self, name: str) -> "list[Tag]":
        """Return the direct children with that local name (BPMN or zeebe namespace)."""
        ...


class Part(Protocol):
    """What `Element.read` gets."""

    @property
    def id(self) -> str: ...

    def get(self, attribute: str, default: str = "") -> str:
        """Return an attribute of the BPMN element itself."""
        ...

    def children(self, name: str) -> list[Tag]:
        """Return direct BPMN children with that local name."""
        ...

    def extension(self, name: str) -> Tag | None:
        """Return the only `zeebe:<name>` below `extensionElements`, or None."""
        ...

    def reference(self, element_id: str, name: str) -> "Tag | None":
        """Return the root element (`message`, `signal`, `error` …) that an id refers to, with its extensions as children."""
        ...

    def headers(self) -> dict[str, str]:
        """Return the task headers (`zeebe:taskHeaders`); reserved names are a problem."""
        ...

    def value(self, text: str, what: str) -> Value:
        """Compile text that may be static or an expression; `what` names the attribute in a problem."""
        ...

    def expression(self, text: str, what: str) -> Expression:
        """Compile text that has to be an expression (leading "="); otherwise a problem, and an expression that gives null."""
        ...

    def problem(self, reason: str) -> None:
        """Note why this model cannot run."""
        ...
