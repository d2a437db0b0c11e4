"""Query tables `process_definitions`, `process_elements` and `forms`: what is deployed.

Types and names of elements, and the start form, are read from the model when it is defined. Rows of other tables refer to
them by definition key and element id, and are joined when they are read: they may live on another partition.
"""

from domain import events as e
from domain.bpmn.outline import outline
from domain.bpmn.read import load_process
from domain.bpmn.xml import BPMN, ZEEBE, parse
from domain.deployed import event_starts
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, cut, table

PROCESS_DEFINITIONS_TABLE = table(
    "process_definitions",
    "key",
    "key bigint, partition integer, process_id text, version integer, version_tag text, name text, resource_name text,"
    "content bytea, deployment_key bigint, state text, start_form_id text, start_form_key bigint, deployed_at timestamptz",
    of_instances=False,
)

PROCESS_ELEMENTS_TABLE = table(
    "process_elements",
    "definition_key, element_id",
    "definition_key bigint, element_id text, partition integer, element_type text, name text, start_message text,"
    "start_number integer",
    of_instances=False,
)

FORMS_TABLE = table(
    "forms",
    "key",
    "key bigint, partition integer, form_id text, version integer, version_tag text, resource_name text, content bytea,"
    "deployment_key bigint, deleted boolean",
    of_instances=False,
)


def start_form(content: bytes, process_id: str) -> tuple[str | None, int | None]:
    """Return form id and form key of the process's start event, as far as it names them."""
    for process in parse(content).iterchildren(f"{BPMN}process"):
        if process.get("id") == process_id:
            for form in process.iterfind(f"{BPMN}startEvent/{BPMN}extensionElements/{ZEEBE}formDefinition"):
                key = form.get("formKey", "")
                return form.get("formId"), int(key) if key.isdecimal() else None
    return None, None


def _defined(rows: Rows, event: e.ProcessDefined, record: EventRecord, instance: int) -> None:
    form_id, form_key = start_form(event.content, event.process_id)
    row = [event.key, record.partition, event.process_id, event.version, event.version_tag, event.name]
    row += [event.resource_name, event.content, event.deployment_key, "ACTIVE", form_id, form_key, record.time]
    rows.insert(event.key, row)


def _deleted(rows: Rows, event: e.DefinitionDeleted, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "DELETED"})


PROCESS_DEFINITIONS = Projection(PROCESS_DEFINITIONS_TABLE, {e.ProcessDefined: _defined, e.DefinitionDeleted: _deleted})


def message_starts(content: bytes, process_id: str) -> dict[str, tuple[str, int]]:
    """Return (message name, number from 0) of each message start event of the process, by element id."""
    for process in parse(content).iterchildren(f"{BPMN}process"):
        if (
            process.get("id") == process_id
            and process.find(f"{BPMN}startEvent/{BPMN}messageEventDefinition") is not None
        ):
            found = [each for each in event_starts(load_process(content, process_id)) if each[0] == "message"]
            return {element: (name, number) for number, (_, name, element) in enumerate(found)}
    return {}


def _elements(rows: Rows, event: e.ProcessDefined, record: EventRecord, instance: int) -> None:
    starts = message_starts(event.content, event.process_id)
    for element_id, (element_type, name) in outline(event.content)[event.process_id].items():
        message, number = starts.get(element_id, (None, None))
        row = [event.key, element_id, record.partition, element_type, name or element_id]
        rows.insert((event.key, element_id), [*row, None if message is None else cut(message), number])


PROCESS_ELEMENTS = Projection(PROCESS_ELEMENTS_TABLE, {e.ProcessDefined: _elements})


def _form_defined(rows: Rows, event: e.FormDefined, record: EventRecord, instance: int) -> None:
    row = [event.key, record.partition, cut(event.form_id), event.version, event.version_tag, event.resource_name]
    rows.insert(event.key, [*row, event.content, event.deployment_key, False])


def _form_deleted(rows: Rows, event: e.DefinitionDeleted, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"deleted": True})


FORMS = Projection(FORMS_TABLE, {e.FormDefined: _form_defined, e.DefinitionDeleted: _form_deleted})
