"""How much one expression may cost. Each limit is a clear error when it is reached, never a slow partition."""

EXPRESSION_LENGTH_MAX = 100_000
"""Characters of one expression."""

NESTING_MAX = 100
"""Levels of parentheses, lists, operators within operators. Chains (`a + b + c`, `else if`) are one level."""

STEPS_MAX = 4_000_000
"""Iterations, calls and produced items or blocks of characters in one evaluation; a few seconds and some 100 MB at most."""

RANGE_SIZE_MAX = 2_000_000
"""Items of one range that is iterated over."""

CALLS_DEPTH_MAX = 60
"""Function calls within function calls."""

STRING_LENGTH_MAX = 4_000_000
"""Characters of one string that an expression makes."""

STRING_BLOCK_SIZE = 64
"""Characters that cost one step when a string is made."""

DIGITS_MAX = 34
"""Significant digits of a number that was computed (decimal128)."""

EXPONENT_MAX = 6_144
"""Largest decimal exponent of a number that was computed (decimal128)."""

PATTERN_LENGTH_MAX = 1_000
"""Characters of a regular expression."""

PATTERN_SIZE_MAX = 5_000
"""Instructions of a compiled regular expression, after {m,n} was written out."""

PATTERN_STEPS_MAX = 2_000_000
"""Steps of one regular expression over one text."""
