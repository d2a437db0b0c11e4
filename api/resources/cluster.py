"""The cluster as clients see it: topology, status, licence, clock."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from api.operations import Answer, Call, Operation, json
from api.problems import Problem, unavailable
from api.requests import Pin

TAG = "cluster"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def topology(call: Call) -> Answer:
    """Tell which processes there are, and which partitions each of them leads."""
    settings, release = call.api.settings, version("procession")
    owned: dict[str, list[int]] = {}
    for partition, owner in (await call.api.engine.owners()).items():
        owned.setdefault(owner, []).append(partition)
    brokers: list[dict[str, Any]] = []
    for number, (owner, partitions) in enumerate(sorted(owned.items())):
        host, separator, port = owner.rpartition(" ")[2].rpartition(":")
        brokers.append(
            {
                "brokerId": str(number),
                "nodeId": number,
                "host": host if separator else settings.host,
                "port": int(port) if separator else settings.port,
                "partitions": [
                    {"partitionId": partition, "role": "leader", "health": "healthy", "state": "active"}
                    for partition in partitions
                ],
                "version": release,
            }
        )
    return json(
        {
            "brokers": brokers,
            "clusterId": None,
            "clusterSize": len(brokers),
            "partitionsCount": call.api.engine.partitions,
            "replicationFactor": 1,
            "gatewayVersion": release,
            "lastCompletedChangeId": "0",
        }
    )


async def status(call: Call) -> Answer:
    """Answer 204 while commands are taken."""
    if not call.api.engine.ready:
        raise unavailable("the engine takes no commands just now")
    return Answer(204)


async def license_(call: Call) -> Answer:
    """Tell the licence: the engine is free software."""
    return json({"validLicense": True, "licenseType": "Apache-2.0", "isCommercial": False, "expiresAt": None})


async def pin_clock(call: Call, body: Pin) -> Answer:
    """Set the engine's time, where `PROCESSION_CLOCK=controlled`; answers once all that was due by then has happened."""
    _check_controlled(call)
    await call.api.engine.set_time(EPOCH + timedelta(milliseconds=body.timestamp))
    return Answer(204)


async def reset_clock(call: Call) -> Answer:
    """Let the engine's time be the system's again, where `PROCESSION_CLOCK=controlled`."""
    _check_controlled(call)
    await call.api.engine.set_time(None)
    return Answer(204)


def _check_controlled(call: Call) -> None:
    if call.api.settings.clock != "controlled":
        detail = "the clock can be set only where the setting PROCESSION_CLOCK is controlled, but it is system"
        raise Problem(409, "INVALID_STATE", detail)


OPERATIONS = (
    Operation("GET", "/topology", topology, TAG, answer="TopologyResponse"),
    Operation("GET", "/status", status, TAG, errors=(503,)),
    Operation("GET", "/license", license_, TAG, answer="LicenseResponse"),
    Operation("PUT", "/clock", pin_clock, TAG, body=Pin, errors=(400, 409, 503)),
    Operation("POST", "/clock/reset", reset_clock, TAG, errors=(409, 503)),
)
