"""The compiled decision model: decisions and what they require. Compiled once, never changed, never stored."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from domain.dmn.sight import Logic, typed
from domain.dmn.table import DecisionTable, Matched
from domain.dmn.types import given
from domain.feel import FeelFunction, FeelType, Run, coerce
from domain.feel.scopes import Scope


class InputData:
    """Data that the caller gives."""

    __slots__ = ("id", "name", "type")

    def __init__(self, element_id: str, name: str, wanted: FeelType | None) -> None:
        self.id = element_id
        self.name = name
        self.type = wanted


class Decision:
    """A decision, or a decision service that is evaluated like one."""

    __slots__ = (
        "_order",
        "id",
        "knowledge",
        "logic",
        "model",
        "name",
        "names",
        "requires",
        "table",
        "type",
        "version_tag",
    )

    def __init__(self, model: "DecisionModel", element_id: str, name: str, names: tuple[str, ...]) -> None:
        self.model = model
        self.id = element_id
        self.name = name
        self.names = names
        """Under which others find the result: the name of its variable, and by Camunda's rule its id."""
        self.type = "UNKNOWN"
        """Camunda's word for the kind of its logic."""
        self.version_tag: str | None = None
        self.logic: Logic | None = None
        self.table: DecisionTable | None = None
        self.requires: list[tuple[str, InputData | Decision]] = []
        """What it takes data from, each with the name of the import that it comes by, or ""."""
        self.knowledge: dict[str, Any] = {}
        """Functions in sight: business knowledge, decision services, and imports as contexts of them."""
        self._order: list[Decision] | None = None

    def required(self) -> Iterator["Decision"]:
        """Yield the decisions that it requires."""
        for _, node in self.requires:
            if isinstance(node, Decision):
                yield node

    def order(self) -> list["Decision"]:
        """Return all decisions that take part in its evaluation, each after those that it requires; it is the last."""
        if self._order is None:
            self._order = order_of([self], frozenset())
        return self._order

    def __repr__(self) -> str:
        return f"Decision({self.id!r})"


def order_of(roots: list[Decision], without: frozenset[Decision]) -> list[Decision]:
    """Return the decisions that the roots need, each after its own requirements; those `without` are not gone into."""
    done: dict[Decision, None] = {}
    for root in roots:
        path: list[tuple[Decision, Iterator[Decision]]] = [(root, root.required())]
        while path:
            decision, rest = path[-1]
            following = next((each for each in rest if each not in done and each not in without), None)
            if following is not None:
                path.append((following, following.required()))
            else:
                done[decision] = None
                path.pop()
    return list(done)


class DecisionService:
    """Some decisions behind an interface: input data and decisions are given, output decisions answer."""

    __slots__ = ("decision", "inputs", "outputs", "type")

    def __init__(self, decision: Decision, wanted: FeelType | None) -> None:
        self.decision = decision
        self.type = wanted
        self.inputs: list[tuple[str, InputData | Decision, FeelType | None]] = []
        """In the order of the parameters: input data, then input decisions."""
        self.outputs: list[Decision] = []

    def answer(self, values: dict["InputData | Decision", Any], run: Run, trace: "list[Decided] | None" = None) -> Any:
        """Evaluate the output decisions with the given values."""
        without = frozenset(node for _, node, _ in self.inputs if isinstance(node, Decision))
        session = Session({}, run, values)
        for decision in order_of(self.outputs, without):
            decided = session.decide(decision)
            if trace is not None:
                trace.append(decided)
        if len(self.outputs) == 1:
            found = session.values[self.outputs[0]]
        else:
            found = {decision.names[0]: session.values[decision] for decision in self.outputs}
        return found if self.type is None else coerce(found, self.type)

    def function(self) -> FeelFunction:
        """Return the service as a function for other logic."""

        def call(run: Run, arguments: list[Any]) -> Any:
            run.charge(8)
            values: dict[InputData | Decision, Any] = {}
            for (name, node, wanted), argument in zip(self.inputs, arguments, strict=True):
                values[node] = argument if wanted is None else coerce(argument, wanted)
                if values[node] is None and argument is not None:
                    run.warn("FUNCTION_INVOCATION_FAILURE", lambda: f"Illegal argument for '{name}'")  # noqa: B023 - made at once
                    return None
            return self.answer(values, run)

        return FeelFunction([name for name, _, _ in self.inputs], call, name=self.decision.name, result_type=self.type)


class Decided(msgspec.Struct, frozen=True):
    """One decision of an evaluation: what went in, which rules were met, what came out."""

    decision: Decision
    output: Any
    inputs: tuple[tuple[str, str, Any], ...] = ()
    """Id, name and value of each input of the table."""
    matched: tuple[Matched, ...] = ()


class Session:
    """One evaluation: what is known so far."""

    __slots__ = ("run", "values", "variables")

    def __init__(self, variables: Mapping[str, Any], run: Run, values: dict[InputData | Decision, Any]) -> None:
        self.variables = variables
        self.run = run
        self.values = values

    def decide(self, decision: Decision) -> Decided:
        """Evaluate one decision whose requirements are decided. Raises DecisionFailure and FeelEvaluationError."""
        scope = Scope(self.variables)
        scope.update(decision.knowledge)
        for imported, node in decision.requires:
            if isinstance(node, InputData):
                bound = {node.name: self._data(imported, node)}
            else:
                bound = dict.fromkeys(node.names, self.values[node])
            scope.update({imported: {**scope.get(imported, {}), **bound}} if imported else bound)
        if decision.table is None:
            decided = Decided(decision, None if decision.logic is None else decision.logic(scope, self.run))
        else:
            decided = self._table(decision, decision.table, scope)
        self.values[decision] = decided.output
        return decided

    def _table(self, decision: Decision, table: DecisionTable, scope: Scope) -> Decided:
        found = table.decide(scope, self.run)
        inputs = tuple((each.id, each.name, value) for each, value in zip(table.inputs, found.inputs, strict=True))
        value = found.value if decision.logic is None else decision.logic(found.value, self.run)
        return Decided(decision, value, inputs, tuple(found.matched))

    def _data(self, imported: str, node: InputData) -> Any:
        if node not in self.values:
            source: Any = self.variables
            if imported and isinstance(found := self._variable(source, imported), dict) and node.name in found:
                source = found
            self.values[node] = given(self._variable(source, node.name), node.type)
        return self.values[node]

    def _variable(self, source: Mapping[str, Any], name: str) -> Any:
        try:
            return source[name]
        except KeyError:
            self.run.warn("NO_VARIABLE_FOUND", lambda: f"No variable found with name '{name}'")
            return None


class DecisionModel:
    """One resource: decisions, services, and what models that import it may use."""

    __slots__ = ("decisions", "id", "imports", "key", "knowledge", "name", "namespace", "nodes", "services", "types")

    def __init__(self, model_id: str, name: str, namespace: str) -> None:
        self.id = model_id
        self.name = name
        self.namespace = namespace
        self.imports: dict[str, DecisionModel] = {}
        """By namespace."""
        self.decisions: dict[str, Decision] = {}
        """By id, in document order, decision services among them."""
        self.services: dict[str, DecisionService] = {}
        self.nodes: dict[str, InputData | Decision] = {}
        self.knowledge: dict[str, tuple[str, FeelFunction]] = {}
        """Id -> name and function of business knowledge models and decision services."""
        self.types: dict[str, FeelType] = {}
        self.key = 0
        """Key of the decision requirements, once deployed."""


def as_result(wanted: FeelType | None) -> Logic | None:
    """Return what makes the result of a table fit the type of its decision."""
    return None if wanted is None or wanted.name == "Any" else typed(lambda value, _run: value, wanted)
