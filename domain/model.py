"""The executable model: what a deployed process looks like to the engine. Compiled once, never changed, never stored.

Nodes refer to each other directly; nothing here walks, decides or knows an element by name.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from domain.feel import Expression

if TYPE_CHECKING:
    from domain.elements.element import Element
    from domain.triggers import Trigger

Value: TypeAlias = str | Expression
"""An attribute that may be static text or, with a leading "=", a FEEL expression."""


class VariableMapping(msgspec.Struct, frozen=True):
    """One `zeebe:input` or `zeebe:output`: the source's value goes to the path `target`."""

    source: Value
    target: tuple[str, ...]


class Loop(msgspec.Struct, frozen=True):
    """Multi-instance characteristics."""

    sequential: bool
    input_collection: Expression
    input_element: str | None = None
    output_collection: str | None = None
    output_element: Expression | None = None
    completion_condition: Expression | None = None


class Flow:
    """A sequence flow."""

    __slots__ = ("condition", "id", "source", "target")

    def __init__(self, flow_id: str, source: "Node", target: "Node", condition: Expression | None = None) -> None:
        self.id = flow_id
        self.source = source
        self.target = target
        self.condition = condition


class Node:
    """A flow node, or the process itself as the outermost scope (`scope` None)."""

    __slots__ = (
        "attached_to",
        "boundaries",
        "config",
        "default",
        "element",
        "event_subprocesses",
        "id",
        "incoming",
        "inner",
        "inputs",
        "interrupting",
        "line",
        "loop",
        "name",
        "outgoing",
        "outputs",
        "reach",
        "scope",
        "start",
        "trigger",
    )

    def __init__(
        self, node_id: str, element: "Element", scope: "Node | None", *, name: str = "", line: int = 0
    ) -> None:
        self.id = node_id
        self.element = element
        self.scope = scope
        self.name = name
        self.line = line
        self.config: Any = None
        """What the element read from its part of the XML; the element's own struct."""
        self.trigger: Trigger | None = None
        """For events that wait or catch: message, timer, signal or error."""
        self.interrupting = True
        """For boundary events and starts of event sub-processes."""
        self.attached_to: Node | None = None
        self.incoming: list[Flow] = []
        self.outgoing: list[Flow] = []
        """In document order."""
        self.default: Flow | None = None
        self.inputs: tuple[VariableMapping, ...] = ()
        self.outputs: tuple[VariableMapping, ...] = ()
        self.loop: Loop | None = None
        self.boundaries: list[Node] = []
        """Boundary events attached to this activity, in document order."""
        self.inner: list[Node] = []
        """For scopes: the nodes directly inside, in document order."""
        self.start: Node | None = None
        """For scopes: the none start event; for event sub-processes: their only start event."""
        self.event_subprocesses: list[Node] = []
        """For scopes: event sub-processes directly inside."""
        self.reach: frozenset[str] | None = None
        """For inclusive joins, once asked for: ids of nodes in the same scope from which this one can be reached."""

    def __repr__(self) -> str:
        return f"Node({self.element.type} {self.id!r})"


class ProcessModel:
    """One version of a process."""

    __slots__ = ("flows", "key", "name", "nodes", "process_id", "root", "version", "version_tag")

    def __init__(
        self, root: Node, nodes: Mapping[str, Node], flows: Mapping[str, Flow], version_tag: str | None
    ) -> None:
        self.root = root
        self.process_id = root.id
        self.name = root.name
        self.nodes = nodes
        """All flow nodes and the root, by element id."""
        self.flows = flows
        self.version_tag = version_tag
        self.key = 0
        """Definition key, once deployed."""
        self.version = 0
