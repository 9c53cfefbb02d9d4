"""What is looked at before anything is claimed: the way to the server, and what our role may do there."""

from __future__ import annotations

import json
from contextlib import closing

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.model import Right
from progress_exhaust.job_requests.postgres.connection import ConnectionLostError, Session
from progress_exhaust.job_requests.postgres.session import BoundSession
from progress_exhaust.job_requests.postgres.sql import queries
from progress_exhaust.job_requests.postgres.table import NEEDS
from progress_exhaust.settings.sections import QueueSettings


def check_for_pooler(settings: QueueSettings) -> None:
    """Refuse a pooler that gives each transaction any session: our locks would be left on sessions of others.

    Nothing is set on these two sessions, which may be somebody else's next.

    Raises:
        QueueError: there is such a pooler in between, or no answer.
    """
    backend = queries(settings.table, ())["backend"]
    with closing(Session(settings)) as first, closing(Session(settings)) as second:
        # Three times: a pooler that goes round would else come round to the same one.
        pids = {first.pid, *(first.run(backend)[0][0] for _ in range(2))}
        try:
            second.run("BEGIN")
        except ConnectionLostError:
            # One that gives each statement any session ends whoever begins a transaction.
            pid_of_second = first.pid
        else:
            pid_of_second = second.run(backend)[0][0]
            if pid_of_second not in pids:
                # Were it shared, the first would now wait for the second.
                pids.add(first.run(backend)[0][0])
            second.run("ROLLBACK")
    if len(pids) > 1 or pid_of_second in pids:
        raise QueueError(
            "checking",
            object="the connection to PostgreSQL",
            got="a pooler in between changes sessions between transactions, which loses the locks on requests",
            remedy="connect directly, or use session pooling",
        )


def check_that_it_takes_writes(bound: BoundSession) -> None:
    """Refuse a session on which no row can be changed.

    Raises:
        QueueError: it is one.
    """
    if bound.value("is_read_only"):
        raise QueueError(
            "checking",
            object="the connection to PostgreSQL",
            got="it takes no writes",
            remedy="is default_transaction_read_only on?",
        )


def rights(bound: BoundSession, table: str) -> list[Right]:
    """Return what each command needs; what is granted of a privilege stands together, what is not stands alone."""
    needs = [
        {"command": command, "privilege": privilege, "name": column}
        for command, privilege, columns in NEEDS
        for column in columns
        if column in bound.shape.columns
    ]
    rows = bound.run("rights", {"table": table, "needs": json.dumps(needs)})
    granted: dict[tuple[str, str], dict[str, bool]] = {}
    for command, privilege, column, is_granted in rows:
        granted.setdefault((command, privilege), {})[column] = is_granted
    found = []
    for (command, privilege), columns in granted.items():
        if may := tuple(column for column, is_granted in columns.items() if is_granted):
            found.append(Right(command, privilege, may, is_granted=True))
        found += [
            Right(command, privilege, (column,), is_granted=False)
            for column, is_granted in columns.items()
            if not is_granted
        ]
    return found
