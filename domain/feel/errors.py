"""What FEEL says when it cannot go on. It never knows what the expression was for."""


class FeelSyntaxError(ValueError):
    """The text is no FEEL. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{message} (line {line}, column {column})")
        self.message = message
        self.line = line
        self.column = column


class FeelEvaluationError(ValueError):
    """The evaluation was given up: a limit was reached, an assertion failed, or `?` has no value here."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class LimitExceeded(Exception):
    """A limit of `domain.feel.limits` was reached. Becomes a FeelEvaluationError at the edge."""


class AssertionFailed(Exception):
    """`assert()` was not fulfilled. Becomes a FeelEvaluationError at the edge."""


class NoInputValue(Exception):
    """`?` was read outside of a unary test. Becomes a FeelEvaluationError at the edge."""


class Failure(Exception):
    """A built-in cannot answer; its result is null and the message a warning."""
