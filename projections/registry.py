"""All projections, in the open, and folding a batch of events through them."""

from collections.abc import Iterable, Sequence

import msgspec

from domain import events as e
from eventstore.records import EventRecord
from projections.decisions import DECISION_DEFINITIONS, DECISION_INSTANCES, DECISION_REQUIREMENTS
from projections.definitions import FORMS, PROCESS_DEFINITIONS, PROCESS_ELEMENTS
from projections.elements import ELEMENTS
from projections.flows import FLOWS
from projections.incidents import INCIDENTS
from projections.instances import INSTANCES
from projections.jobs import JOBS
from projections.messages import CORRELATED_MESSAGES, MESSAGE_SUBSCRIPTIONS
from projections.rejections import REJECTIONS
from projections.rows import Handler, Projection, Rows
from projections.signals import SIGNAL_SUBSCRIPTIONS
from projections.timers import AGENDA, TIMERS
from projections.user_tasks import USER_TASKS
from projections.variables import LOOP_OUTPUTS, VARIABLES

PROJECTIONS: tuple[Projection, ...] = (
    PROCESS_DEFINITIONS,
    PROCESS_ELEMENTS,
    DECISION_REQUIREMENTS,
    DECISION_DEFINITIONS,
    FORMS,
    INSTANCES,
    ELEMENTS,
    FLOWS,
    VARIABLES,
    LOOP_OUTPUTS,
    JOBS,
    USER_TASKS,
    INCIDENTS,
    TIMERS,
    MESSAGE_SUBSCRIPTIONS,
    CORRELATED_MESSAGES,
    SIGNAL_SUBSCRIPTIONS,
    DECISION_INSTANCES,
    REJECTIONS,
    AGENDA,
)

_INSTANCE = "instance/"


class Folded(msgspec.Struct):
    """A batch as final rows per table."""

    tables: Sequence[Rows]
    deleted_instances: list[int]
    """Their rows leave all tables, after everything else."""


class Folder:
    """Folds batches through some projections."""

    def __init__(self, projections: Iterable[Projection] = PROJECTIONS) -> None:
        self.projections = tuple(projections)
        routes: dict[type, list[tuple[int, Handler]]] = {}
        for index, projection in enumerate(self.projections):
            for event_type, handler in projection.handlers.items():
                routes.setdefault(event_type, []).append((index, handler))
        self._routes = routes

    def fold(self, records: Iterable[EventRecord]) -> Folded:
        """Return what the records do to the tables. Nothing but the records decides it."""
        tables = [Rows(projection.table) for projection in self.projections]
        routes = self._routes
        deleted: list[int] = []
        stream, instance = "", 0
        for record in records:
            event = record.event
            found = routes.get(type(event))
            if found is not None:
                if record.stream != stream:
                    stream = record.stream
                    instance = int(stream[len(_INSTANCE) :]) if stream.startswith(_INSTANCE) else 0
                for index, handler in found:
                    handler(tables[index], event, record, instance)
            elif type(event) is e.InstanceDeleted:
                deleted.append(event.key)
        return Folded(tables, deleted)
