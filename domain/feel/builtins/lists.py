"""Built-ins on lists. None of them changes its argument."""

from collections.abc import Callable
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from domain.feel import numbers
from domain.feel.builtins.table import Failed, entry
from domain.feel.limits import RESULT_LEVELS_MAX, FeelEvaluationError
from domain.feel.numbers import CONTEXT, Number, is_whole
from domain.feel.values import NUMBER_TYPES, FeelFunction, Run, equal, order

Items = list[Any]


def _numbers(run: Run, items: Items) -> Items:
    run.charge(len(items))
    if not all(item.__class__ in NUMBER_TYPES for item in items):
        raise Failed("expected a list of numbers")
    return items


def _list_contains(run: Run, items: Items, element: Any) -> bool:
    run.charge(len(items))
    return any(equal(item, element, run) for item in items)


def _count(run: Run, items: Items) -> int:
    return len(items)


def _extreme(sign: int) -> Callable[[Run, Items], Any]:
    def pick(run: Run, items: Items) -> Any:
        run.charge(len(items))
        if not items:
            return None
        best = items[0]
        if order(best, best) is None:
            raise Failed("the items have no order")
        for item in items[1:]:
            found = order(item, best)
            if found is None:
                raise Failed("the items have no order")
            if found == sign:
                best = item
        return best

    return pick


def _sum(run: Run, items: Items) -> Any:
    if not items:
        return None
    total: Number = 0
    for item in _numbers(run, items):
        total = numbers.add(total, item)
    return total


def _product(run: Run, items: Items) -> Any:
    if not items:
        return None
    total: Number = 1
    for item in _numbers(run, items):
        total = numbers.multiply(total, item)
    return total


def _mean(run: Run, items: Items) -> Any:
    return numbers.divide(_sum(run, items), len(items)) if items else None


def _median(run: Run, items: Items) -> Any:
    if not items:
        return None
    ordered = sorted(_numbers(run, items))
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return numbers.divide(numbers.add(ordered[middle - 1], ordered[middle]), 2)


def _stddev(run: Run, items: Items) -> Any:
    if len(_numbers(run, items)) < 2:
        return None
    mean = _mean(run, items)
    squares: Number = 0
    for item in items:
        distance = numbers.subtract(item, mean)
        squares = numbers.add(squares, numbers.multiply(distance, distance))
    return numbers.whole(CONTEXT.sqrt(Decimal(numbers.divide(squares, len(items) - 1))))


def _mode(run: Run, items: Items) -> Items:
    counts: dict[Any, int] = {}
    for item in _numbers(run, items):
        counts[item] = counts.get(item, 0) + 1
    most = max(counts.values(), default=0)
    return sorted(item for item, count in counts.items() if count == most)


def _junction(decisive: bool) -> Callable[[Run, Items], bool | None]:
    """`all` and `any`: true, false, or null when an item that could decide is neither."""

    def decide(run: Run, items: Items) -> bool | None:
        run.charge(len(items))
        if any(item is decisive for item in items):
            return decisive
        return (not decisive) if all(item is (not decisive) for item in items) else None

    return decide


def _position(items: Items, position: Number, *, end: int = 0) -> int:
    """An index from a position that counts from 1, or from the end when negative."""
    if not is_whole(position) or not position:
        raise Failed("position must be a non-zero number")
    index = int(position) - 1 if position > 0 else len(items) + int(position) + end
    if not 0 <= index < len(items) + end:
        raise Failed(f"position must be within the list but was '{position}'")
    return index


def _sublist(run: Run, items: Items, start: Number) -> Items:
    return _sublist_length(run, items, start, len(items))


def _sublist_length(run: Run, items: Items, start: Number, length: Number) -> Items:
    run.charge(len(items))
    if not is_whole(start) or not start:
        raise Failed("start position must be a non-zero number")
    if not is_whole(length) or length < 0:
        raise Failed(f"length must be a whole number but was '{length}'")
    index = int(start) - 1 if start > 0 else max(len(items) + int(start), 0)
    return items[index : index + min(int(length), len(items))] if index < len(items) else []


def _append(run: Run, arguments: Items) -> Items:
    first = arguments[0]
    items: Items = first if first.__class__ is list else [first]
    if first is None:
        raise Failed("expected a list")
    run.charge(len(items) + len(arguments))
    return items + arguments[1:]


def _append_items(run: Run, items: Items, added: Items) -> Items:
    return _append(run, [items, *added])


def _append_one(run: Run, items: Items, item: Any) -> Items:
    return _append(run, [items, item])


def _concatenate(run: Run, lists: Items) -> Items:
    made: Items = []
    for each in lists:
        part: Items = each if each.__class__ is list else [each]
        run.charge(1 + len(part))
        made.extend(part)
    return made


def _insert_before(run: Run, items: Items, position: Number, added: Any) -> Items:
    run.charge(len(items))
    index = (
        _position(items, position) if position < 0 or position > len(items) + 1 else _position(items, position, end=1)
    )
    return [*items[:index], added, *items[index:]]


def _remove(run: Run, items: Items, position: Number) -> Items:
    run.charge(len(items))
    index = _position(items, position)
    return items[:index] + items[index + 1 :]


def _replace_at(run: Run, items: Items, position: Number, added: Any) -> Items:
    run.charge(len(items))
    index = _position(items, position)
    return [*items[:index], added, *items[index + 1 :]]


def _replace_matching(run: Run, items: Items, match: FeelFunction, added: Any) -> Items:
    if len(match.parameters) != 2:
        raise Failed("the function must take an item and the new item")
    run.charge(len(items))
    made: Items = []
    for item in items:
        found = match.call(run, [item, added])
        if found.__class__ is not bool:
            raise Failed("the function must answer true or false")
        made.append(added if found else item)
    return made


def _reverse(run: Run, items: Items) -> Items:
    run.charge(len(items))
    return items[::-1]


def _index_of(run: Run, items: Items, match: Any) -> Items:
    run.charge(len(items))
    return [index for index, item in enumerate(items, 1) if equal(item, match, run)]


class _Seen:
    """Values met so far, found by hash where they have one."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.hashed: set[Any] = set()
        self.others: Items = []

    def add(self, value: Any) -> bool:
        """Whether the value is new."""
        kind = value.__class__
        if value is None or kind is str or kind in NUMBER_TYPES or kind is bool:
            mark = (kind is bool, value)  # True is 1 to Python, but not here
            if mark in self.hashed:
                return False
            self.hashed.add(mark)
            return True
        self.run.charge(len(self.others))
        if any(equal(value, other, self.run) for other in self.others if other.__class__ is kind):
            return False
        self.others.append(value)
        return True


def _distinct(run: Run, items: Items) -> Items:
    run.charge(len(items))
    seen = _Seen(run)
    return [item for item in items if seen.add(item)]


def _duplicates(run: Run, items: Items) -> Items:
    run.charge(len(items))
    seen, repeated = _Seen(run), _Seen(run)
    for item in items:
        if not seen.add(item):
            repeated.add(item)
    return [item for item in _distinct(run, items) if not repeated.add(item)]


def _union(run: Run, lists: Items) -> Items:
    return _distinct(run, _concatenate(run, lists))


def _flatten(run: Run, items: Items) -> Items:
    made: Items = []
    _flatten_into(run, items, made, 0)
    return made


def _flatten_into(run: Run, items: Items, made: Items, level: int) -> None:
    if level > RESULT_LEVELS_MAX:
        raise FeelEvaluationError(f"the list nests deeper than {RESULT_LEVELS_MAX} levels")
    run.charge(1 + len(items))
    for item in items:
        if item.__class__ is list:
            _flatten_into(run, item, made, level + 1)
        else:
            made.append(item)


def _sort(run: Run, items: Items) -> Items:
    run.charge(len(items))

    def compare(left: Any, right: Any) -> int:
        run.charge(1)
        found = order(left, right)
        if found is None:
            raise Failed("the items have no order")
        return found

    return sorted(items, key=cmp_to_key(compare))


def _sort_by(run: Run, items: Items, precedes: FeelFunction) -> Items:
    if len(precedes.parameters) != 2:
        raise Failed("the function must take two items")
    run.charge(len(items))

    def compare(left: Any, right: Any) -> int:
        run.charge(1)
        if precedes.call(run, [left, right]) is True:
            return -1
        return 1 if precedes.call(run, [right, left]) is True else 0

    return sorted(items, key=cmp_to_key(compare))


def _is_empty(run: Run, items: Items) -> bool:
    return not items


def _partition(run: Run, items: Items, size: Number) -> Items:
    if not is_whole(size) or size <= 0:
        raise Failed(f"'size' should be greater than zero but was '{size}'")
    run.charge(len(items))
    width = min(int(size), len(items) or 1)
    return [items[start : start + width] for start in range(0, len(items), width)]


_ALL, _ANY = _junction(decisive=False), _junction(decisive=True)

ENTRIES = (
    entry("list contains", "list: list, element: any", _list_contains),
    entry("count", "list: list", _count),
    entry("min", "list: list...", _extreme(-1)),
    entry("max", "list: list...", _extreme(1)),
    entry("sum", "list: list...", _sum),
    entry("product", "list: list...", _product),
    entry("mean", "list: list...", _mean),
    entry("median", "list: list...", _median),
    entry("stddev", "list: list...", _stddev),
    entry("mode", "list: list...", _mode),
    entry("all", "list: list...", _ALL),
    entry("and", "list: list...", _ALL),
    entry("any", "list: list...", _ANY),
    entry("or", "list: list...", _ANY),
    entry("sublist", "list: list, start position: number", _sublist),
    entry("sublist", "list: list, start position: number, length: number", _sublist_length),
    entry("append", "list: list, item: any", _append_one),
    entry("append", "list: list, items: list", _append_items),
    entry("append", "lists: list...", _append),
    entry("concatenate", "lists: list...", _concatenate),
    entry("insert before", "list: list, position: number, newItem: any", _insert_before),
    entry("remove", "list: list, position: number", _remove),
    entry("list replace", "list: list, position: number, newItem: any", _replace_at),
    entry("list replace", "list: list, match: function, newItem: any", _replace_matching),
    entry("reverse", "list: list", _reverse),
    entry("index of", "list: list, match: any", _index_of),
    entry("union", "lists: list...", _union),
    entry("distinct values", "list: list", _distinct),
    entry("duplicate values", "list: list", _duplicates),
    entry("flatten", "list: list", _flatten),
    entry("sort", "list: list", _sort),
    entry("sort", "list: list, precedes: function", _sort_by),
    entry("is empty", "list: list", _is_empty),
    entry("partition", "list: list, size: number", _partition),
)
