"""Decisions that are deployed: their versions, their part of a deployment, and evaluations as facts.

Models are compiled at their first use and kept; the state itself holds only what the events said.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from domain import commands as c
from domain import events as e
from domain.bpmn.problems import InvalidModel
from domain.dmn import Decided, Decision, DecisionModel, evaluate, namespaces, read_model
from domain.feel import FeelEvaluationError, Moment, to_json
from domain.keys import make_key
from domain.results import Context, Facts, Rejected

EVALUATION_BYTES_MAX = 4 * 1024 * 1024
"""What one evaluation may leave behind of inputs, rules and outputs, as JSON."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Requirements(msgspec.Struct, omit_defaults=True):
    """One version of a decision requirements graph: a DMN resource."""

    requirements_id: str
    name: str
    version: int
    resource_name: str
    content: bytes
    checksum: str
    namespace: str
    imports: dict[str, int]
    """Namespace -> key of the graph that is imported."""
    deleted: bool = False
    decisions: dict[str, int] = {}
    """Decision id -> key."""


class DecisionVersion(msgspec.Struct, frozen=True):
    """One version of a decision."""

    key: int
    decision_id: str
    name: str
    version: int
    requirements_key: int
    requirements_id: str
    version_tag: str | None


class Decisions(msgspec.Struct, omit_defaults=True, dict=True):
    """The part of the definitions stream that decisions have. See `domain.definitions.Definitions` for what it answers."""

    requirements: dict[int, Requirements] = {}
    requirements_versions: dict[str, dict[int, int]] = {}
    """Id -> version -> key; deleted ones stay, so that no version number is given twice."""
    decisions: dict[int, DecisionVersion] = {}
    decision_versions: dict[str, dict[int, int]] = {}
    deployed_decisions: dict[int, dict[str, int]] = {}
    """Deployment -> decision id -> key of the version that came with it, or was kept."""

    def decision(self, key: int) -> DecisionVersion | None:
        """See `Definitions.decision`."""
        found = self.decisions.get(key)
        return None if found is None or self.requirements[found.requirements_key].deleted else found

    def latest_decision(self, decision_id: str, version_tag: str | None = None) -> DecisionVersion | None:
        """See `Definitions.latest_decision`."""
        # Versions are added in their order, so that the last one is the latest.
        for key in reversed(self.decision_versions.get(decision_id, {}).values()):
            found = self.decision(key)
            if found is not None and version_tag in (None, found.version_tag):
                return found
        return None

    def decision_in(self, requirements_key: int, decision_id: str) -> DecisionVersion:
        """See `Definitions.decision_in`."""
        return self.decisions[self.requirements[requirements_key].decisions[decision_id]]

    def logic(self, key: int) -> Decision:
        """See `Definitions.logic`."""
        version = self.decisions[key]
        return self.compiled(version.requirements_key).decisions[version.decision_id]

    def latest_requirements(self, requirements_id: str) -> int | None:
        """Return the key of the latest version of a graph that is not deleted."""
        versions = self.requirements_versions.get(requirements_id, {})
        usable = [version for version, key in versions.items() if not self.requirements[key].deleted]
        return versions[max(usable)] if usable else None

    def importable(self, namespace: str) -> int | None:
        """Return the key of the newest graph of a namespace that is not deleted."""
        return max(
            (key for key, each in self.requirements.items() if each.namespace == namespace and not each.deleted),
            default=None,
        )

    def compiled(self, key: int) -> DecisionModel:
        """Return the compiled model of a graph."""
        models: dict[int, DecisionModel] = vars(self).setdefault("_decision_models", {})
        if key not in models:
            stored = self.requirements[key]
            imports = stored.imports
            models[key] = read_model(
                stored.content,
                lambda namespace: self.compiled(imports[namespace]) if namespace in imports else None,
                checked=False,
            )
            models[key].key = key
        return models[key]


def evolve_decisions(state: Decisions, event: e.Event) -> None:
    """Fold one event into what is deployed of decisions."""
    match event:
        case e.DecisionRequirementsDefined():
            state.requirements[event.key] = Requirements(
                requirements_id=event.requirements_id,
                name=event.name,
                version=event.version,
                resource_name=event.resource_name,
                content=event.content,
                checksum=checksum(event.resource_name, event.content),
                namespace=event.namespace,
                imports=dict(event.imports),
            )
            state.requirements_versions.setdefault(event.requirements_id, {})[event.version] = event.key
        case e.DecisionDefined():
            state.decisions[event.key] = DecisionVersion(
                key=event.key,
                decision_id=event.decision_id,
                name=event.name,
                version=event.version,
                requirements_key=event.requirements_key,
                requirements_id=event.requirements_id,
                version_tag=event.version_tag,
            )
            state.decision_versions.setdefault(event.decision_id, {})[event.version] = event.key
            state.requirements[event.requirements_key].decisions[event.decision_id] = event.key
            state.deployed_decisions.setdefault(event.deployment_key, {})[event.decision_id] = event.key
        case e.DefinitionKept() if event.kind == "decision":
            state.deployed_decisions.setdefault(event.deployment_key, {})[event.definition_id] = event.key
        case e.DefinitionDeleted() if event.key in state.requirements:
            state.requirements[event.key].deleted = True
        case _:
            pass


def checksum(name: str, content: bytes) -> str:
    """Return what two equal resources have in common."""
    return hashlib.sha256(name.encode() + b"\0" + content).hexdigest()


# -- deployment ----------------------------------------------------------------------------------------------------------


class AcceptedModel(msgspec.Struct):
    """A decision model of a deployment, compiled, with the namespaces that it imports."""

    resource: c.Resource
    model: DecisionModel
    imports: tuple[str, ...]


class DecisionDeployment:
    """The decision models of one deployment: read together, since they may import each other."""

    def __init__(self, state: Decisions, resources: list[c.Resource]) -> None:
        self._state = state
        self._resources = resources
        self._spaces: dict[str, int] = {}
        self._heads: list[tuple[str, tuple[str, ...]] | None] = []
        self._models: dict[int, DecisionModel | None] = {}
        self.accepted: list[AcceptedModel] = []
        """Each after those that it imports."""
        self.reasons: list[str] = []
        for index, resource in enumerate(resources):
            self._heads.append(self._head(index, resource))
        for index in range(len(resources)):
            self._read(index)
        self._refuse_doubles()

    def _head(self, index: int, resource: c.Resource) -> tuple[str, tuple[str, ...]] | None:
        try:
            head = namespaces(resource.content)
        except InvalidModel as error:
            self.reasons.append(f"'{resource.name}': {error}")
            return None
        self._spaces.setdefault(head[0], index)
        return head

    def _read(self, index: int) -> DecisionModel | None:
        """Compile a model once. While it is being read it is not there, so that a circle of imports ends."""
        if index not in self._models:
            self._models[index] = None
            head = self._heads[index]
            if head is None:
                return None
            resource = self._resources[index]
            try:
                model = self._models[index] = read_model(resource.content, self._imported)
            except InvalidModel as error:
                self.reasons.append(f"'{resource.name}': {error}")
                return None
            self.accepted.append(AcceptedModel(resource, model, head[1]))
        return self._models[index]

    def _imported(self, namespace: str) -> DecisionModel | None:
        if namespace in self._spaces:
            return self._read(self._spaces[namespace])
        key = self._state.importable(namespace)
        return None if key is None else self._state.compiled(key)

    def _refuse_doubles(self) -> None:
        seen: dict[tuple[str, str], str] = {}
        for each in self.accepted:
            name = each.resource.name
            # A model and what it imports may have the same id in different namespaces: tools that copy models do so.
            ids = [(f"decision requirements of '{each.model.namespace}'", each.model.id)]
            for kind, found in [*ids, *(("decisions", key) for key in each.model.decisions)]:
                if (kind, found) in seen:
                    self.reasons.append(
                        f"'{name}': expected the ids of {kind} to be unique in a deployment,"
                        f" but '{found}' is also in '{seen[kind, found]}'"
                    )
                seen[kind, found] = name

    def define(self, deployment: int, context: Context) -> Facts:
        """Say what is new, and what is kept: a graph whose bytes and imports are those of its latest version."""
        keys: dict[str, int] = {}
        for each in self.accepted:
            found = {space: keys.get(space) or self._state.importable(space) for space in each.imports}
            imports = {space: key for space, key in found.items() if key is not None}
            latest = self._state.latest_requirements(each.model.id)
            stored = None if latest is None else self._state.requirements[latest]
            same = checksum(each.resource.name, each.resource.content)
            if latest is not None and stored is not None and (stored.checksum, stored.imports) == (same, imports):
                keys.setdefault(each.model.namespace, latest)
                yield from self._keep(latest, stored, deployment)
            else:
                key = make_key(context.partition, context.next_number())
                keys.setdefault(each.model.namespace, key)
                yield from self._add(each, key, imports, deployment, context)

    def _keep(self, key: int, stored: Requirements, deployment: int) -> Facts:
        yield e.DefinitionKept(
            key=key,
            definition_id=stored.requirements_id,
            version=stored.version,
            deployment_key=deployment,
            resource_name=stored.resource_name,
            kind="requirements",
            name=stored.name,
        )
        for decision_id, decision_key in stored.decisions.items():
            version = self._state.decisions[decision_key]
            yield e.DefinitionKept(
                key=decision_key,
                definition_id=decision_id,
                version=version.version,
                deployment_key=deployment,
                resource_name=stored.resource_name,
                kind="decision",
                name=version.name,
                requirements_key=key,
                requirements_id=stored.requirements_id,
            )

    def _add(self, each: AcceptedModel, key: int, imports: dict[str, int], deployment: int, context: Context) -> Facts:
        model = each.model
        yield e.DecisionRequirementsDefined(
            key=key,
            requirements_id=model.id,
            name=model.name or model.id,
            version=max(self._state.requirements_versions.get(model.id, {0: 0})) + 1,
            resource_name=each.resource.name,
            content=each.resource.content,
            deployment_key=deployment,
            namespace=model.namespace,
            imports=imports,
        )
        for decision in model.decisions.values():
            yield e.DecisionDefined(
                key=make_key(context.partition, context.next_number()),
                decision_id=decision.id,
                name=decision.name or decision.id,
                version=max(self._state.decision_versions.get(decision.id, {0: 0})) + 1,
                requirements_key=key,
                requirements_id=model.id,
                deployment_key=deployment,
                version_tag=decision.version_tag,
            )


# -- evaluation ----------------------------------------------------------------------------------------------------------


def decide_evaluation(command: c.EvaluateDecision, context: Context) -> Facts | Rejected:
    """Evaluate a decision outside of any instance. A decision that has no answer is a fact, too."""
    if command.decision_key is not None:
        version = context.definitions.decision(command.decision_key)
        named = f"key {command.decision_key}"
    else:
        version = context.definitions.latest_decision(command.decision_id or "")
        named = f"id '{command.decision_id}'"
    if version is None:
        return Rejected("NOT_FOUND", f"expected a decision with {named} to be deployed, but it is not")
    key = make_key(context.partition, context.next_number())
    moment = Moment(now=context.now, seed=command.id)
    return iter((evaluated(version, command.variables, moment, context, key),))


def evaluated(
    version: DecisionVersion,
    variables: Mapping[str, Any],
    moment: Moment,
    context: Context,
    key: int,
    **place: int,
) -> e.DecisionEvaluated:
    """Evaluate a decision; `place` are the keys of the element that asked for it."""
    definitions = context.definitions
    result = evaluate(definitions.logic(version.key), variables, moment)
    output, failure, failed = result.output, result.failure, result.failed
    entries: list[dict[str, Any]] = []
    try:
        output = to_json(output)
        entries = _entries(result.decided, context)
    except FeelEvaluationError as error:
        output, entries, failed = None, [], definitions.logic(version.key)
        failure = f"expected to evaluate decision '{version.decision_id}', but {error}"
    return e.DecisionEvaluated(
        key=key,
        decision_key=version.key,
        decision_id=version.decision_id,
        decision_name=version.name,
        decision_version=version.version,
        requirements_id=version.requirements_id,
        requirements_key=version.requirements_key,
        output=output,
        evaluated=tuple(entries),
        failure=failure,
        failed_decision_id=None if failed is None else failed.id,
        **place,
    )


def _entries(decided: tuple[Decided, ...], context: Context) -> list[dict[str, Any]]:
    size = 0
    entries: list[dict[str, Any]] = []
    for each in decided:
        entry = _entry(context.definitions.decision_in(each.decision.model.key, each.decision.id), each)
        size += len(_ENCODER.encode(entry))
        if size > EVALUATION_BYTES_MAX:
            raise FeelEvaluationError(f"its inputs and outputs have more than {EVALUATION_BYTES_MAX} bytes together")
        entries.append(entry)
    return entries


def _entry(version: DecisionVersion, decided: Decided) -> dict[str, Any]:
    """One decision of an evaluation, in the words of Camunda's API."""
    table = decided.decision.table
    outputs = [] if table is None else table.outputs
    return {
        "decisionDefinitionId": version.decision_id,
        "decisionDefinitionKey": str(version.key),
        "decisionDefinitionName": version.name,
        "decisionDefinitionVersion": version.version,
        "decisionDefinitionType": decided.decision.type,
        "output": to_json(decided.output),
        "evaluatedInputs": [
            {"inputId": input_id, "inputName": name, "inputValue": json_text(value)}
            for input_id, name, value in decided.inputs
        ],
        "matchedRules": [
            {
                "ruleId": found.rule.id,
                "ruleIndex": found.rule.index,
                "evaluatedOutputs": [
                    {"outputId": output.id, "outputName": output.label, "outputValue": json_text(value)}
                    for output, value in zip(outputs, found.values, strict=True)
                ],
            }
            for found in decided.matched
        ],
    }


def json_text(value: Any) -> str:
    """Return a value as JSON text, with all digits of its numbers."""
    return _ENCODER.encode(to_json(value)).decode()
