"""What a line of a room's log is about: the values of its field `action`, by which machines tell lines apart.

Every room logs by `logging.getLogger(__name__)`, below the package's own logger, with
`extra={"action": Action.RETRY}`. What goes well without anybody's doing is told at level DEBUG, which `--debug` shows.
"""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What was done."""

    RETRY = "retry"  # something that failed is tried again
    GIVE_UP = "give_up"  # something that failed is not tried again
    CUT = "cut"  # a connection that took too long was ended
    RECONNECT = "reconnect"  # a lost connection was made anew
    END_STALE = "end_stale"  # the server was told to end a session that was lost
    REACQUIRE = "reacquire"  # a claim is held again on a new connection
    CLAIM_LOST = "claim_lost"  # a claim is not ours any more
    PROBE = "probe"  # a service was asked for a sign of life
    CIRCUIT_OPEN = "circuit_open"  # a service is taken for down, and asked nothing for a while
    CIRCUIT_CLOSED = "circuit_closed"  # a service that was taken for down answers
    TWIN = "twin"  # of a live and a retired node with one id, the live one is taken
