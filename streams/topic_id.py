"""The id that brokers give to a topic when it is made: one that was deleted and made anew has the same name and another id.

aiokafka asks for versions of the metadata that have no ids yet; this asks for the first that has them.
"""

import asyncio
import base64
import contextlib
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from streams.kafka_calls import CLOSE_SECONDS_MAX, START_SECONDS_MAX, apart
from streams.topics import Cluster

METADATA: Final = 3
"""The number of the request in Kafka's protocol."""
WITH_IDS: Final = 10
"""The first version of it that tells ids, of Kafka 2.8."""

_ID: Final = Schema(("high", Int64), ("low", Int64))
_NO_ID: Final = (0, 0)
_TEXT: Final = CompactString("utf-8")


class _Answer(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = METADATA  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # as aiokafka's own
    API_VERSION = WITH_IDS  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # as above
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields)),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("id", _ID),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("index", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_operations", Int32),
        ("tags", TaggedFields),
    )


class _Question(RequestStruct):  # type: ignore[misc]  # as above
    FLEXIBLE_VERSION = True
    API_KEY = METADATA
    API_VERSION = WITH_IDS
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _ID), ("name", _TEXT), ("tags", TaggedFields))),
        ("make_missing", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Metadata(Request[_Question]):  # type: ignore[misc]  # as above
    API_KEY = METADATA

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_Question]) -> _Question:
        """Return the request in the only version that there is of it."""
        return request_struct_class([(_NO_ID, self._topic, {})], False, False, False, {})


async def topic_id(cluster: Cluster, topic: str) -> str | None:
    """Return the id of a topic, as Kafka's own tools write it; None if it is not there, or the brokers tell no ids."""
    client = AIOKafkaClient(**cluster.options)
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            await apart(client.bootstrap())
            answer = await apart(client.send(client.get_random_node(), _Metadata(topic)))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await client.close()
    return next((_written(each[2]) for each in answer.topics if each[1] == topic and each[2] != _NO_ID), None)


def _written(found: tuple[int, int]) -> str:
    octets = b"".join(part.to_bytes(8, signed=True) for part in found)
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
