"""How a claim ends: its row is written for the last time, and its lock given back.

Where the session is lost before the server has answered, nobody knows whether the end was written: the claim is in
doubt, and the row is read before anything is written again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.model import CANCELLED, MOST_TRIES, Claim, Closing, Delivered
from progress_exhaust.job_requests.postgres.claims import OpenClaims
from progress_exhaust.job_requests.postgres.columns import files, naive, plainer_texts
from progress_exhaust.job_requests.postgres.connection import ConnectionLostError, Parameters, ValueRefusedError
from progress_exhaust.job_requests.postgres.session import BoundSession, LockSession


class Endings:
    """Ends claims, each once, whichever of the threads comes first.

    Args:
        session: that holds the locks.
        claims: those that are open.
    """

    def __init__(self, session: LockSession, claims: OpenClaims) -> None:
        self._session = session
        self._claims = claims

    def complete(self, claim: Claim, closing: Closing) -> bool:
        """End a request, SUCCESS or FAILED; false where it was not ours any more, and nothing is written."""

        def choices(bound: BoundSession) -> list[Parameters]:
            said = {
                "status": closing.status.value,
                "iteration_now": min(claim.iteration + closing.is_failed_try, MOST_TRIES),
                "file_created_at": naive(closing.file_created_at),
                "completed_at": naive(closing.completed_at),
                "execution_ms": min(max(closing.execution_ms, 0), bound.shape.longest_ms),
            }
            texts = plainer_texts(closing.err_message, bound.shape.err_width)
            return [{**said, "err_message": text} for text in texts]

        return self._end(claim, closing.delivered, "complete", "is_completed", choices)

    def requeue(self, claim: Claim, delivered: Delivered, failed_try: str) -> bool:
        """Set a request to SUBMITTED; false where it was not ours any more, and nothing is written."""
        iteration_now = min(claim.iteration + bool(failed_try), MOST_TRIES)

        def choices(bound: BoundSession) -> list[Parameters]:
            texts = plainer_texts(failed_try, bound.shape.err_width) if failed_try else [""]
            return [
                {"has_failed": bool(failed_try), "iteration_now": iteration_now, "err_message": text} for text in texts
            ]

        return self._end(claim, delivered, "requeue", "is_requeued", choices)

    def record_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """List the files of a request that was cancelled; false where it was not."""

        def write(bound: BoundSession) -> bool:
            one = self._claims.find(claim)
            if one is None:
                return False
            parameters = {**self._claims.fence(one), **files(delivered), "cancelled": CANCELLED}
            is_cancelled = bool(bound.run("record_cancelled", parameters))
            self._claims.free(bound, one)
            self._claims.end(claim)
            return is_cancelled

        return self._session.run(write)

    def _end(
        self,
        claim: Claim,
        delivered: Delivered,
        write: str,
        is_written: str,
        choices: Callable[[BoundSession], list[Parameters]],
    ) -> bool:
        """Write the row of a claim for the last time, and free its lock.

        Where a row is not ours any more, its claim stays open for one question: whether it was cancelled.

        Args:
            claim: whose row.
            delivered: its files.
            write: name of the statement.
            is_written: name of the one that asks whether that was carried out.
            choices: gives more parameters, and what to write instead where the database can not hold them.
        """

        def end(bound: BoundSession) -> bool:
            # Looked up here: another thread, or connecting anew, may have just ended or lost it.
            one = self._claims.find(claim)
            if one is None:
                return False
            same = {**self._claims.fence(one), **files(delivered)}
            said = [{**same, **more} for more in choices(bound)]
            has_ended = one.in_doubt and any(bound.value(is_written, choice) for choice in said)
            if not has_ended and self._claims.is_locked(one):
                was_in_doubt, one.in_doubt = one.in_doubt, True
                try:
                    has_ended = _write_first_storable(bound, write, said)
                except ConnectionLostError:
                    raise
                except QueueError:
                    # The server has answered: it wrote nothing.
                    one.in_doubt = was_in_doubt
                    raise
            self._claims.free(bound, one)
            one.in_doubt = False
            if has_ended:
                self._claims.end(claim)
            return has_ended

        return self._session.run(end)


def _write_first_storable(bound: BoundSession, statement: str, choices: Sequence[Parameters]) -> bool:
    """Run a statement with the first choice that the database can hold; return whether it wrote a row."""
    for choice in choices[:-1]:
        try:
            return bool(bound.run(statement, choice))
        except ValueRefusedError:
            continue
    return bool(bound.run(statement, choices[-1]))
