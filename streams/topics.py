"""The topics of the distributed mode: their names, how they have to be, making them, and seeing whether they fit.

Partition p of the engine is partition p - 1 of a topic: the engine counts from 1, Kafka from 0.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidReplicationFactorError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

COMMAND_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes of the largest command that is read; larger ones become dead letters."""
RECORD_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of the largest record that a topic takes: room for the largest command, and for the events it leads to."""
LETTER_BYTES_MAX: Final = RECORD_BYTES_MAX + 1024 * 1024
"""A dead letter holds the largest record, its key, and why it is here."""
COMMANDS_RETENTION_MS: Final = 7 * 24 * 3600 * 1000
"""An engine that is away for longer than this loses commands."""
DEAD_LETTERS_RETENTION_MS: Final = 30 * 24 * 3600 * 1000
JOBS_RETENTION_MS: Final = 2 * 24 * 3600 * 1000
"""Longer than any lease: a job whose lease is over comes again."""
FOR_EVER: Final = -1
REPLICATION_MAX: Final = 3
REQUEST_MS_MAX: Final = 15_000
LOOK_SECONDS: Final = 0.05


class TopicDoesNotFit(Exception):  # noqa: N818 - it names what was found
    """A topic is there, but not as the engine needs it; one sentence for each difference."""


@dataclass(frozen=True)
class Cluster:
    """How to reach the brokers."""

    bootstrap_servers: Sequence[str]
    security: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further options of every client: protocol, TLS context, SASL."""

    @property
    def options(self) -> dict[str, Any]:
        """Return what every aiokafka client is made with."""
        return {"bootstrap_servers": list(self.bootstrap_servers), **self.security}


@dataclass(frozen=True)
class Topics:
    """The names of an engine's topics."""

    prefix: str = "procession"
    job_types: tuple[str, ...] = ()
    """The types whose jobs go to topics."""

    @property
    def commands(self) -> str:
        return f"{self.prefix}.commands"

    @property
    def events(self) -> str:
        return f"{self.prefix}.events"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}.dead-letters"

    def jobs(self, job_type: str) -> str:
        return f"{self.prefix}.jobs.{job_type}"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.commands, self.events, self.dead_letters, *map(self.jobs, self.job_types))


@dataclass(frozen=True)
class Topic:
    """How a topic has to be, or how it was found."""

    name: str
    partitions: int
    settings: Mapping[str, str]
    replication: int = 0


def wanted(topics: Topics, partitions: int) -> tuple[Topic, ...]:
    """Return every topic of the engine as it has to be."""

    def settings(retention: int, size: int = RECORD_BYTES_MAX) -> dict[str, str]:
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(retention),
            "retention.bytes": str(FOR_EVER),
            "max.message.bytes": str(size),
        }

    return (
        Topic(topics.commands, partitions, settings(COMMANDS_RETENTION_MS)),
        Topic(topics.events, partitions, settings(FOR_EVER)),
        Topic(topics.dead_letters, 1, settings(DEAD_LETTERS_RETENTION_MS, LETTER_BYTES_MAX)),
        *(Topic(topics.jobs(each), partitions, settings(JOBS_RETENTION_MS)) for each in topics.job_types),
    )


def misfits(want: Topic, found: Topic) -> list[str]:
    """Return a sentence for each way in which a topic cannot serve."""
    wrong: list[str] = []
    if found.partitions != want.partitions:
        wrong.append(
            f"expected topic {want.name} with {want.partitions} partitions, but it has {found.partitions}; the number "
            "is that of the engine's partitions and never changes"
        )
    if "compact" in found.settings.get("cleanup.policy", ""):
        wrong.append(
            f"expected topic {want.name} with cleanup.policy=delete, but it is {found.settings['cleanup.policy']}: "
            "compaction takes records out of the middle, and they are all needed"
        )
    size = int(found.settings.get("max.message.bytes", RECORD_BYTES_MAX))
    if size < RECORD_BYTES_MAX:
        wrong.append(
            f"expected topic {want.name} with max.message.bytes of at least {RECORD_BYTES_MAX}, but it is {size}"
        )
    return wrong


async def describe(cluster: Cluster, names: Sequence[str]) -> dict[str, Topic]:
    """Return those of the topics that are there, by name."""
    admin = await _admin(cluster)
    try:
        return await _describe(admin, names)
    finally:
        await admin.close()


async def create(cluster: Cluster, topics: Topics, partitions: int) -> list[str]:
    """Make the topics that are missing and return their names. Raise `TopicDoesNotFit` for one that is there and cannot serve."""
    admin = await _admin(cluster)
    try:
        await _check(admin, topics, partitions)
        found = await _describe(admin, topics.names)
        missing = [topic for topic in wanted(topics, partitions) if topic.name not in found]
        for topic in missing:
            await make(admin, topic)
        await _until_there(admin, topics)
        # Another process may have made them meanwhile, in its own way.
        await _check(admin, topics, partitions)
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def check(cluster: Cluster, topics: Topics, partitions: int) -> None:
    """Raise `TopicDoesNotFit` if a topic is missing or cannot serve."""
    admin = await _admin(cluster)
    try:
        found = await _describe(admin, topics.names)
        missing = [each.name for each in wanted(topics, partitions) if each.name not in found]
        if missing:
            raise TopicDoesNotFit(f"expected the topics {', '.join(missing)}, but they are not there")
        await _check(admin, topics, partitions)
    finally:
        await admin.close()


async def delete(cluster: Cluster, topics: Topics) -> None:
    """Take the topics away, with all that is in them."""
    admin = await _admin(cluster)
    try:
        await admin.delete_topics(list(topics.names))
    finally:
        await admin.close()


async def cluster_id(cluster: Cluster) -> str:
    """Return the name that the brokers gave to themselves."""
    admin = await _admin(cluster)
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


async def _admin(cluster: Cluster) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(**cluster.options, request_timeout_ms=REQUEST_MS_MAX)
    await admin.start()
    return admin


async def _check(admin: AIOKafkaAdminClient, topics: Topics, partitions: int) -> None:
    found = await _describe(admin, topics.names)
    wrong = [
        sentence
        for topic in wanted(topics, partitions)
        if topic.name in found
        for sentence in misfits(topic, found[topic.name])
    ]
    if wrong:
        raise TopicDoesNotFit("\n".join(wrong))


async def make(admin: AIOKafkaAdminClient, topic: Topic) -> None:
    """Make a topic on as many brokers as there are; one that is there is left as it is. Raise `TopicDoesNotFit`.

    A broker that was slow to report counts again a moment later: it is waited for.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + REQUEST_MS_MAX / 1000
    while True:
        replication = min(len((await admin.describe_cluster())["brokers"]), REPLICATION_MAX)
        settings = dict(topic.settings)
        if replication == REPLICATION_MAX:
            settings["min.insync.replicas"] = "2"
        # Any: aiokafka's answers have their fields made at run time.
        answer: Any = await admin.create_topics(
            [NewTopic(topic.name, topic.partitions, replication, topic_configs=settings)]
        )
        [(_, code, *message)] = answer.topic_errors
        if not code or issubclass(for_code(code), TopicAlreadyExistsError):
            return
        if not issubclass(for_code(code), InvalidReplicationFactorError) or loop.time() > until:
            raise TopicDoesNotFit(f"topic {topic.name} could not be made: {for_code(code).__name__} {message}")
        await asyncio.sleep(LOOK_SECONDS)


async def _until_there(admin: AIOKafkaAdminClient, topics: Topics) -> None:
    """Return when the brokers know of every topic: they tell each other a little later."""
    async with asyncio.timeout(REQUEST_MS_MAX / 1000):
        while len(await _describe(admin, topics.names)) < len(topics.names):  # noqa: ASYNC110 - brokers tell nobody
            await asyncio.sleep(LOOK_SECONDS)


async def _describe(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Topic]:
    found: dict[str, dict[str, Any]] = {}
    for each in await admin.describe_topics(list(names)):
        if each["error_code"] == 0:
            found[each["topic"]] = each
        elif not issubclass(for_code(each["error_code"]), UnknownTopicOrPartitionError):
            raise TopicDoesNotFit(f"topic {each['topic']} cannot be described: {for_code(each['error_code']).__name__}")
    if not found:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    settings: dict[str, dict[str, str]] = {name: {} for name in found}
    answers: list[Any] = await admin.describe_configs(resources)
    for answer in answers:
        for _, _, _, name, entries in answer.resources:
            settings[name] = {entry[0]: entry[1] for entry in entries}
    return {
        name: Topic(name, len(each["partitions"]), settings[name], len(each["partitions"][0]["replicas"]))
        for name in names
        if (each := found.get(name)) is not None
    }
