"""The request queue in PostgreSQL.

A claim is a session lock on a row's key, and a row that says PROCESSING with our count of dead drivers. Whoever lives
holds the lock, so no clock decides who is dead. All that a claim writes goes over the session that holds its lock, in
a statement that writes only where the row still is as it was claimed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from progress_exhaust.errors import QueueError, RequestError
from progress_exhaust.job_requests.checks import check_for_pooler, check_that_it_takes_writes, rights
from progress_exhaust.job_requests.connection import (
    ConnectionLostError,
    Parameters,
    Row,
    RowExistsError,
    ValueRefusedError,
)
from progress_exhaust.job_requests.fitting import fitted, storable
from progress_exhaust.job_requests.lock_session import Link, LockSession
from progress_exhaust.job_requests.model import (
    CANCELLED,
    GIVEN_UP,
    Claim,
    Closing,
    Delivered,
    DueRequest,
    ListedRequest,
    NewRequest,
    NotClaimed,
    RequestKey,
    Right,
    Status,
)
from progress_exhaust.settings import QueueSettings, RequestSettings

_LAST_WORDS = "Failed; see the log of the job"
_SURE_WIDTH = 100


@dataclass(frozen=True)
class _Held:
    """A claim whose lock we hold.

    Attributes:
        claim: itself; a later claim of the same row is another one, however alike.
        submitted: dt_job_submitted as the server writes it, whatever it is.
    """

    claim: Claim
    submitted: str | None


class PostgresQueue:
    """The queue port on a real table. It connects when it is first asked something."""

    def __init__(
        self,
        settings: QueueSettings,
        requests: RequestSettings,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Describe the queue.

        Args:
            settings: where it is.
            requests: how many drivers may die on a request, and how long its data may be.
            now: the time, aware.
            sleep: waits so many seconds.
        """
        self._settings = settings
        self._requests = requests
        self._now = now
        self._held: dict[RequestKey, _Held] = {}
        self._unsure: dict[RequestKey, _Held] = {}
        self._link = LockSession(settings, take_up=self._take_up, sleep=sleep)

    @property
    def keeps_processed(self) -> bool:
        """Whether the table has the column processed_batches; where not, the manifest is the list."""
        return self._link.work(lambda link: link.shape.keeps_processed)

    def check(self) -> None:
        """Look at the connection, the table and its columns, before anything is claimed.

        Raises:
            QueueError: no answer, a transaction pooler in between, a column missing, a server that takes no writes.
        """
        check_for_pooler(self._settings)
        self._link.work(check_that_it_takes_writes)

    def rights(self) -> list[Right]:
        """Return what each command must be allowed to do, and whether it is.

        What is granted of a privilege stands together; each column that is not stands alone.
        """
        return self._link.work(lambda link: rights(link, self._settings.table))

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> list[DueRequest]:
        """Return the rows that may be claimed, oldest first; those that we have claimed are not among them."""

        def ask(link: Link) -> list[DueRequest]:
            rows = link.session.run(link.sql["due"], self._narrowed(tag, request_id))
            return [
                DueRequest(key, channel, _aware(submitted_at), is_processing, iteration)
                for row_tag, row_id, channel, submitted_at, is_processing, iteration in rows
                if (key := RequestKey(row_tag, row_id)) not in self._held
            ]

        return self._link.work(ask)

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        """Take a row: its lock, then status PROCESSING. One on which too many drivers have died ends FAILED.

        Each claim is ended by one of `close`, `release` and `note_files_of_cancelled`, also where `is_ours` has said
        no: until then we hold the lock, and nobody else begins. A connection that is lost in the very moment of
        claiming counts as a driver that died.
        """
        return self._link.work(lambda link: self._claim(link, key))

    def is_ours(self, claim: Claim) -> bool:
        """Return whether a claim still holds, by one look at the row; to be asked straight before each move."""

        def ask(link: Link) -> bool:
            # Looked up here: connecting anew may have just lost it.
            held = self._held_for(claim)
            return held is not None and bool(_value(link.session.run(link.sql["is_ours"], self._fence(held))))

        return self._link.work(ask)

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        """Note what the requests have so far, by one UPDATE for all of them; those that are not ours are left out."""

        def write(link: Link) -> None:
            rows = [
                {
                    "tag": key.tag,
                    "request_id": key.request_id,
                    "iteration": held.claim.iteration,
                    "submitted": held.submitted,
                    "urls": [storable(url) for url in files.urls],
                    "processed": storable(files.processed),
                }
                for key, files in delivered.items()
                if (held := self._held.get(key))
            ]
            if rows:
                parameters = {"job_id": self._settings.job_id, "delivered": json.dumps(rows)}
                link.session.run(link.sql["checkpoint"], parameters)

        self._link.work(write)

    def close(self, claim: Claim, closing: Closing) -> bool:
        """End a request, and free its lock; false where it was not ours any more, and nothing is written."""
        if closing.status not in (Status.SUCCESS, Status.FAILED):
            raise ValueError(f"a request ends SUCCESS or FAILED, not {closing.status}")

        def words(link: Link) -> list[Parameters]:
            said = {
                "status": closing.status.value,
                "file_created_at": _naive(closing.file_created_at),
                "completed_at": _naive(closing.completed_at),
                "execution_ms": min(max(closing.execution_ms, 0), link.shape.longest_ms),
            }
            return [{**said, "err_message": text} for text in _ever_plainer(closing.err_message, link.shape.err_width)]

        return self._end(claim, closing.delivered, "close", "is_closed", words)

    def release(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        """Give a request back: SUBMITTED, its files kept; see `port.Queue`."""

        def words(link: Link) -> list[Parameters]:
            return [
                {"failed_tries": int(bool(failed_try)), "err_message": text}
                for text in (_ever_plainer(failed_try, link.shape.err_width) if failed_try else [""])
            ]

        return self._end(claim, delivered, "release", "is_released", words)

    def note_files_of_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """Let go of a claim that does not hold any more; if it was cancelled, list the files that were out already."""
        if not (held := self._held_for(claim)):
            return False
        parameters = {**self._fence(held), **_files(delivered), "cancelled": CANCELLED}

        def write(link: Link) -> bool:
            is_cancelled = bool(link.session.run(link.sql["note_files_of_cancelled"], parameters))
            self._let_go(link, claim)
            return is_cancelled

        return self._link.work(write)

    def submit(self, request: NewRequest) -> None:
        """Put a request in.

        Raises:
            RequestError: there is such a row already, or a text that the table can not hold.
        """
        parameters = {
            **self._of(request.key),
            "request_data": request.request_data,
            "requested_by": request.requested_by,
            "channel": request.channel,
            "submitted_at": _naive(request.submitted_at),
        }
        subject = f"putting in request {request.key.request_id}"

        def write(link: Link) -> None:
            # Not every table has a key that would tell.
            there = link.session.run(link.sql["is_there"], parameters)
            if link.is_again and there and there[0][0]:
                return
            if there:
                raise RequestError(f"{subject}: there is one already under its tag; give another request id")
            try:
                link.session.run(link.sql["submit"], parameters)
            except RowExistsError:
                raise RequestError(f"{subject}: there is one already; give another request id") from None

        try:
            self._link.work(write)
        except ValueRefusedError:
            raise RequestError(
                f"{subject}: the table can not hold a text of it; give shorter ones, without control characters"
            ) from None

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """End, as FAILED with `Cancelled`, the rows with this id that have not ended; return which."""
        parameters = {**self._narrowed(tag, request_id), "cancelled": CANCELLED, "now": _naive(now)}

        def write(link: Link) -> list[RequestKey]:
            link.session.run(link.sql["cancel"], parameters)
            return [RequestKey(*row) for row in link.session.run(link.sql["cancelled"], parameters)]

        return self._link.work(write)

    def listed(self, *, request_id: str | None = None, tag: str | None = None) -> list[ListedRequest]:
        """Return all rows, or those with this id or tag, oldest first."""
        parameters = self._narrowed(tag, request_id)
        return [_listed(row) for row in self._link.work(lambda link: link.session.run(link.sql["listed"], parameters))]

    def close_connections(self) -> None:
        """Free all locks and connections; claims that were not closed or released are orphans."""
        self._link.close()
        self._held.clear()

    def _claim(self, link: Link, key: RequestKey) -> Claim | NotClaimed:
        # The server would give us our own lock once more.
        if key in self._held or not _value(link.session.run(link.sql["lock"], self._of(key))):
            return NotClaimed.OWNED
        tries = self._requests.tries
        parameters = {
            **self._of(key),
            "tries": tries,
            "now": _naive(self._now()),
            "given_up": fitted(GIVEN_UP.format(tries), link.shape.err_width),
            "longest_data": self._requests.max_data_bytes + 1,
        }
        try:
            rows = link.session.run(link.sql["claim"], parameters)
        except ConnectionLostError:
            raise
        except QueueError:
            self._unlock(link, key)
            raise
        if not rows or rows[0][0] != Status.PROCESSING:
            self._unlock(link, key)
            return NotClaimed.GAVE_UP if rows else NotClaimed.NOT_DUE
        _, data, channel, submitted_at, submitted, iteration, was_orphan, is_new, processed, shares = rows[0]
        claim = Claim(key, data, channel, _aware(submitted_at), iteration, was_orphan, is_new, processed, shares)
        self._held[key] = _Held(claim, submitted)
        return claim

    def _end(
        self, claim: Claim, delivered: Delivered, write: str, is_written: str, words: Callable[[Link], list[Parameters]]
    ) -> bool:
        """Write the row of a claim for the last time, and free its lock.

        Args:
            claim: whose row.
            delivered: its files.
            write: name of the statement.
            is_written: name of the one that asks whether that was carried out.
            words: gives more parameters, and what to write instead where the database can not hold them.
        """
        was_unsure = self._unsure.get(claim.key)
        held = self._held_for(claim) or (was_unsure if was_unsure and was_unsure.claim is claim else None)
        if held is None:
            return False
        same = {**self._fence(held), **_files(delivered)}

        def end(link: Link) -> bool:
            # Our statement may have gone out on a session that was lost before it answered.
            is_unsure = link.is_again or claim.key in self._unsure
            self._unsure[claim.key] = held
            choices = [{**same, **more} for more in words(link)]
            has_ended = is_unsure and self._is_any(link, is_written, choices)
            if not has_ended and self._held_for(claim):
                has_ended = _first_storable(link, write, choices)
            self._unsure.pop(claim.key)
            self._let_go(link, claim)
            return has_ended

        return self._link.work(end)

    @staticmethod
    def _is_any(link: Link, question: str, choices: Sequence[Parameters]) -> bool:
        return any(_value(link.session.run(link.sql[question], choice)) for choice in choices)

    def _take_up(self, link: Link) -> None:
        """Lock our rows anew; those that are not as we claimed them, or somebody else's now, are lost for good."""
        for key, held in list(self._held.items()):
            is_locked = _value(link.session.run(link.sql["lock"], self._of(key)))
            if is_locked and _value(link.session.run(link.sql["is_ours"], self._fence(held))):
                continue
            del self._held[key]
            if is_locked:
                self._unlock(link, key)

    def _held_for(self, claim: Claim) -> _Held | None:
        held = self._held.get(claim.key)
        return held if held and held.claim is claim else None

    def _let_go(self, link: Link, claim: Claim) -> None:
        if self._held_for(claim):
            self._unlock(link, claim.key)
            del self._held[claim.key]

    def _unlock(self, link: Link, key: RequestKey) -> None:
        link.session.run(link.sql["unlock"], self._of(key))

    def _of(self, key: RequestKey) -> dict[str, Any]:
        return {"job_id": self._settings.job_id, "tag": key.tag, "request_id": key.request_id}

    def _fence(self, held: _Held) -> dict[str, Any]:
        return {**self._of(held.claim.key), "iteration": held.claim.iteration, "submitted": held.submitted}

    def _narrowed(self, tag: str | None, request_id: str | None) -> dict[str, Any]:
        return {"job_id": self._settings.job_id, "only_tag": tag, "only_request_id": request_id}


def _first_storable(link: Link, statement: str, choices: Sequence[Parameters]) -> bool:
    """Run a statement with the first choice that the database can hold; return whether it wrote a row."""
    for choice in choices[:-1]:
        try:
            return bool(link.session.run(link.sql[statement], choice))
        except ValueRefusedError:
            continue
    return bool(link.session.run(link.sql[statement], choices[-1]))


def _ever_plainer(text: str, width: int | None) -> list[str]:
    """Return an err_message, and what to write where the database does not take it: the end itself must be told."""
    sure_width = min(width or _SURE_WIDTH, _SURE_WIDTH)
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    return [fitted(text, width), fitted(ascii_text, sure_width), fitted(_LAST_WORDS, sure_width)]


def _files(delivered: Delivered) -> dict[str, Any]:
    return {"urls": [storable(url) for url in delivered.urls], "processed": storable(delivered.processed)}


def _listed(row: Row) -> ListedRequest:
    tag, request_id, status, channel, submitted_at, completed_at, iteration, urls, err_message, is_alive = row
    return ListedRequest(
        key=RequestKey(tag, request_id),
        status=status,
        channel=channel,
        submitted_at=_aware(submitted_at),
        completed_at=_aware(completed_at),
        iteration=iteration,
        urls=tuple(url for url in urls or () if isinstance(url, str)),
        err_message=err_message,
        is_alive=is_alive,
    )


def _value(rows: Sequence[Row]) -> Any:
    [[value]] = rows
    return value


def _naive(instant: datetime | None) -> datetime | None:
    """Return an instant as its column has it: in UTC, without saying so."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


def _aware(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
