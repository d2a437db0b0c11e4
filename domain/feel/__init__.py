"""FEEL, the expression language of BPMN and DMN models: compiled once at deployment, evaluated without clock or I/O."""

from domain.feel.expression import (
    Evaluation,
    Expression,
    UnaryTests,
    call_function,
    compile_expression,
    compile_unary_tests,
)
from domain.feel.limits import FeelEvaluationError, FeelSyntaxError
from domain.feel.temporal import (
    Date,
    DateTime,
    DayTimeDuration,
    Time,
    YearMonthDuration,
    parse_temporal,
)
from domain.feel.types import BASIC, FeelType, coerce, conforms
from domain.feel.values import FeelFunction, FeelWarning, Moment, Range, Run, equal, python_function, text_of, to_json

__all__ = [
    "BASIC",
    "Date",
    "DateTime",
    "DayTimeDuration",
    "Evaluation",
    "Expression",
    "FeelEvaluationError",
    "FeelFunction",
    "FeelSyntaxError",
    "FeelType",
    "FeelWarning",
    "Moment",
    "Range",
    "Run",
    "Time",
    "UnaryTests",
    "YearMonthDuration",
    "call_function",
    "coerce",
    "compile_expression",
    "compile_unary_tests",
    "conforms",
    "equal",
    "parse_temporal",
    "python_function",
    "text_of",
    "to_json",
]
