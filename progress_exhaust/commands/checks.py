"""Whether everything an export and a run need is there, each fault with its remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.catalogue.port import Catalogue
from progress_exhaust.errors import ProgressExhaustError
from progress_exhaust.export.spark_errors import SPARK_FAILURES, classify
from progress_exhaust.job_requests.model import Right
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.output.stores.port import Store
from progress_exhaust.settings.sections import CatalogueKind, Settings, SourceKind
from progress_exhaust.spark.encryption import encryption_of
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.schemas import INPUT_TABLES, Table, table_names

WEAK_CONSISTENCIES = frozenset({"ONE", "LOCAL_ONE", "TWO", "THREE"})
"""Levels that may ask fewer replicas than a quorum, and so miss rows that were acknowledged."""


_WORKS_OFF = "run"
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class State(StrEnum):
    """What a check has found."""

    OK = "ok"
    FAIL = "FAIL"
    NOTE = "note"


@dataclass(frozen=True)
class Check:
    """One line of the doctor.

    Attributes:
        what: was looked at.
        state: whether it will do.
        found: in words.
        remedy: what to do about it; empty where there is nothing to do.
    """

    what: str
    state: State
    found: str
    remedy: str = ""

    @property
    def failed(self) -> bool:
        """Whether an export or a run would not work."""
        return self.state is State.FAIL


@dataclass(frozen=True)
class Openers:
    """Open the parts of the outside, each by itself, so that one that fails keeps no other from being looked at.

    Attributes:
        java: finds Java; None where a JVM is there already.
        session: starts Spark, once.
        tables: the input tables, of a session that has started.
        catalogue: the catalogue.
        store: the output place, of a session that has started.
        queue: the request queue; asked only where the settings name one.
    """

    java: Callable[[], Path | None]
    session: Callable[[], SparkSession]
    tables: Callable[[], Tables]
    catalogue: Callable[[], Catalogue]
    store: Callable[[], Store]
    queue: Callable[[], Queue]


def check_everything(settings: Settings, openers: Openers, tell: Callable[[Check], None]) -> None:
    """Look at everything, and tell of each thing when it has been looked at. Only the output place is written to.

    Args:
        settings: all settings; they are sound, else they would not exist.
        openers: open what is looked at.
        tell: hears of each check.
    """
    tell(Check("settings", State.OK, "every one is sound"))
    tell(_names(settings))
    tell(_check("java", settings, lambda: _java(openers)))
    spark = _check("spark", settings, lambda: _spark(openers))
    tell(spark)
    if spark.state is State.OK:
        tell(_encryption(openers, settings))
        for check in _tables(openers, settings):
            tell(check)
    else:
        tell(Check("tables", State.NOTE, "not looked at, since Spark does not start"))
    tell(_check("catalogue", settings, lambda: _catalogue(openers, settings)))
    if spark.state is State.OK:
        tell(_check("output", settings, lambda: _output(openers, settings)))
    else:
        tell(Check("output", State.NOTE, "not looked at, since Spark does not start"))
    for check in _queue(openers, settings):
        tell(check)


def _names(settings: Settings) -> Check:
    if settings.privacy.user_name:
        return Check(
            "names", State.NOTE, "on: files hold the names of learners", "set privacy.user_name = false to blank them"
        )
    return Check("names", State.OK, "off: the User Name column is blank")


def _java(openers: Openers) -> str:
    home = openers.java()
    return f"{home}" if home else "that of spark-submit"


def _spark(openers: Openers) -> str:
    context = openers.session().sparkContext
    return f"Spark {context.version} on {context.master}"


def _encryption(openers: Openers, settings: Settings) -> Check:
    configuration = dict(openers.session().sparkContext.getConf().getAll())
    encryption = encryption_of(settings.spark.encryption, configuration)
    state = State.OK if encryption.is_on else State.NOTE
    return Check("encryption", state, encryption.why, encryption.remedy)


def _tables(openers: Openers, settings: Settings) -> Iterator[Check]:
    names = table_names(settings)
    source = _check("source", settings, lambda: _source(openers, settings))
    yield source
    if source.state is State.FAIL:
        return
    if settings.source.kind is SourceKind.CASSANDRA:
        yield _consistency(settings)
    tables = openers.tables()
    for table in INPUT_TABLES:
        absences: list[str] = []
        found = _check(f"table {names[table.setting]}", settings, partial(_table, tables, table, absences))
        yield Check(found.what, State.NOTE, found.found) if found.state is State.OK and absences else found


def _source(openers: Openers, settings: Settings) -> str:
    openers.tables().check()
    if settings.source.kind is SourceKind.SNAPSHOT:
        return f"snapshot {settings.source.snapshot_dir}"
    cassandra = settings.cassandra
    role = f"as {cassandra.username}" if cassandra.username else "without login"
    return f"Cassandra at {', '.join(cassandra.hosts)} port {cassandra.port}, {role}{', TLS' if cassandra.tls else ''}"


def _consistency(settings: Settings) -> Check:
    level = settings.cassandra.consistency
    if level in WEAK_CONSISTENCIES:
        return Check(
            "consistency",
            State.NOTE,
            f"{level}: weaker than LOCAL_QUORUM, rows can be missed",
            "set cassandra.consistency = LOCAL_QUORUM",
        )
    return Check("consistency", State.OK, level)


def _table(tables: Tables, table: Table, absences: list[str]) -> str:
    """Look at one table; what is absent, and what follows from it, is added to the absences."""
    if not tables.exists(table) and table.may_be_missing:
        absences.append(f"not there: counts as empty, so {table.if_missing}")
        return absences[0]
    # One row shows the right to read; it is not kept.
    rows = len(tables.frame(table).limit(1).collect())
    absent = tables.absent_columns(table)
    absences += [f"no column {name}: reads as null{table.so([name])}" for name in absent]
    found = "; ".join(["readable", *absences]) if absences else "columns and types as expected, readable"
    return found + ("" if rows else "; it is empty")


def _catalogue(openers: Openers, settings: Settings) -> str:
    openers.catalogue().check()
    if settings.catalogue.kind is CatalogueKind.FILES:
        return f"folder {settings.catalogue.directory}"
    return f"content service at {settings.catalogue.search_url}"


def _output(openers: Openers, settings: Settings) -> str:
    openers.store().check()
    return f"{settings.output.url} can be written"


def _queue(openers: Openers, settings: Settings) -> Iterator[Check]:
    if not settings.queue.dsn:
        yield Check(
            "queue", State.NOTE, "not set: there are no requests", "set queue.dsn to use run, submit, status, cancel"
        )
        return
    queue = openers.queue()
    try:
        found = _check("queue", settings, lambda: _queue_table(queue, settings))
        yield found
        if found.state is State.FAIL:
            return
        rights: list[Right] = []

        def look() -> str:
            rights.extend(queue.rights())
            return ""

        asked = _check("queue rights", settings, look)
        yield from _queue_rights(rights, settings) if asked.state is State.OK else [asked]
    finally:
        queue.close_connections()


def _queue_table(queue: Queue, settings: Settings) -> str:
    queue.check()
    finished = "" if queue.keeps_processed else "; it lacks processed_batches, so manifests tell what is finished"
    return f"table {settings.queue.table} has all columns, and no pooler is in between{finished}"


def _queue_rights(rights: Sequence[Right], settings: Settings) -> Iterator[Check]:
    for command in dict.fromkeys(right.command for right in rights):
        needed = [right for right in rights if right.command == command]
        missing = [right.what for right in needed if not right.is_granted]
        what = f"queue rights of {command}"
        if not missing:
            yield Check(what, State.OK, "; ".join(right.what for right in needed))
            continue
        # Who works the queue off need not be the one who puts requests in.
        state = State.FAIL if command == _WORKS_OFF else State.NOTE
        yield Check(what, state, f"not granted: {', '.join(missing)}", f"{_grant(missing, settings)};")


def _grant(missing: Sequence[str], settings: Settings) -> str:
    """Return the statement that grants what is missing, which is named as `PRIVILEGE (column)`."""
    columns: dict[str, list[str]] = {}
    for what in missing:
        privilege, _, column = what.partition(" (")
        columns.setdefault(privilege, []).append(column.removesuffix(")"))
    privileges = ", ".join(f"{privilege} ({', '.join(names)})" for privilege, names in columns.items())
    role = settings.queue.role
    if role and not _PLAIN_NAME.fullmatch(role):
        role = '"{}"'.format(role.replace('"', '""'))
    return f"GRANT {privileges} ON {settings.queue.table} TO {role or 'our role'}"


def _check(what: str, settings: Settings, look: Callable[[], str]) -> Check:
    """Look at one thing; the last clause of an error's sentence is the next step."""
    try:
        return Check(what, State.OK, look())
    except ProgressExhaustError as error:
        sentence = str(error)
    except SPARK_FAILURES as error:
        fault = classify(error, settings)
        sentence = str(fault) if fault else f"Spark failed with {type(error).__name__}; run with --debug to see why"
    found, _, remedy = sentence.rpartition("; ")
    return Check(what, State.FAIL, found or remedy, remedy if found else "")
