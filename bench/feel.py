"""How fast FEEL is, on one core: `python bench/feel.py`. Prints rates, the bars they are held to, and their ratio."""

import gc
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

# The checkout need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from domain.feel import Moment, compile_expression, compile_unary_tests

AT = Moment(datetime(2026, 11, 24, tzinfo=UTC))
ROUND_SECONDS = 0.3
ROUNDS = 5

EVALUATIONS: list[tuple[str, str, dict[str, Any], int | None]] = [
    ("comparison", 'x > 5 and y = "a"', {"x": 6, "y": "a"}, 2_000_000),
    (
        "comprehension, quantifier",
        "for o in orders return some p in o.parts satisfies p > 2",
        {"orders": [{"parts": [1, 2, 3]}, {"parts": [1, 2]}, {"parts": [4]}]},
        100_000,
    ),
    ("filter", "orders[price > 10].id", {"orders": [{"id": n, "price": n * 3} for n in range(10)]}, None),
    ("decimal arithmetic", "price * 1.19 + 4.9", {"price": Decimal("99.90")}, None),
    ("built-in", "upper case(substring(name, 1, 3))", {"name": "Ada Lovelace"}, None),
    ("dates", 'date(start) + duration("P14D")', {"start": "2026-11-24"}, None),
    ("context", '{id: order.id, total: order.net * 1.19, to: "x"}', {"order": {"id": 7, "net": 100}}, None),
    (
        "regular expression",
        'matches(mail, "^[a-z.]+@[a-z]+\\.[a-z]{2,4}$")',
        {"mail": "ada.lovelace@example.com"},
        None,
    ),
]
SIMPLE = ['x > 5 and y = "a"', "order.total", "= 1 + x".removeprefix("= "), "not(approved)", '"PT" + string(n) + "S"']
COMPILE_BAR = 40_000


def rate(work: Callable[[], object], units: int = 1) -> float:
    """Return units of work a second: the best of some rounds, for the machine is shared."""
    work()
    best = 0.0
    for _ in range(ROUNDS):
        count, started = 0, time.perf_counter()
        ends = started + ROUND_SECONDS
        while (now := time.perf_counter()) < ends:
            for _ in range(100):
                work()
            count += 100
        best = max(best, count * units / (now - started))
    return best


def evaluations() -> list[tuple[str, float, int | None]]:
    """Measure evaluations of expressions that are compiled already."""
    rows: list[tuple[str, float, int | None]] = []
    for name, source, variables, bar in EVALUATIONS:
        evaluate = compile_expression(source).evaluate

        def work(evaluate: Callable[..., Any] = evaluate, variables: dict[str, Any] = variables) -> None:
            # Ten at a time: the loop around must not be what is measured.
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)
            evaluate(variables, AT)

        rows.append((name, rate(work, 10), bar))
    matches = compile_unary_tests("[10..20), > 100").matches
    rows.append(("unary tests", rate(lambda: matches(15, {}, AT)), None))
    return rows


def compilations() -> list[tuple[str, float, int | None]]:
    """Measure texts made into expressions."""

    def work() -> None:
        for source in SIMPLE:
            compile_expression(source)

    return [("parse and compile", rate(work, len(SIMPLE)), COMPILE_BAR)]


def main() -> None:
    """Print the table."""
    gc.collect()
    gc.freeze()
    print(f"{'what':<28}{'rate /s':>14}{'bar /s':>14}{'ratio':>8}")
    for name, measured, bar in [*evaluations(), *compilations()]:
        against = f"{bar:>14,}{measured / bar:>8.2f}" if bar else ""
        print(f"{name:<28}{measured:>14,.0f}{against}")


if __name__ == "__main__":
    main()
