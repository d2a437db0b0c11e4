"""Counts of the conformance cases at the end of a test run: passed, failed, and not yet. A pytest plugin."""

from collections import Counter
from typing import Any

NOT_YET = "not yet: "


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many cases of each kind there were, and what the others wait for."""
    counts: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            kind = dict(report.user_properties).get("conformance")
            if kind is None:
                continue
            counts.setdefault(kind, Counter())["not yet" if outcome == "skipped" else outcome] += 1
            if outcome == "skipped":
                reasons[str(report.longrepr[2]).partition(NOT_YET)[2]] += 1
    if not counts:
        return
    terminalreporter.section("conformance")
    for kind, found in sorted(counts.items()):
        parts = ", ".join(f"{found[outcome]} {outcome}" for outcome in ("passed", "failed", "not yet"))
        terminalreporter.write_line(f"{kind}: {found.total()} cases: {parts}")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"  not yet ({count}): {reason}")
