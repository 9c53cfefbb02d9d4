"""What the rooms that ask services tell their loggers: an action, a sentence, and no secret."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.http.deadline import SocketDeadline
from progress_exhaust.catalogue.http.health import Health
from progress_exhaust.catalogue.search import states_in
from progress_exhaust.console import logs
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.errors import CatalogueError, SkippedReport
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import CatalogueSettings
from tests.support.scripted_server import Reply, ScriptedServer, found, says, tree_of

TOKEN = "t0p-s3cret"
TREE = {"identifier": "do_1", "children": [], "name": "Secret course"}
PACKAGE = logging.getLogger("progress_exhaust")


@pytest.fixture
def package_logger() -> Iterator[logging.Logger]:
    """The package's logger, which is put back as it was."""
    before = PACKAGE.handlers, PACKAGE.propagate, PACKAGE.level, logging.getLogger().handlers
    yield PACKAGE
    PACKAGE.handlers, PACKAGE.propagate, _, logging.getLogger().handlers = before
    PACKAGE.setLevel(before[2])


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, package_logger: logging.Logger) -> pytest.LogCaptureFixture:
    package_logger.propagate = True
    caplog.set_level(logging.DEBUG, "progress_exhaust")
    return caplog


def lines(told: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what was told, after a look that it is for whoever looks for a cause, and holds no secret."""
    ours = [record for record in told.records if record.name.startswith("progress_exhaust.")]
    for record in ours:
        assert record.levelno == logging.DEBUG
        assert TOKEN not in str(vars(record))
        assert "Secret course" not in str(vars(record))
    return [(vars(record)["action"], record.getMessage()) for record in ours]


def catalogue_at(server: ScriptedServer, **settings: Any) -> HttpCatalogue:
    chosen = {"search_url": f"{server.url}/search", "hierarchy_url": f"{server.url}/tree", "token": TOKEN} | settings
    return HttpCatalogue(CatalogueSettings(**chosen), sleep=lambda _: None, random=lambda: 1.0)


def by_method(get: Reply, post: Reply) -> Reply:
    return lambda handler: (get if handler.command == "GET" else post)(handler)


def test_try_again_is_told(told: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(says(503), tree_of(TREE)) as server, catalogue_at(server) as http:
        http.tree("do_1")
    doing = 'fetching the tree of collection "do_1"'
    assert lines(told) == [(Action.RETRY, f"{doing}: got HTTP 503 at try 1 of 5; the next one is in 0.5 s")]


def test_search_that_is_begun_anew_is_told(told: pytest.LogCaptureFixture) -> None:
    hit = {"identifier": "do_1", "status": "Live"}
    with ScriptedServer(found(hit, count=2), found(hit)) as server, catalogue_at(server) as http:
        http.states(["do_1"])
    assert lines(told) == [
        (Action.RETRY, 'searching 1 collection from "do_1": pages that do not make one list; asked for once more')
    ]


def test_tree_that_is_given_up_and_the_probe_before_it_is_blamed_are_told(told: pytest.LogCaptureFixture) -> None:
    with (
        ScriptedServer(by_method(says(500), found())) as server,
        catalogue_at(server, tries=1) as http,
        pytest.raises(SkippedReport),
    ):
        http.tree("do_1")
    assert lines(told) == [
        (Action.GIVE_UP, 'fetching the tree of collection "do_1": given up, got HTTP 500'),
        (Action.PROBE, "a request has failed: the content service is probed"),
    ]


def test_service_that_is_taken_for_down_is_told(told: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(says(500)) as server, catalogue_at(server, tries=1) as http, pytest.raises(CatalogueError):
        http.tree("do_1")
    *_, last = lines(told)
    assert last == (
        Action.CIRCUIT_OPEN,
        "the content service is taken for down, and asked nothing for 5 s: asking the content service for a sign of "
        "life: HTTP 500 after 2 tries, expected HTTP 200; check catalogue.search_url and try again",
    )


def answers() -> None:
    """Be a probe that is answered."""


def is_away() -> None:
    """Be a probe that is not."""
    raise CatalogueError("no connection")


@pytest.mark.parametrize(
    "comes_back",
    [lambda health: health.note(failed=False), lambda health: health.require(answers)],
    ids=["a request is answered", "a probe is answered"],
)
def test_service_that_is_back_is_told_once(
    told: pytest.LogCaptureFixture, comes_back: Callable[[Health], None]
) -> None:
    now = [0.0]
    health = Health(down_after=5, monotonic=lambda: now[0])
    with pytest.raises(CatalogueError):
        health.require(is_away)
    now[0] = 5.0
    comes_back(health)
    health.note(failed=False)
    told_of_circuit = [line for line in lines(told) if line[0] != Action.PROBE]
    assert told_of_circuit == [
        (Action.CIRCUIT_OPEN, "the content service is taken for down, and asked nothing for 5 s: no connection"),
        (Action.CIRCUIT_CLOSED, "the content service answers again"),
    ]


def test_answer_that_is_cut_off_is_told(told: pytest.LogCaptureFixture) -> None:
    deadline = SocketDeadline()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline.track(ours)
        ours.settimeout(10)
        with deadline.within(0.05):
            assert ours.recv(1) == b"", "the wait ends"
        assert deadline.has_cut
        deadline.close()
    assert lines(told) == [(Action.CUT, "no whole answer of the content service in time: it is cut off")]


@pytest.mark.parametrize("statuses", [("Live", "Retired"), ("Retired", "Live"), ("Retired", "Flagged", "Retired")])
def test_retired_twin_of_a_live_collection_is_told(told: pytest.LogCaptureFixture, statuses: tuple[str, ...]) -> None:
    states_in([("do_1", status) for status in statuses] + [("do_2", "Retired"), ("do_2", "Retired"), ("do_3", "Draft")])
    assert set(lines(told)) == {(Action.TWIN, 'collection "do_1" has a live and a retired node: the live one is taken')}


@pytest.mark.parametrize("log_format", LogFormat)
def test_what_rooms_have_mended_is_shown_with_debug_alone(
    package_logger: logging.Logger, capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    room = logging.getLogger("progress_exhaust.some.room")
    logs.set_up(LogFormat.TEXT, debug=False)
    room.debug("tried again", extra={"action": Action.RETRY})
    assert capsys.readouterr().err == ""
    logs.set_up(log_format, debug=True)
    room.debug("tried again", extra={"action": Action.RETRY})
    told = capsys.readouterr().err
    if log_format is LogFormat.JSON:
        line = json.loads(told)
        assert (line["level"], line["action"], line["sentence"]) == ("debug", "retry", "tried again")
    else:
        assert told.endswith("Z tried again\n")
