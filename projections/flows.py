"""Query table `sequence_flows`: which sequence flows an instance has taken, each once."""

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, table

SEQUENCE_FLOWS = table(
    "sequence_flows",
    "instance_key, flow_id",
    "instance_key bigint, flow_id text, partition integer",
    keep=("partition",),
)


def _taken(rows: Rows, event: e.FlowTaken, record: EventRecord, instance: int) -> None:
    rows.inserted[instance, event.flow] = [instance, event.flow, record.partition]


FLOWS = Projection(SEQUENCE_FLOWS, {e.FlowTaken: _taken})
