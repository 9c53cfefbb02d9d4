"""The session that holds the locks: how often and with which pauses it is made anew, and what the log tells of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.model import Claim, RequestKey
from progress_exhaust.job_requests.postgres.claims import OpenClaims
from progress_exhaust.job_requests.postgres.session import BoundSession, LockSession
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import QueueSettings, RequestSettings
from tests.support.scripted_sessions import Answer, ScriptedDatabase, lost

KEY = RequestKey("t", "r-1")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
UNHEARD_S = 1000.0
CLAIMED = (
    "PROCESSING",
    '{"batchId": "secret"}',
    "channel",
    NOON,
    "at noon",
    "digest",
    False,
    0,
    False,
    True,
    None,
    False,
)


class Rig:
    """A lock session on a scripted server; pauses take no time and are noted."""

    def __init__(
        self,
        answers: dict[str, list[Answer]] | None = None,
        *,
        refusals: int = 0,
        taken_before: int = 1,
        **settings: Any,
    ) -> None:
        self.slept: list[float] = []
        self.server = ScriptedDatabase(
            {"claim": [[CLAIMED]], **(answers or {})}, refusals=refusals, taken_before=taken_before
        )
        self.claims = OpenClaims("progress-exhaust", RequestSettings())
        self.session = LockSession(
            QueueSettings(**{"connect_timeout_s": 10, "heartbeat_s": UNHEARD_S, **settings}),
            reacquire=self.claims.reacquire,
            sleep=self.slept.append,
            connect=self.server.open,
        )

    def claim(self) -> Claim:
        claim = self.session.run(lambda bound: self.claims.take(bound, KEY, salt="salt", now=NOON))
        assert isinstance(claim, Claim)
        return claim

    def ask(self) -> bool:
        return self.session.run(lambda bound: bool(bound.value("is_ours")))


MakeRig = Callable[..., Rig]


@pytest.fixture
def rig() -> Iterator[MakeRig]:
    made: list[Rig] = []

    def make(*arguments: Any, **options: Any) -> Rig:
        made.append(Rig(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.session.close()


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("progress_exhaust"), "propagate", True)
    caplog.set_level(logging.DEBUG, "progress_exhaust")
    return caplog


def lines(told: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(vars(record)["action"], record.getMessage()) for record in told.records]


def test_work_is_done_again_on_a_new_session(rig: MakeRig) -> None:
    one = rig({"is_ours": [lost, [(True,)]]})
    assert one.ask()
    first, second = one.server.sessions
    assert (first.is_closed, second.is_closed) == (True, False)


def test_work_is_told_that_it_was_begun_before(rig: MakeRig) -> None:
    one = rig({"is_ours": [lost, lost, [(True,)]]})
    tries: list[bool] = []

    def piece(bound: BoundSession) -> None:
        tries.append(bound.is_retry)
        bound.run("is_ours")

    one.session.run(piece)
    one.session.run(piece)
    assert tries == [False, True, True, False]


def test_session_that_is_lost_three_times_is_given_up(rig: MakeRig) -> None:
    one = rig({"is_ours": [lost]})
    with pytest.raises(QueueError, match=r"it was lost 3 times$") as caught:
        one.ask()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(one.server.sessions) == 3
    assert all(session.is_closed for session in one.server.sessions)


def test_other_failures_keep_the_session(rig: MakeRig) -> None:
    def refuse() -> Any:
        raise QueueError("asking PostgreSQL: refused")

    one = rig({"is_ours": [refuse, [(True,)]]})
    with pytest.raises(QueueError, match="refused"):
        one.ask()
    assert one.ask()
    assert len(one.server.sessions) == 1


def test_first_connection_is_tried_once(rig: MakeRig) -> None:
    one = rig(refusals=1, taken_before=0)
    with pytest.raises(QueueError, match="connecting"):
        one.ask()
    assert one.slept == []


def test_pauses_between_tries_to_connect_anew_grow_to_two_seconds(rig: MakeRig) -> None:
    one = rig({"is_ours": [lost, [(True,)]], "end_stale_session": [[]]}, refusals=7)
    assert one.ask()
    assert one.slept == [0.1, 0.2, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_no_pause_goes_beyond_twice_the_time_to_connect(rig: MakeRig) -> None:
    # The pauses themselves take no time here: the one that would reach the end is not begun.
    one = rig({"is_ours": [lost, [(True,)]]}, refusals=99, connect_timeout_s=1)
    with pytest.raises(QueueError, match="connecting"):
        one.ask()
    assert one.slept == [0.1, 0.2, 0.5, 1.0]


def test_lost_session_is_looked_for_until_it_is_gone(rig: MakeRig) -> None:
    one = rig({"is_ours": [lost, [(True,)]], "end_stale_session": [[(True,)], [(True,)], []]})
    assert one.ask()
    assert one.slept == [0.02, 0.02]


def test_lost_session_that_stays_is_not_waited_for_for_ever(rig: MakeRig) -> None:
    one = rig({"is_ours": [lost, [(True,)]], "end_stale_session": [[(True,)]]})
    assert one.ask()
    assert one.server.ran.count("end_stale_session") == 100
    assert set(one.slept) == {0.02}


def test_log_tells_how_a_claim_was_held_again(rig: MakeRig, told: pytest.LogCaptureFixture) -> None:
    one = rig({"is_ours": [lost, [(True,)]], "end_stale_session": [[]]}, refusals=1)
    one.claim()
    assert one.ask()
    assert lines(told) == [
        (
            Action.RETRY,
            "connecting to PostgreSQL: refused; check queue.dsn and its password; the next try to connect is in 0.1 s",
        ),
        (Action.RECONNECT, "the connection to the queue was lost and is made anew, at try 2"),
        (Action.END_STALE, "the session 1, which is lost, is ended"),
        (Action.REACQUIRE, "request r-1: it is locked again on the new session"),
    ]


def test_log_tells_what_was_given_up(rig: MakeRig, told: pytest.LogCaptureFixture) -> None:
    one = rig({"is_ours": [lost], "end_stale_session": [[]]})
    with pytest.raises(QueueError):
        one.ask()
    assert lines(told)[-1] == (Action.GIVE_UP, "the connection to the queue was lost 3 times: given up")
    other = rig({"is_ours": [lost]}, refusals=99, connect_timeout_s=1)
    with pytest.raises(QueueError):
        other.ask()
    assert lines(told)[-1] == (
        Action.GIVE_UP,
        "connecting to PostgreSQL: refused; check queue.dsn and its password; given up for now",
    )


def test_log_tells_of_a_heartbeat_that_is_not_answered(rig: MakeRig, told: pytest.LogCaptureFixture) -> None:
    refused = threading.Event()

    def refuse() -> Any:
        refused.set()
        raise QueueError("asking PostgreSQL: refused")

    one = rig({"backend": [refuse]}, heartbeat_s=0.01)
    one.ask()
    assert refused.wait(10)
    one.session.close()
    assert (Action.RETRY, "the queue gives no sign of life; it is asked again in 0.01 s") in lines(told)


@pytest.mark.parametrize(
    "answers",
    [{"lock": [[(True,)], [(False,)]]}, {"is_to_be_ended": [[(False,)]]}],
    ids=["somebody else holds its lock", "its row was changed"],
)
def test_log_tells_that_a_claim_is_lost(
    rig: MakeRig, told: pytest.LogCaptureFixture, answers: dict[str, list[Answer]]
) -> None:
    one = rig({"is_ours": [lost, [(True,)]], "end_stale_session": [[]], **answers})
    claim = one.claim()
    assert one.ask()
    assert one.claims.held(KEY) is None
    assert one.claims.find(claim), "its end is still asked about"
    assert lines(told)[-1] == (
        Action.CLAIM_LOST,
        "request r-1: it is not ours any more: the connection was lost, and the row has changed",
    )


def test_log_holds_nothing_of_what_is_asked_for(rig: MakeRig, told: pytest.LogCaptureFixture) -> None:
    one = rig({"is_ours": [lost, [(True,)]], "end_stale_session": [[]]}, refusals=1)
    one.claim()
    one.ask()
    assert told.records
    for record in told.records:
        assert record.levelno == logging.DEBUG
        assert "secret" not in str(vars(record))
        assert "digest" not in str(vars(record))
