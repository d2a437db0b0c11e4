"""The tree of an expression. Plain data with positions; it knows neither how it was written nor how it runs."""

from typing import Any

import msgspec


class Node(msgspec.Struct, frozen=True, gc=False):
    """Any part of an expression; `start` is the offset of its first character, for messages."""

    start: int


class Literal(Node, frozen=True, gc=False):
    value: Any


class Name(Node, frozen=True, gc=False):
    name: str


class Input(Node, frozen=True, gc=False):
    """The `?` of a unary test."""


class Negation(Node, frozen=True, gc=False):
    operand: Node


class Arithmetic(Node, frozen=True, gc=False):
    """A chain of one precedence, from the left: `first op operand op operand`."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


class Comparison(Node, frozen=True, gc=False):
    operator: str
    left: Node
    right: Node


class Between(Node, frozen=True, gc=False):
    value: Node
    low: Node
    high: Node


class Within(Node, frozen=True, gc=False):
    """`value in tests`."""

    value: Node
    tests: tuple[Node, ...]


class Junction(Node, frozen=True, gc=False):
    """`and` or `or` over two or more operands."""

    operator: str
    operands: tuple[Node, ...]


class InstanceOf(Node, frozen=True, gc=False):
    value: Node
    type: "TypeName"


class TypeName(Node, frozen=True, gc=False):
    """A type as written: `list<number>` has one argument, `context<a: string>` named ones, a function its result last."""

    name: str
    arguments: tuple["TypeName", ...] | None = None
    names: tuple[str, ...] = ()


class If(Node, frozen=True, gc=False):
    """`if … then … else if … then … else …` as one list of cases."""

    cases: tuple[tuple[Node, Node], ...]
    otherwise: Node


class Iterator(Node, frozen=True, gc=False):
    """One `name in source`; with `end`, the source is the range `source .. end`."""

    name: str
    source: Node
    end: Node | None


class For(Node, frozen=True, gc=False):
    iterators: tuple[Iterator, ...]
    body: Node


class Quantified(Node, frozen=True, gc=False):
    """`some` or `every`."""

    quantifier: str
    iterators: tuple[Iterator, ...]
    condition: Node


class FunctionDefinition(Node, frozen=True, gc=False):
    parameters: tuple[str, ...]
    types: tuple[TypeName | None, ...]
    body: Node | None  # none: an external function, which nothing here can call


class Call(Node, frozen=True, gc=False):
    """A call; `names` is empty for positional arguments."""

    function: Node
    arguments: tuple[Node, ...]
    names: tuple[str, ...]
    bound: bool  # the name belongs to a variable in sight, which goes before a built-in


class Path(Node, frozen=True, gc=False):
    value: Node
    name: str


class Filter(Node, frozen=True, gc=False):
    value: Node
    condition: Node


class ListLiteral(Node, frozen=True, gc=False):
    items: tuple[Node, ...]


class ContextLiteral(Node, frozen=True, gc=False):
    entries: tuple[tuple[str, Node], ...]


class RangeLiteral(Node, frozen=True, gc=False):
    low: Node
    high: Node
    low_included: bool
    high_included: bool
    unbounded: bool = False  # one end is null because there is none, as in `(< 10)`


class Test(Node, frozen=True, gc=False):
    """A unary test that begins with its operator: `< 5`."""

    operator: str
    operand: Node


class Tests(Node, frozen=True, gc=False):
    """A list of unary tests, perhaps negated. No tests at all is `-`, which matches everything."""

    tests: tuple[Node, ...]
    negated: bool
