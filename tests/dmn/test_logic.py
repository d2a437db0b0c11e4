"""Requirements, knowledge, services, imports and types; and models that are hostile."""

import re

import pytest

from domain.bpmn.problems import InvalidModel
from domain.dmn import namespaces, read_model
from domain.feel import FeelFunction
from tests.dmn.models import answer, ask, decision, literal, model, result, table, typed


def knowledge(name: str, parameters: str, body: str, *requires: str) -> str:
    formal = "".join(f'<formalParameter name="{each}"/>' for each in parameters.split())
    needs = "".join(
        f'<knowledgeRequirement><requiredKnowledge href="#{each}"/></knowledgeRequirement>' for each in requires
    )
    return (
        f'<businessKnowledgeModel id="{name}" name="{name}"><variable name="{name}"/>'
        f"<encapsulatedLogic>{formal}{literal(body)}</encapsulatedLogic>{needs}</businessKnowledgeModel>"
    )


def data(name: str, wanted: str = "") -> str:
    return f'<inputData id="{name}" name="{name}"><variable name="{name}"{typed(wanted)}/></inputData>'


def test_required_decisions_are_evaluated_once_and_before() -> None:
    diamond = model(
        decision("base", literal("n + 1")),
        decision("left", literal("base * 2"), "base"),
        decision("right", literal("base * 3"), "base"),
        decision("d", literal("left + right"), "left", "right"),
    )
    found = ask(diamond, n=1)

    assert found.output == 10
    assert [each.decision.id for each in found.decided] == ["base", "left", "right", "d"]


def test_a_result_is_found_by_the_name_of_its_variable_and_by_the_id_of_its_decision() -> None:
    other = decision("d1", literal("7")).replace('<variable name="d1"/>', '<variable name="the answer"/>')

    assert result(model(other, decision("d", literal("the answer + d1"), "d1"))) == 14


def test_a_chain_of_three_thousand_decisions_has_an_answer() -> None:
    chain = [decision("d0", literal("0"))]
    chain += [decision(f"d{index}", literal(f"d{index - 1} + 1"), f"d{index - 1}") for index in range(1, 3001)]

    assert result(model(*chain), "d3000") == 3000


def test_the_decision_that_fails_is_named_with_what_it_required() -> None:
    failing = decision("a", table("n", "o", "- : 1", "- : 2"))
    found = ask(model(failing, decision("d", literal("a"), "a")), n=1)

    assert (found.output, found.failed and found.failed.id) == (None, "a")
    assert "decision 'a'" in str(found.failure)
    assert [each.decision.id for each in found.decided] == ["a"]


def test_knowledge_sees_its_parameters_and_itself_but_no_data() -> None:
    own = model(knowledge("f", "n", "if n < 2 then 1 else n * f(n - 1)"), decision("d", literal("f(5)"), "fn:f"))
    blind = model(knowledge("f", "n", "secret"), decision("d", literal("f(5)"), "fn:f"))

    assert result(own) == 120
    assert result(blind, secret=1) is None


def test_knowledge_that_calls_itself_for_ever_is_a_failure() -> None:
    endless = model(knowledge("f", "n", "f(n + 1)"), decision("d", literal("f(1)"), "fn:f"))

    assert "too deeply" in str(ask(endless).failure)


def test_knowledge_that_calls_itself_ever_more_is_stopped() -> None:
    doubling = model(
        knowledge("f", "n", "if n = 0 then 0 else f(n - 1) + f(n - 1)"), decision("d", literal("f(40)"), "fn:f")
    )

    assert "steps" in str(ask(doubling).failure)


def test_a_decision_service_answers_with_what_it_is_given() -> None:
    service = (
        '<decisionService id="s" name="s"><variable name="s"/><outputDecision href="#out"/>'
        '<inputDecision href="#given"/><inputData href="#n"/></decisionService>'
    )
    out = decision("out", literal("n + given"), "in:n", "given")
    made = model(
        data("n", "number"), decision("given", literal("1")), out, service, decision("d", literal("s(2, 3)"), "fn:s")
    )

    assert result(made, "s", n=2, given=40) == 42
    assert result(made) == 5
    assert result(made, "out", n=2) == 3


def test_imports_bring_decisions_knowledge_and_types_under_their_name() -> None:
    library = model(
        '<itemDefinition name="tAge"><typeRef>number</typeRef></itemDefinition>',
        knowledge("double it", "n", "n * 2").replace('id="double it"', 'id="k"'),
        decision("base", literal("20")),
        model_id="lib",
        namespace="http://lib",
    )
    using = model(
        data("n", "lib.tAge"),
        decision("d", literal("lib.double it(n) + lib.base"), "in:n", "http://lib#base", "fn:http://lib#k").replace(
            "#http", "http"
        ),
        head='<import namespace="http://lib" name="lib" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>',
    )
    imported = read_model(library)

    assert namespaces(using) == ("http://m", ("http://lib",))
    assert answer(read_model(using, lambda _: imported).decisions["d"], {"n": 1}).output == 22
    with pytest.raises(InvalidModel, match="expected the imported model 'http://lib' to be deployed"):
        read_model(using)


TYPES = (
    '<itemDefinition name="tColor"><typeRef>string</typeRef><allowedValues><text>"red", "green"</text></allowedValues>'
    '</itemDefinition><itemDefinition name="tColors" isCollection="true"><typeRef>tColor</typeRef></itemDefinition>'
    '<itemDefinition name="tCar"><itemComponent name="color"><typeRef>tColor</typeRef></itemComponent>'
    '<itemComponent name="built"><typeRef>date</typeRef></itemComponent></itemDefinition>'
    '<itemDefinition name="tTree"><itemComponent name="below" isCollection="true"><typeRef>tTree</typeRef>'
    "</itemComponent></itemDefinition>"
)


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
    [
        ("tColor", "red", "red"),
        ("tColor", "blue", None),
        ("tColor", ["red"], "red"),
        ("tColors", "red", ["red"]),
        ("tColors", ["red", "blue"], None),
        ("number", "1", None),
        ("tTree", {"below": [{"below": []}]}, {"below": [{"below": []}]}),
        ("tUnknown", 1, 1),
    ],
)
def test_given_data_fits_its_type_or_is_null(wanted: str, given: object, expected: object) -> None:
    assert result(model(TYPES, data("n", wanted), decision("d", literal("n"), "in:n")), n=given) == expected


def test_texts_of_dates_are_read_where_a_date_is_declared() -> None:
    cars = model(TYPES, data("car", "tCar"), decision("d", literal('car.built + duration("P1D")'), "in:car"))

    assert str(result(cars, car={"color": "red", "built": "2026-11-24"})) == "2026-11-25"


def test_a_result_is_made_to_fit_the_type_of_its_decision() -> None:
    assert result(model(TYPES, decision("d", literal('"red"'), wanted="tColors"))) == ["red"]
    assert result(model(TYPES, decision("d", literal('"blue"'), wanted="tColor"))) is None


BOXED = {
    "<context><contextEntry><variable name='a b'/>«1»</contextEntry><contextEntry>«a b + 1»</contextEntry></context>": 2,
    "<context><contextEntry><variable name='a'/>«1»</contextEntry></context>": {"a": 1},
    "<list>«1»«2»</list>": [1, 2],
    "<relation><column name='x'/><column name='y'/><row>«1»«2»</row></relation>": [{"x": 1, "y": 2}],
    '<conditional><if>«n > 1»</if><then>«"more"»</then><else>«"less"»</else></conditional>': "more",
    "<for iteratorVariable='i'><in>«[1..3]»</in><return>«i + count(partial)»</return></for>": [1, 3, 5],
    "<some iteratorVariable='i'><in>«[1, 2]»</in><satisfies>«i > 1»</satisfies></some>": True,
    "<every iteratorVariable='i'><in>«[1, 2]»</in><satisfies>«i > 1»</satisfies></every>": False,
    "<filter><in>«[{a: 1}, {a: 2}]»</in><match>«a > 1»</match></filter>": [{"a": 2}],
    "<invocation>«f»<binding><parameter name='n'/>«3»</binding></invocation>": 9,
    "<invocation>«f»<binding><parameter name='m'/>«3»</binding></invocation>": None,
    "<functionDefinition kind='Java'><formalParameter name='n'/><context/></functionDefinition>": "a function",
}
"""Literal expressions stand between guillemets."""


@pytest.mark.parametrize(("boxed", "expected"), BOXED.items())
def test_boxed_expressions(boxed: str, expected: object) -> None:
    logic = re.sub("«(.*?)»", lambda found: literal(found[1]), boxed)
    found = result(model(knowledge("f", "n", "n * n"), decision("d", logic, "fn:f")), n=2)

    assert (found if not isinstance(found, FeelFunction) else "a function") == expected


def test_code_of_others_is_never_run() -> None:
    java = "<functionDefinition kind='Java'><formalParameter name='n'/>" + literal("n") + "</functionDefinition>"
    logic = f"<context><contextEntry><variable name='f'/>{java}</contextEntry><contextEntry>{literal('f(1)')}</contextEntry></context>"

    assert result(model(decision("d", logic))) is None


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ([decision("a", literal("b"), "b"), decision("b", literal("a"), "a")], "not to require each other in a circle"),
        ([decision("a", literal("1 +"))], r"element 'a' \(line 1\): the expression '1 \+' cannot be read"),
        ([decision("a", literal("1"), "b")], "expected '#b' to be a decision or input data"),
        ([decision("a", literal("1"), "fn:b")], "expected '#b' to be business knowledge"),
        ([decision("a", literal("1")), decision("a", literal("1"))], "expected ids to be unique"),
        ([], "expected at least one decision"),
        ([decision("a", "<list>" * 61 + literal("1") + "</list>" * 61)], "at most 60 expressions inside of each other"),
        (
            [
                decision("a", literal("1 + " * 7_000 + "1")),
                *(decision(f"b{n}", literal(f"{n} + " * 7_000 + "1")) for n in range(11)),
            ],
            "250000 characters",
        ),
        ([decision("a", '<literalExpression expressionLanguage="juel"><text>1</text></literalExpression>')], "FEEL"),
    ],
)
def test_models_that_cannot_be_used_are_refused(elements: list[str], reason: str) -> None:
    with pytest.raises(InvalidModel, match=reason):
        read_model(model(*elements))


def test_a_model_that_was_accepted_once_is_read_even_if_it_would_not_be_today() -> None:
    bad = model(decision("a", literal("1 +")), decision("d", literal("2")))

    assert answer(read_model(bad, checked=False).decisions["d"], {}).output == 2


def test_types_that_share_parts_cost_what_they_show_and_not_what_they_unfold_to() -> None:
    pairs = [
        f'<itemDefinition name="t{index}"><itemComponent name="a"><typeRef>t{index - 1}</typeRef></itemComponent>'
        f'<itemComponent name="b"><typeRef>t{index - 1}</typeRef></itemComponent></itemDefinition>'
        for index in range(1, 60)
    ]
    pairs.append('<itemDefinition name="t0"><typeRef>string</typeRef></itemDefinition>')

    assert (
        result(model(*pairs, data("n", "t59"), decision("d", literal("n instance of t59"), "in:n")), n={"a": 1})
        is False
    )


def test_many_names_of_several_words_do_not_slow_every_expression_down() -> None:
    many = [decision(f"the decision {index}", literal(f"{index} + 1")) for index in range(2_000)]
    many.append(decision("d", literal("the decision 7 + the decision 8"), "the decision 7", "the decision 8"))

    assert result(model(*many)) == 17
