"""The private place where a run's files are made, and what becomes of the ones that killed runs left."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from progress_exhaust.errors import OutputError
from progress_exhaust.identifiers import is_run_id
from progress_exhaust.log_actions import Action
from progress_exhaust.output.stores.port import Store
from progress_exhaust.owner import owner_of, this_process
from progress_exhaust.paths import STAGING

HEARTBEAT_S = 30.0

_LOG = logging.getLogger(__name__)
_OWNER = "owner.json"
_MOST_OWNER_BYTES = 64 * 1024
_MOST_NAMES_TOLD = 3


class Staging:
    """A run's staging place: private, with an owner and a heartbeat, and gone when the run ends in whatever way.

    Args:
        store: where the run's files go, which says where they are staged and drafted.
        run_id: of the run.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self.output = store
        self.store = store.staging
        self.drafts = store.drafts
        self._path = f"{STAGING}/{run_id}"
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._heartbeat = threading.Thread(target=self._send_heartbeats, name="staging heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Make the place and start its heartbeat."""
        for store in self._stores():
            store.make_private_directory(STAGING)
            store.make_private_directory(self._path)
        self._write_owner()
        self._heartbeat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the heartbeat and remove the place."""
        self._ended.set()
        self._heartbeat.join()
        try:
            for store in self._stores():
                store.remove(self._path)
        except OutputError as left:
            if error is None:
                raise
            _LOG.warning("what the run has staged is left: %s", left, extra={"action": Action.LEFTOVER_KEPT})

    def path(self, name: str) -> str:
        """Return the store's path of something in this place."""
        return f"{self._path}/{name}"

    def new_path(self, name: str) -> str:
        """Return the store's path of something in this place that is not there yet; of a name used before, too."""
        return self.path(f"{name}-{next(self._numbers)}")

    def write_note(self, name: str, text: str) -> None:
        """Write a small file for those who look into this place from outside; on this machine only, or nobody could.

        Raises:
            OutputError: it can not be written.
        """
        if self.store.is_here:
            self.store.write_text(self.path(name), [text])

    def stage_lines(self, name: str, lines: Iterable[str]) -> tuple[str, int]:
        """Write text lines for Spark to read; return their URL and bytes. A name used again gets a file of its own."""
        path = self.path(f"{next(self._numbers):04d}-{name}")
        size_bytes = self.store.write_text(path, (f"{line}\n" for line in lines))
        return self.store.url(path), size_bytes

    def publish_text(self, target: str, lines: Iterable[str]) -> None:
        """Write a text file and have it appear at its place; a run that is killed meanwhile leaves nothing beside it.

        Raises:
            OutputError: it can not be written, or not be published.
        """
        path = self.path(f"{next(self._numbers):04d}-text")
        self.drafts.write_text(path, lines)
        self.output.publish(path, target)

    def _stores(self) -> list[Store]:
        return [self.store] if self.store is self.drafts else [self.store, self.drafts]

    def _write_owner(self) -> None:
        self.store.write_text(f"{self._path}/{_OWNER}", [this_process().to_json()])

    def _send_heartbeats(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                # A place that was removed meanwhile is not made anew: it would be nobody's to remove.
                if self.store.size_bytes(f"{self._path}/{_OWNER}") is not None:
                    self._write_owner()
            except OutputError as error:
                # A full disk or a lost store shows in the run's own work, which tells it.
                _LOG.debug(
                    "a heartbeat of %s is missed: %s", self._path, error, extra={"action": Action.HEARTBEAT_MISSED}
                )


def remove_stale(store: Store, keep_s: float, now: Callable[[], float]) -> list[str]:
    """Remove what killed runs left; return the names of the places removed.

    A place is stale when its process is certainly gone, or when it has sent no heartbeat for `keep_s` and its process
    can not be looked at from here. Only what is called as runs are is looked at. Whatever else lies there, and a place
    that can not be read or removed, is left alone and told in a warning: nothing that others put there stops a run.

    Raises:
        OutputError: the staging itself can not be listed.
    """
    names = store.list_names(STAGING)
    removed = []
    for name in filter(is_run_id, names):
        place = f"{STAGING}/{name}"
        try:
            if _is_stale(store, place, keep_s, now):
                store.remove(place)
                removed.append(name)
                _LOG.info("removed what a killed run left: %s", place, extra={"action": Action.LEFTOVER_REMOVED})
        except OutputError as error:
            _LOG.warning("%s is left alone: %s", place, error, extra={"action": Action.LEFTOVER_KEPT})
    _warn_of([name for name in names if not is_run_id(name)])
    return removed


def _is_stale(store: Store, place: str, keep_s: float, now: Callable[[], float]) -> bool:
    text = store.read_text(f"{place}/{_OWNER}", _MOST_OWNER_BYTES)
    owner = owner_of(text)
    if owner is not None and owner.is_gone():
        return True
    if owner is not None and owner.is_visible():
        return False
    age_s = store.age_s(f"{place}/{_OWNER}" if text is not None else place, now())
    return age_s is not None and age_s > keep_s


def _warn_of(strange: list[str]) -> None:
    """Tell once of what is not ours, however much it is."""
    if strange:
        shown = ", ".join(ascii(name) for name in strange[:_MOST_NAMES_TOLD])
        more = ", …" if len(strange) > _MOST_NAMES_TOLD else ""
        sentence = "%s holds what no run has made, which is left alone: %s%s"
        _LOG.warning(sentence, STAGING, shown, more, extra={"action": Action.LEFTOVER_KEPT})
