"""Evaluates decisions: all that one requires, each once, within one budget. What cannot be decided is told, never raised."""

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.dmn.model import Decided, Decision, InputData, Session
from domain.dmn.sight import DecisionFailure
from domain.dmn.types import given
from domain.feel import FeelEvaluationError, Moment, Run


class Evaluation(msgspec.Struct, frozen=True):
    """The result: the value, and each decision that took part, the one that was asked for last. With a `failure`, the value
    is null and the last decision is the one that failed.
    """

    output: Any
    decided: tuple[Decided, ...]
    failure: str | None = None
    failed: Decision | None = None


def evaluate(decision: Decision, variables: Mapping[str, Any], moment: Moment) -> Evaluation:
    """Evaluate a decision or a decision service with the variables."""
    run = Run(moment)
    trace: list[Decided] = []
    failed = decision
    try:
        if decision.id in decision.model.services:
            _serve(decision, variables, run, trace)
        else:
            session = Session(variables, run, {})
            for failed in decision.order():
                trace.append(session.decide(failed))
    except (DecisionFailure, FeelEvaluationError) as error:
        reason = str(error)
    except RecursionError:
        reason = "its functions call each other too deeply, or a value nests too deeply"
    except ArithmeticError:
        reason = "a variable holds a number that is none, or is beyond all limits"
    else:
        return Evaluation(trace[-1].output, tuple(trace))
    trace.append(Decided(failed, None))
    message = f"expected to evaluate decision '{failed.id}', but {reason}"
    return Evaluation(None, tuple(trace), message, failed)


def _serve(decision: Decision, variables: Mapping[str, Any], run: Run, trace: list[Decided]) -> None:
    service = decision.model.services[decision.id]
    values: dict[InputData | Decision, Any] = {}
    for name, node, wanted in service.inputs:
        values[node] = given(variables.get(name), wanted)
    output = service.answer(values, run, trace)
    trace.append(Decided(decision, output))
