"""The catalogue as a folder: each `<collection_id>.json` is the body of a hierarchy answer."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.http.responses import TooDeep, UnreadableAnswer, parsed, tree_in
from progress_exhaust.catalogue.in_flight import Boundless, Room, Share
from progress_exhaust.catalogue.port import STATE_OF_STATUS, CollectionState, Found
from progress_exhaust.catalogue.search import (
    MOST_HITS,
    collections_in,
    is_collection,
    matches,
    plain_filters,
    search_of,
    too_many_hits,
)
from progress_exhaust.errors import CatalogueError, SkippedReport, StepFailed
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.settings.sections import CatalogueSettings

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
            collection_id: CollectionState.LIVE if self._is_there(collection_id) else CollectionState.ABSENT
            for collection_id in collection_ids
        }

    def tree(self, collection_id: str, share: Share | None = None) -> object:
        """Return the root node in a collection's file.

        Raises:
            SkippedReport: there is no file, it can not be read, is too large or holds no tree, or the root is
                retired or was never live.
            CatalogueError: the folder is not there.
        """
        if not is_safe_id(collection_id):
            raise refusals.unknown(collection_id)
        room = share or Boundless()
        try:
            body = self._body(collection_id, room)
            room.walk()
            answer = parsed(body)
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
            CatalogueError: the folder is not there, or can not be entered or listed.
        """
        filters = plain_filters(search_of(request))
        self.check()
        hits = list(self._hits(filters))
        if len(hits) > MOST_HITS:
            raise too_many_hits(len(hits))
        return collections_in(hits)

    def check(self) -> None:
        """Look into the folder.

        Raises:
            CatalogueError: it is not there, or not to be entered.
        """
        doing = f"opening the catalogue {self._directory}"
        try:
            os.stat(os.path.join(self._directory, "."))  # noqa: PTH116, PTH118 - a Path takes the dot away
        except (FileNotFoundError, NotADirectoryError):
            raise _fault(f"{doing}: no such folder", "check catalogue.directory") from None
        except OSError as error:
            raise _fault(f"{doing}: {error.strerror}", "make it readable and try again") from None

    def _hits(self, filters: Mapping[str, list[object]]) -> Iterator[tuple[str, str]]:
        """Give the id and the status of each root node that matches."""
        try:
            with os.scandir(self._directory) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(_SUFFIX))
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
            tree = tree_in(parsed(self._body(collection_id, Boundless())), collection_id)
        except (UnreadableAnswer, SkippedReport):
            return {}
        except OSError as error:
            # What it holds may be just what is searched for, and a list that may lack it is not to be taken for whole.
            self.check()
            raise StepFailed(
                f"searching the catalogue file {self._file(collection_id)}: {error.strerror}; make it readable"
            ) from None
        return {field: value for field, value in tree.items() if field != "children"} if isinstance(tree, dict) else {}

    def _is_there(self, collection_id: str) -> bool:
        """Whether there is anything of this name; what is wrong with it shows when it is read."""
        if not is_safe_id(collection_id):
            return False
        try:
            self._file(collection_id).stat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def _body(self, collection_id: str, room: Room) -> bytes:
        """Read a file.

        Raises:
            SkippedReport: there is none, or it is too large.
            OSError: it can not be read.
        """
        try:
            with _opened(self._file(collection_id)) as file:
                size = os.fstat(file.fileno()).st_size
                if size > self._max_tree_bytes:
                    got = f"more than {self._max_tree_bytes:,} bytes"
                    raise refusals.too_large(collection_id, got, "max_tree_bytes")
                room.take(size)
                return file.read(size)
        except FileNotFoundError:
            raise refusals.unknown(collection_id) from None

    def _file(self, collection_id: str) -> Path:
        return self._directory / f"{collection_id}{_SUFFIX}"


def _opened(path: Path) -> BinaryIO:
    """Open a regular file; anything else, such as a pipe, might keep us waiting for ever.

    Raises:
        OSError: it can not be opened, or is something else.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return file


def _state_of(tree: object) -> CollectionState:
    status = tree.get("status") if isinstance(tree, dict) else None
    if status is None:
        return CollectionState.LIVE
    return STATE_OF_STATUS.get(status, CollectionState.ABSENT) if isinstance(status, str) else CollectionState.ABSENT


def _fault(got: str, next_step: str) -> CatalogueError:
    error = CatalogueError(f"{got}; {next_step}")
    error.transient = False
    return error
