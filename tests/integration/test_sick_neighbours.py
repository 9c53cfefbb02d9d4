"""Two requests, the older one sick in some way: the healthy one is made at once, the sick one ends after its tries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.stack.content_index import ContentIndex, search_nodes
from progress_exhaust.stack.postgres import PostgresServer
from tests.reference.report import expected_reports
from tests.support.builders import batches_world
from tests.support.command_line import CommandLine, Ended
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.scripted_server import Handler, Reply, ScriptedServer, says
from tests.support.whole_runs import write_world
from tests.worlds import World

CHANNEL = "root"
SICK, WELL = "do_0", "do_1"
TRIES = 3
PUT_IN_AT = datetime(2026, 1, 2, 3, 4, 5)


@dataclass
class Rig:
    """A world of two courses with a batch each, a queue, an output folder and a content service.

    Attributes:
        line: runs commands in one process.
        world: the world's folder.
        database: the queue.
        output: the output root.
        replies: what the service answers instead, for the tree of the sick course and for searches by its name.
    """

    line: CommandLine
    world: Path
    database: QueueDatabase
    output: Path
    replies: dict[str, Reply] = field(default_factory=dict)
    url: str = ""

    def answer(self, handler: Handler) -> None:
        """Answer as the content service does, but for what is sick."""
        if handler.command == "POST":
            search = handler.seen_body["request"]
            if "name" in search["filters"] and "search" in self.replies:
                self.replies["search"](handler)
                return
            nodes = ContentIndex(self.world / "catalogue", frozenset()).nodes()
            says(200, {"responseCode": "OK", "result": search_nodes(nodes, search)})(handler)
            return
        collection_id = handler.path.rpartition("/")[2]
        if collection_id == SICK and "tree" in self.replies:
            self.replies["tree"](handler)
            return
        says(200, (self.world / "catalogue" / f"{collection_id}.json").read_bytes())(handler)

    def run(self) -> Ended:
        queue = self.database.settings()
        return self.line.run(
            ["run", "--json"],
            PROGRESS_EXHAUST__SOURCE__KIND="snapshot",
            PROGRESS_EXHAUST__SOURCE__SNAPSHOT_DIR=str(self.world / "snapshot"),
            PROGRESS_EXHAUST__CATALOGUE__SEARCH_URL=f"{self.url}/search",
            PROGRESS_EXHAUST__CATALOGUE__HIERARCHY_URL=f"{self.url}/tree",
            PROGRESS_EXHAUST__CATALOGUE__TRIES="2",
            PROGRESS_EXHAUST__CATALOGUE__BACKOFF_S="0.01",
            PROGRESS_EXHAUST__CATALOGUE__TOTAL_TIMEOUT_S="1",
            PROGRESS_EXHAUST__OUTPUT__URL=str(self.output),
            PROGRESS_EXHAUST__QUEUE__DSN=queue.dsn,
            PROGRESS_EXHAUST__QUEUE__PASSWORD=self.database.server.password,
        )

    def put_in(self, request_id: str, minute: int, **data: Any) -> None:
        self.database.insert(
            request_id,
            request_data=json.dumps(data),
            requested_channel=CHANNEL,
            dt_job_submitted=PUT_IN_AT.replace(minute=minute),
            iteration=None,
        )

    def folder(self, request_id: str) -> Path:
        return self.output / "progress-exhaust" / request_id


def tree_that(reply: Reply) -> Callable[[Rig], None]:
    """Make the way in which the tree of the sick course is answered so."""

    def spoil(rig: Rig) -> None:
        rig.put_in("sick", 0, batchId="b-000")
        rig.replies["tree"] = reply

    return spoil


def drip(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while handler.rest(0.05):
        handler.wfile.write(b" ")


def sick_search(rig: Rig) -> None:
    rig.put_in("sick", 0, searchFilter={"request": {"filters": {"name": "course"}}})
    rig.replies["search"] = says(500)


def folder_is_a_file(rig: Rig) -> None:
    rig.put_in("sick", 0, batchId="b-000")
    rig.folder("sick").parent.mkdir(parents=True)
    rig.folder("sick").touch()


def target_is_a_directory(rig: Rig) -> None:
    rig.put_in("sick", 0, batchId="b-000")
    today = datetime.now(UTC)
    # A run that begins before midnight names its files by that day, one after it by the next.
    for day in (today, today + timedelta(days=1)):
        (rig.folder("sick") / f"b-000_progress_{day:%d_%m_%Y}.csv").mkdir(parents=True)


def row_that_can_not_be_closed(rig: Rig) -> None:
    rig.put_in("sick", 0, batchId="b-000")
    rig.database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN "
        "IF NEW.request_id = 'sick' AND NEW.status = 'SUCCESS' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; "
        "END $$ LANGUAGE plpgsql"
    )
    rig.database.execute("CREATE TRIGGER refuse BEFORE UPDATE ON job_request FOR EACH ROW EXECUTE FUNCTION refuse()")


WAYS: dict[str, tuple[Callable[[Rig], None], str]] = {
    "tree answers 500": (tree_that(says(500)), "HTTP 500"),
    "search answers 500": (sick_search, "searching the collections"),
    "folder is a file": (folder_is_a_file, "sick"),
    "tree answers 400": (tree_that(says(400)), "HTTP 400"),
    "tree answers 403": (tree_that(says(403)), "HTTP 403"),
    "tree answers 302": (tree_that(says(302, Location="/elsewhere")), "HTTP 302"),
    "tree answers 429": (tree_that(says(429)), "HTTP 429"),
    "tree answers SERVER_ERROR": (tree_that(says(200, {"responseCode": "SERVER_ERROR"})), "SERVER_ERROR"),
    "tree drips": (tree_that(drip), "no whole answer in 1 s"),
    "tree has a wrong length": (tree_that(says(200, '{"responseCode"', Content_Length="1000")), "tree of collection"),
    "target is a directory": (target_is_a_directory, "a directory stands in its place"),
    "row can not be closed": (row_that_can_not_be_closed, "refused with code P0001"),
}


@pytest.fixture(scope="module")
def world() -> World:
    world = batches_world(2, 2, learners=5)
    for collection_id in (SICK, WELL):
        world.trees[collection_id]["result"]["content"] |= {"channel": CHANNEL, "name": "course"}
    return world


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neighbours")
    write_world(world, folder)
    return folder


@pytest.fixture(scope="module")
def line() -> Iterator[CommandLine]:
    with CommandLine() as line:
        yield line


@pytest.fixture
def rig(line: CommandLine, folder: Path, postgres: PostgresServer, tmp_path: Path) -> Iterator[Rig]:
    with QueueDatabase.make(postgres, NEW) as database:
        rig = Rig(line, folder, database, tmp_path / "out")
        with ScriptedServer(rig.answer) as server:
            rig.url = server.url
            yield rig


@pytest.mark.rule("Q4")
@pytest.mark.parametrize(
    "way",
    [pytest.param(name, marks=[] if number < 3 else [pytest.mark.long]) for number, name in enumerate(WAYS)],
)
def test_healthy_request_is_made_beside_a_sick_one_which_ends_after_its_tries(rig: Rig, world: World, way: str) -> None:
    spoil, cause = WAYS[way]
    spoil(rig)
    rig.put_in("well", 1, batchId="b-001")

    first = rig.run()

    assert first.code == 1, first.err
    well = rig.database.row("well")
    assert (well["status"], well["err_message"]) == ("SUCCESS", None)
    [path] = well["download_urls"]
    assert (rig.output / path).read_bytes() == expected_reports(world)["b-001"].content
    sick = rig.database.row("sick")
    assert (sick["status"], sick["iteration"]) == ("SUBMITTED", 1), first.err
    assert sick["err_message"].startswith(f"Try 1 of {TRIES} failed: ")
    for number in range(2, TRIES + 1):
        assert rig.database.row("sick")["status"] == "SUBMITTED"
        rig.put_in(f"well-{number}", number, batchId="b-001")
        last = rig.run()
        assert rig.database.row(f"well-{number}")["status"] == "SUCCESS"
    sick = rig.database.row("sick")
    assert (sick["status"], sick["iteration"]) == ("FAILED", TRIES), last.err
    assert sick["err_message"].startswith(f"Given up after {TRIES} tries: ")
    assert cause in sick["err_message"]
    assert rig.run().document()["due"] == 0
    assert list((rig.output / "progress-exhaust" / ".staging").iterdir()) == []


@pytest.mark.rule("Q5")
def test_row_that_somebody_else_has_locked_is_passed_over_and_made_when_it_is_free(rig: Rig) -> None:
    rig.put_in("locked", 0, batchId="b-000")
    rig.put_in("well", 1, batchId="b-001")
    with rig.database.server.connect(rig.database.name) as session, session.cursor() as cursor:
        cursor.execute("BEGIN; SELECT FROM job_request WHERE request_id = 'locked' FOR UPDATE")
        ended = rig.run()
        cursor.execute("ROLLBACK")
    assert ended.code == 1, "something is left"
    assert ended.document()["left"] == 1
    assert rig.database.row("well")["status"] == "SUCCESS"
    locked = rig.database.row("locked")
    assert (locked["status"], locked["iteration"]) == ("SUBMITTED", None)
    assert rig.run().code == 0
    assert rig.database.row("locked")["status"] == "SUCCESS"
    assert rig.database.execute("SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory'")[0]["held"] == 0
