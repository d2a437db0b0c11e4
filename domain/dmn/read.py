"""Reads DMN XML into a compiled decision model. What is wrong is told all at once, with element and line."""

from collections.abc import Callable, Iterator
from typing import Any

from domain.bpmn.problems import InvalidModel
from domain.bpmn.xml import Xml
from domain.dmn.boxed import expression_of, function_of, inner, nothing, parameters_of, read_logic, written_type
from domain.dmn.model import Decision, DecisionModel, DecisionService, InputData, as_result
from domain.dmn.sight import Book, DecisionFailure, Logic, Sight, typed
from domain.dmn.table import read_table
from domain.dmn.types import BUILT_IN, read_types, unconstrained
from domain.dmn.xml import child, children, definitions, local, version_tag
from domain.feel import FeelFunction, FeelType, Run

Importing = Callable[[str], DecisionModel | None]
"""Finds the model of a namespace that a model imports, or None."""

ID_CHARACTERS_MAX = 255
"""Ids are keys in tables and topics."""

_TYPES = {"decisionTable": "DECISION_TABLE", "literalExpression": "LITERAL_EXPRESSION"}


def read_model(
    content: bytes, importing: Importing = lambda _namespace: None, *, checked: bool = True
) -> DecisionModel:
    """Compile a decision model. Raises `InvalidModel`. One that was accepted once is read without being checked again: a
    rule that came later must not stop who uses it; an expression that cannot be read any more is null.
    """
    root = definitions(content)
    try:
        return _Reading(root, importing, checked=checked).model
    except RecursionError:
        raise InvalidModel.of("expected fewer types or expressions inside of each other") from None


def namespaces(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the namespace of a model, and those that it imports. Raises `InvalidModel`."""
    root = definitions(content)
    return root.get("namespace", ""), tuple(each.get("namespace", "") for each in children(root, "import"))


class _Reading:
    """One model while it is read: first all that others may refer to, then the logic."""

    def __init__(self, root: Xml, importing: Importing, *, checked: bool) -> None:
        self.root = root
        self.model = DecisionModel(_id_of(root), root.get("name", ""), root.get("namespace", ""))
        self.types: dict[str, FeelType] = dict(BUILT_IN)
        self.book = Book(self.types, checked=checked)
        self.prefixes: dict[str, str] = {}
        self.elements: dict[str, Xml] = {}
        self.scopes: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, Logic] = {}
        self._check_head()
        self._import(importing)
        read_types(self.book, root, self.types)
        self.model.types = {name: kind for name, kind in self.types.items() if name not in BUILT_IN}
        self.book.declared.update(unconstrained(self.model.types))
        self._note_entries()
        self._name_all()
        for element_id, xml in self.elements.items():
            self.book.element_id = element_id
            self._read(element_id, xml)
        self._refuse_cycles()
        if not (self.elements or self.model.types):
            self.book.element_id = ""
            self.book.problem(root, "expected at least one decision, but found none")
        if checked:
            self.book.problems.refuse()

    def _check_head(self) -> None:
        if not 0 < len(self.model.id) <= ID_CHARACTERS_MAX:
            self.book.problem(
                self.root, f"expected the definitions to have an id of 1 to {ID_CHARACTERS_MAX} characters"
            )
        language = self.root.get("expressionLanguage", "")
        if language and "feel" not in language.lower():
            self.book.problem(self.root, f"expected the expression language FEEL, but found '{language[:100]}'")

    def _import(self, importing: Importing) -> None:
        for each in children(self.root, "import"):
            namespace = each.get("namespace", "")
            if "DMN" not in each.get("importType", ""):
                continue  # types of XML schemas and the like add nothing that logic could use
            found = importing(namespace)
            if found is None:
                self.book.problem(
                    each, f"expected the imported model '{namespace[:200]}' to be deployed, but it is not"
                )
                continue
            prefix = each.get("name", "")
            self.prefixes[namespace] = prefix
            self.model.imports[namespace] = found
            for name, kind in found.types.items():
                self.types[f"{prefix}.{name}" if prefix else name] = kind

    def _note_entries(self) -> None:
        """Names of entries may stand behind a dot, wherever their context goes."""
        space = self.root.tag[: self.root.tag.rfind("}") + 1]
        for tag in ("variable", "column", "output", "decision", "parameter"):
            for xml in self.root.iter(f"{space}{tag}"):
                self.book.note_path(xml.get("name", ""))
        for imported in self.model.imports.values():
            for name, _ in imported.knowledge.values():
                self.book.note_path(name)
            for node in imported.nodes.values():
                self.book.note_path(node.name)
            for name, kind in imported.types.items():
                for entry, _ in kind.entries or ():
                    self.book.note_path(entry)
                self.book.note_path(name)

    # -- what others may refer to -----------------------------------------------------------------------------------------

    def _name_all(self) -> None:
        """Give every element its place. Functions come last: they need what they take."""
        for tags in (("inputData", "decision"), ("businessKnowledgeModel", "decisionService")):
            for xml in children(self.root, *tags):
                element_id = self.book.element_id = _id_of(xml)
                if not 0 < len(element_id) <= ID_CHARACTERS_MAX:
                    self.book.problem(xml, f"expected an id of 1 to {ID_CHARACTERS_MAX} characters for a {local(xml)}")
                elif element_id in self.elements:
                    self.book.problem(xml, "expected ids to be unique, but this one is used before")
                else:
                    self.elements[element_id] = xml
                    self._name(xml, element_id, xml.get("name", ""))

    def _name(self, xml: Xml, element_id: str, name: str) -> None:
        variable = child(xml, "variable")
        called = (variable.get("name") if variable is not None else None) or name
        wanted = self._variable_type(xml)
        match local(xml):
            case "inputData":
                self.model.nodes[element_id] = InputData(element_id, called, wanted)
            case "decision":
                if not name:
                    self.book.problem(xml, "expected the decision to have a name, but it has none")
                decision = Decision(self.model, element_id, name, tuple(dict.fromkeys((called, name, element_id))))
                decision.version_tag = version_tag(xml)
                self.model.nodes[element_id] = self.model.decisions[element_id] = decision
            case "decisionService":
                self.model.decisions[element_id] = decision = Decision(self.model, element_id, name, (called,))
                service = self.model.services[element_id] = DecisionService(decision, _result(wanted))
                self._interface(service, xml)
                self.model.knowledge[element_id] = (called, service.function())
            case _:
                self.model.knowledge[element_id] = (called, self._function(xml, element_id, called))

    def _interface(self, service: DecisionService, xml: Xml) -> None:
        for reference in children(xml, "outputDecision"):
            found = self._referred(reference)
            if found is not None and isinstance(found[1], Decision):
                service.outputs.append(found[1])
        for tag in ("inputData", "inputDecision"):
            for reference in children(xml, tag):
                found = self._referred(reference)
                if found is not None and isinstance(found[1], InputData):
                    service.inputs.append((found[1].name, found[1], found[1].type))
                elif found is not None and isinstance(found[1], Decision):
                    wanted = self._variable_type(self.elements[found[1].id]) if found[1].id in self.elements else None
                    service.inputs.append((found[1].names[0], found[1], wanted))
        if not service.outputs:
            self.book.problem(xml, "expected a decision service to have an output decision, but found none")

    def _function(self, xml: Xml, element_id: str, name: str) -> FeelFunction:
        """Business knowledge as a function. Its body is read later, since it may call any other, and itself."""
        bodies = self.bodies
        scope = self.scopes[element_id] = {}
        logic = child(xml, "encapsulatedLogic")
        if logic is None:
            return function_of(name, (), nothing, scope)
        result = self.book.type_of(written_type(logic)) or _result(self._variable_type(xml))

        def body(inside: Any, run: Run) -> Any:
            return bodies[element_id](inside, run)

        return function_of(name, parameters_of(self.book, logic), body, scope, result)

    def _variable_type(self, xml: Xml) -> FeelType | None:
        variable = child(xml, "variable")
        return None if variable is None else self.book.type_of(written_type(variable))

    def _reference(self, reference: Xml) -> tuple[DecisionModel, str, str]:
        """The model that a reference leads into, the name of its import, and the id there."""
        href = reference.get("href", "")
        namespace, _, element_id = href.rpartition("#")
        imported = self.model.imports.get(namespace)
        if imported is None:
            return self.model, "", element_id
        return imported, self.prefixes[namespace], element_id

    def _referred(self, reference: Xml) -> tuple[str, InputData | Decision] | None:
        model, prefix, element_id = self._reference(reference)
        node = model.nodes.get(element_id)
        if node is None:
            self.book.problem(
                reference, f"expected '{reference.get('href', '')[:200]}' to be a decision or input data, but it is not"
            )
            return None
        return prefix, node

    # -- logic ------------------------------------------------------------------------------------------------------------

    def _read(self, element_id: str, xml: Xml) -> None:
        match local(xml):
            case "decision":
                self._decision(self.model.decisions[element_id], xml)
            case "businessKnowledgeModel":
                self._business_knowledge(element_id, xml)
            case _:
                pass

    def _decision(self, decision: Decision, xml: Xml) -> None:
        for requirement in children(xml, "informationRequirement"):
            for reference in children(requirement, "requiredDecision", "requiredInput"):
                found = self._referred(reference)
                if found is not None:
                    decision.requires.append(found)
        self._know(xml, decision.knowledge)
        sight = Sight(self.book, _seen(decision))
        expression = expression_of(xml)
        if expression is None:
            decision.logic = _undecided
            return
        wanted = self._variable_type(xml)
        decision.type = _TYPES.get(local(expression), "UNKNOWN")
        if local(expression) == "decisionTable":
            variable = child(xml, "variable")
            named = "" if variable is None else written_type(variable)
            decision.table = read_table(sight, expression, named)
            decision.logic = as_result(self.book.type_of(written_type(expression)) or wanted)
        else:
            decision.logic = typed(read_logic(sight, expression), wanted)

    def _business_knowledge(self, element_id: str, xml: Xml) -> None:
        name, function = self.model.knowledge[element_id]
        scope = self.scopes[element_id]
        scope[name] = function
        self._know(xml, scope)
        logic = child(xml, "encapsulatedLogic")
        if logic is None or logic.get("kind", "FEEL") != "FEEL":
            self.bodies[element_id] = nothing  # code of others is never run
        else:
            self.bodies[element_id] = inner(Sight(self.book, [*scope, *function.parameters]), logic, 0)

    def _know(self, xml: Xml, into: dict[str, Any]) -> None:
        """Bring the functions that an element requires into its scope."""
        for requirement in children(xml, "knowledgeRequirement"):
            for reference in children(requirement, "requiredKnowledge"):
                model, prefix, element_id = self._reference(reference)
                found = model.knowledge.get(element_id)
                if found is None:
                    href = reference.get("href", "")[:200]
                    self.book.problem(reference, f"expected '{href}' to be business knowledge, but it is not")
                elif prefix:
                    into[prefix] = {**into.get(prefix, {}), found[0]: found[1]}
                else:
                    into[found[0]] = found[1]

    def _refuse_cycles(self) -> None:
        """Decisions may not require themselves. What nothing (left) requires is on no cycle: take it away."""
        left = {
            decision: set(decision.required()) & set(self.model.decisions.values())
            for decision in self.model.decisions.values()
        }
        asking: dict[Decision, list[Decision]] = {}
        for decision, required in left.items():
            for other in required:
                asking.setdefault(other, []).append(decision)
        free = [decision for decision, required in left.items() if not required]
        while free:
            done = free.pop()
            del left[done]
            for other in asking.get(done, ()):
                left[other].discard(done)
                if not left[other]:
                    free.append(other)
        for decision in left:
            self.book.element_id = decision.id
            self.book.problem(
                self.elements[decision.id],
                "expected decisions not to require each other in a circle, but this one does",
            )


def _id_of(xml: Xml) -> str:
    """The id; DMN lets it out, and then the name stands for it."""
    return xml.get("id") or xml.get("name") or ""


def _undecided(_scope: Any, _run: Run) -> None:
    raise DecisionFailure("it has no expression")


def _seen(decision: Decision) -> Iterator[str]:
    yield from decision.knowledge
    for prefix, node in decision.requires:
        if prefix:
            yield prefix
        elif isinstance(node, Decision):
            yield from node.names
        else:
            yield node.name


def _result(wanted: FeelType | None) -> FeelType | None:
    """The type that a call gives, for the declared type of a function: models before DMN 1.2 write that of the result."""
    return wanted.result if wanted is not None and wanted.name == "function" else wanted
