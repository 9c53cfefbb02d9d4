"""`python -m benchmarks.report`: writes what was measured into the tables of `docs/performance.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.recording import RATIOS, RESULTS, SPEED

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN = "<!-- tables made by: python -m benchmarks.report -->"
END = "<!-- end of the tables -->"

COMPARED_WITH = {
    "duckdb": "DuckDB, which makes the same files in one process",
    "scan": "Spark reading the columns needed of all tables, to nowhere",
    "baseline": "a batch made by itself, the production job's way, at its best settings",
    "cassandra_scan": "the same from Cassandra",
    "cassandra_one_batch": "the same from Cassandra, where one batch is asked for",
    "cold_start": "Spark's bare start with one line written",
    "encryption": "the same without authentication and encryption",
    "encryption_cold": "the same, from a cold start with one file made",
    "small_reports": "DuckDB, where 20,000 reports have ten learners each",
}
COLUMNS = {
    "total_s": "seconds",
    "cpu_s": "CPU seconds",
    "batch_s": "seconds a batch",
    "jobs": "jobs",
    "files": "files",
    "calls": "calls of the store",
    **{f"{phase}_s": phase for phase in ("start", "catalogue", "plan", "read", "compute", "publish")},
}
GROWN = {"total_s": "seconds", "cpu_s": "CPU seconds", "row_us": "seconds a row", "heap_used_mb": "heap in use"}
NOT_IN_SPEED = ("two_million",)
"""Worlds whose figures have a file of their own."""


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(filled_in(PAGE.read_text(encoding="utf-8"), measured_parts()), encoding="utf-8")


def measured_parts() -> dict[str, Any]:
    """Return what `speed.json` holds, with the parts that have files of their own."""
    speed: dict[str, Any] = json.loads(SPEED.read_text(encoding="utf-8"))
    for world in NOT_IN_SPEED:
        file = RESULTS / f"{world}.json"
        if file.exists():
            speed["parts"][world] = json.loads(file.read_text(encoding="utf-8"))
    return speed


def filled_in(page: str, speed: Mapping[str, Any]) -> str:
    """Return the page with its tables made anew.

    Raises:
        ValueError: a marker line is missing, or is there twice.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"filling in the page: expected one line {BEGIN} and one line {END}")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = speed["parts"]
    makers = (_variant_rows, _grown_rows, _seconds_rows, _grid_rows)
    tables = [_table(rows) for rows in (_ratio_rows(speed), *(make(parts) for make in makers))]
    return "\n\n".join([before + BEGIN, *tables, _origins(parts), END + after])


def _ratio_rows(speed: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    of_cpu: dict[str, float] = {}
    for content in speed["parts"].values():
        of_cpu |= content.get("cpu_ratios", {})
    yield ("ours, divided by", "ratio", "of CPU seconds", "called")
    for name in RATIOS:
        if name in speed["ratios"]:
            cpu_ratio = f"{of_cpu[name]:.3g}" if name in of_cpu else ""
            yield (COMPARED_WITH[name], f"**{speed['ratios'][name]:.3g}**", cpu_ratio, f"`{name}`")


def _variant_rows(parts: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Give a row for each variant of the parts that have medians by variant."""
    yield ("part", "variant", *COLUMNS.values())
    for part, content in parts.items():
        for variant, figures in content.get("median", {}).items():
            cells = [_number(figures[name]) if name in figures else "" for name in COLUMNS]
            yield (f"`{part}`", variant, *cells)


def _grown_rows(parts: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Give a row for each part that compares a world with what it grew from."""
    yield ("part", "world", "grown from", *(f"times the {name}" for name in GROWN.values()))
    for part, content in parts.items():
        if "grown" in content:
            before, after = content["median"]
            yield (f"`{part}`", after, before, *(_number(content["grown"][name]) for name in GROWN))


def _seconds_rows(parts: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Give a row for each work whose seconds alone are measured."""
    yield ("part", "work", "seconds")
    for part, content in parts.items():
        for work, seconds in content.get("seconds", {}).items():
            yield (f"`{part}`", work, _number(seconds))


def _grid_rows(parts: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Give a row for each table and share of the batches that was read both ways."""
    yield ("table", "batches", "seconds by key", "by scan", "chosen", "times the better")
    for row in parts.get("cassandra_grid", {}).get("rows", ()):
        seconds = (_number(row["keys_s"]), _number(row["scan_s"]))
        yield (f"`{row['table']}`", str(row["batches"]), *seconds, row["chosen"], _number(row["times_the_better"]))


def _origins(parts: Mapping[str, Any]) -> str:
    """Tell what each part was measured at: rounds, cores and commit."""
    sentences = [
        f"`{part}`: {content.get('rounds_measured', '?')} on {content.get('cores', '?')} cores"
        + (f" at {content['measured_at_commit']}" if content.get("measured_at_commit") else "")
        for part, content in parts.items()
        if "median" in content or "seconds" in content
    ]
    return "Medians of rounds; how many there were: " + "; ".join(sentences) + "."


def _number(value: float) -> str:
    if float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(rows: Iterator[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
