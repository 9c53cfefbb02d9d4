"""The sentences for batches and collections that are not made."""

from __future__ import annotations

from collections.abc import Sequence

from progress_exhaust.errors import Reason, SkippedReport


def unknown_batch(batch_id: str) -> SkippedReport:
    """Refuse a batch that there is not, or that there is not for whoever asks."""
    return SkippedReport(
        Reason.UNKNOWN_BATCH, batch_id, f'batch "{batch_id}" is not made: course_batch has no such batch'
    )


def without_batch(collection_id: str) -> SkippedReport:
    """Refuse a collection without a batch."""
    return SkippedReport(
        Reason.NO_BATCH, collection_id, f'collection "{collection_id}" is not made: course_batch has no batch of it'
    )


def ambiguous_batch(batch_id: str, collections: Sequence[str]) -> SkippedReport:
    """Refuse a batch id that stands under several collections."""
    return SkippedReport(
        Reason.AMBIGUOUS_BATCH,
        batch_id,
        f'batch "{batch_id}" is not made: it stands under {len(collections)} collections '
        f"({', '.join(collections[:3])}); name one with --collection",
    )


def doubled_batch(batch_id: str, rows: int) -> SkippedReport:
    """Refuse a batch of which the table of batches has several rows."""
    return SkippedReport(
        Reason.DOUBLED_KEY,
        batch_id,
        f'batch "{batch_id}" is not made: course_batch holds {rows} rows of it, expected one; remove the doubled rows',
    )


def of_collection(batch_id: str, refusal: SkippedReport) -> SkippedReport:
    """Refuse a batch for what is wrong with its collection."""
    return SkippedReport(refusal.reason, batch_id, f'batch "{batch_id}" is not made: {refusal}')


def bad_id(identifier: str) -> SkippedReport:
    """Refuse an id that can not become part of a path."""
    shown = identifier if len(identifier) <= 40 else f"{identifier[:40]}…"
    return SkippedReport(
        Reason.BAD_ID,
        identifier,
        f"id {shown!a} is refused: expected up to 100 letters, digits, _ . - that start with a letter or digit, "
        "without ..",
    )
