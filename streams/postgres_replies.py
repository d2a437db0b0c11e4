"""Answers to callers in other processes, through PostgreSQL's notifications: each process listens to a channel of its own."""

from collections.abc import Sequence

from streams.notifications import PAYLOAD_BYTES_MAX, Notifications
from streams.replies import LocalReplies
from streams.work import Answered, decode_reply, encode_reply

PIECE_CHARACTERS = (PAYLOAD_BYTES_MAX - 100) // 4
"""Of an answer in one notification, of up to four bytes each; longer answers go in several."""
INCOMPLETE_MAX = 1_000
"""Answers of which a part is there; past it the oldest is dropped."""


class PostgresReplies:
    """All of `streams.processor.Replies`."""

    def __init__(self, local: LocalReplies, notifications: Notifications) -> None:
        self._local = local
        self._notifications = notifications
        self._pieces: dict[int, list[str]] = {}
        """Of answers that did not arrive as a whole yet, by caller."""

    async def start(self) -> None:
        """Begin to listen."""
        await self._notifications.listen(_channel(self._local.process), self._heard)

    def send(self, replies: Sequence[Answered]) -> None:
        """See the port."""
        for work, reply in replies:
            process, _, caller = work.reply_to.rpartition("/")
            if process == self._local.process:
                self._local.deliver(int(caller), reply)
            elif caller.isdecimal():
                self._send(_channel(process), caller, encode_reply(reply).decode())

    def _send(self, channel: str, caller: str, answer: str) -> None:
        pieces = [answer[at : at + PIECE_CHARACTERS] for at in range(0, len(answer), PIECE_CHARACTERS)]
        for number, piece in enumerate(pieces):
            self._notifications.send(channel, f"{caller} {number} {len(pieces)} {piece}")

    def _heard(self, payload: str | None) -> None:
        if payload is None:
            self._pieces.clear()
            self._local.may_have_missed()
            return
        caller, number, count, piece = payload.split(" ", 3)
        answer = self._whole(int(caller), int(number), int(count), piece)
        if answer is not None:
            self._local.deliver(int(caller), decode_reply(answer.encode()))

    def _whole(self, caller: int, number: int, count: int, piece: str) -> str | None:
        """Return an answer once its last piece is there. What has a hole is dropped."""
        pieces = self._pieces.pop(caller, []) if number else []
        if len(pieces) != number:
            return None
        pieces.append(piece)
        if len(pieces) == count:
            return "".join(pieces)
        if len(self._pieces) >= INCOMPLETE_MAX:
            self._pieces.pop(next(iter(self._pieces)))
        self._pieces[caller] = pieces
        return None


def _channel(process: str) -> str:
    return f"procession_replies_{process}"
