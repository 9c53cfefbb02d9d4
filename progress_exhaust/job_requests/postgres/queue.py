"""The request queue in PostgreSQL.

A claim is a session lock on a row's key, and a row that says PROCESSING with our count of dead drivers. Whoever lives
holds the lock, so no clock decides who is dead. All that a claim writes goes over the session that holds its lock, in
a statement that writes only where the row still is as it was claimed.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from progress_exhaust.errors import QueueError, RequestError, RowLockedError
from progress_exhaust.job_requests.model import (
    CANCELLED,
    GIVEN_UP,
    MOST_TRIES,
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
from progress_exhaust.job_requests.postgres.checks import check_for_pooler, check_that_it_takes_writes, rights
from progress_exhaust.job_requests.postgres.connection import (
    WHO_LOCKS,
    ConnectionLostError,
    Parameters,
    Row,
    RowExistsError,
    ValueRefusedError,
)
from progress_exhaust.job_requests.postgres.session import Link, LockSession
from progress_exhaust.settings.sections import QueueSettings, RequestSettings
from progress_exhaust.text import storable, truncated

_LAST_WORDS = "Failed; see the log of the job"
_SURE_WIDTH = 100


@dataclass
class _Held:
    """A claim that nobody has ended yet.

    Attributes:
        claim: itself; a later claim of the same row is another one, however alike.
        submitted: dt_job_submitted as the server writes it, whatever it is.
        salt: of the digest.
        digest: of what the row asks for.
        is_unsure: whether its end may have been written on a session that was lost before it answered.
    """

    claim: Claim
    submitted: str | None
    salt: str
    digest: str
    is_unsure: bool = False


class PostgresQueue:
    """The queue port on a real table. It connects when it is first asked something."""

    def __init__(
        self,
        settings: QueueSettings,
        requests: RequestSettings,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        new_salt: Callable[[], str] = secrets.token_hex,
    ) -> None:
        """Describe the queue.

        Args:
            settings: where it is.
            requests: how many drivers may die on a request, and how long its data may be.
            now: the time, aware.
            sleep: waits so many seconds.
            new_salt: gives a text that nobody can guess, for each claim.
        """
        self._settings = settings
        self._requests = requests
        self._now = now
        self._new_salt = new_salt
        self._held: dict[RequestKey, _Held] = {}
        # Those whose lock we have no more, by the claim itself: a later claim of the same row may be held meanwhile.
        self._lost: dict[int, _Held] = {}
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
        """Take a row: its lock, then status PROCESSING; see `port.Queue`.

        A connection that is lost in the very moment of claiming counts as a driver that died.
        """
        return self._link.work(lambda link: self._claim(link, key))

    def is_ours(self, claim: Claim) -> bool:
        """Return whether a claim still holds, by one look at the row; to be asked straight before each move."""

        def ask(link: Link) -> bool:
            # Looked up here: connecting anew may have just lost it.
            held = self._open(claim)
            if held is None or not self._is_locked(held):
                return False
            return bool(_value(link.session.run(link.sql["is_ours"], self._fence(held))))

        return self._link.work(ask)

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        """Note what the requests have so far, by one UPDATE for all of them; see `port.Queue`."""

        def write(link: Link) -> None:
            rows = [
                {
                    "tag": key.tag,
                    "request_id": key.request_id,
                    "iteration": held.claim.iteration,
                    "submitted": held.submitted,
                    "salt": held.salt,
                    "digest": held.digest,
                    **_files(files),
                }
                for key, files in delivered.items()
                if files.urls is not None and (held := self._held.get(key))
            ]
            if rows:
                parameters = {"job_id": self._settings.job_id, "delivered": json.dumps(rows)}
                link.session.run(link.sql["checkpoint"], parameters)

        self._link.work(write)

    def close(self, claim: Claim, closing: Closing) -> bool:
        """End a request, and free its lock; see `port.Queue`."""
        if closing.status not in (Status.SUCCESS, Status.FAILED):
            raise ValueError(f"a request ends SUCCESS or FAILED, not {closing.status}")

        def words(link: Link) -> list[Parameters]:
            said = {
                "status": closing.status.value,
                "iteration_now": min(claim.iteration + closing.is_failed_try, MOST_TRIES),
                "file_created_at": _naive(closing.file_created_at),
                "completed_at": _naive(closing.completed_at),
                "execution_ms": min(max(closing.execution_ms, 0), link.shape.longest_ms),
            }
            return [{**said, "err_message": text} for text in _ever_plainer(closing.err_message, link.shape.err_width)]

        return self._end(claim, closing.delivered, "close", "is_closed", words)

    def release(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        """Give a request back: SUBMITTED, its files kept; see `port.Queue`."""
        iteration_now = min(claim.iteration + bool(failed_try), MOST_TRIES)

        def words(link: Link) -> list[Parameters]:
            texts = _ever_plainer(failed_try, link.shape.err_width) if failed_try else [""]
            return [
                {"has_failed": bool(failed_try), "iteration_now": iteration_now, "err_message": text} for text in texts
            ]

        return self._end(claim, delivered, "release", "is_released", words)

    def note_files_of_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """Let go of a claim that does not hold any more; if it was cancelled, list the files that were out already."""

        def write(link: Link) -> bool:
            held = self._open(claim)
            if held is None:
                return False
            parameters = {**self._fence(held), **_files(delivered), "cancelled": CANCELLED}
            is_cancelled = bool(link.session.run(link.sql["note_files_of_cancelled"], parameters))
            self._free(link, held)
            self._lost.pop(id(claim), None)
            return is_cancelled

        return self._link.work(write)

    def submit(self, request: NewRequest) -> None:
        """Put a request in.

        Raises:
            RequestError: there is such a row already, or a text that the table can not hold.
            RowLockedError: someone else is putting such a row in, or has the table locked.
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
        except RowLockedError:
            raise RowLockedError(
                f"{subject}: someone else is putting it in just now, or has the table locked; {WHO_LOCKS}"
            ) from None
        except ValueRefusedError:
            raise RequestError(
                f"{subject}: the table can not hold a text of it; give shorter ones, without control characters"
            ) from None

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """End, as FAILED with `Cancelled`, the rows with this id that have not ended; return which.

        Raises:
            RowLockedError: someone else has one of them locked; none is cancelled.
        """
        parameters = {**self._narrowed(tag, request_id), "cancelled": CANCELLED, "now": _naive(now)}

        def write(link: Link) -> list[RequestKey]:
            link.session.run(link.sql["cancel"], parameters)
            return [RequestKey(*row) for row in link.session.run(link.sql["cancelled"], parameters)]

        try:
            return self._link.work(write)
        except RowLockedError:
            raise RowLockedError(
                f"cancelling request {request_id}: someone else has its row or the table locked, and nothing is "
                f"changed; {WHO_LOCKS}"
            ) from None

    def listed(self, *, request_id: str | None = None, tag: str | None = None) -> list[ListedRequest]:
        """Return all rows, or those with this id or tag, oldest first."""
        parameters = self._narrowed(tag, request_id)
        return [_listed(row) for row in self._link.work(lambda link: link.session.run(link.sql["listed"], parameters))]

    def close_connections(self) -> None:
        """Free all locks and connections; claims that were not closed or released are orphans."""
        self._link.close()
        self._held.clear()
        self._lost.clear()

    def _claim(self, link: Link, key: RequestKey) -> Claim | NotClaimed:
        # The server would give us our own lock once more.
        if key in self._held or not _value(link.session.run(link.sql["lock"], self._of(key))):
            return NotClaimed.OWNED
        tries = self._requests.tries
        salt = self._new_salt()
        parameters = {
            **self._of(key),
            "salt": salt,
            "tries": tries,
            "now": _naive(self._now()),
            "given_up": truncated(GIVEN_UP.format(tries), link.shape.err_width),
            "longest_data": self._requests.max_data_bytes + 1,
        }
        try:
            rows = link.session.run(link.sql["claim"], parameters)
        except ConnectionLostError:
            raise
        except QueueError:
            self._unlock(link, key)
            raise
        if not rows:
            [(_, is_due)] = link.session.run(link.sql["unlock_unclaimed"], self._of(key))
            return NotClaimed.LOCKED if is_due else NotClaimed.NOT_DUE
        status, data, channel, submitted_at, submitted, digest, has_key, *history, processed, shares = rows[0]
        if status != Status.PROCESSING:
            self._unlock(link, key)
            return NotClaimed.ABANDONED
        iteration, was_orphan, is_new = history
        claim = Claim(
            key=key,
            request_data=data,
            channel=channel,
            submitted_at=_aware(submitted_at),
            iteration=iteration,
            was_orphan=was_orphan,
            is_new=is_new,
            processed=processed,
            shares_request_id=shares,
            has_key=has_key,
        )
        self._held[key] = _Held(claim, submitted, salt, digest)
        return claim

    def _end(
        self, claim: Claim, delivered: Delivered, write: str, is_written: str, words: Callable[[Link], list[Parameters]]
    ) -> bool:
        """Write the row of a claim for the last time, and free its lock.

        Where a row is not ours any more, its claim stays open for one question: whether it was cancelled.

        Args:
            claim: whose row.
            delivered: its files.
            write: name of the statement.
            is_written: name of the one that asks whether that was carried out.
            words: gives more parameters, and what to write instead where the database can not hold them.
        """

        def end(link: Link) -> bool:
            # Looked up here: another thread, or connecting anew, may have just ended or lost it.
            held = self._open(claim)
            if held is None:
                return False
            same = {**self._fence(held), **_files(delivered)}
            choices = [{**same, **more} for more in words(link)]
            has_ended = held.is_unsure and self._is_any(link, is_written, choices)
            if not has_ended and self._is_locked(held):
                was_unsure, held.is_unsure = held.is_unsure, True
                try:
                    has_ended = _first_storable(link, write, choices)
                except ConnectionLostError:
                    raise
                except QueueError:
                    # The server has answered: it wrote nothing.
                    held.is_unsure = was_unsure
                    raise
            self._free(link, held)
            held.is_unsure = False
            if has_ended:
                self._lost.pop(id(claim), None)
            return has_ended

        return self._link.work(end)

    @staticmethod
    def _is_any(link: Link, question: str, choices: Sequence[Parameters]) -> bool:
        return any(_value(link.session.run(link.sql[question], choice)) for choice in choices)

    def _take_up(self, link: Link) -> None:
        """Lock our rows anew: those that are as we claimed them, or were cancelled since; the others are lost."""
        for key, held in list(self._held.items()):
            question = {**self._fence(held), "cancelled": CANCELLED}
            is_locked = _value(link.session.run(link.sql["lock"], self._of(key)))
            if is_locked and _value(link.session.run(link.sql["is_to_be_ended"], question)):
                continue
            if is_locked:
                self._unlock(link, key)
            self._lose(held)

    def _open(self, claim: Claim) -> _Held | None:
        """Return what we know of a claim that nobody has ended; None for any other."""
        held = self._held.get(claim.key)
        return held if held and held.claim is claim else self._lost.get(id(claim))

    def _is_locked(self, held: _Held) -> bool:
        return self._held.get(held.claim.key) is held

    def _free(self, link: Link, held: _Held) -> None:
        if self._is_locked(held):
            self._unlock(link, held.claim.key)
            self._lose(held)

    def _lose(self, held: _Held) -> None:
        del self._held[held.claim.key]
        self._lost[id(held.claim)] = held

    def _unlock(self, link: Link, key: RequestKey) -> None:
        link.session.run(link.sql["unlock"], self._of(key))

    def _of(self, key: RequestKey) -> dict[str, Any]:
        return {"job_id": self._settings.job_id, "tag": key.tag, "request_id": key.request_id}

    def _fence(self, held: _Held) -> dict[str, Any]:
        return {
            **self._of(held.claim.key),
            "iteration": held.claim.iteration,
            "submitted": held.submitted,
            "salt": held.salt,
            "digest": held.digest,
        }

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
    return [truncated(text, width), truncated(ascii_text, sure_width), truncated(_LAST_WORDS, sure_width)]


def _files(delivered: Delivered) -> dict[str, Any]:
    urls, processed = delivered.urls, delivered.processed
    return {
        "urls": None if urls is None else [storable(url) for url in urls],
        "processed": None if processed is None else storable(processed),
    }


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
