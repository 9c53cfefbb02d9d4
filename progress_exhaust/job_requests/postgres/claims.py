"""The claims of a driver: taken, held by their locks, fenced, and held again on a new session.

A claim is a session lock on a row's key, and a row that says PROCESSING with our count of failed tries. All that is
written for a claim goes over the session that holds its lock, in a statement that writes only where the row still is as
it was claimed: that condition is the fence, and its parameters come from here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.model import CANCELLED, GIVEN_UP, Claim, NotClaimed, RequestKey, Status
from progress_exhaust.job_requests.postgres.columns import aware, naive
from progress_exhaust.job_requests.postgres.connection import ConnectionLostError
from progress_exhaust.job_requests.postgres.session import BoundSession
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import RequestSettings
from progress_exhaust.text import truncated

_LOG = logging.getLogger(__name__)


@dataclass
class OpenClaim:
    """A claim that nobody has ended yet.

    Attributes:
        claim: itself; a later claim of the same row is another one, however alike.
        submitted: dt_job_submitted as the server writes it, whatever it is.
        salt: of the digest.
        digest: of what the row asks for.
        in_doubt: whether its end may have been written on a session that was lost before it answered.
    """

    claim: Claim
    submitted: str | None
    salt: str
    digest: str
    in_doubt: bool = False


class OpenClaims:
    """The open claims of one driver: those whose lock it holds, and those whose lock is gone.

    To be used within a piece of work of the session alone: that is what keeps threads apart, and what connecting anew
    changes stands still there.

    Args:
        job_id: of the rows that are ours.
        requests: how many tries a request has, and how long its data may be.
    """

    def __init__(self, job_id: str, requests: RequestSettings) -> None:
        self._job_id = job_id
        self._requests = requests
        self._held: dict[RequestKey, OpenClaim] = {}
        # Those whose lock we have no more, by the claim itself: a later claim of the same row may be held meanwhile.
        self._lost: dict[int, OpenClaim] = {}

    def take(self, bound: BoundSession, key: RequestKey, *, salt: str, now: datetime) -> Claim | NotClaimed:
        """Take a row: its lock, then status PROCESSING."""
        # The server would give us our own lock once more.
        if key in self._held or not bound.value("lock", self.of(key)):
            return NotClaimed.OWNED
        tries = self._requests.tries
        parameters = {
            **self.of(key),
            "salt": salt,
            "tries": tries,
            "now": naive(now),
            "given_up": truncated(GIVEN_UP.format(tries), bound.shape.err_width),
            "longest_data": self._requests.max_data_bytes + 1,
        }
        try:
            rows = bound.run("claim", parameters)
        except ConnectionLostError:
            raise
        except QueueError:
            self._unlock(bound, key)
            raise
        if not rows:
            [(_, is_due)] = bound.run("unlock_unclaimed", self.of(key))
            return NotClaimed.LOCKED if is_due else NotClaimed.NOT_DUE
        status, data, channel, submitted_at, submitted, digest, has_key, *history, processed, shares = rows[0]
        if status != Status.PROCESSING:
            self._unlock(bound, key)
            return NotClaimed.ABANDONED
        iteration, was_orphan, is_new = history
        claim = Claim(
            key=key,
            request_data=data,
            channel=channel,
            submitted_at=aware(submitted_at),
            iteration=iteration,
            was_orphan=was_orphan,
            is_new=is_new,
            processed=processed,
            shares_request_id=shares,
            has_key=has_key,
        )
        self._held[key] = OpenClaim(claim, submitted, salt, digest)
        return claim

    def find(self, claim: Claim) -> OpenClaim | None:
        """Return what is known of a claim that nobody has ended; None for any other."""
        held = self._held.get(claim.key)
        return held if held and held.claim is claim else self._lost.get(id(claim))

    def held(self, key: RequestKey) -> OpenClaim | None:
        """Return the claim of a row whose lock we hold; None where we do not."""
        return self._held.get(key)

    def is_locked(self, one: OpenClaim) -> bool:
        """Return whether we hold the lock of an open claim."""
        return self._held.get(one.claim.key) is one

    def free(self, bound: BoundSession, one: OpenClaim) -> None:
        """Give the lock of an open claim back, where we hold it; the claim stays open."""
        if self.is_locked(one):
            self._unlock(bound, one.claim.key)
            self._lose(one)

    def end(self, claim: Claim) -> None:
        """Forget a claim whose lock is free: nothing more is asked about it."""
        self._lost.pop(id(claim), None)

    def end_all(self) -> None:
        """Forget all claims: the session that held their locks is closed."""
        self._held.clear()
        self._lost.clear()

    def reacquire(self, bound: BoundSession) -> None:
        """Lock our rows anew: those that are as we claimed them, or were cancelled since; the others are lost."""
        for key, one in list(self._held.items()):
            question = {**self.fence(one), "cancelled": CANCELLED}
            is_locked = bound.value("lock", self.of(key))
            if is_locked and bound.value("is_to_be_ended", question):
                _tell(Action.REACQUIRE, key, "it is locked again on the new session")
                continue
            if is_locked:
                self._unlock(bound, key)
            self._lose(one)
            _tell(Action.CLAIM_LOST, key, "it is not ours any more: the connection was lost, and the row has changed")

    def of(self, key: RequestKey) -> dict[str, Any]:
        """Return the parameters that name a row."""
        return {"job_id": self._job_id, "tag": key.tag, "request_id": key.request_id}

    def fence(self, one: OpenClaim) -> dict[str, Any]:
        """Return the parameters that tell whether a row still is as it was claimed."""
        return {
            **self.of(one.claim.key),
            "iteration": one.claim.iteration,
            "submitted": one.submitted,
            "salt": one.salt,
            "digest": one.digest,
        }

    def _lose(self, one: OpenClaim) -> None:
        del self._held[one.claim.key]
        self._lost[id(one.claim)] = one

    def _unlock(self, bound: BoundSession, key: RequestKey) -> None:
        bound.run("unlock", self.of(key))


def _tell(action: Action, key: RequestKey, what: str) -> None:
    _LOG.debug("request %s: %s", key.request_id, what, extra={"action": action, "request_id": key.request_id})
