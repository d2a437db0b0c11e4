"""What an expression may cost, and how it says that it cost too much. Knows nothing of the language itself."""

EXPRESSION_CHARACTERS_MAX = 32_768
"""Longer texts are data that somebody pasted into a model, and every parse of them holds a partition."""

NESTING_LEVELS_MAX = 80
"""Parser and compiled closures use a handful of Python frames a level; this stays far below Python's own limit."""

CONSTANT_STEPS_MAX = 10_000
"""Units of work for an expression that is evaluated while a model is deployed, and reads no variable."""

STEPS_MAX = 2_500_000
"""Units of work in one evaluation: one for each turn of a loop and each NODES_PER_STEP nodes in its body, for each call and
each item that a built-in touches, more for what takes longer. A step is about a microsecond."""

NODES_PER_STEP = 4
"""Parts of an expression that are evaluated in about a microsecond."""

ITERATIONS_MAX = 2_000_000
"""Items of one range in `for`, `some` and `every`."""

TEXT_CHARACTERS_MAX = 1_048_576
"""Characters of one string that an expression makes."""

RESULT_NODES_MAX = 1_100_000
"""Values in one result, counted when it becomes JSON: shared parts count every time they are written."""

RESULT_CHARACTERS_MAX = 8 * 1024 * 1024
"""Characters of all strings in one result, counted as values are: a string that a thousand items share is written a thousand
times. As much as there can be in the largest command."""

RESULT_LEVELS_MAX = 200
"""Nesting of a result."""

PATTERN_CHARACTERS_MAX = 1_024
"""Characters of a regular expression."""

PATTERN_INSTRUCTIONS_MAX = 20_000
"""Size of a compiled regular expression: counted repetitions unroll."""

PATTERN_STEPS_MAX = 1_000_000
"""Steps of one search with a regular expression; about half a second."""


class FeelSyntaxError(ValueError):
    """The text is no FEEL. `str()` is one sentence that names line and column, both counted from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{message} (line {line}, column {column})")
        self.message = message
        self.line = line
        self.column = column


class FeelEvaluationError(ValueError):
    """An evaluation that must become an incident: a failed `assert`, or a limit of this module. `str()` is a sentence."""
