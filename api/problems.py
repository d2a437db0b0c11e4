"""Problem details (RFC 9457): every refusal in one form. They say what was expected and what came, never what is inside."""

from collections.abc import Mapping
from typing import Final

import msgspec

from domain.results import Rejected, RejectionCode

MEDIA_TYPE: Final = "application/problem+json"
DETAIL_CHARACTERS_MAX: Final = 20_000
"""A refused deployment lists all that is wrong with it; past this the list is cut."""

STATUSES: Final[Mapping[RejectionCode, int]] = {
    "NOT_FOUND": 404,
    "INVALID_STATE": 409,
    "ALREADY_EXISTS": 409,
    "INVALID_ARGUMENT": 400,
    "PROCESSING_ERROR": 500,
}


class Problem(Exception):  # noqa: N818 - the word of the standard
    """The request gets this answer instead of what it asked for."""

    def __init__(self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}

    def body(self, path: str) -> bytes:
        """Return the document; `path` is what was asked for."""
        return msgspec.json.encode(
            {
                "type": "about:blank",
                "title": self.title,
                "status": self.status,
                "detail": printable(self.detail)[:DETAIL_CHARACTERS_MAX],
                "instance": printable(path),
            }
        )


def printable(text: str) -> str:
    """Return text that UTF-8 can carry: a path or a value may hold lone surrogates."""
    return text.encode(errors="backslashreplace").decode()


def invalid(detail: str) -> Problem:
    """The request is malformed."""
    return Problem(400, "INVALID_ARGUMENT", detail)


def not_found(what: str, key: str) -> Problem:
    """There is no such thing."""
    return Problem(404, "NOT_FOUND", f"expected the key of {what}, but found {key!r}, which is none")


def too_late(detail: str) -> Problem:
    """What was waited for did not come in time."""
    return Problem(504, "DEADLINE_EXCEEDED", detail)


def exhausted(detail: str, retry_after_seconds: int = 1) -> Problem:
    """Too much is going on: come again."""
    return Problem(503, "RESOURCE_EXHAUSTED", detail, {"retry-after": str(retry_after_seconds)})


def unavailable(detail: str) -> Problem:
    """Nobody serves this just now: come again."""
    return Problem(503, "UNAVAILABLE", detail, {"retry-after": "1"})


ENDLESS: Final = "TooManyFacts: "
"""How the reason begins when a model goes on for ever without waiting: an error of the model, not of the engine."""


def refused(rejected: Rejected) -> Problem:
    """Tell why the engine refused a command; what went wrong inside of it stays in its log."""
    if rejected.code == "PROCESSING_ERROR":
        if rejected.reason.startswith(ENDLESS):
            return Problem(422, rejected.code, rejected.reason.removeprefix(ENDLESS))
        return Problem(
            500, rejected.code, "the engine could not carry it out because of an error of its own; its log says more"
        )
    return Problem(STATUSES[rejected.code], rejected.code, rejected.reason)
