"""The built-ins, in the open: each module offers a tuple of entries, and this is all of them."""

from domain.feel.builtins import booleans, contexts, conversions, lists, numerics, ranges, strings, temporals
from domain.feel.builtins.table import by_name

BUILTINS = by_name(
    (
        *conversions.ENTRIES,
        *booleans.ENTRIES,
        *strings.ENTRIES,
        *lists.ENTRIES,
        *numerics.ENTRIES,
        *contexts.ENTRIES,
        *temporals.ENTRIES,
        *ranges.ENTRIES,
    )
)
