"""Who calls: one token for the whole API, shown as bearer token or as the password of basic authentication.

It knows no operation. Health and metrics are open to whoever reaches the port, as probes and scrapers need them.
"""

import base64
import binascii
import hmac
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import MEDIA_TYPE, Problem

CALLER: Final = "procession.caller"
"""Where the caller's name stands in the request's scope; it becomes the `by` of commands."""

OPEN_PATHS: Final = ("/healthz", "/readyz", "/metrics")
CALLER_CHARACTERS_MAX: Final = 256


class Authentication:
    """Lets through who shows the token; everybody else gets 401."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        caller = self._caller(scope)
        if caller is None:
            await _refuse(scope, send)
            return
        scope[CALLER] = caller
        await self.app(scope, receive, send)

    def _caller(self, scope: Scope) -> str | None:
        """Return the caller's name ("" behind a bearer token), or None if the token is not shown."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        written = next((value for name, value in headers if name == b"authorization"), b"")
        kind, _, shown = written.partition(b" ")
        if kind.lower() == b"bearer":
            return "" if hmac.compare_digest(shown.strip(), self._token) else None
        if kind.lower() != b"basic":
            return None
        try:
            user, _, password = base64.b64decode(shown, validate=True).partition(b":")
        except binascii.Error:
            return None
        if not hmac.compare_digest(password, self._token):
            return None
        return user.decode(errors="replace")[:CALLER_CHARACTERS_MAX]


async def _refuse(scope: Scope, send: Send) -> None:
    problem = Problem(
        401, "UNAUTHORIZED", "expected the API's token as bearer token or basic password, but it was not shown"
    )
    headers: list[tuple[bytes, Any]] = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"www-authenticate", b'Bearer realm="procession", Basic realm="procession"'),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body(scope["path"])})
