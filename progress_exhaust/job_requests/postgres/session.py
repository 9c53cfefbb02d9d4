"""The session that holds the locks of our claims: kept alive, and made anew when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from itertools import chain, repeat
from typing import TypeVar

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.postgres.connection import ConnectionLostError, Session
from progress_exhaust.job_requests.postgres.sql import queries
from progress_exhaust.job_requests.postgres.table import TableShape
from progress_exhaust.settings.sections import QueueSettings

_LOSSES = 3
_PATIENCE = 2
"""Times `queue.connect_timeout_s`, for all tries to connect anew."""
_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Between these tries; the last one again and again. A server that restarts is back in a second or two."""
_FORMER_LOOKS = 100
_FORMER_DELAY_S = 0.02

_Result = TypeVar("_Result")


class Link:
    """A session in use: its statements, fitted to the table.

    Attributes:
        session: on the server.
        shape: of the table.
        sql: statements by name.
        is_again: whether the work that uses it was begun before, on a session that was lost meanwhile.
    """

    def __init__(self, session: Session, table: str) -> None:
        self.session = session
        self.is_again = False
        self.shape = TableShape.of(table, session.run(queries(table, ())["columns"], {"table": table}))
        self.sql: Mapping[str, str] = queries(table, self.shape.columns)


class LockSession:
    """One session at a time, shared by all threads; each has it for a piece of work.

    A heartbeat notices between two calls that it is lost, and connects anew at once: a lock that is free is soon
    somebody else's.
    """

    def __init__(
        self, settings: QueueSettings, *, take_up: Callable[[Link], None], sleep: Callable[[float], None]
    ) -> None:
        """Describe the session; the first piece of work connects.

        Args:
            settings: where the server is, and its times.
            take_up: takes up again, on a new session, what the lost one held.
            sleep: waits so many seconds.
        """
        self._settings = settings
        self._take_up = take_up
        self._sleep = sleep
        self._guard = threading.RLock()
        self._link: Link | None = None
        self._former: list[Session] = []
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    def work(self, piece: Callable[[Link], _Result]) -> _Result:
        """Do a piece of work; where the session is lost meanwhile, connect anew and do it again.

        Raises:
            QueueError: the server can not be reached, or refuses.
        """
        with self._guard:
            for losses in range(_LOSSES):
                try:
                    return self._attempt(piece, is_again=losses > 0)
                except ConnectionLostError as lost:
                    self._lose()
                    last = lost
            raise QueueError(got=last.fault.finding, remedy=f"{last.fault.remedy}; it was lost {_LOSSES} times")

    def close(self) -> None:
        """End the session, which frees all locks."""
        self._stop.set()
        if self._heart and self._heart is not threading.current_thread():
            self._heart.join()
        with self._guard:
            self._heart = None
            self._former.clear()
            if self._link:
                self._link.session.close()
                self._link = None

    def _attempt(self, piece: Callable[[Link], _Result], *, is_again: bool) -> _Result:
        if self._link is None:
            self._link = self._connect_anew() if self._former else self._connect()
            if self._former:
                try:
                    self._end_former(self._link)
                    self._take_up(self._link)
                except QueueError:
                    # Some claims are not locked yet: nobody may use it, and the next one begins all over.
                    self._lose()
                    raise
                self._former.clear()
            self._start_heart()
        self._link.is_again = is_again
        return piece(self._link)

    def _connect(self) -> Link:
        session = Session(self._settings)
        try:
            session.prepare()
            return Link(session, self._settings.table)
        except QueueError:
            session.close()
            raise

    def _connect_anew(self) -> Link:
        deadline = time.monotonic() + _PATIENCE * self._settings.connect_timeout_s
        delays_s = chain(_DELAYS_S, repeat(_DELAYS_S[-1]))
        while True:
            try:
                return self._connect()
            except QueueError:
                delay_s = next(delays_s)
                if time.monotonic() + delay_s > deadline:
                    raise
                self._sleep(delay_s)

    def _lose(self) -> None:
        if self._link:
            self._former.append(self._link.session)
            self._link.session.close()
            self._link = None

    def _end_former(self, link: Link) -> None:
        """End lost sessions on the server too, which may not know yet that they are, and keeps our locks from us."""
        for session in self._former:
            former = {"pid": session.pid, "started": session.started}
            for _ in range(_FORMER_LOOKS):
                if not link.session.run(link.sql["end_former_session"], former):
                    break
                self._sleep(_FORMER_DELAY_S)

    def _start_heart(self) -> None:
        if self._heart is None:
            self._stop.clear()
            self._heart = threading.Thread(target=self._beat, name="queue-heartbeat", daemon=True)
            self._heart.start()

    def _beat(self) -> None:
        while not self._stop.wait(self._settings.heartbeat_s):
            try:
                self.work(lambda link: link.session.run(link.sql["backend"], within_s=self._settings.heartbeat_s))
            except QueueError:
                # Whoever asks next is told; until then there is hope.
                continue
