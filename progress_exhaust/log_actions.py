"""What log lines tell of: the words of the field `action`, by which machines find them."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What a log line tells of.

    Those of a run's own steps are its phases, `export.run.Phase`.
    """

    # of the command line
    LOG = "log"
    """Nothing in particular: whoever logged it has named no action."""
    ERROR = "error"
    DONE = "done"
    START = "start"
    CHECK = "check"
    WRITE = "write"
    NOT_MADE = "not_made"
    # of what a command opens and leaves
    SETTINGS_READ = "settings_read"
    OPENED = "opened"
    RETRY = "retry"
    SPARK_SET = "spark_set"
    LEFTOVER_REMOVED = "leftover_removed"
    LEFTOVER_KEPT = "leftover_kept"
    PLACE_NOT_PRIVATE = "place_not_private"
    HEARTBEAT_MISSED = "heartbeat_missed"
    """A sign of life could not be written; the next one may be."""
    # of processes
    PROCESS_STARTED = "process_started"
    PROCESS_ENDED = "process_ended"
    # of reports and requests, while a run is at work
    MADE = "made"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    GIVEN_BACK = "given_back"
    CANCELLED = "cancelled"
    LOST = "lost"
    ABANDONED = "gave_up"
    LEFT = "left"
    LOCKED = "locked"
    WAITING = "waiting"
    NOT_DUE = "not_due"
    RECLAIMED = "reclaimed"
    DEFERRED = "deferred"
    USED_AGAIN = "used_again"
    MADE_ANEW = "made_anew"
    CHARGED = "charged"
    # of services: what is mended without anybody's doing, or not
    GIVE_UP = "give_up"
    """Something that has failed is not tried again."""
    CUT = "cut"
    """A connection that took too long is ended."""
    RECONNECT = "reconnect"
    END_STALE = "end_stale"
    """The server is told to end a session that was lost."""
    REACQUIRE = "reacquire"
    """A claim is held again, on a new connection."""
    CLAIM_LOST = "claim_lost"
    PROBE = "probe"
    CIRCUIT_OPEN = "circuit_open"
    """A service is taken for down, and asked nothing for a while."""
    CIRCUIT_CLOSED = "circuit_closed"
    TWIN = "twin"
    """Of a live and a retired node with one id, the live one is taken."""
