"""Decision models for tests: written as little XML as possible."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from domain.dmn import Decision, Evaluation, evaluate, read_model
from tests.feel.conformance import AT

DMN = "https://www.omg.org/spec/DMN/20191111/MODEL/"


def model(*elements: str, model_id: str = "m", namespace: str = "http://m", head: str = "") -> bytes:
    """Return a model of these elements."""
    return (
        f'<definitions xmlns="{DMN}" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="{model_id}" name="{model_id}"'
        f' namespace="{namespace}">{head}{"".join(elements)}</definitions>'
    ).encode()


def decision(decision_id: str, logic: str, *requires: str, wanted: str = "", tag: str = "") -> str:
    """Return a decision. `requires` are ids: of decisions, with `in:` of input data, with `fn:` of knowledge."""
    return (
        f'<decision id="{decision_id}" name="{decision_id}">'
        + (f'<extensionElements><zeebe:versionTag value="{tag}"/></extensionElements>' if tag else "")
        + f'<variable name="{decision_id}"{typed(wanted)}/>{"".join(map(_requirement, requires))}{logic}</decision>'
    )


def _requirement(name: str) -> str:
    if name.startswith("fn:"):
        return f'<knowledgeRequirement><requiredKnowledge href="#{name[3:]}"/></knowledgeRequirement>'
    kind, name = ("requiredInput", name[3:]) if name.startswith("in:") else ("requiredDecision", name)
    return f'<informationRequirement><{kind} href="{name if "#" in name else f"#{name}"}"/></informationRequirement>'


def typed(wanted: str) -> str:
    return f" typeRef={quoteattr(wanted)}" if wanted else ""


def literal(text: str, wanted: str = "") -> str:
    """Return a literal expression."""
    return f"<literalExpression{typed(wanted)}><text>{escape(text)}</text></literalExpression>"


def table(inputs: str, outputs: str, *rules: str, policy: str = "UNIQUE", aggregation: str = "") -> str:
    """Return a decision table. Columns stand between bars; a rule is `inputs : outputs`, cells between bars, too."""
    attributes = f' hitPolicy="{policy}"' + (f' aggregation="{aggregation}"' if aggregation else "")
    columns = "".join(
        f'<input id="i{index}"><inputExpression>{_text(name)}</inputExpression></input>'
        for index, name in enumerate(_cells(inputs), 1)
    )
    columns += "".join(
        f'<output id="o{index}" name={quoteattr(name.partition("=")[0])}>{_ranks(name)}</output>'
        for index, name in enumerate(_cells(outputs), 1)
    )
    for index, rule in enumerate(rules, 1):
        left, _, right = rule.partition(" : ")
        cells = "".join(f"<inputEntry>{_text(cell)}</inputEntry>" for cell in _cells(left))
        cells += "".join(f"<outputEntry>{_text(cell)}</outputEntry>" for cell in _cells(right))
        columns += f'<rule id="r{index}">{cells}</rule>'
    return f"<decisionTable{attributes}>{columns}</decisionTable>"


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("|")]


def _text(text: str) -> str:
    return f"<text>{escape(text)}</text>"


def _ranks(output: str) -> str:
    ranks = output.partition("=")[2]
    return f"<outputValues>{_text(ranks)}</outputValues>" if ranks else ""


def read(content: bytes, decision_id: str = "d") -> Decision:
    """Return a decision of a model."""
    return read_model(content).decisions[decision_id]


def ask(content: bytes, decision_id: str = "d", **variables: Any) -> Evaluation:
    """Evaluate a decision of a model."""
    return answer(read(content, decision_id), variables)


def answer(found: Decision, variables: Mapping[str, Any]) -> Evaluation:
    """Evaluate a decision."""
    return evaluate(found, variables, AT)


def result(content: bytes, decision_id: str = "d", **variables: Any) -> Any:
    """Return the result of a decision, which has to have one."""
    found = ask(content, decision_id, **variables)
    assert found.failure is None, found.failure
    return found.output
