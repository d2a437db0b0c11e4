"""The given models: what Camunda rejects is refused at the right element, what it accepts is read."""

from collections import Counter

from domain.bpmn.problems import Problem
from tests.bpmn.conformance import conformance, index
from tests.bpmn.models import problems_of

NOT_YET = "not supported yet"

TOO_OLD = {
    "8b255fea-demoProcess.bpmn": "mappings as JSON paths ($.foo), which Camunda 8 rejects by ZC-377, too",
    "b63126d7-demo-process.bpmn": "mappings as JSON paths ($.foo), which Camunda 8 rejects by ZC-377, too",
}
"""Models of Zeebe before FEEL that the index calls clean: file -> why they are refused."""


def _only_not_yet(problems: tuple[Problem, ...]) -> bool:
    return bool(problems) and all(NOT_YET in problem.reason for problem in problems)


def test_models_that_camunda_rejects_are_refused_at_their_element() -> None:
    folder = conformance() / "bpmn-zeebe" / "deploy-rejection"
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in index(folder):
        problems = problems_of((folder / case["file"]).read_bytes())
        if _only_not_yet(problems) and case["expect"] == "reject":
            counts["refused, not supported yet"] += 1
            continue
        counts["refused" if problems else "accepted"] += 1
        expected = case["expect"] == "accept"
        named = not problems or case["element"] in [problem.element_id for problem in problems]
        if bool(problems) == expected or not named:
            wrong.append(f"{case['file']}: expected {case['expect']} at {case['element']}, but found {problems}")
    print(f"deploy-rejection: {dict(counts)}")

    assert not wrong, "\n".join(wrong)
    assert counts["refused"] >= 37
    assert counts["accepted"] >= 4


def test_clean_models_are_read() -> None:
    folder = conformance() / "bpmn-zeebe"
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in index(folder):
        if case["tier"] != "clean":
            continue
        path = folder / case["file"]
        problems = problems_of(path.read_bytes())
        if path.name in TOO_OLD:
            counts["refused, too old"] += 1
            assert problems
        elif problems and not _only_not_yet(problems):
            wrong.append(f"{path.name}: {problems}")
        else:
            counts["not supported yet" if problems else "read"] += 1
    print(f"models, tier clean: {dict(counts)}")

    assert not wrong, "\n".join(wrong)
    assert counts["read"] >= 87


def test_models_of_the_scenarios_are_read() -> None:
    folder = conformance() / "bpmn-zeebe" / "scenarios" / "own-models"
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for path in sorted(folder.glob("*.bpmn")):
        problems = problems_of(path.read_bytes())
        counts["not supported yet" if problems else "read"] += 1
        if problems and not _only_not_yet(problems):
            wrong.append(f"{path.name}: {problems}")
    print(f"scenarios: {dict(counts)}")

    assert not wrong, "\n".join(wrong)


def test_hostile_samples_are_refused_or_read_as_expected() -> None:
    folder = conformance() / "hostile" / "samples"
    wrong: list[str] = []
    for case in index(folder):
        if not case["file"].endswith(".bpmn") or not case["stored"]:
            continue
        problems = problems_of((folder / case["file"]).read_bytes())
        expected = case["expect"]
        if expected.startswith("accept;") or expected in ("accept", "accept with the right character", "not expanded"):
            good = not problems
        elif expected.startswith("reject with a reason that names the element id"):
            good = any(problem.element_id for problem in problems)
        else:
            good = bool(problems) or "accept" in expected
        if not good:
            wrong.append(f"{case['file']}: expected {expected}, but found {problems}")

    assert not wrong, "\n".join(wrong)


def test_models_of_other_tools_that_are_not_executable_are_told_so() -> None:
    folder = conformance() / "bpmn-miwg" / "reference"
    found = {path.name: problems_of(path.read_bytes()) for path in folder.glob("*.bpmn")}

    assert found
    assert [name for name, problems in found.items() if not problems] == ["C.9.0.bpmn"], "made for Zeebe"
    assert all(problem.element_id for problems in found.values() for problem in problems)
