"""The content service of the demo behaves as the real one where that matters to a client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.port import CollectionState
from progress_exhaust.settings.sections import CatalogueSettings
from progress_exhaust.stack.content_index import COLLECTION
from progress_exhaust.stack.content_service import ContentService

ALL_STATUSES = ["Live", "Unlisted", "Flagged", "Retired"]


def store(folder: Path, collection_id: str, **fields: Any) -> None:
    content = {"identifier": collection_id, "children": [{"identifier": "leaf"}], **fields}
    (folder / f"{collection_id}.json").write_text(json.dumps({"responseCode": "OK", "result": {"content": content}}))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ContentService]:
    for number in range(105):
        store(
            tmp_path, f"do_{number:03}", status="Live", primaryCategory="Course" if number % 2 else "Digital Textbook"
        )
    store(tmp_path, "do_old", status="Retired")
    store(tmp_path, "do_plain")
    (tmp_path / "broken.json").write_text("{")
    with ContentService(tmp_path) as running:
        yield running


def search(service: ContentService, **request: Any) -> dict[str, Any]:
    answer = requests.post(service.search_url, json={"request": request}, timeout=10)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    assert body["responseCode"] == "OK"
    result: dict[str, Any] = body["result"]
    return result


def ids(result: dict[str, Any]) -> list[str]:
    return [hit["identifier"] for hit in result.get("content", [])]


def test_search_gives_a_hundred_hits_unless_told_otherwise(service: ContentService) -> None:
    result = search(service, filters={})
    assert (result["count"], len(result["content"])) == (106, 100)
    assert len(search(service, filters={}, limit=1000)["content"]) == 106


def test_empty_list_in_a_filter_is_dropped(service: ContentService) -> None:
    assert search(service, filters={"identifier": []})["count"] == 106


def test_without_a_status_only_live_nodes_come_back(service: ContentService) -> None:
    assert search(service, filters={"identifier": ["do_old"]}) == {"count": 0}


def test_asking_for_retired_nodes_gives_their_twins_too(service: ContentService) -> None:
    result = search(
        service, filters={"identifier": ["do_old", "do_plain"], "status": ALL_STATUSES}, fields=["identifier"]
    )
    assert result == {
        "count": 3,
        "content": [{"identifier": "do_old"}, {"identifier": "do_old"}, {"identifier": "do_plain"}],
    }


def test_pages_follow_offset_limit_and_order(service: ContentService) -> None:
    request = {"filters": {"primaryCategory": "Course"}, "sort_by": {"identifier": "desc"}, "limit": 2}
    assert ids(search(service, **request)) == ["do_103", "do_101"]
    assert ids(search(service, **request, offset=2)) == ["do_099", "do_097"]


def test_paging_beyond_ten_thousand_is_refused(service: ContentService) -> None:
    body = {"request": {"filters": {}, "offset": 9_901}}
    assert requests.post(service.search_url, json=body, timeout=10).status_code == 400


@pytest.mark.parametrize(
    "request_",
    [{"filters": {"level": {">": 3}}}, {"filters": {"level": [{">": 3}]}}, {"filters": {}, "query": "x"}],
    ids=repr,
)
def test_search_that_is_not_known_here_is_refused(service: ContentService, request_: dict[str, Any]) -> None:
    assert requests.post(service.search_url, json={"request": request_}, timeout=10).status_code == 400


def test_node_without_a_mime_type_is_a_collection(service: ContentService, tmp_path: Path) -> None:
    store(tmp_path, "do_video", mimeType="video/mp4")
    filters = {"mimeType": "application/vnd.ekstep.content-collection", "identifier": ["do_video", "do_plain"]}
    assert ids(search(service, filters=filters)) == ["do_plain"]


def test_null_fields_are_not_in_the_index(service: ContentService, tmp_path: Path) -> None:
    store(tmp_path, "do_null", status=None, channel=None)
    result = search(service, filters={"identifier": "do_null"}, fields=["identifier", "channel", "status"])
    assert result == {"count": 1, "content": [{"identifier": "do_null", "status": "Live"}]}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"request": 7}', b"{"], ids=repr)
def test_junk_is_the_clients_fault(service: ContentService, body: bytes) -> None:
    assert requests.post(service.search_url, data=body, timeout=10).status_code == 400


def test_hierarchy_is_the_file(service: ContentService, tmp_path: Path) -> None:
    answer = requests.get(f"{service.hierarchy_url}/do_old?mode=edit", timeout=10)
    assert answer.content == (tmp_path / "do_old.json").read_bytes()


@pytest.mark.parametrize("collection_id", ["do_none", "%2e%2e", "..%2fdo_old", ""])
def test_hierarchy_that_is_not_there(service: ContentService, collection_id: str) -> None:
    answer = requests.get(f"{service.hierarchy_url}/{collection_id}", timeout=10)
    assert answer.status_code == 404
    assert answer.json()["responseCode"] == "RESOURCE_NOT_FOUND"


def test_changed_file_is_seen(service: ContentService, tmp_path: Path) -> None:
    assert search(service, filters={"identifier": "do_new"})["count"] == 0
    store(tmp_path, "do_new")
    assert search(service, filters={"identifier": "do_new"})["count"] == 1
    store(tmp_path, "do_new", status="Draft")
    assert search(service, filters={"identifier": "do_new"})["count"] == 0


def test_call_without_the_token_is_refused(tmp_path: Path) -> None:
    store(tmp_path, "do_1")
    with ContentService(tmp_path, token="secret") as service, requests.Session() as session:
        assert session.get(f"{service.hierarchy_url}/do_1", timeout=10).status_code == 401
        assert session.post(service.search_url, json={"request": {}}, timeout=10).status_code == 401
        session.headers["Authorization"] = "Bearer secret"
        assert session.get(f"{service.hierarchy_url}/do_1", timeout=10).status_code == 200


def test_idle_connections_do_not_hold_up_the_end(tmp_path: Path) -> None:
    store(tmp_path, "do_1")
    with requests.Session() as session:
        with ContentService(tmp_path) as service:
            session.get(f"{service.hierarchy_url}/do_1", timeout=10)
            started = time.monotonic()
        assert time.monotonic() - started < 2


def test_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    store(catalogue, "do_1")
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "progress_exhaust.stack.content_service", "--directory", str(catalogue)]
    with subprocess.Popen([*command, "--port", "0", "--port-file", str(port_file)]) as process:
        try:
            deadline = time.monotonic() + 20
            while not port_file.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            address = f"http://127.0.0.1:{int(port_file.read_text())}/collection/v1/hierarchy/do_1"
            assert requests.get(address, timeout=10).status_code == 200
        finally:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 0


def test_units_and_question_sets_are_hits_in_lists_by_object_type(tmp_path: Path) -> None:
    unit = {"identifier": "do_unit", "mimeType": COLLECTION, "visibility": "Parent", "children": []}
    questions = {"identifier": "do_qs", "objectType": "QuestionSet", "mimeType": "application/vnd.sunbird.questionset"}
    nested = {"identifier": "do_nested", "mimeType": COLLECTION, "visibility": "Default", "children": [questions]}
    store(tmp_path, "do_1", channel="c", children=[unit, nested, {"identifier": "do_leaf"}])
    with ContentService(tmp_path) as service:
        result = search(service, filters={"channel": "c"}, fields=["identifier", "visibility"])
    assert result == {
        "count": 3,
        "content": [
            {"identifier": "do_1", "visibility": "Default"},
            {"identifier": "do_unit", "visibility": "Parent"},
        ],
        "QuestionSet": [{"identifier": "do_qs", "visibility": "Default"}],
    }


def test_collection_that_is_being_edited_has_a_twin_where_other_than_published_states_are_asked_for(
    tmp_path: Path,
) -> None:
    store(tmp_path, "do_1")
    with ContentService(tmp_path, edited=["do_1"]) as service:
        twice = search(service, filters={"status": ["Live", "Draft"]}, fields=["identifier", "status"])
        once = search(service, filters={"status": ["Live", "Unlisted"]})
    assert twice["content"] == [
        {"identifier": "do_1", "status": "Live"},
        {"identifier": "do_1", "status": "Draft"},
    ]
    assert once["count"] == 1


def test_search_of_a_request_reads_the_platforms_manners(tmp_path: Path) -> None:
    """A hundred and twenty courses, of which some are being edited or retired, with units and question sets."""
    for number in range(120):
        unit = {"identifier": f"do_{number:03}_u", "mimeType": COLLECTION, "visibility": "Parent", "children": []}
        questions = {"identifier": f"do_{number:03}_q", "objectType": "QuestionSet"}
        status = "Retired" if number % 10 == 9 else "Live"
        store(tmp_path, f"do_{number:03}", channel="c", status=status, children=[unit, questions])
    with ContentService(tmp_path, edited=[f"do_{number:03}" for number in range(0, 120, 3)]) as service:
        settings = CatalogueSettings(search_url=service.search_url, hierarchy_url=service.hierarchy_url)
        with HttpCatalogue(settings) as http:
            hits = http.search({"request": {"filters": {"channel": "c"}}})
    assert [hit.collection_id for hit in hits] == [f"do_{number:03}" for number in range(120)]
    assert sum(hit.state is CollectionState.RETIRED for hit in hits) == 12
