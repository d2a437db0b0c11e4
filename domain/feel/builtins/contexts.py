"""Built-ins on contexts. None of them changes its argument."""

from typing import Any

from domain.feel.builtins.table import Failed, entry
from domain.feel.values import Run


def _get_entries(run: Run, context: dict[str, Any]) -> list[dict[str, Any]]:
    run.charge(len(context))
    return [{"key": name, "value": value} for name, value in context.items()]


def _get_value(run: Run, context: dict[str, Any], key: str) -> Any:
    return context.get(key)


def _get_value_at(run: Run, context: dict[str, Any], keys: list[Any]) -> Any:
    found: Any = context if keys else None
    for key in keys:
        if found.__class__ is not dict or key.__class__ is not str:
            return None
        found = found.get(key)
    return found


def _put(run: Run, context: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    run.charge(len(context))
    return {**context, key: value}


def _put_at(run: Run, context: dict[str, Any], keys: list[Any], value: Any) -> dict[str, Any]:
    if not keys or any(key.__class__ is not str for key in keys):
        raise Failed("The keys must be a list of one or more strings")
    run.charge(len(context))
    made = dict(context)
    inner = made
    for key in keys[:-1]:
        below = inner.get(key)
        inner[key] = dict(below) if isinstance(below, dict) else {}  # pyright: ignore[reportUnknownArgumentType] - contexts have string keys
        inner = inner[key]
        run.charge(1 + len(inner))
    inner[keys[-1]] = value
    return made


def _merge(run: Run, contexts: list[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for context in contexts:
        if context.__class__ is not dict:
            raise Failed("All arguments must be contexts")
        run.charge(1 + len(context))
        made.update(context)
    return made


def _context(run: Run, entries: list[Any]) -> dict[str, Any]:
    run.charge(len(entries))
    made: dict[str, Any] = {}
    for each in entries:
        if each.__class__ is not dict or each.get("key").__class__ is not str or "value" not in each:
            raise Failed("Each entry must be a context with 'key' and 'value'")
        made[each["key"]] = each["value"]
    return made


ENTRIES = (
    entry("get entries", "m: context", _get_entries),
    entry("get entries", "context: context", _get_entries),
    entry("get value", "m: context, key: string", _get_value),
    entry("get value", "context: context, key: string", _get_value),
    entry("get value", "context: context, keys: list", _get_value_at),
    entry("context put", "context: context, key: string, value: any", _put),
    entry("context put", "context: context, keys: list, value: any", _put_at),
    entry("put", "context: context, key: string, value: any", _put),
    entry("put", "context: context, keys: list, value: any", _put_at),
    entry("context merge", "contexts: list...", _merge),
    entry("put all", "contexts: list...", _merge),
    entry("context", "entries: list", _context),
)
