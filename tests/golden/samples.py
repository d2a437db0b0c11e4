"""One event of each type with every field set, made from the fields' own types."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec

from domain.events import AnyEvent, Event


def samples() -> Iterator[Event]:
    """Yield one event of each type, in the order of the register."""
    for kind in get_args(AnyEvent):
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        yield kind(**{field.name: _value(field.type, field.name) for field in info.fields})


def _value(kind: Any, name: str) -> Any:
    inspect = msgspec.inspect
    match kind:
        case inspect.IntType():
            return 18014398509498369
        case inspect.BoolType():
            return False
        case inspect.StrType():
            return f"{name} é"
        case inspect.BytesType():
            return b"<xml/>"
        case inspect.DateTimeType():
            return datetime(2026, 1, 31, 8, 0, 0, 5000, tzinfo=UTC)
        case inspect.LiteralType():
            return kind.values[-1]
        case inspect.DictType():
            if isinstance(kind.value_type, (inspect.StrType, inspect.IntType)):
                return {"text": _value(kind.value_type, "value")}
            return {"n": Decimal("1.10"), "x": [None]}
        case inspect.TupleType():
            return tuple(_value(item, name) for item in kind.item_types)
        case inspect.VarTupleType():
            return (_value(kind.item_type, name),)
        case inspect.UnionType():
            return _value(next(each for each in kind.types if not isinstance(each, inspect.NoneType)), name)
        case inspect.StructType():
            return kind.cls(**{field.name: _value(field.type, field.name) for field in kind.fields})
        case _:
            return {"any": [1, Decimal("2.5"), "x", None, True]}
