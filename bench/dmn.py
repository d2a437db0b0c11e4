"""How fast decisions are, on one core: `python bench/dmn.py`. Prints rates, the bars they are held to, and their ratio."""

import gc
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

# The checkout need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.feel import rate
from domain.dmn import evaluate, read_model
from domain.feel import Moment

AT = Moment(datetime(2026, 11, 24, tzinfo=UTC))
TABLE_BAR = 50_000
"""Evaluations a second of a table of 100 rules."""


def table(rules: Iterator[tuple[tuple[str, ...], str]], *inputs: str, policy: str = "UNIQUE") -> bytes:
    """Return a model with one table, `d`."""
    columns = "".join(f"<input><inputExpression><text>{name}</text></inputExpression></input>" for name in inputs)
    rows = "".join(
        f"<rule>{''.join(f'<inputEntry><text>{cell}</text></inputEntry>' for cell in cells)}"
        f"<outputEntry><text>{answer}</text></outputEntry></rule>"
        for cells, answer in rules
    )
    return (
        '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="m" name="m" namespace="m">'
        f'<decision id="d" name="d"><decisionTable hitPolicy="{policy}">{columns}<output name="o"/>{rows}'
        "</decisionTable></decision></definitions>"
    ).encode()


def tables() -> Iterator[tuple[str, bytes, dict[str, Any], int | None]]:
    """Yield what is measured: name, model, variables, bar."""
    equal = [((f'"c{n // 10}"', f'"s{n % 10}"'), str(n)) for n in range(100)]
    yield "100 rules, texts", table(iter(equal), "country", "segment"), {"country": "c7", "segment": "s3"}, TABLE_BAR
    ranges = [((f"[{n * 10}..{n * 10 + 9}]", "true" if n % 2 else "-"), f'"r{n}"') for n in range(100)]
    yield "100 rules, ranges", table(iter(ranges), "amount", "vip"), {"amount": 555, "vip": True}, TABLE_BAR
    mixed = [((f'"c{n // 10}"', f"&gt; {n % 10 * 100}", "-"), f"amount * {n}") for n in range(100)]
    given = {"country": "c7", "amount": 950, "vip": True}
    yield "100 rules, first of 10", table(iter(mixed), "country", "amount", "vip", policy="FIRST"), given, TABLE_BAR
    read = [((f'"c{n // 10}"', f"&gt; limit + {n % 10}"), str(n)) for n in range(100)]
    variables = {"country": "c7", "amount": 8, "limit": 0}
    yield "100 rules, variables", table(iter(read), "country", "amount", policy="FIRST"), variables, None
    large = [((f'"k{n}"',), str(n)) for n in range(5_000)]
    yield "5,000 rules, texts", table(iter(large), "key"), {"key": "k4711"}, None
    yield "1 rule", table(iter([(("-",), "amount + 1")]), "amount"), {"amount": 1}, None


def main() -> None:
    """Print the table."""
    gc.collect()
    gc.freeze()
    print(f"{'what':<28}{'rate /s':>14}{'bar /s':>14}{'ratio':>8}")
    for name, content, variables, bar in tables():
        decision = read_model(content).decisions["d"]
        found = evaluate(decision, variables, AT)
        assert found.failure is None, found.failure
        assert found.output is not None, name
        measured = rate(partial(evaluate, decision, variables, AT))
        against = f"{bar:>14,}{measured / bar:>8.2f}" if bar else ""
        print(f"{name:<28}{measured:>14,.0f}{against}")


if __name__ == "__main__":
    main()
