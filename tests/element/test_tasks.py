"""Tasks and their work: jobs, user tasks, scripts and messages."""

from domain import commands as c
from domain import events as e
from domain.results import Rejected
from tests.support.given import given


def test_a_service_task_is_done_when_its_job_is() -> None:
    run = given("o start -> pack -> O end").create(a=1)

    run.then("job-created pack").active("pack")
    run.complete("pack", b=2).then("job-completed", "variables-set", "element-completed pack", "instance-completed")
    assert run.variables() == {"a": 1, "b": 2}


def test_a_job_without_retries_is_an_incident_until_retries_are_given() -> None:
    run = given("o start -> pack -> O end").create()
    job = run.job("pack")

    run.when(c.FailJob, key=job, retries=0, message="no box").then("job-failed", "incident-raised pack JOB_NO_RETRIES")
    run.when(c.CompleteJob, key=job)
    assert isinstance(run.answer, Rejected), "a failed job cannot be completed"
    incident = next(iter(run.instance.incidents))
    run.when(c.ResolveIncident, key=incident)
    assert isinstance(run.answer, Rejected), "there are no retries left"
    run.when(c.UpdateJob, key=job, retries=1)
    run.when(c.ResolveIncident, key=incident).then("incident-resolved", "job-reopened")
    run.complete("pack").completed()


def test_a_job_can_be_completed_only_once() -> None:
    run = given("o start -> pack -> ship -> O end").create()
    job = run.job("pack")

    run.when(c.CompleteJob, key=job)
    run.when(c.CompleteJob, key=job)
    assert run.answer == Rejected("NOT_FOUND", f"expected a job with key {job}, but there is none")


def test_a_user_task_takes_variables_on_completion() -> None:
    run = given("o start -> user check -> O end").create()

    run.complete("check", approved=True).then("user-task-completed", "element-completed check").completed()
    assert run.variables() == {"approved": True}


def test_claiming_a_task_of_somebody_else_is_refused() -> None:
    run = given("o start -> user check -> O end").create()
    task = next(iter(run.instance.user_tasks))

    run.when(c.AssignUserTask, key=task, assignee="ann", allow_override=False)
    run.when(c.AssignUserTask, key=task, assignee="bob", allow_override=False)
    assert isinstance(run.answer, Rejected)
    assert run.instance.user_tasks[task].assignee == "ann"


def test_a_failing_script_is_an_incident_that_can_be_resolved() -> None:
    run = given("o start -> script s r = assert(x, x != null) -> O end").create()

    run.then("incident-raised s EXTRACT_VALUE_ERROR")
    run.when(c.SetVariables, key=run.instance.key, variables={"x": 4})
    run.when(c.ResolveIncident, key=next(iter(run.instance.incidents))).completed()
    assert run.variables() == {"x": 4, "r": 4}


def test_a_parallel_multi_instance_gathers_results_in_the_order_of_its_items() -> None:
    run = given("o start -> each items pack -> O end").create(items=[10, 20])
    first, second = sorted(run.instance.jobs)

    run.when(c.CompleteJob, key=second, variables={"result": "b"})
    run.when(c.CompleteJob, key=first, variables={"result": "a"}).completed()
    assert run.variables()["results"] == ["a", "b"]


def test_a_sequential_multi_instance_has_one_job_at_a_time() -> None:
    run = given("o start -> after items pack -> O end").create(items=[10, 20])

    assert len(run.instance.jobs) == 1
    run.complete("pack", result=1)
    assert len(run.instance.jobs) == 1
    run.complete("pack", result=2).completed()
    assert run.variables()["results"] == [1, 2]


def test_an_empty_collection_completes_at_once_with_an_empty_result() -> None:
    run = given("o start -> each items pack -> O end").create(items=[])

    run.completed()
    assert run.variables()["results"] == []


def test_a_large_multi_instance_takes_further_key_blocks_and_several_commands() -> None:
    run = given("o start -> each items pack -> O end").create(items=list(range(10_000)))

    assert len(run.instance.jobs) == 10_000
    assert any(isinstance(event, e.KeyBlockTaken) for event in run.world.events())
    assert sum(isinstance(event, e.LoopPaused) for event in run.world.events()) > 1
    run.when(c.CompleteJob, key=max(run.instance.jobs), variables={"result": "last"})
    assert not isinstance(run.answer, Rejected)


def test_a_called_process_returns_its_variables() -> None:
    run = given("o start -> call c child -> after -> O end", child="o start -> work -> O end").create(a=1)

    run.complete("work", b=2).then(
        "instance-completed", "child-returned", "element-completed c", "element-entered after"
    )
    caller = next(iter(run.world.instances()))
    assert caller.root.variables == {"a": 1, "b": 2}


def test_a_child_ends_with_its_caller_and_cannot_be_cancelled_alone() -> None:
    run = given("o start -> call c child -> O end", child="o start -> work -> O end").create()
    caller, child = run.world.instances()

    run.when(c.CancelInstance, key=child.key)
    assert isinstance(run.answer, Rejected)
    run.when(c.CancelInstance, key=caller.key).then("child-released", "instance-terminated", "instance-terminated")
    assert child.status == "terminated"


def test_a_process_that_calls_itself_for_ever_stops_with_an_incident() -> None:
    run = given("o start -> x again ->[= true] call c p -> O end; again ->[else] O stop").create()

    assert run.instance.depth == 1_000
    run.then("incident-raised c CALLED_ELEMENT_ERROR")


def test_a_name_that_is_too_long_is_an_incident() -> None:
    run = given("o start -> message m paid -> O end").create(key="k" * 501)

    run.then("incident-raised m EXTRACT_VALUE_ERROR")
