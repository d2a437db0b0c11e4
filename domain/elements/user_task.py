"""User task: work for a person, in the engine's own task list or, without `zeebe:userTask`, as a job."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from domain import events as e
from domain.elements.element import Element
from domain.elements.job_task import whole
from domain.feel import to_json
from domain.model import Value
from domain.problem import Problem
from domain.results import Facts
from domain.waits import EXTRACT_VALUE_ERROR, describe

if TYPE_CHECKING:
    from domain.bpmn.part import Part
    from domain.model import Node
    from domain.walk import At

USER_TASK_JOB_TYPE = "io.camunda.zeebe:userTask"
RESERVED = "io.camunda.zeebe:"
PRIORITY_DEFAULT = 50
PRIORITY_MAX = 100


class UserTaskDefinition(msgspec.Struct, frozen=True):
    """Who does the task, until when, with which form."""

    native: bool
    assignee: Value | None
    candidate_groups: Value | None
    candidate_users: Value | None
    due_date: Value | None
    follow_up_date: Value | None
    priority: Value | None
    form_id: str | None
    form_binding: str
    form_version_tag: Value | None
    form_key: str | None
    """Of a form in the model itself."""
    external_form_reference: str | None
    headers: dict[str, str]


class UserTask(Element):
    """Work for a person."""

    type: ClassVar[str] = "USER_TASK"
    waits: ClassVar[bool] = True

    def read(self, part: "Part", node: "Node") -> Any:
        def value(tag: str, attribute: str) -> Value | None:
            extension = part.extension(tag)
            written = "" if extension is None else extension.get(attribute)
            return part.value(written, attribute) if written else None

        form = part.extension("formDefinition")
        definition = UserTaskDefinition(
            native=part.extension("userTask") is not None,
            assignee=value("assignmentDefinition", "assignee"),
            candidate_groups=value("assignmentDefinition", "candidateGroups"),
            candidate_users=value("assignmentDefinition", "candidateUsers"),
            due_date=value("taskSchedule", "dueDate"),
            follow_up_date=value("taskSchedule", "followUpDate"),
            priority=value("priorityDefinition", "priority"),
            form_id=(form.get("formId") or None) if form else None,
            form_binding=form.get("bindingType", "latest") if form else "latest",
            form_version_tag=value("formDefinition", "versionTag"),
            form_key=(form.get("formKey") or None) if form else None,
            external_form_reference=(form.get("externalReference") or None) if form else None,
            headers=part.headers(),
        )
        _check_static(part, definition)
        return definition

    def enter(self, at: "At") -> Facts:
        definition: UserTaskDefinition = at.node.config
        assignee = _optional(at, definition.assignee, "the assignee", _name)
        groups = _optional(at, definition.candidate_groups, "the candidate groups", _names) or ()
        users = _optional(at, definition.candidate_users, "the candidate users", _names) or ()
        due = _optional(at, definition.due_date, "the due date", _date)
        follow_up = _optional(at, definition.follow_up_date, "the follow-up date", _date)
        priority = _optional(at, definition.priority, "the priority", _priority)
        form_key = _form(at, definition)
        if not definition.native:
            yield self._job(at, definition, form_key, assignee, groups, users, due, follow_up)
            return
        yield e.UserTaskCreated(
            key=at.new_key(),
            element_key=at.key,
            element=at.node.id,
            assignee=assignee,
            candidate_groups=groups,
            candidate_users=users,
            due_date=due,
            follow_up_date=follow_up,
            priority=PRIORITY_DEFAULT if priority is None else priority,
            form_id=definition.form_id,
            form_key=form_key,
            external_form_reference=definition.external_form_reference,
            headers=definition.headers,
        )

    def _job(
        self,
        at: "At",
        definition: UserTaskDefinition,
        form_key: int | None,
        assignee: str | None,
        groups: tuple[str, ...],
        users: tuple[str, ...],
        due: str | None,
        follow_up: str | None,
    ) -> e.Event:
        reserved = {
            "assignee": assignee,
            "candidateGroups": _json_list(groups),
            "candidateUsers": _json_list(users),
            "dueDate": due,
            "followUpDate": follow_up,
            "formKey": definition.form_key or (None if form_key is None else str(form_key)),
        }
        headers = {RESERVED + name: value for name, value in reserved.items() if value}
        return e.JobCreated(
            key=at.new_key(),
            element_key=at.key,
            element=at.node.id,
            job_type=USER_TASK_JOB_TYPE,
            retries=1,
            headers={**definition.headers, **headers},
        )


def _form(at: "At", definition: UserTaskDefinition) -> int | None:
    """Return the key of the version that the task's form id means now; null if it is not deployed."""
    if definition.form_id is None:
        return None
    match definition.form_binding:
        case "deployment":
            return at.context.definitions.form(definition.form_id, definition_key=at.state.definition_key)
        case "versionTag":
            tag = _optional(at, definition.form_version_tag, "the form's version tag", _name)
            return at.context.definitions.form(definition.form_id, version_tag=tag)
        case _:
            return at.context.definitions.form(definition.form_id)


def _optional(at: "At", value: Value | None, what: str, convert: Callable[[Any, str, bool], Any]) -> Any:
    """Evaluate and convert an attribute; absent, null and empty text give None."""
    if value is None:
        return None
    found = to_json(at.evaluate(value, what))
    return None if found in (None, "") else convert(found, what, isinstance(value, str))


def _name(value: Any, what: str, static: bool) -> str:
    if isinstance(value, str):
        return value
    raise Problem(EXTRACT_VALUE_ERROR, f"expected {what} to be a string, but found {describe(value)}")


def _names(value: Any, what: str, static: bool) -> tuple[str, ...]:
    if static:
        return tuple(name.strip() for name in value.split(","))
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise Problem(EXTRACT_VALUE_ERROR, f"expected {what} to be an array of strings, but found {describe(value)}")


def _date(value: Any, what: str, static: bool) -> str:
    if isinstance(value, str) and _is_date(value):
        return value
    raise Problem(
        EXTRACT_VALUE_ERROR, f"expected {what} to be a date and time with offset, but found {describe(value)}"
    )


def _is_date(value: str) -> bool:
    try:
        return datetime.fromisoformat(value.partition("[")[0]).tzinfo is not None
    except ValueError:
        return False


def _priority(value: Any, what: str, static: bool) -> int:
    number = whole(value, what)
    if (isinstance(value, Decimal) and value != number) or not 0 <= number <= PRIORITY_MAX:
        raise Problem(
            EXTRACT_VALUE_ERROR,
            f"expected {what} to be a whole number from 0 to {PRIORITY_MAX}, but found {describe(value)}",
        )
    return number


def _json_list(names: tuple[str, ...]) -> str | None:
    return msgspec.json.encode(names).decode() if names else None


def _check_static(part: "Part", definition: UserTaskDefinition) -> None:
    if definition.form_binding not in ("latest", "deployment", "versionTag"):
        part.problem(
            f"expected the form's binding to be latest, deployment or versionTag, but found '{definition.form_binding}'"
        )
    if definition.form_binding == "versionTag" and definition.form_version_tag is None:
        part.problem("a form with binding versionTag needs a versionTag")
    for what, names in (
        ("candidateGroups", definition.candidate_groups),
        ("candidateUsers", definition.candidate_users),
    ):
        if isinstance(names, str) and not all(name.strip() for name in names.split(",")):
            part.problem(f"expected {what} to be a comma-separated list without empty items, but found '{names}'")
    if isinstance(definition.priority, str):
        try:
            _priority(definition.priority, "the priority", True)
        except Problem as problem:
            part.problem(str(problem))
    for what, date in (("dueDate", definition.due_date), ("followUpDate", definition.follow_up_date)):
        if isinstance(date, str) and not _is_date(date):
            part.problem(f"expected {what} to be a date and time with offset (ISO 8601), but found '{date}'")
