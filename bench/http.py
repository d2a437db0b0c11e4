"""A lean HTTP/1.1 client for load: keep-alive connections, JSON in and out, and little CPU of its own."""

import asyncio
from typing import Any

import msgspec

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder().decode


class Client:
    """One connection; one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Send a POST; return the status and the decoded answer (None if it has no body)."""
        return await self.send("POST", path, _ENCODE(body))

    async def get(self, path: str) -> tuple[int, Any]:
        """Send a GET; return the status and the decoded answer."""
        return await self.send("GET", path, b"")

    async def send(
        self, method: str, path: str, body: bytes, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Send a request; the connection is opened again if the server closed it."""
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self.host, self.port)
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return await self._answer(self._reader)

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, Any]:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        content = await reader.readexactly(length) if length else b""
        return status, _DECODE(content) if content[:1] in (b"{", b"[") else None

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
            self._writer = self._reader = None
