"""What all elements may carry alike: variable mappings and multi-instance characteristics."""

from domain.bpmn.part import Tag
from domain.bpmn.problems import shorten
from domain.bpmn.tags import NULL, XmlPart, is_true
from domain.model import Loop, Value, VariableMapping

RESERVED_TARGETS = frozenset(
    {"null", "true", "false", "function", "if", "then", "else", "for", "between", "instance", "of", "not"}
)
"""Words of FEEL that begin or end an expression: a variable of that name could never be read."""


def read_mappings(part: XmlPart) -> tuple[tuple[VariableMapping, ...], tuple[VariableMapping, ...]]:
    """Return the input and output mappings."""
    mapping = part.extension("ioMapping")
    if mapping is None:
        return (), ()
    inputs = [VariableMapping(_input(part, tag), _target(part, tag, "input")) for tag in mapping.children("input")]
    outputs = [VariableMapping(_output(part, tag), _target(part, tag, "output")) for tag in mapping.children("output")]
    return tuple(inputs), tuple(outputs)


def _input(part: XmlPart, tag: Tag) -> Value:
    source = tag.get("source")
    return part.value(source, f"the source of input '{shorten(tag.get('target'))}'") if source else NULL


def _output(part: XmlPart, tag: Tag) -> Value:
    return part.expression(tag.get("source"), f"the source of output '{shorten(tag.get('target'))}'")


def _target(part: XmlPart, tag: Tag, kind: str) -> tuple[str, ...]:
    target = tag.get("target")
    path = tuple(target.split("."))
    if not all(name.isidentifier() for name in path):
        part.problem(f"expected the target of an {kind} to be a name or a path of names, but found '{shorten(target)}'")
    elif path[0] in RESERVED_TARGETS:
        part.problem(f"expected the target of an {kind} to be no reserved word of FEEL, but found '{shorten(target)}'")
    return path


def read_loop(part: XmlPart) -> Loop | None:
    """Return the multi-instance characteristics, or None."""
    found = part.children("multiInstanceLoopCharacteristics")
    if not found:
        return None
    loop = found[0]
    characteristics = loop.children("loopCharacteristics")
    if not characteristics:
        part.problem(
            "expected the multi-instance to have zeebe:loopCharacteristics with an inputCollection, but it has none"
        )
        return None
    tag = characteristics[0]
    output_collection, output_element = tag.get("outputCollection"), tag.get("outputElement")
    if bool(output_collection) != bool(output_element):
        part.problem(
            "expected the multi-instance to have outputCollection and outputElement, or none of both, but found one"
        )
    condition = "".join(child.text() for child in loop.children("completionCondition"))
    return Loop(
        sequential=is_true(loop.get("isSequential"), default=False),
        input_collection=part.expression(tag.get("inputCollection"), "the input collection"),
        input_element=tag.get("inputElement") or None,
        output_collection=output_collection or None,
        output_element=part.expression(output_element, "the output element") if output_element else None,
        completion_condition=part.expression(condition, "the completion condition") if condition else None,
    )
