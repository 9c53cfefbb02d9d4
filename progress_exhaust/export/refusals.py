"""The sentences for batches and collections that are not made."""

from __future__ import annotations

from collections.abc import Sequence

from progress_exhaust.errors import Reason, SkippedReport, SourceError


def not_made(reason: Reason, batch_id: str, *, got: str, expected: str = "", remedy: str = "") -> SkippedReport:
    """Return why a batch is not made."""
    return SkippedReport(
        reason, batch_id, object=f'batch "{batch_id}" is not made', got=got, expected=expected, remedy=remedy
    )


def unknown_batch(batch_id: str) -> SkippedReport:
    """Refuse a batch that there is not, or that there is not for whoever asks."""
    return not_made(Reason.UNKNOWN_BATCH, batch_id, got="course_batch has no such batch")


def without_batch(collection_id: str) -> SkippedReport:
    """Refuse a collection without a batch."""
    return SkippedReport(
        Reason.NO_BATCH,
        collection_id,
        object=f'collection "{collection_id}" is not made',
        got="course_batch has no batch of it",
    )


def ambiguous_batch(batch_id: str, collections: Sequence[str]) -> SkippedReport:
    """Refuse a batch id that stands under several collections."""
    return not_made(
        Reason.AMBIGUOUS_BATCH,
        batch_id,
        got=f"it stands under {len(collections)} collections ({', '.join(collections[:3])})",
        remedy="name one with --collection",
    )


def duplicate_batch(batch_id: str, rows: int) -> SkippedReport:
    """Refuse a batch of which the table of batches has several rows."""
    return not_made(
        Reason.DOUBLED_KEY,
        batch_id,
        got=f"course_batch holds {rows} rows of it",
        expected="one",
        remedy="remove the doubled rows",
    )


def of_collection(batch_id: str, refusal: SkippedReport) -> SkippedReport:
    """Refuse a batch for what is wrong with its collection."""
    return not_made(refusal.reason, batch_id, got=refusal.fault.finding, remedy=refusal.fault.remedy)


def bad_id(identifier: str) -> SkippedReport:
    """Refuse an id that can not become part of a path."""
    shown = identifier if len(identifier) <= 40 else f"{identifier[:40]}…"
    return SkippedReport(
        Reason.BAD_ID,
        identifier,
        object=f"id {shown!a} is refused",
        expected="up to 100 letters, digits, _ . - that start with a letter or digit, without ..",
    )


def unreadable(batch_id: str, fault: SourceError) -> SkippedReport:
    """Refuse a batch whose rows a table does not give, while it gives those of others."""
    got = f"its rows can not be read, others can: {fault.fault.finding}"
    return not_made(Reason.TASK_FAILED, batch_id, got=got, remedy=fault.fault.remedy)


def task_failed(batch_id: str, kind: str) -> SkippedReport:
    """Refuse a batch whose task always fails, for a kind of error: its message may hold a learner's data."""
    return not_made(
        Reason.TASK_FAILED,
        batch_id,
        got=f"its task failed every time ({kind}) while all services answer",
        remedy="look at its rows, or run it alone with --debug",
    )
