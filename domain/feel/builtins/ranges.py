"""Built-ins that compare ranges with points and with each other, after Allen; and the one that reads a range."""

from collections.abc import Callable
from typing import Any

from domain.feel import syntax
from domain.feel.builtins.table import Failed, entry
from domain.feel.limits import FeelSyntaxError
from domain.feel.values import Range, Run, order, within

PARSE_STEPS = 20
"""Steps that reading a range costs, besides one for each character."""

_READABLE_CALLS = frozenset(("date", "time", "date and time", "duration"))


def _sign(left: Any, right: Any) -> int:
    found = order(left, right)
    if found is None:
        raise Failed("the points have no order")
    return found


def _as_range(value: Any) -> Range:
    if value is None:
        raise Failed("expected a point or a range")
    return value if isinstance(value, Range) else Range(value, value, True, True)


def _before(run: Run, left: Any, right: Any) -> bool:
    first, second = _as_range(left), _as_range(right)
    sign = _sign(first.high, second.low)
    return sign < 0 or (sign == 0 and not (first.high_included and second.low_included))


def _after(run: Run, left: Any, right: Any) -> bool:
    return _before(run, right, left)


def _meets(run: Run, left: Range, right: Range) -> bool:
    return left.high_included and right.low_included and _sign(left.high, right.low) == 0


def _met_by(run: Run, left: Range, right: Range) -> bool:
    return _meets(run, right, left)


def _overlaps(run: Run, left: Range, right: Range) -> bool:
    return not _before(run, left, right) and not _before(run, right, left)


def _starts_no_later(left: Range, right: Range) -> int:
    """Less than zero when the left range starts first, counting an excluded start as later than an included one."""
    sign = _sign(left.low, right.low)
    return sign or int(right.low_included) - int(left.low_included)


def _ends_no_later(left: Range, right: Range) -> int:
    sign = _sign(left.high, right.high)
    return sign or int(left.high_included) - int(right.high_included)


def _overlaps_before(run: Run, left: Range, right: Range) -> bool:
    return _starts_no_later(left, right) < 0 and _ends_no_later(left, right) <= 0 and _overlaps(run, left, right)


def _overlaps_after(run: Run, left: Range, right: Range) -> bool:
    return _overlaps_before(run, right, left)


def _finishes(run: Run, left: Any, right: Range) -> bool:
    if not isinstance(left, Range):
        return right.high_included and _sign(left, right.high) == 0
    return _ends_no_later(left, right) == 0 and _starts_no_later(left, right) >= 0


def _finished_by(run: Run, left: Range, right: Any) -> bool:
    return _finishes(run, right, left)


def _includes(run: Run, left: Range, right: Any) -> bool:
    if not isinstance(right, Range):
        _sign(left.low, right)
        return within(right, left, run) is True
    return _starts_no_later(left, right) <= 0 and _ends_no_later(right, left) <= 0


def _during(run: Run, left: Any, right: Range) -> bool:
    return _includes(run, right, left)


def _starts(run: Run, left: Any, right: Range) -> bool:
    if not isinstance(left, Range):
        return right.low_included and _sign(left, right.low) == 0
    return _starts_no_later(left, right) == 0 and _ends_no_later(left, right) <= 0


def _started_by(run: Run, left: Range, right: Any) -> bool:
    return _starts(run, right, left)


def _coincides(run: Run, left: Any, right: Any) -> bool:
    first, second = _as_range(left), _as_range(right)
    return _starts_no_later(first, second) == 0 and _ends_no_later(first, second) == 0


# -- reading -------------------------------------------------------------------------------------------------------------


def _range(run: Run, text: str) -> Range:
    """A range from its text. Its ends are literals, or calls with literals that make temporal values."""
    from domain.feel.expression import compile_expression  # noqa: PLC0415 - the compiler knows the built-ins
    from domain.feel.parser import parse_expression  # noqa: PLC0415 - as above

    run.charge(PARSE_STEPS + len(text))
    try:
        tree = parse_expression(text)
    except FeelSyntaxError:
        raise Failed(f"Failed to parse range from '{text}'") from None
    if not isinstance(tree, syntax.RangeLiteral) or not (_readable(tree.low) and _readable(tree.high)):
        raise Failed(f"Failed to parse range from '{text}'")
    found: Range = compile_expression(text).evaluate({}, run.moment)
    if found.low is None and found.high is None:
        raise Failed(f"Failed to parse range from '{text}'")
    if found.low is not None and found.high is not None and _sign(found.low, found.high) > 0:
        raise Failed(f"the range '{text}' ends before it starts")
    return found


def _readable(node: syntax.Node) -> bool:
    if isinstance(node, syntax.Literal):
        return True
    return (
        isinstance(node, syntax.Call)
        and isinstance(node.function, syntax.Name)
        and node.function.name in _READABLE_CALLS
        and all(isinstance(argument, syntax.Literal) for argument in node.arguments)
    )


Relation = Callable[[Run, Any, Any], bool]


def _points_and_ranges(name: str, relation: Relation) -> tuple[Any, ...]:
    return (
        entry(name, "point1: any, point2: any", relation),
        entry(name, "point: any, range: range", relation),
        entry(name, "range: range, point: any", relation),
        entry(name, "range1: range, range2: range", relation),
    )


def _two_ranges(name: str, relation: Relation) -> tuple[Any, ...]:
    return (entry(name, "range1: range, range2: range", relation),)


def _point_in_range(name: str, relation: Relation) -> tuple[Any, ...]:
    return (
        entry(name, "point: any, range: range", relation),
        entry(name, "range1: range, range2: range", relation),
    )


def _range_of_point(name: str, relation: Relation) -> tuple[Any, ...]:
    return (
        entry(name, "range: range, point: any", relation),
        entry(name, "range1: range, range2: range", relation),
    )


ENTRIES = (
    *_points_and_ranges("before", _before),
    *_points_and_ranges("after", _after),
    *_two_ranges("meets", _meets),
    *_two_ranges("met by", _met_by),
    *_two_ranges("overlaps", _overlaps),
    *_two_ranges("overlaps before", _overlaps_before),
    *_two_ranges("overlaps after", _overlaps_after),
    *_point_in_range("finishes", _finishes),
    *_range_of_point("finished by", _finished_by),
    *_range_of_point("includes", _includes),
    *_point_in_range("during", _during),
    *_point_in_range("starts", _starts),
    *_range_of_point("started by", _started_by),
    *_points_and_ranges("coincides", _coincides),
    entry("range", "from: string", _range),
)
