"""Tables of a snapshot that are odd and harmless, or can not be read."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from tests.support.bad_input_runs import Runs, sample_on_files, see_refused
from tests.support.bad_input_table import Rule
from tests.support.bad_runs import ENROLMENTS, OPTIONAL_TABLES, table
from tests.support.command_line import export_arguments
from tests.support.sample_world import spec_sample_world
from tests.worlds import World, write_catalogue, write_snapshot


def see_optional_tables_missing(rule: Rule, runs: Runs) -> None:
    """See that a run goes on without each of the tables that may be missing, and without all of them."""
    world = spec_sample_world()
    poor = World({name: rows for name, rows in world.tables.items() if name != "assessment_aggregator"}, world.trees)
    folder = runs.folder / rule.case
    write_snapshot(poor, folder / "snapshot")
    write_catalogue(poor, folder / "catalogue")
    assert not any(table(folder, name).exists() for name in OPTIONAL_TABLES)
    run = runs.run(poor, folder, "--all")
    assert (run.ended.code, len(run.reports)) == (rule.code, 1)


def see_empty_folders(rule: Rule, runs: Runs) -> None:
    """See that a folder without a file is an empty table, also where the table must exist."""
    world = spec_sample_world()
    poor = World({**world.tables, "user": [], "location": [], "assessment_aggregator": []}, world.trees)
    folder = runs.folder / rule.case
    write_snapshot(poor, folder / "snapshot")
    write_catalogue(poor, folder / "catalogue")
    for name in ("sunbird.user", "sunbird.location", "sunbird_courses.assessment_aggregator"):
        shutil.rmtree(table(folder, name))
        table(folder, name).mkdir()
    run = runs.run(poor, folder, "--all")
    assert (run.ended.code, len(run.reports)) == (rule.code, 1)


def see_hidden_files(rule: Rule, runs: Runs) -> None:
    """See that what is hidden beside the rows does not matter."""

    def hide(folder: Path) -> None:
        for name in ("_SUCCESS", ".part-00000.jsonl.crc", "_part-00009.jsonl", ".part-00009.parquet"):
            (table(folder, ENROLMENTS) / name).write_text("nothing\n", encoding="utf-8")
        (table(folder, ENROLMENTS) / "_temporary").mkdir()

    see_harmless(rule, runs, spec_sample_world(), hide)


def see_blank_lines(rule: Rule, runs: Runs) -> None:
    """See that blank lines are no rows, wherever they stand."""
    see_harmless(rule, runs, spec_sample_world(), lambda folder: rewrite(folder, lambda line: f"\n{line}\n \t \n\r\n"))


def see_whole_floats(rule: Rule, runs: Runs) -> None:
    """See that the contents of an enrolment may be told in floats."""

    def in_floats(line: str) -> str:
        row = json.loads(line)
        contents = row.get("contentstatus")
        return json.dumps(
            row | {"contentstatus": contents and {leaf: float(count) for leaf, count in contents.items()}}
        )

    see_harmless(rule, runs, spec_sample_world(), lambda folder: rewrite(folder, in_floats))


def see_timestamps_without_seconds(rule: Rule, runs: Runs) -> None:
    """See that an instant may end with its minute."""
    world = sample_since(datetime(2026, 1, 5, 4, 30, tzinfo=UTC))
    at_the_minute = re.compile(r"(T04:30):00(?:\.0+)?(?=Z|\+)")
    see_harmless(rule, runs, world, lambda folder: rewrite(folder, lambda line: at_the_minute.sub(r"\1", line)))


def see_ancient_timestamps(rule: Rule, runs: Runs) -> None:
    """See that instants of long ago are not moved, though nothing in the file says which calendar it has."""
    for year in (1, 1500, 1899):
        world = sample_since(datetime(year, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC))
        see_harmless(rule, runs, world, partial(enrolments_by_duckdb, world, kind="TIMESTAMPTZ"))


def see_nanoseconds(rule: Rule, runs: Runs) -> None:
    """See that instants in nanoseconds are read, which have no zone as DuckDB writes them."""
    world = sample_since(datetime(1899, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC))
    see_harmless(rule, runs, world, lambda folder: enrolments_by_duckdb(world, folder, "TIMESTAMP_NS"))


def see_harmless(rule: Rule, runs: Runs, world: World, change: Callable[[Path], None]) -> None:
    """See that the files of a world are what they should be although its snapshot is altered."""
    folder = Path(tempfile.mkdtemp(prefix=rule.case, dir=runs.folder))
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    change(folder)
    run = runs.run(world, folder, "--all")
    assert (run.ended.code, len(run.reports)) == (rule.code, 1)


def sample_since(moment: datetime) -> World:
    """The sample, with a moment in which everybody has enrolled."""
    world = spec_sample_world()
    enrolments = [{**row, "enrolled_date": moment} for row in world.tables["user_enrolments"]]
    return World({**world.tables, "user_enrolments": enrolments}, world.trees)


def rewrite(folder: Path, change: Callable[[str], str]) -> None:
    """Change every line of the enrolments."""
    for file in table(folder, ENROLMENTS).glob("*.jsonl"):
        lines = file.read_text(encoding="utf-8").splitlines()
        file.write_text("".join(f"{change(line)}\n" for line in lines), encoding="utf-8", newline="")


def enrolments_by_duckdb(world: World, folder: Path, kind: str) -> None:
    """Replace the enrolments by a Parquet file of DuckDB's with instants of a kind."""
    place = table(folder, ENROLMENTS)
    shutil.rmtree(place)
    place.mkdir()
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        session.execute(
            "CREATE TABLE rows (userid TEXT, courseid TEXT, batchid TEXT, active BOOLEAN, "
            f"contentstatus MAP(TEXT, INT), enrolled_date {kind}, completedon {kind}, "
            "issued_certificates MAP(TEXT, TEXT)[])"
        )
        for row in world.tables["user_enrolments"]:
            moments = [row.get("enrolled_date"), row.get("completedon")]
            zone = "+00:00" if kind == "TIMESTAMPTZ" else ""
            texts = [moment and moment.replace(tzinfo=None).isoformat() + zone for moment in moments]
            maps = [json.dumps(row["contentstatus"]), json.dumps(row.get("issued_certificates"))]
            session.execute(
                f"INSERT INTO rows SELECT ?, ?, ?, true, ?::JSON::MAP(TEXT, INT), ?::{kind}, ?::{kind}, "
                "?::JSON::MAP(TEXT, TEXT)[]",
                [row["userid"], row["courseid"], row["batchid"], maps[0], *texts, maps[1]],
            )
        session.execute(f"COPY rows TO '{place}/rows.parquet' (FORMAT parquet)")


def see_unreadable_table(rule: Rule, runs: Runs) -> None:
    """See that a file of a table that may not be read ends the run, and is not taken for the fault of a batch."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    (table(folder, ENROLMENTS) / "part-00001.jsonl").chmod(0)
    see_refused(rule, folder, runs.line_of_anyone.run(export_arguments(folder, "--all")))
