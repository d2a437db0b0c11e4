"""Durations in few buckets that can be added: sixteen for each doubling, so a percentile is known to a sixteenth.

It knows only whole milliseconds.
"""

from collections.abc import Mapping
from typing import Final

BITS: Final = 4
FINE: Final = 1 << BITS
"""Buckets for each doubling; durations below twice as many milliseconds have one each."""


def bucket_of(milliseconds: int) -> int:
    """Return the bucket of a duration; a longer one has a higher bucket or the same."""
    if milliseconds < 2 * FINE:
        return milliseconds
    doublings = milliseconds.bit_length() - BITS - 1
    return (doublings << BITS) + (milliseconds >> doublings)


def middle_of(bucket: int) -> int:
    """Return the milliseconds in the middle of a bucket."""
    if bucket < 2 * FINE:
        return bucket
    doublings = (bucket >> BITS) - 1
    return ((bucket - (doublings << BITS)) << doublings) + (1 << doublings) // 2


def percentile(buckets: Mapping[int, int], percent: int, longest: int) -> int | None:
    """Return the milliseconds that so many percent of the durations do not exceed, to a sixteenth; None if there are none."""
    rank = -(-sum(buckets.values()) * percent // 100)
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank <= 0:
            return min(middle_of(bucket), longest)
    return None
