"""Bytes of any kind: only `InvalidModel`, quickly, within bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bpmn import xml
from domain.bpmn.problems import PROBLEMS_MAX, InvalidModel
from domain.bpmn.read import MODEL_ELEMENTS_MAX, SCOPE_DEPTH_MAX, outline, read_processes
from domain.bpmn.tags import EXPRESSIONS_CHARACTERS_MAX
from domain.elements.element import Element
from domain.model import Node
from tests.bpmn.models import JOB, MESSAGE, START, condition, document, flow, problems_of, timer

WHOLE = document(
    START + f'<serviceTask id="a">{JOB}</serviceTask><boundaryEvent id="b" attachedToRef="a">{timer("PT1S")}</boundaryEvent>'
    '<subProcess id="u"><startEvent id="us"/></subProcess><exclusiveGateway id="x" default="g"/><task id="t"/>'
    '<intermediateCatchEvent id="c"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>'
    + flow("e", "start", "x") + flow("f", "x", "u", condition("= n &gt; 1")) + flow("g", "x", "t"),
    MESSAGE,
)  # fmt: skip

BOMB = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]><definitions id='&b;'/>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("before", ["", "<!-- a -->\n", "<?a b?> <!-- c -->"])
def test_a_document_type_is_refused_in_every_encoding(encoding: str, before: str) -> None:
    (problem,) = problems_of((before + BOMB).encode(encoding))

    assert "DOCTYPE" in problem.reason


@pytest.mark.parametrize("encoding", ["utf-7", "cp037", "utf-32", "x-unknown", "base64"])
def test_an_encoding_that_could_hide_markup_is_refused(encoding: str) -> None:
    assert problems_of(f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + WHOLE)


def test_text_about_a_document_type_is_no_document_type() -> None:
    read_processes(
        document(f"{START}<documentation><![CDATA[<!DOCTYPE html>]]></documentation><!-- <!DOCTYPE a> -->"), "p.bpmn"
    )


def test_lines_are_counted_from_the_declaration_on() -> None:
    (problem,) = problems_of(b'<?xml version="1.0"\n encoding="UTF-8"?>\n' + document(START + '\n<scriptTask id="a"/>'))

    assert problem.line == 4


def test_sizes_are_bounded() -> None:
    for content in (
        b"<a>" + b"x" * xml.MODEL_BYTES_MAX + b"</a>",
        document(START + "<extensionElements>" + "<a/>" * xml.MODEL_TAGS_MAX + "</extensionElements>"),
        document(f"{START}<documentation>{'=' * xml.ATTRIBUTES_MAX}</documentation>"),
        document(START + "".join(f'<task id="t{i}"/>' for i in range(MODEL_ELEMENTS_MAX))),
        document(START + "".join(f'<subProcess id="u{i}"><startEvent id="s{i}"/>' for i in range(SCOPE_DEPTH_MAX + 1))
                 + "</subProcess>" * (SCOPE_DEPTH_MAX + 1)),
        document(START + '<exclusiveGateway id="x"/><task id="t"/>' + "".join(
            flow(f"f{i}", "x", "t", condition(f"= [{'1,' * 1_000}1]")) for i in range(EXPRESSIONS_CHARACTERS_MAX // 2_000 + 1))),
        document(START + "<extensionElements>" + "<a>" * 10_000 + "</a>" * 10_000 + "</extensionElements>"),
    ):  # fmt: skip
        (problem,) = problems_of(content)
        assert len(str(problem)) < 500


def test_a_refusal_stays_short_however_much_is_wrong() -> None:
    with pytest.raises(InvalidModel) as refusal:
        read_processes(document(START + "".join(f'<serviceTask id="{"x" * 200}{i}"/>' for i in range(500))), "p.bpmn")

    assert len(refusal.value.problems) == PROBLEMS_MAX
    assert refusal.value.further == 400
    assert str(refusal.value).endswith("and 400 further problems")


def _chain(length: int) -> bytes:
    nodes = "".join(f'<exclusiveGateway id="x{i}"/>' for i in range(length))
    flows = "".join(flow(f"f{i}", f"x{i - 1}" if i else "start", f"x{i}") for i in range(length))
    return document(START + nodes + flows)


def test_reading_asks_each_element_of_a_long_chain_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def check(_: Element, node: Node, problem: object) -> None:
        calls.append(node.id)

    monkeypatch.setattr(Element, "check", check)

    (model,) = read_processes(_chain(3_000), "p.bpmn")

    assert len(model.nodes) == 3_002
    assert len(calls) == len(set(calls)) == 3_002


def test_a_deep_model_is_read_without_recursion() -> None:
    inside = "".join(f'<subProcess id="u{i}"><startEvent id="s{i}"/>' for i in range(SCOPE_DEPTH_MAX))
    (model,) = read_processes(document(START + inside + "</subProcess>" * SCOPE_DEPTH_MAX), "p.bpmn")

    assert len(model.nodes) == 2 * SCOPE_DEPTH_MAX + 2


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(content: bytes) -> None:
    assert problems_of(content)


@settings(max_examples=300)
@given(st.data())
def test_a_changed_model_is_read_or_refused_with_reasons(data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = min(len(content), start + data.draw(st.integers(0, 30)))
        piece = data.draw(st.integers(0, len(WHOLE) - 1))
        put = data.draw(st.one_of(st.binary(max_size=6), st.just(WHOLE[piece : piece + 60])))
        content[start:end] = put

    if not problems_of(bytes(content)):
        outline(bytes(content))
