"""User tasks (ZC-021 to ZC-041): as jobs, and in the engine's own task list."""

from typing import Any

import msgspec
import pytest

from domain import commands as c
from domain import events as e
from tests.checklist.telling import all_of, deployed, last, raised, refused, rejection, task
from tests.support.amend import Model
from tests.support.given import Run, given

PREFIX = "io.camunda.zeebe:"


def _plain(assignment: str = "", schedule: str = "", more: str = "") -> Model:
    process = Model("o start -> user u -> O end").drop("u", "userTask")
    if assignment:
        process.extend("u", f"<zeebe:assignmentDefinition {assignment}/>")
    if schedule:
        process.extend("u", f"<zeebe:taskSchedule {schedule}/>")
    return process.extend("u", more)


def _headers(run: Run) -> dict[str, str]:
    return {name.removeprefix(PREFIX): value for name, value in last(run, e.JobCreated).headers.items()}


def test_without_its_own_mark_a_user_task_is_a_job_with_one_retry() -> None:
    """ZC-021."""
    job = last(deployed(_plain()).create(), e.JobCreated)

    assert (job.job_type, job.retries) == (PREFIX + "userTask", 1)


def test_who_when_and_which_form_are_reserved_headers() -> None:
    """ZC-022."""
    process = _plain(
        'assignee="=who" candidateGroups="=groups" candidateUsers="ann, bob"',
        'dueDate="2026-02-01T10:00:00Z" followUpDate="=follow"',
        '<zeebe:formDefinition formKey="camunda-forms:bpmn:f"/>',
    )
    run = deployed(process).create(who="eve", groups=["red"], follow="2026-01-31T10:00:00Z")

    assert _headers(run) == {
        "assignee": "eve",
        "candidateGroups": '["red"]',
        "candidateUsers": '["ann","bob"]',
        "dueDate": "2026-02-01T10:00:00Z",
        "followUpDate": "2026-01-31T10:00:00Z",
        "formKey": "camunda-forms:bpmn:f",
    }


def test_an_assignee_that_is_a_static_number_is_text() -> None:
    """ZC-023."""
    assert _headers(deployed(_plain('assignee="1234"')).create()) == {"assignee": "1234"}


def test_an_assignee_that_is_empty_is_left_out() -> None:
    """ZC-024."""
    assert _headers(deployed(_plain("""assignee='=""'""")).create()) == {}


@pytest.mark.parametrize("written", ['candidateUsers="ann,bob"', 'candidateUsers="=users"'])
def test_candidates_are_a_json_array_whether_a_list_or_static_text(written: str) -> None:
    """ZC-025."""
    run = deployed(_plain(written)).create(users=["ann", "bob"])

    assert _headers(run) == {"candidateUsers": '["ann","bob"]'}


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_date_is_ignored(value: Any) -> None:
    """ZC-026."""
    run = deployed(_plain(schedule='dueDate="=due" followUpDate="=due"')).create(due=value)

    assert _headers(run) == {}


def test_an_incident_of_a_user_task_ends_with_it() -> None:
    """ZC-027."""
    run = deployed(_plain('assignee="=1"')).create()
    assert raised(run) == [("u", "EXTRACT_VALUE_ERROR")]

    run.when(c.CancelInstance, key=run.instance.key).then("incident-resolved", "element-terminated u")


def test_with_its_own_mark_a_user_task_is_no_job() -> None:
    """ZC-028."""
    run = given("o start -> user u -> O end").create()

    run.then("user-task-created u")
    assert not all_of(run, e.JobCreated)


def test_a_form_is_named_by_its_id_or_by_an_external_reference() -> None:
    """ZC-029 (which version of a deployed form that is: see test_forms)."""
    by_id = Model("o start -> user u -> O end").extend("u", '<zeebe:formDefinition formId="f"/>')
    outside = Model("o start -> user u -> O end").extend("u", '<zeebe:formDefinition externalReference="http://f"/>')

    assert last(deployed(by_id).create(), e.UserTaskCreated).form_id == "f"
    assert last(deployed(outside).create(), e.UserTaskCreated).external_form_reference == "http://f"


def test_an_embedded_form_is_not_linked() -> None:
    """ZC-030."""
    process = Model("o start -> user u -> O end").extend("u", '<zeebe:formDefinition formKey="camunda-forms:bpmn:f"/>')
    process.extend("p", '<zeebe:userTaskForm id="f">{}</zeebe:userTaskForm>')
    created = last(deployed(process).create(), e.UserTaskCreated)

    assert (created.form_id, created.form_key, created.external_form_reference) == (None, None, None)


def test_variables_of_a_completion_are_merged_like_those_of_a_job() -> None:
    """ZC-031."""
    process = Model("o start -> user u -> O end").map("u", {"mine": "=1"})
    run = deployed(process).create(a=1).complete("u", a=2, mine=3, b=4).completed()

    assert run.variables() == {"a": 2, "b": 4}


def test_cancelling_the_instance_cancels_the_task() -> None:
    """ZC-032."""
    run = given("o start -> user u -> O end").create()

    run.when(c.CancelInstance, key=run.instance.key).then("user-task-canceled", "instance-terminated")


def test_assigning_sets_the_assignee_and_an_empty_one_removes_it() -> None:
    """ZC-033."""
    run = given("o start -> user u -> O end").create()
    key = task(run)

    run.when(c.AssignUserTask, key=key, assignee="ann").when(c.AssignUserTask, key=key, assignee="bob")
    assert run.instance.user_tasks[key].assignee == "bob"
    run.when(c.AssignUserTask, key=key, assignee="")
    assert run.instance.user_tasks[key].assignee is None


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (c.AssignUserTask, {"assignee": "ann"}),
        (c.UpdateUserTask, {"changes": {"priority": 1}}),
        (c.CompleteUserTask, {}),
    ],
)
def test_a_task_that_is_completed_or_unknown_is_not_found(kind: type[c.Command], arguments: dict[str, Any]) -> None:
    """ZC-034, ZC-039, ZC-040."""
    run = given("o start -> user u -> user v -> O end").create()
    key = task(run)
    run.complete("u")

    assert rejection(run.when(kind, key=key, **arguments)) == "NOT_FOUND"
    assert rejection(run.when(kind, key=key + 1_000, **arguments)) == "NOT_FOUND"
    run.complete("v").completed()
    assert rejection(run.when(kind, key=key, **arguments)) == "NOT_FOUND"


def test_a_task_may_be_claimed_again_by_who_has_it() -> None:
    """ZC-035."""
    run = given("o start -> user u -> O end").create()

    for _ in range(2):
        run.when(c.AssignUserTask, key=task(run), assignee="ann", allow_override=False, action="claim")
        run.then("user-task-assigned")
        assert run.instance.user_tasks[task(run)].assignee == "ann"


@pytest.mark.parametrize("assignee", ["bob", ""])
def test_a_task_of_somebody_else_or_without_a_name_cannot_be_claimed(assignee: str) -> None:
    """ZC-036, ZC-037."""
    run = given("o start -> user u -> O end").create()
    run.when(c.AssignUserTask, key=task(run), assignee="ann")

    run.when(c.AssignUserTask, key=task(run), assignee=assignee, allow_override=False, action="claim")
    assert rejection(run) == "INVALID_STATE"


def test_an_update_tells_only_what_was_named() -> None:
    """ZC-038."""
    run = given("o start -> user u -> O end").create()

    run.when(c.UpdateUserTask, key=task(run), changes={"due_date": None, "candidate_users": ["ann"]})
    assert last(run, e.UserTaskUpdated).changes == {"due_date": None, "candidate_users": ["ann"]}


def test_a_completion_without_variables_is_accepted() -> None:
    """ZC-041."""
    given("o start -> user u -> O end").create(a=1).complete("u").completed()


@pytest.mark.parametrize("document", ["[]", '"text"', "5"])
def test_variables_that_are_no_object_are_no_command(document: str) -> None:
    """ZC-041."""
    written = (
        f'{{"type":"complete-user-task","id":"1","issued_at":"2026-01-01T00:00:00Z","key":1,"variables":{document}}}'
    )

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(written, type=c.AnyCommand)


@pytest.mark.parametrize("priority", ["101", "-1", "high"])
def test_a_static_priority_that_is_none_is_refused_at_deployment(priority: str) -> None:
    process = Model("o start -> user u -> O end").extend("u", f'<zeebe:priorityDefinition priority="{priority}"/>')

    assert "the priority" in refused(process)
