"""The request queue in PostgreSQL: the port, put together from its parts.

A claim is a session lock on a row's key, and a row that says PROCESSING with our count of dead drivers. Whoever lives
holds the lock, so no clock decides who is dead. All that a claim writes goes over the session that holds its lock, in
a statement that writes only where the row still is as it was claimed.

`claims` knows which claims are open, and takes and fences them; `endings` ends them; `requester` puts requests in,
takes them back and lists them; `session` keeps the session that holds the locks.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from progress_exhaust.job_requests.model import (
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
from progress_exhaust.job_requests.postgres.claims import OpenClaims
from progress_exhaust.job_requests.postgres.columns import aware, files
from progress_exhaust.job_requests.postgres.endings import Endings
from progress_exhaust.job_requests.postgres.requester import RequesterSide, narrowed
from progress_exhaust.job_requests.postgres.session import BoundSession, LockSession
from progress_exhaust.settings.sections import QueueSettings, RequestSettings


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
        self._now = now
        self._new_salt = new_salt
        self._claims = OpenClaims(settings.job_id, requests)
        self._session = LockSession(settings, reacquire=self._claims.reacquire, sleep=sleep)
        self._endings = Endings(self._session, self._claims)
        self._requester = RequesterSide(self._session, settings.job_id)

    @property
    def keeps_processed(self) -> bool:
        """Whether the table has the column processed_batches; where not, the manifest is the list."""
        return self._session.run(lambda bound: bound.shape.keeps_processed)

    def check(self) -> None:
        """Look at the connection, the table and its columns, before anything is claimed.

        Raises:
            QueueError: no answer, a transaction pooler in between, a column missing, a server that takes no writes.
        """
        check_for_pooler(self._settings)
        self._session.run(check_that_it_takes_writes)

    def rights(self) -> list[Right]:
        """Return what each command must be allowed to do, and whether it is.

        What is granted of a privilege stands together; each column that is not stands alone.
        """
        return self._session.run(lambda bound: rights(bound, self._settings.table))

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> list[DueRequest]:
        """Return the rows that may be claimed, oldest first; those that we have claimed are not among them."""

        def ask(bound: BoundSession) -> list[DueRequest]:
            return [
                DueRequest(key, channel, aware(submitted_at), is_processing, iteration)
                for row_tag, row_id, channel, submitted_at, is_processing, iteration in bound.run(
                    "due", narrowed(self._settings.job_id, tag, request_id)
                )
                if self._claims.held(key := RequestKey(row_tag, row_id)) is None
            ]

        return self._session.run(ask)

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        """Take a row: its lock, then status PROCESSING; see `port.Queue`.

        A connection that is lost in the very moment of claiming counts as a driver that died.
        """
        return self._session.run(lambda bound: self._claims.take(bound, key, salt=self._new_salt(), now=self._now()))

    def is_ours(self, claim: Claim) -> bool:
        """Return whether a claim still holds, by one look at the row; to be asked straight before each move."""

        def ask(bound: BoundSession) -> bool:
            # Looked up here: connecting anew may have just lost it.
            one = self._claims.find(claim)
            if one is None or not self._claims.is_locked(one):
                return False
            return bool(bound.value("is_ours", self._claims.fence(one)))

        return self._session.run(ask)

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        """Note what the requests have so far, by one UPDATE for all of them; see `port.Queue`."""

        def write(bound: BoundSession) -> None:
            rows = [
                {**self._claims.fence(one), **files(so_far)}
                for key, so_far in delivered.items()
                if so_far.urls is not None and (one := self._claims.held(key))
            ]
            if rows:
                bound.run("checkpoint", {"job_id": self._settings.job_id, "delivered": json.dumps(rows)})

        self._session.run(write)

    def complete(self, claim: Claim, closing: Closing) -> bool:
        """End a request, and free its lock; see `port.Queue`."""
        if closing.status not in (Status.SUCCESS, Status.FAILED):
            raise ValueError(f"a request ends SUCCESS or FAILED, not {closing.status}")
        return self._endings.complete(claim, closing)

    def requeue(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        """Give a request back: SUBMITTED, its files kept; see `port.Queue`."""
        return self._endings.requeue(claim, delivered, failed_try)

    def record_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """Let go of a claim that does not hold any more; if it was cancelled, list the files that were out already."""
        return self._endings.record_cancelled(claim, delivered)

    def submit(self, request: NewRequest) -> None:
        """Put a request in.

        Raises:
            RequestError: there is such a row already, or a text that the table can not hold.
            RowLockedError: someone else is putting such a row in, or has the table locked.
        """
        self._requester.submit(request)

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """End, as FAILED with `Cancelled`, the rows with this id that have not ended; return which.

        Raises:
            RowLockedError: someone else has one of them locked; none is cancelled.
        """
        return self._requester.cancel(request_id=request_id, tag=tag, now=now)

    def listed(self, *, request_id: str | None = None, tag: str | None = None) -> list[ListedRequest]:
        """Return all rows, or those with this id or tag, oldest first."""
        return self._requester.listed(request_id=request_id, tag=tag)

    def close_connections(self) -> None:
        """Free all locks and connections; claims that were not ended are orphans."""
        self._session.close()
        self._claims.end_all()
