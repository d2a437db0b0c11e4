"""The checklist of engine semantics: variables and mappings (ZC-275 to ZC-290)."""

from typing import Any

import pytest

from domain import commands as c
from domain import events as e
from domain.bpmn.read import InvalidModel, read_processes
from tests.checklist.edits import incidents, mapped, process, refused
from tests.support.given import Run, given

PACK = "o start -> pack -> wait -> O end"
NESTED = "o start -> sub s { o i -> pack -> O j } -> wait -> O end"


def sets(run: Run) -> list[tuple[int, dict[str, Any]]]:
    """Return (scope, variables) of each write since the last `when`."""
    events = [record.event for record in run.world.log[run.seen :]]
    return [(event.scope, event.variables) for event in events if isinstance(event, e.VariablesSet)]


def key(run: Run, element: str) -> int:
    """Return the key of the element instance."""
    return next(key for key, each in run.instance.elements.items() if each.element == element)


def local(run: Run, element: str) -> dict[str, Any]:
    """Return the variables of the element's own scope."""
    return run.instance.elements[key(run, element)].variables


def test_creation_completion_mappings_and_commands_each_record_what_they_set() -> None:
    """ZC-275"""
    run = Run(mapped(process(PACK), "pack", outputs={"b": "=x"})).create(a=1)
    root = run.instance.key
    assert sets(run) == [(root, {"a": 1})]

    pack = key(run, "pack")
    assert sets(run.complete("pack", x=2)) == [(pack, {"x": 2}), (root, {"b": 2})]
    assert sets(run.when(c.SetVariables, key=root, variables={"d": 3})) == [(root, {"d": 3})]


def test_an_equal_value_records_nothing() -> None:
    """ZC-276"""
    run = given(PACK).create(a=1, b={"c": [1, 2]})

    assert sets(run.when(c.SetVariables, key=run.instance.key, variables={"a": 1, "b": {"c": [1, 2]}})) == []
    assert sets(run.complete("pack", a=1, b={"c": [1, 3]})) == [(run.instance.key, {"b": {"c": [1, 3]}})]
    assert sets(run.when(c.SetVariables, key=run.instance.key, variables={"a": True})) == [
        (run.instance.key, {"a": True})
    ]


def test_merging_updates_each_variable_in_the_nearest_scope_that_has_it() -> None:
    """ZC-277, ZC-278, ZC-279"""
    run = Run(mapped(process(NESTED), "s", inputs={"a": "=1", "b": "=2"})).create(a=0, d=0)

    run.when(c.SetVariables, key=key(run, "pack"), variables={"a": 10, "d": 11, "f": 12})
    assert local(run, "s") == {"a": 10, "b": 2}
    assert run.variables() == {"a": 0, "d": 11, "f": 12}
    assert local(run, "pack") == {}


def test_local_semantics_write_to_the_given_scope_only() -> None:
    """ZC-280"""
    run = given(NESTED).create(a=0)

    run.when(c.SetVariables, key=key(run, "s"), variables={"a": 1, "b": 2}, local=True)
    assert local(run, "s") == {"a": 1, "b": 2}
    assert run.variables() == {"a": 0}


def test_variables_of_an_unknown_scope_are_refused() -> None:
    """ZC-281: that a document is an object is checked at the edge (tests/api)."""
    run = given(PACK).create()

    refused(run.when(c.SetVariables, key=run.instance.key + 999, variables={"a": 1}), "NOT_FOUND")


def test_without_output_mappings_all_are_merged_and_with_them_only_their_targets() -> None:
    """ZC-282"""
    run = given(NESTED).create()
    assert run.complete("pack", a=1, b=2).variables() == {"a": 1, "b": 2}

    some = Run(mapped(process(NESTED), "pack", outputs={"d": "=a"})).create()
    pack = key(some, "pack")
    some.complete("pack", a=1, b=2)
    assert some.variables() == {"d": 1}
    assert sets(some)[0] == (pack, {"a": 1, "b": 2})


def test_a_job_variable_that_is_local_by_an_input_mapping_stays_local() -> None:
    """ZC-283"""
    run = Run(mapped(process(PACK), "pack", inputs={"a": "=1"})).create(a=0)

    assert run.complete("pack", a=2, b=3).variables() == {"a": 0, "b": 3}


def test_a_target_with_dots_builds_or_extends_objects() -> None:
    """ZC-284"""
    xml = mapped(process(PACK), "pack", outputs={"o.x": "=a", "o.y.z": "=b", "n.m": "=a"})

    run = Run(xml).create(o={"x": 0, "keep": 1, "y": {"keep": 2}})
    assert run.complete("pack", a=5, b=6).variables() == {
        "o": {"x": 5, "keep": 1, "y": {"keep": 2, "z": 6}},
        "n": {"m": 5},
    }


def test_input_targets_are_local() -> None:
    """ZC-285"""
    run = Run(mapped(process(PACK), "pack", inputs={"b": "=a+1", "o.x": "=a"})).create(a=1)

    assert local(run, "pack") == {"b": 2, "o": {"x": 1}}
    assert run.variables() == {"a": 1}


def test_dates_times_and_durations_become_text() -> None:
    """ZC-286"""
    inputs = {
        "d": '=date("2026-01-02")', "t": '=time("10:00:00")', "m": '=date and time("2026-01-02T10:00:00Z")',
        "p": '=duration("PT90M")', "y": '=duration("P14M")', "l": '=[date("2026-01-02")]',
    }  # fmt: skip
    run = Run(mapped(process(PACK), "pack", inputs=inputs)).create()

    assert local(run, "pack") == {
        "d": "2026-01-02", "t": "10:00:00", "m": "2026-01-02T10:00:00Z", "p": "PT1H30M", "y": "P1Y2M", "l": ["2026-01-02"],
    }  # fmt: skip


def test_later_mappings_may_use_earlier_targets() -> None:
    """ZC-287"""
    run = Run(mapped(process(PACK), "pack", inputs={"b": "=a+1", "d": "=b+1", "o.x": "=d", "e": "=o.x"})).create(a=1)

    assert local(run, "pack") == {"b": 2, "d": 3, "o": {"x": 3}, "e": 3}


def test_a_missing_variable_gives_null() -> None:
    """ZC-288"""
    run = Run(mapped(process(PACK), "pack", inputs={"b": "=missing", "d": "=missing.deep"})).create()

    assert local(run, "pack") == {"b": None, "d": None}
    assert incidents(run) == []


@pytest.mark.parametrize(
    "target", ["a b", "1a", "a.", ".a", "a..b", "a[1]", "a+b", "=a", "null", "true", "if", "for", ""]
)
def test_a_target_is_a_path_of_names(target: str) -> None:
    """ZC-289"""
    with pytest.raises(InvalidModel):
        read_processes(mapped(process(PACK), "pack", inputs={target: "=1"}), "p.bpmn")


def test_an_end_event_may_have_output_mappings() -> None:
    """ZC-290"""
    xml = mapped(process("o start -> sub s { o i -> O j } -> wait -> O end"), "j", outputs={"b": "=a+1"})

    assert Run(xml).create(a=1).variables() == {"a": 1, "b": 2}
