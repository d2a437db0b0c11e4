"""A lean HTTP client that tells apart what a client of a dying server must: answered, refused, or in doubt.

It knows requests and answers, and nothing of what they are about.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

ANSWER_SECONDS_MAX: Final = 30.0
"""Longer than the engine itself waits before it says that there is no answer."""

REQUESTS_MAX: Final = 20
"""Over one connection; where there are several engines, the next one is to another of them."""

Kind: TypeAlias = Literal["answered", "refused", "in doubt"]

_turns = itertools.count()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Answer(msgspec.Struct, frozen=True):
    """What came back, or that nothing did."""

    kind: Kind
    status: int = 0
    """0: the connection broke."""
    body: Any = None
    place: tuple[int, int] | None = None
    """Partition and position of the header Procession-Position."""


class Client:
    """One connection at a time; one request at a time."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        """Of engines that answer alike; who owns the list may change it."""
        self._requests = 0
        """Left for the connection that is open."""
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: Any, key: str | None = None) -> Answer:
        """Send a POST; `key` is its Idempotency-Key."""
        return await self.send("POST", path, _encode(body), key)

    async def get(self, path: str) -> Answer:
        """Send a GET."""
        return await self.send("GET", path)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        key: str | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Send a request. Whatever breaks on the way leaves it in doubt, as does a server that says so (503, 504)."""
        idempotency = f"idempotency-key: {key}\r\n" if key is not None else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: chaos\r\ncontent-type: {content_type}\r\n{idempotency}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                reader, writer = await self._connection()
                writer.write(head.encode() + body)
                answer = await _answer(reader)
            self._requests -= 1
            if answer.kind == "in doubt" or self._requests <= 0:
                self.close()
            return answer
        except (OSError, EOFError, TimeoutError):
            self.close()
            return Answer("in doubt")
        except BaseException:
            self.close()
            raise

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._writer is None or self._reader is None:
            port = self._ports[next(_turns) % len(self._ports)]
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
            self._requests = REQUESTS_MAX
        return self._reader, self._writer

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def _answer(reader: asyncio.StreamReader) -> Answer:
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    status, length, place = int(lines[0][9:12]), 0, None
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        match name.lower():
            case b"content-length":
                length = int(value)
            case b"procession-position":
                partition, _, position = value.partition(b"-")
                place = (int(partition), int(position))
            case _:
                pass
    content = await reader.readexactly(length) if length else b""
    body = _decode(content) if content[:1] in (b"{", b"[") else None
    kind: Kind = "answered" if status < 300 else "in doubt" if status in (503, 504) else "refused"
    return Answer(kind, status, body, place)
