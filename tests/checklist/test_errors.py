"""The checklist of engine semantics: errors (ZC-169 to ZC-185)."""

import pytest

from domain import commands as c
from tests.checklist.edits import event_sub, incidents, mapped, process, refused, told
from tests.support.given import Run, given

CAUGHT_BY_EVENT_SUB = event_sub(
    process("o start -> sub s { o i -> pack -> O j; sub esp { on error e BAD -> hurry -> O k } } -> O end"), "esp"
)


def throw(run: Run, code: str = "BAD", element: str = "pack", **variables: object) -> Run:
    """Throw an error from the job of an element."""
    return run.when(c.ThrowJobError, key=run.job(element), code=code, variables=variables)


def test_an_error_goes_to_the_activity_then_to_event_sub_processes_then_to_the_scope() -> None:
    """ZC-169"""
    text = (
        "o start -> sub s { o i -> pack -> O j; sub esp { on error e2 TWO -> two -> O k }"
        "; at pack error e1 ONE -> one -> O l } -> O end; at s error e3 THREE -> three -> O m"
    )
    for code, found in (("ONE", ("one", "s")), ("TWO", ("two", "s", "esp")), ("THREE", ("three",))):
        throw(Run(event_sub(process(text), "esp")).create(), code).active(*found)


def test_the_same_code_wins_over_catch_all_within_a_scope_but_a_nearer_scope_wins_first() -> None:
    """ZC-170"""
    text = "o start -> pack -> O end; at pack error all -> any -> O a; at pack error e BAD -> bad -> O b"
    throw(given(text).create()).active("bad")
    throw(given(text).create(), "OTHER").active("any")

    nearer = "o start -> sub s { o i -> pack -> O j; at pack error all -> any -> O a } -> O end; at s error e BAD -> bad -> O b"
    throw(given(nearer).create()).active("s", "any")


@pytest.mark.parametrize("definition", ["", 'errorRef="bare"', 'errorRef="empty"'])
def test_a_catch_without_a_code_catches_all(definition: str) -> None:
    """ZC-171"""
    xml = process("o start -> pack -> O end; at pack error all -> any -> O a").decode()
    xml = xml.replace("<errorEventDefinition/>", f"<errorEventDefinition {definition}/>")
    xml = xml.replace("<process ", '<error id="bare"/><error id="empty" errorCode=""/><process ', 1)

    throw(Run(xml.encode()).create()).active("any")


def test_codes_that_look_like_numbers_are_text() -> None:
    """ZC-172"""
    text = "o start -> pack -> O end; at pack error one 01 -> other -> O a; at pack error two 1 -> caught -> O b"
    throw(given(text).create(), "1").active("caught")
    throw(given(text).create(), "1.0").active("pack").then("incident-raised pack UNHANDLED_ERROR_EVENT")


def test_a_job_whose_error_was_thrown_is_not_cancelled_too() -> None:
    """ZC-173"""
    run = throw(given("o start -> pack -> O end; at pack error e BAD -> O a").create())

    run.then("job-error-thrown", "element-terminated pack").completed()
    assert "job-canceled" not in run.facts()
    unhandled = throw(given("o start -> pack -> O end").create())
    assert [job.state for job in unhandled.instance.jobs.values()] == ["ERROR_THROWN"]


def test_an_error_crosses_a_call_activity_and_ends_the_child() -> None:
    """ZC-174: both have happened once the command is done; the child ends in a stream of its own, after its caller went on."""
    run = given("o start -> call c child -> O end; at c error e BAD -> hurry -> O a", child="o start -> pack -> O end")

    throw(run.create())
    parent, child = run.world.instances()
    assert child.status == "terminated"
    assert sorted(element.element for element in parent.elements.values()) == ["hurry", "p"]


def test_an_error_that_is_caught_inside_ends_one_iteration() -> None:
    """ZC-175"""
    text = "o start -> sub s { o i -> pack -> O j; at pack error e BAD -> O k } -> O end"
    run = throw(Run(looped(text)).create(items=[1, 2]))

    run.active("s", "s", "pack")
    run.complete("pack").completed()


def test_an_error_that_is_caught_outside_ends_the_whole_body() -> None:
    """ZC-175"""
    text = "o start -> sub s { o i -> pack -> O j } -> O end; at s error e BAD -> hurry -> O k"
    throw(Run(looped(text)).create(items=[1, 2])).active("hurry")


def looped(text: str) -> bytes:
    loop = (
        '<multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics inputCollection="=items"/>'
        "</extensionElements></multiInstanceLoopCharacteristics></subProcess>"
    )
    return process(text).replace(b"</subProcess>", loop.encode())


def test_an_error_end_event_ends_its_scope_and_enters_the_catch() -> None:
    """ZC-176"""
    text = (
        "o start -> sub s { o i -> + f; f -> pack -> O j; f -> error t BAD } -> O end; at s error e BAD -> hurry -> O k"
    )
    run = given(text).create()

    run.then("error-thrown", "element-terminated t", "element-terminated pack", "element-terminated s")
    run.active("hurry")


def test_the_code_of_an_error_end_event_may_be_an_expression() -> None:
    """ZC-177"""
    text = 'o start -> sub s { o i -> error t ="B"+code } -> O end; at s error e BAD -> hurry -> O k'
    given(text).create(code="AD").active("hurry")


def test_variables_of_an_error_go_to_the_scope_or_through_the_output_mappings_of_the_catch() -> None:
    """ZC-178"""
    xml = process("o start -> pack -> O end; at pack error e BAD -> hurry -> O a")
    assert throw(Run(xml).create(a=1), a=2, b=3).variables() == {"a": 2, "b": 3}

    some = Run(mapped(xml, "e", outputs={"c": "=b"})).create(a=1)
    assert throw(some, a=2, b=3).variables() == {"a": 1, "c": 3}


def test_variables_of_an_error_that_an_event_sub_process_catches_are_in_the_process_scope() -> None:
    """ZC-179"""
    xml = event_sub(process("o start -> pack -> O end; sub esp { on error e BAD -> hurry -> O k }"), "esp")

    run = throw(Run(xml).create(), a=2)
    assert run.active("esp", "hurry").variables() == {"a": 2}


def test_an_error_can_be_thrown_once_and_only_by_an_open_job() -> None:
    """ZC-180"""
    run = given("o start -> pack -> O end").create()
    job = run.job("pack")
    refused(run.when(c.ThrowJobError, key=job + 999, code="BAD"), "NOT_FOUND")

    run.when(c.ThrowJobError, key=job, code="BAD")
    refused(run.when(c.ThrowJobError, key=job, code="BAD"), "INVALID_STATE")
    failed = given("o start -> pack -> O end").create()
    failed.when(c.FailJob, key=failed.job("pack"), retries=0)
    refused(failed.when(c.ThrowJobError, key=failed.job("pack"), code="BAD"), "INVALID_STATE")


def test_long_error_messages_are_cut() -> None:
    """ZC-181"""
    run = given("o start -> pack -> O end; at pack error e BAD -> O a").create()
    run.when(c.ThrowJobError, key=run.job("pack"), code="BAD", message="m" * 10_001)

    messages = [message for record in run.world.log if (message := getattr(record.event, "message", ""))]
    assert messages
    assert {len(message) for message in messages} == {10_000}


def test_an_error_that_nobody_catches_is_an_incident_that_names_the_codes() -> None:
    """ZC-182"""
    text = "o start -> sub s { o i -> pack -> O j; at pack error e1 ONE -> O k } -> O end; at s error e2 TWO -> O m"
    ((element, kind, message),) = incidents(throw(given(text).create(), "THREE"))

    assert (element, kind) == ("pack", "UNHANDLED_ERROR_EVENT")
    assert all(code in message for code in ("THREE", "ONE", "TWO"))


def test_an_error_from_an_event_sub_process_is_not_caught_by_itself() -> None:
    """ZC-183"""
    run = throw(Run(CAUGHT_BY_EVENT_SUB).create())
    run.active("s", "esp", "hurry")

    throw(run, element="hurry").then("incident-raised hurry UNHANDLED_ERROR_EVENT")


def test_the_incident_of_an_uncaught_error_of_a_job_gives_the_job_back() -> None:
    """ZC-184"""
    run = throw(given("o start -> pack -> O end").create())

    run.when(c.ResolveIncident, key=next(iter(run.instance.incidents)))
    run.complete("pack").completed()


def test_the_incident_of_an_error_end_event_comes_again_until_its_scope_ends() -> None:
    """ZC-184"""
    run = given("o start -> error t BAD").create()
    run.when(c.ResolveIncident, key=next(iter(run.instance.incidents))).then(
        "incident-resolved", "incident-raised t UNHANDLED_ERROR_EVENT"
    )
    run.when(c.CancelInstance, key=run.instance.key).then("incident-resolved", "instance-terminated")


def test_a_code_that_is_no_text_is_an_incident() -> None:
    """ZC-185"""
    assert "incident-raised t EXTRACT_VALUE_ERROR" in told(given("o start -> error t =code").create(code=1))
