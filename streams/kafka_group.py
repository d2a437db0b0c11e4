"""Which partitions are this process's: what Kafka's consumer group says. A hint, never a right: the epoch in PostgreSQL decides.

The group is asked for its shares, and told how far commands are read: for those who watch lags, and for whoever has to restore
a lost database. Commands are read without it (`streams.kafka_log`).
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError

from streams.kafka_calls import apart, close
from streams.topics import Cluster, Topics

POLL_MS: Final = 1_000
RETRY_SECONDS: Final = 0.5
JOIN_SECONDS_MAX: Final = 30.0
NOTE_SECONDS_MAX: Final = 2.0
HEARTBEATS: Final = 4
"""In a session."""

log = logging.getLogger(__name__)


class KafkaGroup:
    """One member."""

    def __init__(
        self, cluster: Cluster, topics: Topics, *, instance_id: str | None = None, session_seconds: float = 6.0
    ) -> None:
        self.partitions: frozenset[int] = frozenset()
        """The share that this process was given last."""
        self.generation = 0
        """Counts the shares given; 0 before the first."""
        self.changed = asyncio.Event()
        """Set with each new share; whoever acts on it clears it."""
        self._taking_part = asyncio.Event()
        self._taking_part.set()
        self._cluster = cluster
        self._topics = topics
        self._instance_id = instance_id
        self._session_ms = int(session_seconds * 1000)
        self._consumer: AIOKafkaConsumer | None = None
        self._settled = False
        """Whether no rebalance is under way, as far as we know."""

    @property
    def aside(self) -> bool:
        """Whether we want no share."""
        return not self._taking_part.is_set()

    def stand_aside(self) -> None:
        """Leave our share to others until `take_part`."""
        self._taking_part.clear()

    def take_part(self) -> None:
        """Want a share; so it begins."""
        self._taking_part.set()

    async def run(self) -> None:
        """Be a member until cancelled; come back after errors. Cancelled, it leaves: its share goes to others at once."""
        while True:
            await self._taking_part.wait()
            try:
                await self._member()
            except Exception:
                log.exception("the consumer group %s cannot be joined; trying again", self._topics.prefix)
            await asyncio.sleep(RETRY_SECONDS)

    async def _member(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._cluster.options,
            group_id=self._topics.prefix,
            group_instance_id=self._instance_id,
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // HEARTBEATS,
            # Others wait this long at most for a member that does not answer a rebalance.
            rebalance_timeout_ms=self._session_ms,
            partition_assignment_strategy=(StickyPartitionAssignor,),
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )
        try:
            consumer.subscribe([self._topics.commands], listener=_Listener(self, consumer))
            async with asyncio.timeout(JOIN_SECONDS_MAX):
                await apart(consumer.start())
            self._consumer = consumer
            while not self.aside:
                # Nothing comes, all is paused; the call says that we live, and raises what goes wrong.
                await apart(consumer.getmany(timeout_ms=POLL_MS))
            self.given(())
        finally:
            self._consumer = None
            self._settled = False
            await close(consumer)

    async def note(self, offsets: Mapping[int, int]) -> None:
        """Have the brokers note up to which offset commands of a partition are read and their events in the topic.

        Notes of partitions that are not ours are left out; one that fails is made up for by the next.
        """
        if not self._settled:
            return  # refused under the generation before, it would make aiokafka leave the one that it has just joined
        ours = {self._place(each): offset for each, offset in offsets.items() if self._has(each)}
        if ours and self._consumer is not None:
            await _asked(self._consumer.commit(ours))

    async def confirm(self, partition: int) -> bool:
        """Return whether the brokers say, now, that a partition is ours: they take notes of nobody else."""
        consumer, place = self._consumer, self._place(partition)
        if consumer is None or not self._has(partition):
            return False
        answered, noted = await _asked(consumer.committed(place))
        # What they have noted, they note again. Without a note: nothing read is never wrong.
        return answered and (await _asked(consumer.commit({place: noted or 0})))[0]

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topics.commands, partition - 1)

    def _has(self, partition: int) -> bool:
        return self._consumer is not None and self._place(partition) in self._consumer.assignment()

    def dealing(self) -> None:
        """Shares are being given anew."""
        self._settled = False

    def given(self, partitions: Iterable[int]) -> None:
        """Take a new share."""
        self.partitions = frozenset(partitions)
        self.generation += 1
        self._settled = True
        log.info("partitions of this process: %s", ", ".join(map(str, sorted(self.partitions))) or "none")
        self.changed.set()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    def __init__(self, group: KafkaGroup, consumer: AIOKafkaConsumer) -> None:
        self._group = group
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Go on: all is revoked each time, and most comes back. Whoever takes a partition over fences us."""
        self._group.dealing()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Take the share."""
        shares = list(assigned)
        self._consumer.pause(*shares)
        self._group.given(share.partition + 1 for share in shares)


async def _asked(call: Coroutine[Any, Any, Any]) -> tuple[bool, Any]:
    """Return whether the brokers did what was asked of them about notes, and what they answered."""
    try:
        async with asyncio.timeout(NOTE_SECONDS_MAX):
            return True, await apart(call)
    except (KafkaError, ConsumerStoppedError, TimeoutError) as error:
        log.debug("the brokers take no note of offsets: %s", error)
        return False, None
