"""The requester's side of the table: to put a request in, to take it back, and to see what has become of it.

Nothing here holds a claim: these statements are for rows that anybody may be at work on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from progress_exhaust.errors import RequestError, RowLockedError
from progress_exhaust.job_requests.model import CANCELLED, ListedRequest, NewRequest, RequestKey
from progress_exhaust.job_requests.postgres.columns import aware, naive
from progress_exhaust.job_requests.postgres.connection import WHO_LOCKS, Row, RowExistsError, ValueRefusedError
from progress_exhaust.job_requests.postgres.session import BoundSession, LockSession


class RequesterSide:
    """What requesters do with the table.

    Args:
        session: to the server.
        job_id: of the rows that are ours.
    """

    def __init__(self, session: LockSession, job_id: str) -> None:
        self._session = session
        self._job_id = job_id

    def submit(self, request: NewRequest) -> None:
        """Put a request in.

        Raises:
            RequestError: there is such a row already, or a text that the table can not hold.
            RowLockedError: someone else is putting such a row in, or has the table locked.
        """
        parameters = {
            "job_id": self._job_id,
            "tag": request.key.tag,
            "request_id": request.key.request_id,
            "request_data": request.request_data,
            "requested_by": request.requested_by,
            "channel": request.channel,
            "submitted_at": naive(request.submitted_at),
        }
        subject = f"putting in request {request.key.request_id}"

        def write(bound: BoundSession) -> None:
            # Not every table has a key that would tell.
            there = bound.run("is_there", parameters)
            if bound.is_retry and there and there[0][0]:
                return
            if there:
                raise RequestError(subject, got="there is one already under its tag", remedy="give another request id")
            try:
                bound.run("submit", parameters)
            except RowExistsError:
                raise RequestError(subject, got="there is one already", remedy="give another request id") from None

        try:
            self._session.run(write)
        except RowLockedError:
            raise RowLockedError(
                subject, got="someone else is putting it in just now, or has the table locked", remedy=WHO_LOCKS
            ) from None
        except ValueRefusedError:
            raise RequestError(
                subject,
                got="the table can not hold a text of it",
                remedy="give shorter ones, without control characters",
            ) from None

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """End, as FAILED with `Cancelled`, the rows with this id that have not ended; return which.

        Raises:
            RowLockedError: someone else has one of them locked; none is cancelled.
        """
        parameters = {**narrowed(self._job_id, tag, request_id), "cancelled": CANCELLED, "now": naive(now)}

        def write(bound: BoundSession) -> list[RequestKey]:
            bound.run("cancel", parameters)
            return [RequestKey(*row) for row in bound.run("cancelled", parameters)]

        try:
            return self._session.run(write)
        except RowLockedError:
            raise RowLockedError(
                "cancelling",
                object=f"request {request_id}",
                got="someone else has its row or the table locked, and nothing is changed",
                remedy=WHO_LOCKS,
            ) from None

    def listed(self, *, request_id: str | None, tag: str | None) -> list[ListedRequest]:
        """Return all rows, or those with this id or tag, oldest first."""
        parameters = narrowed(self._job_id, tag, request_id)
        return [_listed(row) for row in self._session.run(lambda bound: bound.run("listed", parameters))]


def narrowed(job_id: str, tag: str | None, request_id: str | None) -> dict[str, Any]:
    """Return the parameters that narrow rows down to a tag and a request id; None to any."""
    return {"job_id": job_id, "only_tag": tag, "only_request_id": request_id}


def _listed(row: Row) -> ListedRequest:
    tag, request_id, status, channel, submitted_at, completed_at, iteration, urls, err_message, is_alive = row
    return ListedRequest(
        key=RequestKey(tag, request_id),
        status=status,
        channel=channel,
        submitted_at=aware(submitted_at),
        completed_at=aware(completed_at),
        iteration=iteration,
        urls=tuple(url for url in urls or () if isinstance(url, str)),
        err_message=err_message,
        is_alive=is_alive,
    )
