"""The catalogue as a folder: each `<collection_id>.json` is the body of a hierarchy answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.answers import TooDeep, UnreadableAnswer, parsed, tree_in
from progress_exhaust.catalogue.filters import (
    MOST_HITS,
    collections_in,
    is_collection,
    matches,
    plain_filters,
    search_of,
    too_many_hits,
)
from progress_exhaust.catalogue.port import STATE_OF_STATUS, CollectionState, Found
from progress_exhaust.errors import CatalogueError, NotMade, StepFailed
from progress_exhaust.ids import is_safe_id
from progress_exhaust.settings import CatalogueSettings

_SUFFIX = ".json"


class FilesCatalogue:
    """Reads trees from a folder; nothing is kept, so any number of files takes the memory of one."""

    def __init__(self, directory: str | Path, max_tree_bytes: int = CatalogueSettings().max_tree_bytes) -> None:
        self._directory = Path(directory)
        self._max_tree_bytes = max_tree_bytes

    def states(self, collection_ids: Sequence[str]) -> dict[str, CollectionState]:
        """Return which collections have a file; only the file itself tells whether one is retired.

        Raises:
            CatalogueError: the folder is not there.
        """
        if not collection_ids:
            return {}
        self.check()
        return {
            collection_id: CollectionState.LIVE if self._has_file(collection_id) else CollectionState.ABSENT
            for collection_id in collection_ids
        }

    def tree(self, collection_id: str) -> object:
        """Return the root node in a collection's file.

        Raises:
            NotMade: there is no file, it can not be read, is too large or holds no tree, or the root is retired or was
                never live.
            CatalogueError: the folder is not there.
        """
        if not is_safe_id(collection_id):
            raise refusals.unknown(collection_id)
        try:
            answer = parsed(self._body(collection_id))
        except OSError as error:
            self.check()
            raise refusals.unavailable(collection_id, f"its file can not be read ({error.strerror})") from None
        except TooDeep as error:
            raise refusals.too_large(collection_id, str(error), "max_depth") from None
        except UnreadableAnswer as error:
            raise refusals.bad_tree(collection_id, str(error), "a hierarchy answer") from None
        tree = tree_in(answer, collection_id)
        state = _state_of(tree)
        if state is CollectionState.RETIRED:
            raise refusals.retired(collection_id)
        if state is CollectionState.ABSENT:
            raise refusals.unknown(collection_id)
        return tree

    def search(self, request: Mapping[str, object]) -> list[Found]:
        """Return the collections whose root node has the values that a searchFilter names.

        Each file is read, one at a time; one that holds no tree, or that of another root, is not found.

        Raises:
            RequestError: the search filters nothing, asks for more than values, or finds more than 10,000 nodes.
            StepFailed: a file can not be read, so that nobody can tell what is to be found.
            CatalogueError: the folder is not there, or can not be listed.
        """
        filters = plain_filters(search_of(request))
        self.check()
        hits = list(self._hits(filters))
        if len(hits) > MOST_HITS:
            raise too_many_hits(len(hits))
        return collections_in(hits)

    def check(self) -> None:
        """Look for the folder.

        Raises:
            CatalogueError: it is not there.
        """
        if not self._directory.is_dir():
            raise _fault(f"opening the catalogue {self._directory}: no such folder", "check catalogue.directory")

    def _hits(self, filters: Mapping[str, list[object]]) -> Iterator[tuple[str, str]]:
        """Give the id and the status of each root node that matches."""
        try:
            with os.scandir(self._directory) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(_SUFFIX) and entry.is_file())
        except OSError as error:
            raise _fault(
                f"listing the catalogue {self._directory}: {error.strerror}", "make it readable and try again"
            ) from None
        for collection_id in (name.removesuffix(_SUFFIX) for name in names):
            root = self._root(collection_id) if is_safe_id(collection_id) else {}
            if root.get("identifier") == collection_id and is_collection(root) and matches(root, filters):
                status = root.get("status")
                yield collection_id, "Live" if status is None else status if isinstance(status, str) else ""

    def _root(self, collection_id: str) -> Mapping[str, object]:
        """Return a root node's fields; empty where there is no such node."""
        try:
            tree = tree_in(parsed(self._body(collection_id)), collection_id)
        except (UnreadableAnswer, NotMade):
            return {}
        except OSError as error:
            raise StepFailed(
                f"searching the catalogue file {self._file(collection_id)}: {error.strerror}; make it readable"
            ) from None
        return {field: value for field, value in tree.items() if field != "children"} if isinstance(tree, dict) else {}

    def _has_file(self, collection_id: str) -> bool:
        try:
            return is_safe_id(collection_id) and self._file(collection_id).is_file()
        except OSError:
            return True  # what is wrong with it shows when it is read

    def _body(self, collection_id: str) -> bytes:
        try:
            with self._file(collection_id).open("rb") as file:
                # No more than needed to tell: a read takes the memory it may fill.
                body = file.read(min(os.fstat(file.fileno()).st_size, self._max_tree_bytes + 1))
        except FileNotFoundError:
            raise refusals.unknown(collection_id) from None
        if len(body) > self._max_tree_bytes:
            raise refusals.too_large(collection_id, f"more than {self._max_tree_bytes:,} bytes", "max_tree_bytes")
        return body

    def _file(self, collection_id: str) -> Path:
        return self._directory / f"{collection_id}{_SUFFIX}"


def _state_of(tree: object) -> CollectionState:
    status = tree.get("status") if isinstance(tree, dict) else None
    if status is None:
        return CollectionState.LIVE
    return STATE_OF_STATUS.get(status, CollectionState.ABSENT) if isinstance(status, str) else CollectionState.ABSENT


def _fault(got: str, next_step: str) -> CatalogueError:
    error = CatalogueError(f"{got}; {next_step}")
    error.transient = False
    return error
