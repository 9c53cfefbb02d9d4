"""The sentences of why a collection is not made, the same from every catalogue."""

from __future__ import annotations

from progress_exhaust.errors import NotMade, Reason
from progress_exhaust.text import shown


def unknown(collection_id: str) -> NotMade:
    """The catalogue has no such collection, or only one that was never live."""
    return NotMade(
        Reason.UNKNOWN_COLLECTION,
        collection_id,
        f"collection {shown(collection_id)}: not in the catalogue, expected a live collection; check the id",
    )


def retired(collection_id: str) -> NotMade:
    """The collection has been retired."""
    return NotMade(
        Reason.RETIRED_COLLECTION,
        collection_id,
        f"collection {shown(collection_id)}: retired, expected a live collection; leave it out or publish it again",
    )


def unavailable(collection_id: str, got: str) -> NotMade:
    """The catalogue does not give this collection's tree, while it answers otherwise."""
    return NotMade(
        Reason.TREE_UNAVAILABLE,
        collection_id,
        f"tree of collection {shown(collection_id)}: {got}, while the catalogue answers otherwise; "
        "look at this collection there and try again",
    )


def bad_tree(collection_id: str, got: str, expected: str) -> NotMade:
    """The catalogue's answer holds no tree of this collection."""
    return NotMade(
        Reason.BAD_TREE,
        collection_id,
        f"hierarchy of collection {shown(collection_id)}: {got}, expected {expected}; publish the collection again",
    )


def too_large(collection_id: str, got: str, setting: str) -> NotMade:
    """The tree is over a bound."""
    return NotMade(
        Reason.TREE_TOO_LARGE,
        collection_id,
        f"hierarchy of collection {shown(collection_id)}: {got}, expected no more; "
        f"split the collection or raise catalogue.{setting}",
    )
