"""The sentences of why a collection is not made, the same from every catalogue."""

from __future__ import annotations

from progress_exhaust.errors import Reason, SkippedReport
from progress_exhaust.text import shown


def unknown(collection_id: str) -> SkippedReport:
    """The catalogue has no such collection, or only one that was never live."""
    return SkippedReport(
        Reason.UNKNOWN_COLLECTION,
        collection_id,
        f"collection {shown(collection_id)}: not in the catalogue, expected a live collection; check the id",
    )


def retired(collection_id: str) -> SkippedReport:
    """The collection has been retired."""
    return SkippedReport(
        Reason.RETIRED_COLLECTION,
        collection_id,
        f"collection {shown(collection_id)}: retired, expected a live collection; leave it out or publish it again",
    )


def unavailable(collection_id: str, got: str) -> SkippedReport:
    """The catalogue does not give this collection's tree, while it answers otherwise."""
    return SkippedReport(
        Reason.TREE_UNAVAILABLE,
        collection_id,
        f"tree of collection {shown(collection_id)}: {got}, while the catalogue answers otherwise; "
        "look at this collection there and try again",
    )


def bad_tree(collection_id: str, got: str, expected: str) -> SkippedReport:
    """The catalogue's answer holds no tree of this collection."""
    return SkippedReport(
        Reason.BAD_TREE,
        collection_id,
        f"hierarchy of collection {shown(collection_id)}: {got}, expected {expected}; publish the collection again",
    )


def too_large(collection_id: str, got: str, setting: str) -> SkippedReport:
    """The tree is over a bound."""
    return SkippedReport(
        Reason.TREE_TOO_LARGE,
        collection_id,
        f"hierarchy of collection {shown(collection_id)}: {got}, expected no more; "
        f"split the collection or raise catalogue.{setting}",
    )
