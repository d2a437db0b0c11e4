"""Documents: models, deployed resources, forms."""

from projections.queries.filters import parse_key
from projections.queries.pages import Item, Reader, get
from projections.queries.shapes_definitions import DEPLOYED, FORMS


async def _content(connection: Reader, statement: str, key: str) -> bytes | None:
    content: bytes | None = await connection.fetchval(statement, parse_key(key, "the key"))
    return content


async def process_definition_xml(connection: Reader, key: str) -> bytes | None:
    """Return the model of a process definition, or None."""
    return await _content(connection, "SELECT content FROM process_definitions WHERE key = $1", key)


async def decision_definition_xml(connection: Reader, key: str) -> bytes | None:
    """Return the model that a decision definition is in, or None."""
    statement = """
        SELECT r.content FROM decision_definitions d JOIN decision_requirements r ON r.key = d.requirements_key
        WHERE d.key = $1 AND NOT d.deleted
    """
    return await _content(connection, statement, key)


async def decision_requirements_xml(connection: Reader, key: str) -> bytes | None:
    """Return the model of a decision requirements graph, or None."""
    return await _content(connection, "SELECT content FROM decision_requirements WHERE key = $1 AND NOT deleted", key)


async def resource_content(connection: Reader, key: str) -> tuple[str, bytes] | None:
    """Return (file name, content) of a deployed resource: process, decision requirements or form."""
    row = await connection.fetchrow(
        f"SELECT f.resource_name, f.content FROM {DEPLOYED} WHERE f.key = $1", parse_key(key, "the key")
    )
    return None if row is None else (row["resource_name"], row["content"])


_LATEST_FORM = "SELECT f.key FROM forms f WHERE f.form_id = {id} AND NOT f.deleted ORDER BY f.version DESC LIMIT 1"


async def _form(connection: Reader, form_key: int | None) -> Item | None:
    return None if form_key is None else await get(connection, FORMS, str(form_key))


async def start_form(connection: Reader, process_definition_key: str) -> Item | None:
    """Return the form of the definition's start event in its latest version, or None."""
    form_key = await connection.fetchval(
        f"SELECT coalesce(d.start_form_key, ({_LATEST_FORM.format(id='d.start_form_id')}))"
        " FROM process_definitions d WHERE d.key = $1",
        parse_key(process_definition_key, "the key"),
    )
    return await _form(connection, form_key)


async def user_task_form(connection: Reader, user_task_key: str) -> Item | None:
    """Return the form of a user task, or None."""
    form_key = await connection.fetchval(
        f"SELECT coalesce(u.form_key, ({_LATEST_FORM.format(id='u.form_id')})) FROM user_tasks u WHERE u.key = $1",
        parse_key(user_task_key, "the key"),
    )
    return await _form(connection, form_key)
