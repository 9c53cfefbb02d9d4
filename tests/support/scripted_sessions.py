"""Sessions of the queue without a server: statements are known by their names, and answered as a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.postgres.connection import ConnectionLostError
from progress_exhaust.job_requests.postgres.sql import queries
from progress_exhaust.job_requests.postgres.table import NEEDS
from progress_exhaust.settings.sections import QueueSettings

Rows = list[tuple[Any, ...]]
Answer = Rows | Callable[[], Rows]

COLUMNS = {column: "integer" if column == "execution_time" else "text" for _, _, names in NEEDS for column in names}


def lost() -> Rows:
    """Lose the connection in the middle of a statement."""
    raise ConnectionLostError("asking PostgreSQL: the connection was lost; is the server up?")


class ScriptedSession:
    """A session of a server that does what a script says."""

    def __init__(self, server: ScriptedDatabase, pid: int) -> None:
        self.pid = pid
        self.started = f"at {pid}"
        self.is_closed = False
        self._server = server
        texts = queries("job_request", frozenset(COLUMNS)), queries("job_request", ())
        self._names = {text: name for statements in texts for name, text in statements.items()}

    def prepare(self) -> None:
        """Set nothing."""

    def run(self, statement: str, parameters: object = None, *, within_s: float | None = None) -> Rows:
        """Answer a statement by its name."""
        return self._server.answer(self._names[statement])

    def close(self) -> None:
        """Take note."""
        self.is_closed = True


class ScriptedDatabase:
    """A server: opens sessions, or refuses them, and answers.

    Args:
        refusals: connections that are refused.
        taken_before: connections that are taken before these.
        answers: what each statement gives; of a list of several, one after the other, and the last one again and again.
    """

    def __init__(
        self, answers: Mapping[str, list[Answer]] | None = None, *, refusals: int = 0, taken_before: int = 1
    ) -> None:
        self.sessions: list[ScriptedSession] = []
        self.ran: list[str] = []
        self._answers = {name: list(script) for name, script in (answers or {}).items()}
        self._refusals = refusals
        self._taken_before = taken_before

    def open(self, _settings: QueueSettings) -> Any:
        """Open a session."""
        if len(self.sessions) >= self._taken_before and self._refusals:
            self._refusals -= 1
            raise QueueError("connecting to PostgreSQL: refused; check queue.dsn and its password")
        self.sessions.append(ScriptedSession(self, len(self.sessions) + 1))
        return self.sessions[-1]

    def answer(self, name: str) -> Rows:
        """Return the rows that a statement gives."""
        self.ran.append(name)
        if name == "columns":
            return [(column, kind, -1) for column, kind in COLUMNS.items()]
        script = self._answers.get(name, [[(True,)]])
        answer = script.pop(0) if len(script) > 1 else script[0]
        return answer() if callable(answer) else answer
