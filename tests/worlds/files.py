"""A world as the files of the embedded source: a snapshot and a catalogue."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.worlds.model import KEYSPACES, Row, World

PARTS = 2


def write_snapshot(world: World, folder: Path) -> None:
    """Write the tables of a world as JSON lines, `<keyspace>.<table>/part-*.jsonl`.

    Every table of the world gets its folder, an empty one too; a table that the world lacks gets none. Timestamps are
    ISO 8601 with their zone, UTC as `Z` in odd seconds. JSON has no NaN and no infinities: such doubles are written
    as the texts "NaN", "Infinity" and "-Infinity", which Spark's JSON reader takes for a column of doubles.
    """
    for table, rows in world.tables.items():
        place = folder / f"{KEYSPACES[table]}.{table}"
        place.mkdir(parents=True)
        for part in range(PARTS):
            lines = [json_line(row, world) for row in rows[part::PARTS]]
            # Half of a surrogate pair, which UTF-8 can not hold, is written as JSON's escape.
            (place / f"part-{part:05d}.jsonl").write_text("".join(lines), "utf-8", errors="backslashreplace")


def json_line(row: Row, world: World) -> str:
    """Write one row."""
    if world.organisation_type_as_int and row.get("organisationtype") is not None:
        text = row["organisationtype"]
        row = {**row, "organisationtype": int(text) if text in {"1", "2", "5"} else None}
    return json.dumps(json_value(row), ensure_ascii=False, allow_nan=False) + "\n"


def without_halves(value: Any) -> Any:
    """Give rows with U+FFFD for each half of a surrogate pair: as a place that is no JSON can hold them."""
    if isinstance(value, dict):
        return {key: without_halves(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_halves(inner) for inner in value]
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in value)
    return value


def json_value(value: Any) -> Any:
    """Turn a value into one that JSON can hold."""
    if isinstance(value, dict):
        return {key: json_value(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [json_value(inner) for inner in value]
    if isinstance(value, datetime):
        text = value.isoformat(timespec="microseconds" if value.microsecond % 1000 else "milliseconds")
        return text.replace("+00:00", "Z") if value.second % 2 else text
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def write_catalogue(world: World, folder: Path) -> None:
    """Write every hierarchy answer of a world as `<collection_id>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for collection_id, body in world.trees.items():
        (folder / f"{collection_id}.json").write_text(json.dumps(body), encoding="utf-8")
