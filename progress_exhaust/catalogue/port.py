"""What the rest of the job asks of a catalogue of collections, and the one step that turns ids into layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.in_flight import BytesInFlight, Share
from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.tree import TreeRules, layout_of
from progress_exhaust.errors import SkippedReport

Item = TypeVar("Item")
Result = TypeVar("Result")


class CollectionState(StrEnum):
    """Whether a collection can be reported on."""

    LIVE = "live"
    RETIRED = "retired"
    ABSENT = "absent"


STATE_OF_STATUS = {
    "Live": CollectionState.LIVE,
    "Unlisted": CollectionState.LIVE,
    "Flagged": CollectionState.LIVE,
    "Retired": CollectionState.RETIRED,
}
"""The state that each status of a root node gives; with any other status the collection is absent."""


@dataclass(frozen=True, slots=True)
class Found:
    """A collection that a search has found.

    Attributes:
        collection_id: its id, fit to be part of a path.
        state: live or retired.
    """

    collection_id: str
    state: CollectionState


class Catalogue(Protocol):
    """Knows which collections there are, and their trees."""

    def states(self, collection_ids: Sequence[str]) -> Mapping[str, CollectionState | SkippedReport]:
        """Return the state of each collection asked for, whatever its visibility, without fetching trees.

        Every id asked for is in the answer, once, and no other. `LIVE` says that the tree is worth asking for: a
        catalogue that has to read a tree to know more leaves the rest to `tree`. An id that can not be part of a path
        is absent, and nobody is asked about it. An empty list asks nobody. Where the state of one can not be had
        while the catalogue answers otherwise, the reason stands in place of it: a `TREE_UNAVAILABLE`.

        Raises:
            CatalogueError: the catalogue does not answer.
        """

    def tree(self, collection_id: str, share: Share | None = None) -> object:
        """Return the root node of a collection, of whatever shape it came in.

        Args:
            collection_id: its id.
            share: the room that its bytes take, until the walk of the tree has ended; None where there is no bound.

        Raises:
            SkippedReport: there is no such tree, it is retired, can not be read, can not be had while the catalogue
                answers otherwise, or is over a bound.
            CatalogueError: the catalogue does not answer.
        """

    def search(self, request: Mapping[str, object]) -> list[Found]:
        """Return the collections that a searchFilter finds, all pages of them, in order of identifier.

        Filters are kept as they are, but only collections are found. Where they name no status, retired ones are, too;
        where they name no visibility, only those that stand by themselves are. How many, which fields and what order
        the requester wants is ignored. What was never live is left out, and so are ids that can not be part of a path.

        Args:
            request: the search request, `{"request": {"filters": {…}}}`.

        Raises:
            RequestError: the search filters nothing, is not understood, or finds more than 10,000 nodes.
            StepFailed: this search gets no answer that can be trusted to be whole, while the catalogue answers.
            CatalogueError: the catalogue does not answer.
        """

    def check(self) -> None:
        """Do one cheap call.

        Raises:
            CatalogueError: the catalogue does not answer.
        """


def layouts(
    catalogue: Catalogue,
    collection_ids: Iterable[str],
    rules: TreeRules,
    concurrency: int,
    in_flight: BytesInFlight | None = None,
) -> dict[str, Layout | SkippedReport]:
    """Return the layout of each collection, or why it has none, in the order asked.

    States are asked first, then only the trees of live collections, each once and `concurrency` at a time. A tree
    lives no longer than its walk, and the bytes of all that are under way have one bound.

    Raises:
        CatalogueError: the catalogue does not answer; calls not yet begun are not begun.
    """
    asked = list(dict.fromkeys(collection_ids))
    if not asked:
        return {}
    states = catalogue.states(asked)
    live = [collection_id for collection_id in asked if states[collection_id] is CollectionState.LIVE]
    room = in_flight or BytesInFlight()
    found = in_parallel(lambda one: _layout(catalogue, one, rules, room), live, concurrency)
    walked = dict(zip(live, found, strict=True))
    return {
        collection_id: walked[collection_id]
        if collection_id in walked
        else _refusal(collection_id, states[collection_id])
        for collection_id in asked
    }


def _refusal(collection_id: str, state: CollectionState | SkippedReport) -> SkippedReport:
    if isinstance(state, SkippedReport):
        return state
    return refusals.retired(collection_id) if state is CollectionState.RETIRED else refusals.unknown(collection_id)


def _layout(
    catalogue: Catalogue, collection_id: str, rules: TreeRules, in_flight: BytesInFlight
) -> Layout | SkippedReport:
    with in_flight.share() as share:
        try:
            return layout_of(catalogue.tree(collection_id, share), collection_id, rules)
        except SkippedReport as error:
            # A copy, since the traceback of the one that was raised keeps the whole tree in memory.
            return SkippedReport(error.reason, error.subject, str(error))


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item], concurrency: int) -> list[Result]:
    """Return the result for each item, in their order, worked out by at most `concurrency` threads.

    The first exception, be it from the work or a signal to the waiting thread, is raised at once: items not begun are
    dropped, and those in hand are not waited for.
    """
    if not items:
        return []
    executor = ThreadPoolExecutor(min(concurrency, len(items)), thread_name_prefix="catalogue")
    try:
        futures = [executor.submit(work, item) for item in items]
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
