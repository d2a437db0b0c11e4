"""All that is deployed: the fold of the definitions stream, and what it answers to deployments.

Models are compiled at their first use and kept; the state itself holds only what the events said.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from domain import commands as c
from domain import events as e
from domain.bpmn.read import InvalidModel, load_process, read_processes
from domain.decisions import DecisionDeployment, Decisions, DecisionVersion, checksum, evolve_decisions
from domain.elements.business_rule_task import CalledDecision
from domain.elements.call_activity import CalledElement
from domain.feel import Expression, Moment, to_json
from domain.forms import FormDeployment, Forms
from domain.keys import make_key
from domain.model import ProcessModel, Value
from domain.results import Context, Facts, Rejected
from domain.timers import Schedule, following, schedule
from domain.triggers import MessageTrigger, SignalTrigger, TimerTrigger

RESOURCES_MAX = 100
"""Resources in one deployment."""


class Process(msgspec.Struct, omit_defaults=True):
    """One version of a process."""

    process_id: str
    version: int
    resource_name: str
    content: bytes
    checksum: str
    deployment_key: int
    version_tag: str | None = None
    deleted: bool = False


class StartTimer(msgspec.Struct, omit_defaults=True):
    """An open timer of a start event."""

    definition_key: int
    process_id: str
    element: str
    due: datetime
    repetitions: int = 1
    repeat: str | None = None


class Deployed(Decisions, omit_defaults=True, dict=True):
    """The state of the definitions stream. It is `domain.definitions.Definitions`, too."""

    processes: dict[int, Process] = {}
    versions: dict[str, dict[int, int]] = {}
    """Process id -> version -> key; deleted ones stay, so that no version number is given twice."""
    kept_processes: dict[int, dict[str, int]] = {}
    """Deployment -> process id -> key of a version that is older than the deployment, and was in it again."""
    timers: dict[int, StartTimer] = {}
    forms: Forms = msgspec.field(default_factory=Forms)

    def process(self, key: int) -> ProcessModel | None:
        """See `Definitions.process`."""
        models: dict[int, ProcessModel] = vars(self).setdefault("_models", {})
        model = models.get(key)
        process = self.processes.get(key)
        if model is None and process is not None:
            model = models[key] = load_process(process.content, process.process_id)
            model.key = key
            model.version = process.version
        return model

    def usable(self, key: int) -> bool:
        """See `Definitions.usable`."""
        process = self.processes.get(key)
        return process is not None and not process.deleted

    def latest_key(self, process_id: str) -> int | None:
        """Return the key of the latest version that is not deleted."""
        versions = self.versions.get(process_id, {})
        usable = [version for version, key in versions.items() if not self.processes[key].deleted]
        return versions[max(usable)] if usable else None

    def latest(self, process_id: str) -> ProcessModel | None:
        """See `Definitions.latest`."""
        key = self.latest_key(process_id)
        return None if key is None else self.process(key)

    def version(self, process_id: str, version: int) -> ProcessModel | None:
        """See `Definitions.version`."""
        key = self.versions.get(process_id, {}).get(version)
        return self.process(key) if key is not None and self.usable(key) else None

    def tagged(self, process_id: str, version_tag: str) -> ProcessModel | None:
        """See `Definitions.tagged`."""
        versions = self.versions.get(process_id, {})
        for version in sorted(versions, reverse=True):
            key = versions[version]
            if self.processes[key].version_tag == version_tag and self.usable(key):
                return self.process(key)
        return None

    def bound_process(self, process_id: str, definition_key: int) -> ProcessModel | None:
        """See `Definitions.bound_process`."""
        process = self.processes.get(definition_key)
        key = None if process is None else self.deployed_processes(process.deployment_key).get(process_id)
        return self.process(key) if key is not None and self.usable(key) else None

    def deployed_processes(self, deployment: int) -> dict[str, int]:
        """Return process id -> key of the versions that came with a deployment, or were kept."""
        came: dict[int, dict[str, int]] | None = vars(self).get("_deployment_index")
        if came is None:
            came = {}
            for key, process in self.processes.items():
                came.setdefault(process.deployment_key, {})[process.process_id] = key
            vars(self)["_deployment_index"] = came
        return came.get(deployment, {}) | self.kept_processes.get(deployment, {})

    def form(self, form_id: str, definition_key: int | None = None, version_tag: str | None = None) -> int | None:
        """See `Definitions.form`."""
        if definition_key is None:
            return self.forms.latest(form_id, version_tag)
        process = self.processes.get(definition_key)
        return None if process is None else self.forms.deployed.get(process.deployment_key, {}).get(form_id)

    def bound_decision(self, decision_id: str, definition_key: int) -> DecisionVersion | None:
        """See `Definitions.bound_decision`."""
        process = self.processes.get(definition_key)
        key = None if process is None else self.deployed_decisions.get(process.deployment_key, {}).get(decision_id)
        return None if key is None else self.decision(key)

    def message_starts(self, name: str) -> Iterator[tuple[ProcessModel, str]]:
        """See `Definitions.message_starts`."""
        yield from self._starts().get(("message", name), [])

    def signal_starts(self, name: str) -> Iterator[tuple[ProcessModel, str]]:
        """See `Definitions.signal_starts`."""
        yield from self._starts().get(("signal", name), [])

    def _starts(self) -> dict[tuple[str, str], list[tuple[ProcessModel, str]]]:
        """Index of the message and signal start events of all latest versions; made anew after each deployment."""
        found: dict[tuple[str, str], list[tuple[ProcessModel, str]]] | None = vars(self).get("_start_index")
        if found is None:
            found = {}
            for process_id in sorted(self.versions):
                model = self.latest(process_id)
                for kind, name, element in event_starts(model) if model is not None else ():
                    assert model is not None, f"process '{process_id}' has a start event"
                    found.setdefault((kind, name), []).append((model, element))
            vars(self)["_start_index"] = found
        return found


def event_starts(model: ProcessModel) -> Iterator[tuple[str, str, str]]:
    """Yield (message or signal, its name, element) of the start events that wait for one."""
    for node in model.root.inner:
        if node.element.type != "START_EVENT":
            continue
        match node.trigger:
            case MessageTrigger(name=name):
                yield "message", constant(name), node.id
            case SignalTrigger(name=name):
                yield "signal", constant(name), node.id
            case _:
                pass


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def constant(value: Value, now: datetime = EPOCH) -> str:
    """Return the text of an attribute of a start event, which may be an expression but reads no variable."""
    if isinstance(value, Expression):
        return str(to_json(value.constant(Moment(now=now))))
    return value


def evolve_deployed(state: Deployed, event: e.Event) -> None:
    """Fold one event into what is deployed."""
    match event:
        case e.ProcessDefined():
            state.processes[event.key] = Process(
                process_id=event.process_id,
                version=event.version,
                resource_name=event.resource_name,
                content=event.content,
                checksum=checksum(event.resource_name, event.content),
                deployment_key=event.deployment_key,
                version_tag=event.version_tag,
            )
            state.versions.setdefault(event.process_id, {})[event.version] = event.key
            vars(state).pop("_start_index", None)
            vars(state).pop("_deployment_index", None)
        case e.DefinitionDeleted() if event.key in state.processes:
            state.processes[event.key].deleted = True
            vars(state).pop("_start_index", None)
        case e.DefinitionKept(kind="process"):
            state.kept_processes.setdefault(event.deployment_key, {})[event.definition_id] = event.key
        case e.StartTimerSet():
            state.timers[event.key] = StartTimer(
                definition_key=event.definition_key,
                process_id=event.process_id,
                element=event.element,
                due=event.due,
                repetitions=event.repetitions,
                repeat=event.repeat,
            )
        case e.StartTimerFired() | e.StartTimerCanceled():
            del state.timers[event.key]
        case _:
            evolve_decisions(state, event)
            state.forms.evolve(event)


def decide_deployed(state: Deployed, command: c.AnyCommand, context: Context) -> Facts | Rejected:
    """Decide about a command that addresses the definitions."""
    match command:
        case c.DeployResources():
            return _deploy(state, command, context)
        case c.DeleteResource():
            return _delete(state, command, context)
        case c.TriggerTimer():
            return _trigger(state, command, context)
        case _:
            raise AssertionError(f"{command!r} does not address the definitions")


def _deploy(state: Deployed, command: c.DeployResources, context: Context) -> Facts | Rejected:
    if not 0 < len(command.resources) <= RESOURCES_MAX:
        return Rejected(
            "INVALID_ARGUMENT", f"expected 1 to {RESOURCES_MAX} resources to deploy, but found {len(command.resources)}"
        )
    accepted: list[tuple[c.Resource, ProcessModel]] = []
    reasons: list[str] = []
    decisions = DecisionDeployment(state, [each for each in command.resources if _is_decision(each)])
    forms = FormDeployment(state.forms, [each for each in command.resources if _is_form(each)])
    reasons += decisions.reasons + forms.reasons
    for resource in (each for each in command.resources if not _is_decision(each) and not _is_form(each)):
        try:
            accepted += [(resource, model) for model in _read(resource)]
        except InvalidModel as error:
            reasons.append(f"'{resource.name}': {error}")
    seen: dict[str, str] = {}
    for resource, model in accepted:
        if model.process_id in seen:
            reasons.append(
                f"'{resource.name}': expected process ids to be unique in a deployment,"
                f" but '{model.process_id}' is also in '{seen[model.process_id]}'"
            )
        seen[model.process_id] = resource.name
        reasons += [f"'{resource.name}': {reason}" for reason in _bad_start_timers(model, context)]
    if reasons:
        return Rejected("INVALID_ARGUMENT", "\n".join(reasons))
    return _define(state, accepted, decisions, forms, context)


def _is_decision(resource: c.Resource) -> bool:
    return resource.name.lower().endswith(".dmn")


def _is_form(resource: c.Resource) -> bool:
    return resource.name.lower().endswith(".form")


def _read(resource: c.Resource) -> list[ProcessModel]:
    if not resource.name.lower().endswith((".bpmn", ".bpmn20.xml", ".xml")):
        raise InvalidModel.of(
            f"expected a resource whose name ends in .bpmn, .dmn or .form, but found '{resource.name}'"
        )
    models = read_processes(resource.content, resource.name)
    if not models:
        raise InvalidModel.of("expected at least one executable process, but found none")
    return models


def _bad_start_timers(model: ProcessModel, context: Context) -> Iterator[str]:
    for node_id, trigger in _timer_starts(model):
        try:
            _scheduled(trigger, context.now)
        except ValueError as error:
            yield f"element '{node_id}': {error}"


def _timer_starts(model: ProcessModel) -> Iterator[tuple[str, TimerTrigger]]:
    for node in model.root.inner:
        if node.element.type == "START_EVENT" and isinstance(node.trigger, TimerTrigger):
            yield node.id, node.trigger


def _scheduled(trigger: TimerTrigger, now: datetime) -> Schedule:
    return schedule(trigger.kind, constant(trigger.expression, now), now)


def _define(
    state: Deployed,
    accepted: list[tuple[c.Resource, ProcessModel]],
    decisions: DecisionDeployment,
    forms: FormDeployment,
    context: Context,
) -> Facts:
    deployment = make_key(context.partition, context.next_number())
    yield e.DeploymentCreated(key=deployment)
    yield from decisions.define(deployment, context)
    yield from forms.define(deployment, context)
    unchanged = {model.process_id: _unchanged(state, resource, model) for resource, model in accepted}
    for resource, model in accepted:
        latest = unchanged[model.process_id]
        if latest is not None and _is_bound_to_the_same(state, latest, model, deployment, unchanged):
            yield e.DefinitionKept(
                key=latest,
                definition_id=model.process_id,
                version=state.processes[latest].version,
                deployment_key=deployment,
                resource_name=resource.name,
            )
            continue
        key = make_key(context.partition, context.next_number())
        yield from _cancel_timers(state, model.process_id)
        yield e.ProcessDefined(
            key=key,
            process_id=model.process_id,
            version=max(state.versions.get(model.process_id, {0: 0})) + 1,
            resource_name=resource.name,
            content=resource.content,
            deployment_key=deployment,
            name=model.name or None,
            version_tag=model.version_tag,
        )
        yield from _set_timers(model, key, context)


def _unchanged(state: Deployed, resource: c.Resource, model: ProcessModel) -> int | None:
    """Return the key of the latest version of the process if it has the same bytes."""
    latest = state.latest_key(model.process_id)
    same = latest is not None and state.processes[latest].checksum == checksum(resource.name, resource.content)
    return latest if same else None


def _is_bound_to_the_same(
    state: Deployed, latest: int, model: ProcessModel, deployment: int, unchanged: Mapping[str, int | None]
) -> bool:
    """Say whether what a version is bound to, as it was deployed together with it, is the same in this deployment."""
    before = state.processes[latest].deployment_key
    configs = [node.config for node in model.nodes.values()]
    if any(isinstance(config, CalledDecision) and config.by_deployment for config in configs):
        decisions = state.deployed_decisions
        if decisions.get(before, {}) != decisions.get(deployment, {}):
            return False
    if any(isinstance(config, CalledElement) and config.by_deployment for config in configs):
        return state.deployed_processes(before) == unchanged
    return True


def _cancel_timers(state: Deployed, process_id: str) -> Facts:
    for key in sorted(key for key, timer in state.timers.items() if timer.process_id == process_id):
        yield e.StartTimerCanceled(key=key)


def _set_timers(model: ProcessModel, key: int, context: Context) -> Facts:
    for element, trigger in _timer_starts(model):
        scheduled = _scheduled(trigger, context.now)
        yield e.StartTimerSet(
            key=make_key(context.partition, context.next_number()),
            definition_key=key,
            process_id=model.process_id,
            element=element,
            due=scheduled.due,
            repetitions=scheduled.repetitions,
            repeat=scheduled.repeat,
        )


def _delete(state: Deployed, command: c.DeleteResource, context: Context) -> Facts | Rejected:
    requirements = state.requirements.get(command.key)
    if state.forms.usable(command.key) or (requirements is not None and not requirements.deleted):
        return iter((e.DefinitionDeleted(key=command.key),))
    if not state.usable(command.key):
        return Rejected("NOT_FOUND", f"expected a resource with key {command.key}, but there is none")
    process_id = state.processes[command.key].process_id
    was_latest = state.latest_key(process_id) == command.key

    def facts() -> Facts:
        yield e.DefinitionDeleted(key=command.key)
        if was_latest:
            yield from _cancel_timers(state, process_id)
            model = state.latest(process_id)
            if model is not None:
                yield from _set_timers(model, model.key, context)

    return facts()


def _trigger(state: Deployed, command: c.TriggerTimer, context: Context) -> Facts | Rejected:
    timer = state.timers.get(command.key)
    if timer is None or timer.due > context.now:
        return Rejected("NOT_FOUND", f"expected a start timer with key {command.key} to be due, but there is none")

    def facts() -> Facts:
        yield e.StartTimerFired(key=command.key, definition_key=timer.definition_key, element=timer.element)
        again = following(Schedule(timer.due, timer.repetitions, timer.repeat), context.now)
        if again is not None:
            yield e.StartTimerSet(
                key=make_key(context.partition, context.next_number()),
                definition_key=timer.definition_key,
                process_id=timer.process_id,
                element=timer.element,
                due=again.due,
                repetitions=again.repetitions,
                repeat=again.repeat,
            )

    return facts()
