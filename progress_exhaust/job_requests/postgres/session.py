"""The session that holds the locks of our claims: kept alive, and made anew when it is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_chain,
    wait_fixed,
)

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.postgres.connection import ConnectionLostError, Parameters, Row, Session
from progress_exhaust.job_requests.postgres.sql import queries
from progress_exhaust.job_requests.postgres.table import TableShape
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import QueueSettings

_LOG = logging.getLogger(__name__)

_LOSSES = 3
_PATIENCE = 2
"""Times `queue.connect_timeout_s`, for all tries to connect anew."""
_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Between these tries; the last one again and again. A server that restarts is back in a second or two."""
_STALE_LOOKS = 100
_STALE_DELAY_S = 0.02

_Result = TypeVar("_Result")


class BoundSession:
    """A session with its statements, fitted to the table.

    Attributes:
        session: on the server.
        shape: of the table.
        is_retry: whether the work that uses it was begun before, on a session that was lost meanwhile.
    """

    def __init__(self, session: Session, table: str) -> None:
        self.session = session
        self.is_retry = False
        self.shape = TableShape.of(table, session.run(queries(table, ())["columns"], {"table": table}))
        self._sql: Mapping[str, str] = queries(table, self.shape.columns)

    def run(self, name: str, parameters: Parameters | None = None, *, within_s: float | None = None) -> list[Row]:
        """Run a statement by its name, and return its rows; see `Session.run`."""
        return self.session.run(self._sql[name], parameters, within_s=within_s)

    def value(self, name: str, parameters: Parameters | None = None) -> Any:
        """Run a statement that returns one row with one column, and return what it holds."""
        [[value]] = self.run(name, parameters)
        return value


class LockSession:
    """One session at a time, shared by all threads; each has it for a piece of work.

    A heartbeat notices between two calls that it is lost, and connects anew at once: a lock that is free is soon
    somebody else's.
    """

    def __init__(
        self,
        settings: QueueSettings,
        *,
        reacquire: Callable[[BoundSession], None],
        sleep: Callable[[float], None],
        connect: Callable[[QueueSettings], Session] = Session,
    ) -> None:
        """Describe the session; the first piece of work connects.

        Args:
            settings: where the server is, and its times.
            reacquire: locks again, on a new session, what the lost one held.
            sleep: waits so many seconds.
            connect: opens a session.
        """
        self._settings = settings
        self._open = connect
        self._reacquire = reacquire
        self._sleep = sleep
        self._guard = threading.RLock()
        self._bound: BoundSession | None = None
        self._stale: list[Session] = []
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    def run(self, piece: Callable[[BoundSession], _Result]) -> _Result:
        """Do a piece of work; where the session is lost meanwhile, connect anew and do it again.

        Raises:
            QueueError: the server can not be reached, or refuses.
        """
        again = Retrying(
            stop=stop_after_attempt(_LOSSES),
            retry=retry_if_exception_type(ConnectionLostError),
            after=lambda _: self._lose(),
            # Connecting anew has pauses of its own.
            sleep=lambda _: None,
            reraise=True,
        )
        with self._guard:
            try:
                result: _Result = again(lambda: self._attempt(piece, is_retry=again.statistics["attempt_number"] > 1))
            except ConnectionLostError as lost:
                _LOG.debug(
                    "the connection to the queue was lost %d times: given up",
                    _LOSSES,
                    extra={"action": Action.GIVE_UP},
                )
                remedy = f"{lost.fault.remedy}; it was lost {_LOSSES} times"
                raise QueueError(got=lost.fault.finding, remedy=remedy) from None
            return result

    def close(self) -> None:
        """End the session, which frees all locks."""
        self._stop.set()
        if self._heart and self._heart is not threading.current_thread():
            self._heart.join()
        with self._guard:
            self._heart = None
            self._stale.clear()
            if self._bound:
                self._bound.session.close()
                self._bound = None

    def _attempt(self, piece: Callable[[BoundSession], _Result], *, is_retry: bool) -> _Result:
        if self._bound is None:
            self._bound = self._reconnect() if self._stale else self._connect()
            if self._stale:
                try:
                    self._end_stale(self._bound)
                    self._reacquire(self._bound)
                except QueueError:
                    # Some claims are not locked yet: nobody may use it, and the next one begins all over.
                    self._lose()
                    raise
                self._stale.clear()
            self._start_heart()
        self._bound.is_retry = is_retry
        return piece(self._bound)

    def _connect(self) -> BoundSession:
        session = self._open(self._settings)
        try:
            session.prepare()
            return BoundSession(session, self._settings.table)
        except QueueError:
            session.close()
            raise

    def _reconnect(self) -> BoundSession:
        """Connect in place of a lost session, with ever longer pauses, as long as the next try is within our patience.

        Raises:
            QueueError: the last try has failed.
        """
        retrying = Retrying(
            stop=stop_before_delay(_PATIENCE * self._settings.connect_timeout_s),
            wait=wait_chain(*map(wait_fixed, _DELAYS_S)),
            retry=retry_if_exception_type(QueueError),
            before_sleep=_tell_of_retry,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            bound: BoundSession = retrying(self._connect)
        except QueueError as error:
            _LOG.debug("%s; given up for now", error, extra={"action": Action.GIVE_UP})
            raise
        _LOG.debug(
            "the connection to the queue was lost and is made anew, at try %d",
            retrying.statistics["attempt_number"],
            extra={"action": Action.RECONNECT},
        )
        return bound

    def _lose(self) -> None:
        if self._bound:
            self._stale.append(self._bound.session)
            self._bound.session.close()
            self._bound = None

    def _end_stale(self, bound: BoundSession) -> None:
        """End lost sessions on the server too, which may not know yet that they are, and keeps our locks from us."""
        until_gone = Retrying(
            stop=stop_after_attempt(_STALE_LOOKS),
            wait=wait_fixed(_STALE_DELAY_S),
            retry=retry_if_result(bool),
            # One that is still there keeps its locks, and its claims are found to be lost.
            retry_error_callback=lambda _: None,
            sleep=self._sleep,
        )
        for session in self._stale:
            _LOG.debug("the session %d, which is lost, is ended", session.pid, extra={"action": Action.END_STALE})
            until_gone(bound.run, "end_stale_session", {"pid": session.pid, "started": session.started})

    def _start_heart(self) -> None:
        if self._heart is None:
            self._stop.clear()
            self._heart = threading.Thread(target=self._send_heartbeats, name="queue-heartbeat", daemon=True)
            self._heart.start()

    def _send_heartbeats(self) -> None:
        while not self._stop.wait(self._settings.heartbeat_s):
            try:
                self.run(lambda bound: bound.run("backend", within_s=self._settings.heartbeat_s))
            except QueueError:
                # Whoever asks next is told; until then there is hope.
                _LOG.debug(
                    "the queue gives no sign of life; it is asked again in %g s",
                    self._settings.heartbeat_s,
                    extra={"action": Action.RETRY},
                )


def _tell_of_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _LOG.debug("%s; the next try to connect is in %g s", error, state.upcoming_sleep, extra={"action": Action.RETRY})
