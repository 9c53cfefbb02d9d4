"""Bad input that concerns a whole run, by the ids of the contract's table.

Each case changes a copy of one sound world on files, or what is asked for, in one way or in several, one after another.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.command_line import CommandLine
from tests.support.sample_world import BATCH_ID, COLLECTION_ID

WriteParquet = Callable[[str, Path], None]


@dataclass(frozen=True)
class RunCase:
    """One way in which a run is refused.

    Attributes:
        change: makes the folder of the world a bad one; it may write Parquet.
        asked: what is asked for.
        options: further arguments.
        variables: environment variables, with `{folder}` for the folder.
        lines: how many lines the error has.
        output: the output root, below the folder.
    """

    change: Callable[[Path, CommandLine], None] = lambda folder, line: None
    asked: Sequence[str] = ("--all",)
    options: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    lines: int = 1
    output: str = "reports"


def table(folder: Path, name: str) -> Path:
    return folder / "snapshot" / name


ENROLMENTS = "sunbird_courses.user_enrolments"
OPTIONAL_TABLES = (
    "sunbird_courses.user_activity_agg",
    "sunbird_courses.assessment_aggregator",
    "sunbird_courses.certificate_failures",
    "sunbird.organisation",
    "sunbird.user_organisation",
    "sunbird.system_settings",
)
REQUIRED_TABLES = (ENROLMENTS, "sunbird_courses.course_batch", "sunbird.user", "sunbird.location")


def without(*parts: str) -> RunCase:
    """Take a folder away."""
    return RunCase(lambda folder, _: shutil.rmtree(folder.joinpath(*parts)))


def with_line(name: str, line: str) -> RunCase:
    """Add a line to a table of JSON lines."""

    def change(folder: Path, _: CommandLine) -> None:
        with (table(folder, name) / "part-00000.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return RunCase(change)


def with_value(column: str, value: Any) -> RunCase:
    """Add an enrolment with a value in a column."""
    key = {"userid": "u-odd", "courseid": COLLECTION_ID, "batchid": BATCH_ID}
    return with_line(ENROLMENTS, json.dumps({**key, "active": True, column: value}))


def as_parquet(name: str, query: str, *, bytes_kept: int | None = None) -> RunCase:
    """Replace a table by the Parquet file of a query, or by the beginning of one."""

    def change(folder: Path, line: CommandLine) -> None:
        place = table(folder, name)
        shutil.rmtree(place)
        line.write_parquet(query, place)
        if bytes_kept is not None:
            [file] = place.glob("*.parquet")
            file.write_bytes(file.read_bytes()[:bytes_kept])
            for checksum in place.glob(".*.crc"):
                checksum.unlink()

    return RunCase(change)


def with_file(*parts: str, content: str = "") -> RunCase:
    """Add a file."""

    def change(folder: Path, _: CommandLine) -> None:
        file = folder.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    return RunCase(change)


def with_link(*parts: str) -> RunCase:
    """Put a link to a folder elsewhere in the place of a folder of the output root."""

    def change(folder: Path, _: CommandLine) -> None:
        (folder / "elsewhere").mkdir()
        link = folder.joinpath("reports", *parts)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder / "elsewhere")

    return RunCase(change)


def with_settings(content: str) -> RunCase:
    """Run with a file of settings."""
    made = with_file("settings.toml", content=content)
    return RunCase(made.change, options=("--config", "{folder}/settings.toml"))


def replaced(change: Callable[[Path, CommandLine], None], *parts: str) -> RunCase:
    """Empty a folder, then change something."""

    def both(folder: Path, line: CommandLine) -> None:
        shutil.rmtree(folder.joinpath(*parts))
        change(folder, line)

    return RunCase(both)


_SECRET = '[catalogue]\ntoken = "canary"\n'
_BATCH_COLUMNS = "'b' AS batchid, 'Batch' AS name"
_KEY = "'u' AS userid, 'c' AS courseid, 'b' AS batchid"
_CONTENTS = "true AS active, map('a', 2) AS contentstatus"

CASES: dict[str, Sequence[RunCase]] = {
    "snapshot-missing": [without("snapshot")],
    "table-missing": [without("snapshot", name) for name in REQUIRED_TABLES],
    "table-formats-mixed": [with_file("snapshot", "sunbird.user", "part-00002.parquet")],
    "table-other-files": [
        replaced(with_file("snapshot", "sunbird.user", "part-00000.csv").change, "snapshot", "sunbird.user"),
        replaced(with_file("snapshot", ENROLMENTS, "batchid=b", "part-00000.jsonl").change, "snapshot", ENROLMENTS),
        with_file("snapshot", "sunbird.user", "part-00002.jsonl.gz"),
        with_file("snapshot", "sunbird.user", "part-00002.JSONL"),
        with_file("snapshot", ENROLMENTS, "part-00002.jsonl", "part-00000.jsonl"),
    ],
    "key-column-missing": [
        as_parquet("sunbird_courses.course_batch", f"SELECT {_BATCH_COLUMNS}"),
        as_parquet(ENROLMENTS, f"SELECT 'u' AS userid, {_CONTENTS}"),
    ],
    "required-column-missing": [
        as_parquet(ENROLMENTS, f"SELECT {_KEY}, true AS active"),
        as_parquet(ENROLMENTS, f"SELECT {_KEY}, map('a', 2) AS contentstatus"),
    ],
    "column-of-another-type": [
        as_parquet(ENROLMENTS, f"SELECT {_KEY}, 'yes' AS active, map('a', 2) AS contentstatus"),
        as_parquet(ENROLMENTS, f"SELECT {_KEY}, true AS active, map('a', 2L) AS contentstatus"),
        as_parquet(ENROLMENTS, f"SELECT {_KEY}, true AS active, named_struct('canary', 2) AS contentstatus"),
        as_parquet(ENROLMENTS, f"SELECT {_KEY}, {_CONTENTS}, array(named_struct('canary', 'a')) AS certificates"),
        as_parquet("sunbird_courses.course_batch", "SELECT 7 AS courseid, 'b' AS batchid"),
    ],
    "parquet-damaged": [
        as_parquet("sunbird_courses.course_batch", f"SELECT 'c' AS courseid, {_BATCH_COLUMNS}", bytes_kept=200),
        as_parquet("sunbird.user", "SELECT 'u' AS id", bytes_kept=0),
    ],
    "line-not-an-object": [
        with_line(ENROLMENTS, line) for line in ("[]", "7", "{", "\u00a0", '{"userid":"u"} {"userid":"v"}', "userid=u")
    ],
    "value-of-another-type": [
        with_value("active", "yes"),
        with_value("contentstatus", {"a": "two"}),
        with_value("contentstatus", ["a"]),
        with_value("contentstatus", {"a": 2.5}),
        with_value("enrolleddate", 20200825),
        with_line("sunbird_courses.course_batch", '{"courseid":"c","batchid":7}'),
    ],
    "timestamp-not-iso": [
        with_value("completedon", value)
        for value in ("2020-08-25T13:45:54", "2020-08-25T13:45", "2020-08-25T13Z", "yesterday", 1598363154)
    ],
    "snapshot-without-jar": [
        RunCase(options=("--snapshot", f"{scheme}://bucket/snapshot")) for scheme in ("s3a", "abfss", "gs")
    ],
    "catalogue-missing": [without("catalogue")],
    "output-below-a-file": [RunCase(with_file("a-file").change, output="a-file/reports")],
    "output-folder-is-a-link": [with_link("progress-exhaust"), with_link("progress-exhaust", ".staging")],
    "output-without-jar": [RunCase(options=("--output", f"{scheme}://bucket/out")) for scheme in ("s3a", "gs")],
    "output-url-unclear": [
        RunCase(options=("--output", url)) for url in ("s3a:bucket/out", "file:out", "file://host/out", "out\n")
    ],
    "settings-wrong": [
        RunCase(
            with_settings('[tables]\nuser = "users"\n[output]\nfile_name = "report.csv"\n').change,
            options=("--config", "{folder}/settings.toml"),
            variables={"PROGRESS_EXHAUST__REPORT__TIME_ZONE": "Mars/Olympus"},
            lines=3,
        )
    ],
    "settings-unknown": [
        with_settings("[report]\ncolour = 1\n"),
        with_settings("[unheard_of]\nkey = 1\n"),
    ],
    "settings-file-missing": [
        RunCase(options=("--config", "{folder}/none.toml")),
        RunCase(variables={"PROGRESS_EXHAUST_CONFIG": "{folder}/none.toml"}),
    ],
    "settings-not-toml": [with_settings("[report\n"), with_settings("report: 1\n")],
    "settings-with-secret": [with_settings(_SECRET)],
    "date-wrong": [RunCase(options=("--date", day)) for day in ("2020-02-30", "26.08.2020", "2020-8-26", "today", "")],
    "option-unknown": [RunCase(options=("--colour", "red"))],
    "nothing-asked-for": [RunCase(asked=())],
    "all-and-names": [
        RunCase(asked=("--all", "--batch", BATCH_ID)),
        RunCase(asked=("--collection", COLLECTION_ID, "--all")),
    ],
}
