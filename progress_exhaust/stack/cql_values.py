"""Turns values of a JSON line into what cassandra-driver binds, as the column's own type asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from cassandra.cqltypes import UserType

from progress_exhaust.errors import DataShapeError, Value

Converter = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class ConversionError(DataShapeError):
    """A value does not fit the type of its column; the text names both, and never the value."""


def converter(cql_type: Any) -> Converter:
    """Return the conversion to one CQL type; null becomes None, and inside a collection falls out.

    Args:
        cql_type: the driver's class for the type, as the metadata of a prepared statement has it.
    """
    return _nullable(_non_null_converter(cql_type))


def _non_null_converter(cql_type: Any) -> Converter:
    name = cql_type.typename
    if issubclass(cql_type, UserType):
        parts = [(field, converter(part)) for field, part in zip(cql_type.fieldnames, cql_type.subtypes, strict=True)]
        return lambda value: tuple(part(_as(dict, value, name).get(field)) for field, part in parts)
    if name == "frozen":
        return _non_null_converter(cql_type.subtypes[0])
    if name == "map":
        key, item = (_non_null_converter(part) for part in cql_type.subtypes)
        return lambda value: {key(k): item(v) for k, v in _as(dict, value, name).items() if v is not None}
    if name in {"list", "set"}:
        member = _non_null_converter(cql_type.subtypes[0])
        return lambda value: [member(v) for v in _as(list, value, name) if v is not None]
    if name not in _SIMPLE:
        raise ConversionError(got=f"columns of type {name} can not be loaded")
    return _SIMPLE[name]


def _nullable(convert: Converter) -> Converter:
    return lambda value: None if value is None else convert(value)


def _as(kind: type, value: Any, name: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConversionError(expected=name, got=Value(f"a JSON {type(value).__name__}"))
    return value


def _text(value: Any) -> Any:
    return _as(str, value, "text")


def _boolean(value: Any) -> Any:
    return _as(bool, value, "boolean")


def _integer(bits: int) -> Converter:
    def convert(value: Any) -> Any:
        if not -(2 ** (bits - 1)) <= _as(int, value, f"a whole number of {bits} bits") < 2 ** (bits - 1):
            raise ConversionError(expected=f"a whole number of {bits} bits", got=Value("a bigger one"))
        return value

    return convert


def _double(value: Any) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    return float(_as(int, value, "double") if isinstance(value, int) else _as(float, value, "double"))


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ConversionError(expected="decimal", got=Value(f"a JSON {type(value).__name__}")) from None


def _timestamp(value: Any) -> int:
    """Return milliseconds since 1970, as Cassandra keeps them; finer parts are cut."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        raise ConversionError(expected="a timestamp in ISO 8601", got=Value("another text")) from None
    if moment.tzinfo is None:
        raise ConversionError(expected="a timestamp with a zone", got=Value("one without"))
    return (moment - _EPOCH) // timedelta(milliseconds=1)


_SIMPLE: dict[str, Converter] = {
    "text": _text,
    "varchar": _text,
    "boolean": _boolean,
    "int": _integer(32),
    "bigint": _integer(64),
    "double": _double,
    "decimal": _decimal,
    "timestamp": _timestamp,
}
