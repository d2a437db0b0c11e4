"""User tasks: get, search, assign, unassign, update, complete, variables, form."""

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET

from api.operations import TRUNCATE, Answer, Call, Operation, json
from api.problems import invalid, not_found
from api.requests import AssignUserTask, CompleteUserTask, Search, UpdateUserTask
from api.searching import get, must_exist, request_of, search
from api.submitting import addressed, stamp, submit
from api.waiting import current
from domain import commands as c
from projections import queries

TAG: Final = "user tasks"
WHAT: Final = "a user task"


async def search_tasks(call: Call, body: Search) -> Answer:
    """Search user tasks."""
    return await search(call, queries.USER_TASKS, body)


async def get_task(call: Call) -> Answer:
    """Get a user task."""
    return await get(call, queries.USER_TASKS, WHAT)


async def assign(call: Call, body: AssignUserTask) -> Answer:
    """Set the assignee; without `allowOverride` only if there is none."""
    if body.assignee is None:
        raise invalid("expected the body to have an assignee, but found none")
    command = c.AssignUserTask(
        key=addressed(call, WHAT),
        assignee=body.assignee,
        allow_override=body.allow_override is not False,
        action=body.action or "assign",
        **stamp(call),
    )
    return await submit(call, command)


async def unassign(call: Call) -> Answer:
    """Remove the assignee."""
    return await submit(call, c.UnassignUserTask(key=addressed(call, WHAT), **stamp(call)))


async def update(call: Call, body: UpdateUserTask) -> Answer:
    """Change attributes: candidates, dates, priority. Null or empty empties one."""
    changes: dict[str, Any] = {}
    if body.changeset is not None:
        given = msgspec.structs.asdict(body.changeset)
        changes = {name: value or None for name, value in given.items() if value is not UNSET}
        for name in ("due_date", "follow_up_date"):
            _check_time(name, changes.get(name))
        for name in ("candidate_groups", "candidate_users"):
            if name in changes:
                changes[name] = list(changes[name] or ())
        if "priority" in changes:
            changes["priority"] = 50 if given["priority"] is None else given["priority"]
    if not changes and not body.action:
        raise invalid("expected a changeset that changes something, or an action, but found neither")
    key = addressed(call, WHAT)
    return await submit(call, c.UpdateUserTask(key=key, changes=changes, action=body.action or "update", **stamp(call)))


def _check_time(name: str, value: str | None) -> None:
    if value is None:
        return
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        first, *others = name.split("_")
        field = first + "".join(word.title() for word in others)
        raise invalid(f"expected changeset.{field} to be an ISO 8601 time with zone, but found {value[:100]!r}")


async def complete(call: Call, body: CompleteUserTask) -> Answer:
    """Tell that the work is done; the variables go to the process."""
    command = c.CompleteUserTask(
        key=addressed(call, WHAT), variables=body.variables or {}, action=body.action or "complete", **stamp(call)
    )
    return await submit(call, command)


async def search_variables(call: Call, body: Search) -> Answer:
    """Search the variables that the task sees, of all its scopes."""
    return await _variables(call, body, effective=False)


async def search_effective_variables(call: Call, body: Search) -> Answer:
    """Search the variables that the task sees, of each name only the innermost."""
    return await _variables(call, body, effective=True)


async def _variables(call: Call, body: Search, *, effective: bool) -> Answer:
    await current(call, addressed(call, WHAT))
    page = await queries.user_task_variables(
        call.api.engine.pool,
        call.key,
        request_of(body),
        effective=effective,
        truncate_values=call.query_flag("truncateValues", default=True),
    )
    if page is None:
        raise not_found(WHAT, call.key)
    return json(page)


async def get_form(call: Call) -> Answer:
    """Get the form of the task; 204 if it has none."""
    await must_exist(call, queries.USER_TASKS, WHAT)
    form = await queries.user_task_form(call.api.engine.pool, call.key)
    return Answer(204) if form is None else json(form)


PATH: Final = "/user-tasks/{userTaskKey}"
COMMAND_ERRORS: Final = (404, 409, 503, 504)

OPERATIONS = (
    Operation(
        "POST",
        "/user-tasks/search",
        search_tasks,
        TAG,
        answer="page of UserTaskResult",
        body=Search,
        optional=True,
        search=queries.USER_TASKS,
        reads=True,
    ),
    Operation("GET", PATH, get_task, TAG, answer="UserTaskResult", reads=True, errors=(404,)),
    Operation("PATCH", PATH, update, TAG, body=UpdateUserTask, optional=True, errors=COMMAND_ERRORS),
    Operation("POST", f"{PATH}/assignment", assign, TAG, body=AssignUserTask, errors=COMMAND_ERRORS),
    Operation("DELETE", f"{PATH}/assignee", unassign, TAG, errors=COMMAND_ERRORS),
    Operation("POST", f"{PATH}/completion", complete, TAG, body=CompleteUserTask, optional=True, errors=COMMAND_ERRORS),
    Operation("GET", f"{PATH}/form", get_form, TAG, answer="FormResult", may_be_empty=True, reads=True, errors=(404,)),
    Operation(
        "POST",
        f"{PATH}/variables/search",
        search_variables,
        TAG,
        answer="page of VariableSearchResult",
        body=Search,
        optional=True,
        search=queries.VARIABLES,
        reads=True,
        errors=(404,),
        query=(TRUNCATE,),
    ),
    Operation(
        "POST",
        f"{PATH}/effective-variables/search",
        search_effective_variables,
        TAG,
        answer="page of VariableSearchResult",
        body=Search,
        optional=True,
        search=queries.VARIABLES,
        reads=True,
        errors=(404,),
        query=(TRUNCATE,),
    ),
)
