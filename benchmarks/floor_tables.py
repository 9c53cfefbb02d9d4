"""The tables of a snapshot as the floor's SQL reads them: named subqueries over Parquet files.

A column that a file lacks is null, and a table that may be missing is empty, as in the job itself. Snapshots of JSON
lines are not read.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

TABLES = {
    "sunbird_courses": {
        "user_enrolments": {
            "userid": "VARCHAR",
            "courseid": "VARCHAR",
            "batchid": "VARCHAR",
            "active": "BOOLEAN",
            "enrolled_date": "TIMESTAMP",
            "enrolleddate": "VARCHAR",
            "completedon": "TIMESTAMP",
            "contentstatus": "MAP(VARCHAR, INTEGER)",
            "progress": "INTEGER",
            "completionpercentage": "INTEGER",
            "certificates": "MAP(VARCHAR, VARCHAR)[]",
            "issued_certificates": "MAP(VARCHAR, VARCHAR)[]",
        },
        "user_activity_agg": {
            "activity_type": "VARCHAR",
            "activity_id": "VARCHAR",
            "user_id": "VARCHAR",
            "context_id": "VARCHAR",
            "agg": "MAP(VARCHAR, INTEGER)",
            "aggregates": "MAP(VARCHAR, DOUBLE)",
        },
        "assessment_aggregator": {
            "user_id": "VARCHAR",
            "course_id": "VARCHAR",
            "batch_id": "VARCHAR",
            "content_id": "VARCHAR",
            "attempt_id": "VARCHAR",
            "total_score": "DOUBLE",
            "last_attempted_on": "TIMESTAMP",
        },
        "course_batch": {"courseid": "VARCHAR", "batchid": "VARCHAR", "name": "VARCHAR"},
        "certificate_failures": {"batchid": "VARCHAR", "userid": "VARCHAR"},
    },
    "sunbird": {
        "user": {
            "id": "VARCHAR",
            "firstname": "VARCHAR",
            "lastname": "VARCHAR",
            "rootorgid": "VARCHAR",
            "profilelocation": "VARCHAR",
            "locationids": "VARCHAR[]",
            "isdeleted": "BOOLEAN",
        },
        "location": {"id": "VARCHAR", "type": "VARCHAR", "name": "VARCHAR", "parentid": "VARCHAR"},
        "organisation": {
            "id": "VARCHAR",
            "organisationtype": "VARCHAR",
            "orglocation": "VARCHAR",
            "locationids": "VARCHAR[]",
        },
        "user_organisation": {"userid": "VARCHAR", "organisationid": "VARCHAR", "isdeleted": "BOOLEAN"},
        "system_settings": {"id": "VARCHAR", "value": "VARCHAR"},
    },
}
"""Types of the columns that are read, by keyspace and table."""

_MUST_EXIST = frozenset({"user_enrolments", "course_batch", "user", "location"})
_ROW_KEY = "CAST(file_index << 40 | file_row_number AS BIGINT)"


def subqueries(session: duckdb.DuckDBPyConnection, snapshot: Path) -> dict[str, str]:
    """Return, by table name, the subquery that gives the table's columns.

    Rows also have `row_key`, the place of a row in the files: the same whichever columns are read.

    Raises:
        FileNotFoundError: a table is missing that has to be there.
        ValueError: a table is there, but not as Parquet.
    """
    return {
        table: _subquery(session, snapshot / f"{keyspace}.{table}", table, columns)
        for keyspace, tables in TABLES.items()
        for table, columns in tables.items()
    }


def _subquery(session: duckdb.DuckDBPyConnection, folder: Path, table: str, columns: dict[str, str]) -> str:
    names = sorted(path.name for path in folder.glob("[!._]*")) if folder.is_dir() else []
    if any(name.endswith(".jsonl") for name in names):
        raise ValueError(f"reading folder {folder}: it holds JSON lines, expected Parquet")
    if not folder.is_dir() and table in _MUST_EXIST:
        raise FileNotFoundError(f"reading table {table}: the snapshot has no folder {folder}")
    if not names:
        nulls = ", ".join(f"CAST(NULL AS {data_type}) AS {name}" for name, data_type in columns.items())
        return f"(SELECT {nulls}, CAST(NULL AS BIGINT) AS row_key WHERE false)"
    files = "read_parquet('" + str(folder / "*.parquet").replace("'", "''") + "')"
    found = {row[0] for row in session.execute(f"DESCRIBE FROM {files}").fetchall()}
    selected = ", ".join(
        f"CAST({name if name in found else 'NULL'} AS {data_type}) AS {name}" for name, data_type in columns.items()
    )
    return f"(SELECT {selected}, {_ROW_KEY} AS row_key FROM {files})"
