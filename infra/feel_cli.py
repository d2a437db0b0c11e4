"""`procession feel`: evaluate an expression, as the engine would, without an engine."""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from domain.feel import FeelEvaluationError, FeelSyntaxError, Moment, compile_expression, to_json


class BadExpression(Exception):  # noqa: N818  # reads as the fact that it is
    """The expression, or its context, cannot be used."""


def feel(
    expression: Annotated[str, typer.Argument(help="The expression; a leading = may stand or be left out.")],
    context: Annotated[
        Path | None, typer.Option(help="JSON file with an object: the variables.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Evaluate a FEEL expression and print its value as JSON; warnings go to standard error."""
    try:
        compiled = compile_expression(expression.removeprefix("="))
        evaluation = compiled.explain(_variables(context), Moment(now=datetime.now(UTC)))
    except (FeelSyntaxError, FeelEvaluationError) as error:
        raise BadExpression(str(error)) from error
    for warning in evaluation.warnings:
        typer.echo(f"{warning.type}: {warning.message}", err=True)
    value = msgspec.json.Encoder(decimal_format="number").encode(to_json(evaluation.value))
    sys.stdout.write(value.decode() + "\n")


def _variables(context: Path | None) -> dict[str, Any]:
    if context is None:
        return {}
    try:
        return msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode(context.read_bytes())
    except msgspec.MsgspecError as error:
        raise BadExpression(f"expected {context} to hold a JSON object, but it does not: {error}") from error
