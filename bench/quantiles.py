"""What is told of many durations."""

from collections.abc import Sequence


def quantiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """Return the 50th, 95th and 99th percentile in milliseconds, as `<name>_p…_ms`."""
    ordered = sorted(seconds)
    return {
        f"{name}_p{percent}_ms": 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
        for percent in (50, 95, 99)
    }
