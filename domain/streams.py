"""Which stream a command speaks to, and on which partition that stream lives.

instance/<key>                 one process instance, on the partition in its key
message/<length>/<name>/<key>  one message bucket, on a partition chosen by hash
signal/<name>                  one signal name, on a partition chosen by hash
definitions                    all that is deployed, on the first partition
decisions                      evaluations outside of instances, on every partition its own
jobs/<type>                    the leases of a job type, on every partition its own
"""

from collections.abc import Callable
from hashlib import blake2b

from domain import commands as c
from domain.keys import FIRST_PARTITION, block_of, make_key, partition_of

DEFINITIONS_STREAM = "definitions"
DECISIONS_STREAM = "decisions"


def instance_stream(key: int) -> str:
    """Return the stream of the instance whose block holds `key`. A further block must be resolved to its owner first."""
    return f"instance/{block_of(key)}"


def message_stream(name: str, correlation_key: str) -> str:
    """Return the stream of a message bucket. The name's length stands before it, so that no two buckets share a name."""
    return f"message/{len(name)}/{name}/{correlation_key}"


def signal_stream(name: str) -> str:
    """Return the stream of a signal name."""
    return f"signal/{name}"


def jobs_stream(job_type: str) -> str:
    """Return the stream of leases of a job type."""
    return f"jobs/{job_type}"


def spread(text: str, partitions: int) -> int:
    """Return the partition on which streams named by `text` live. Stable for ever: stored streams depend on it."""
    return FIRST_PARTITION + int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) % partitions


def route(command: c.AnyCommand, partitions: int) -> int:
    """Return the partition that has to carry out `command`."""
    match command:
        case c.DeployResources() | c.DeleteResource():
            return FIRST_PARTITION
        case c.CreateInstance() | c.EvaluateDecision():
            return spread(command.id, partitions)
        case c.CreateStarted():
            return spread(command.id, partitions) if command.key is None else partition_of(command.key)
        case c.ActivateJobs():
            return command.partition
        case (
            c.PublishMessage()
            | c.CorrelateMessage()
            | c.OpenMessageSubscription()
            | c.CloseMessageSubscription()
            | c.AcknowledgeMessage()
            | c.ExpireMessage()
            | c.ReleaseMessageStart()
        ):
            return spread(message_stream(command.name, command.correlation_key), partitions)
        case c.BroadcastSignal() | c.RelaySignal() | c.OpenSignalSubscription() | c.CloseSignalSubscription():
            return spread(signal_stream(command.name), partitions)
        case _:
            return partition_of(command.key)


def stream_of(command: c.AnyCommand, partition: int, next_number: Callable[[], int]) -> str:
    """Return the stream that decides about `command` on `partition`.

    A command that begins an instance without naming its key takes a number of the partition for it.
    """
    match command:
        case c.DeployResources() | c.DeleteResource():
            return DEFINITIONS_STREAM
        case c.EvaluateDecision():
            return DECISIONS_STREAM
        case c.ActivateJobs():
            return jobs_stream(command.job_type)
        case (
            c.PublishMessage()
            | c.CorrelateMessage()
            | c.OpenMessageSubscription()
            | c.CloseMessageSubscription()
            | c.AcknowledgeMessage()
            | c.ExpireMessage()
            | c.ReleaseMessageStart()
        ):
            return message_stream(command.name, command.correlation_key)
        case c.BroadcastSignal() | c.RelaySignal() | c.OpenSignalSubscription() | c.CloseSignalSubscription():
            return signal_stream(command.name)
        case c.CreateInstance():
            return instance_stream(make_key(partition, next_number()))
        case c.CreateStarted():
            return instance_stream(make_key(partition, next_number()) if command.key is None else command.key)
        case c.TriggerTimer() if command.key == block_of(command.key):
            return (
                DEFINITIONS_STREAM  # timers of start events take a number of their own, those of instances a local part
            )
        case _:
            return instance_stream(command.key)
