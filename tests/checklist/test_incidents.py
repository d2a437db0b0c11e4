"""The checklist of engine semantics: incidents (ZC-291 to ZC-302)."""

from typing import Any

import pytest

from domain import commands as c
from tests.checklist.edits import extended, incidents, mapped, process, refused, told
from tests.dmn.test_engine import asking
from tests.support.given import Run, given

PACK = "o start -> pack -> after -> O end"
FAILS = '=assert(x, x != null, "x is missing")'


def resolve(run: Run, **variables: object) -> Run:
    """Set variables of the instance and resolve its only incident."""
    if variables:
        run.when(c.SetVariables, key=run.instance.key, variables=variables)
    (incident,) = run.instance.incidents
    return run.when(c.ResolveIncident, key=incident)


def test_a_failing_input_mapping_is_an_incident_before_the_work() -> None:
    """ZC-291"""
    run = Run(mapped(process(PACK), "pack", inputs={"b": FAILS})).create()

    assert told(run)[-2:] == ["element-entered pack", "incident-raised pack IO_MAPPING_ERROR"]
    assert "x is missing" in incidents(run)[0][2]
    assert resolve(run, x=1).active("pack").instance.jobs


def test_a_failing_output_mapping_is_an_incident_after_the_work() -> None:
    """ZC-291"""
    run = Run(mapped(process(PACK), "pack", outputs={"b": FAILS})).create().complete("pack")

    run.active("pack").then("job-completed", "incident-raised pack IO_MAPPING_ERROR")
    assert resolve(run, x=1).active("after").variables() == {"x": 1, "b": 1}


def test_mappings_that_fail_again_raise_a_new_incident() -> None:
    """ZC-292"""
    run = Run(mapped(process(PACK), "pack", outputs={"b": FAILS})).create().complete("pack")
    (first,) = run.instance.incidents

    resolve(run).then("incident-resolved", "incident-raised pack IO_MAPPING_ERROR")
    (second,) = run.instance.incidents
    assert first != second
    refused(run.when(c.ResolveIncident, key=first), "NOT_FOUND")


def test_incidents_of_one_instance_are_independent() -> None:
    """ZC-293"""
    xml = process("o start -> + f; f -> pack -> O e1; f -> ship -> O e2")
    run = Run(mapped(mapped(xml, "pack", inputs={"b": FAILS}), "ship", inputs={"b": FAILS})).create()
    first, second = sorted(run.instance.incidents)
    run.when(c.SetVariables, key=run.instance.key, variables={"x": 1})

    run.when(c.ResolveIncident, key=second).then("incident-resolved", "job-created ship")
    assert set(run.instance.incidents) == {first}
    run.when(c.ResolveIncident, key=first).then("incident-resolved", "job-created pack")


def test_an_incident_goes_with_its_element_and_with_its_instance() -> None:
    """ZC-294, ZC-302"""
    xml = mapped(process("o start -> pack -> O end; at pack timer t PT1H -> late -> O k"), "pack", outputs={"b": FAILS})
    interrupted = Run(xml).create().complete("pack")
    interrupted.advance(3600).then("incident-resolved", "element-terminated pack").active("late")

    cancelled = Run(xml).create().complete("pack")
    cancelled.when(c.CancelInstance, key=cancelled.instance.key).then("incident-resolved", "instance-terminated")


@pytest.mark.parametrize(("message", "told_as"), [("no box", "no box"), ("", "No more retries left.")])
def test_a_job_without_retries_is_an_incident_with_the_workers_message(message: str, told_as: str) -> None:
    """ZC-295"""
    run = given(PACK).create()

    run.when(c.FailJob, key=run.job("pack"), retries=0, message=message)
    assert incidents(run) == [("pack", "JOB_NO_RETRIES", told_as)]


def test_it_is_resolved_only_with_retries() -> None:
    """ZC-296"""
    run = given(PACK).create()
    job = run.job("pack")
    run.when(c.FailJob, key=job, retries=0)
    refused(resolve(run), "INVALID_STATE")
    assert len(run.instance.incidents) == 1

    run.when(c.UpdateJob, key=job, retries=1)
    resolve(run).then("incident-resolved", "job-reopened")
    run.complete("pack").active("after")


def test_it_goes_when_the_job_is_cancelled() -> None:
    """ZC-297"""
    run = given("o start -> pack -> O end; at pack timer t PT1H -> late -> O k").create()
    run.when(c.FailJob, key=run.job("pack"), retries=0)

    run.advance(3600).then("job-canceled", "incident-resolved", "element-terminated pack").active("late")


@pytest.mark.parametrize(("attribute", "value"), [("type", 1), ("type", None), ("retries", "many"), ("retries", None)])
def test_a_type_that_is_no_text_or_retries_that_are_no_number_are_incidents(attribute: str, value: object) -> None:
    """ZC-298"""
    written = {"type": '"t"', "retries": "3"} | {attribute: "x"}
    definition = "<zeebe:taskDefinition type='={type}' retries='={retries}'/>".format(**written)
    xml = process("o start -> task pack -> after -> O end").replace(b"<task ", b"<serviceTask ")
    xml = extended(xml.replace(b"</task>", b"</serviceTask>"), "pack", definition)

    run = Run(xml).create(x=value).then("incident-raised pack EXTRACT_VALUE_ERROR")
    resolve(run, x={"type": "t", "retries": 2}[attribute]).then("job-created pack")


@pytest.mark.parametrize(
    ("extension", "value", "good"),
    [
        ('assignmentDefinition assignee="=x"', 1, "ann"),
        ('assignmentDefinition candidateGroups="=x"', "a", ["a"]),
        ('assignmentDefinition candidateGroups="=x"', [1], ["a"]),
        ('assignmentDefinition candidateUsers="=x"', 1, ["a"]),
        ('taskSchedule dueDate="=x"', "tomorrow", "2026-01-02T00:00:00Z"),
        ('taskSchedule dueDate="=x"', 1, None),
        ('taskSchedule followUpDate="=x"', [], "2026-01-02T00:00:00Z"),
    ],
)
def test_attributes_of_a_user_task_of_a_wrong_type_are_incidents(extension: str, value: object, good: object) -> None:
    """ZC-300"""
    xml = extended(process("o start -> user check -> O end"), "check", f"<zeebe:{extension}/>")

    run = Run(xml).create(x=value).then("incident-raised check EXTRACT_VALUE_ERROR")
    resolve(run, x=good).then("user-task-created check")


@pytest.mark.parametrize(
    ("decision", "variables", "kind"),
    [
        ("missing", {}, "CALLED_DECISION_ERROR"),
        ("=x", {"x": 1}, "EXTRACT_VALUE_ERROR"),
    ],
)
def test_a_decision_that_is_missing_or_has_no_name_is_an_incident(
    decision: str, variables: dict[str, Any], kind: str
) -> None:
    """ZC-301: a failed evaluation, DECISION_EVALUATION_ERROR, is tested in tests/dmn/test_engine.py."""
    run = Run(asking(process("o start -> ask -> O end"), f'decisionId="{decision}"')).create(**variables)

    run.then(f"incident-raised ask {kind}")
