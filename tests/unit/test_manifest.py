"""The text of a manifest, key by key: others read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from progress_exhaust.errors import Reason, SkippedReport
from progress_exhaust.output.manifest import Manifest
from progress_exhaust.published_file import Column, PublishedFile

TOLD = {
    "schema_version": 1,
    "run_id": "20260824T060000Z-0a1b2c",
    "version": "1.0",
    "started_at": "2026-08-24T06:00:00Z",
    "finished_at": "2026-08-24T06:01:00Z",
    "settings": {"time_zone": "Asia/Kolkata"},
    "files": [
        {
            "path": "progress-exhaust/b-1_progress_24_08_2026.csv",
            "batch_id": "b-1",
            "collection_id": "do_1",
            "collection_name": "Größe",
            "audience": None,
            "rows": 2,
            "size_bytes": 120,
            "sha256": "ab" * 32,
            "columns": [{"header": "Batch Id", "kind": "text", "name": "", "level": ""}],
            "rows_dropped": {"duplicate": 1},
            "warnings": {},
            "guarded_cells": 3,
        }
    ],
    "not_made": [{"id": "b-2", "reason": "unknown_batch", "why": "batch b-2: there is none"}],
}


@pytest.mark.parametrize("request_told", [None, {}, {"id": "r-1"}], ids=repr)
def test_text_has_the_keys_that_others_read(request_told: Mapping[str, object] | None) -> None:
    file = PublishedFile(
        "progress-exhaust/b-1_progress_24_08_2026.csv", "b-1", "do_1", "Größe", None, 2, 120, "ab" * 32,
        [Column("Batch Id", "text", "", "")], {"duplicate": 1}, {}, 3,
    )  # fmt: skip
    manifest = Manifest(
        "20260824T060000Z-0a1b2c",
        "1.0",
        "2026-08-24T06:00:00Z",
        "2026-08-24T06:01:00Z",
        {"time_zone": "Asia/Kolkata"},
        [file],
        [SkippedReport(Reason.UNKNOWN_BATCH, "b-2", "batch", object="b-2", got="there is none")],
        request_told,
    )
    text = "".join(manifest.texts())
    assert json.loads(text) == TOLD | ({} if request_told is None else {"request": request_told})
    assert "Größe" in text
    assert text.startswith('{\n  "schema_version"')
    assert text.endswith("}\n")


@pytest.mark.parametrize("files", [0, 1, 3])
def test_text_is_that_of_the_whole_content_whatever_stands_in_it(files: int) -> None:
    odd = '\x00files\n\x00columns"\\'
    columns = [Column(odd, "static", odd, "1.2"), Column("", "", "", "")]
    made = [
        PublishedFile(odd, f"b-{number}", "do_1", odd, None, 2, 120, "ab", columns[:number], {odd: 1})
        for number in range(files)
    ]
    refusals = [SkippedReport(Reason.BAD_ID, odd, got=odd)]
    manifest = Manifest("run", "1.0", "then", "now", {odd: [odd]}, made, refusals, {"state": odd})

    content = {
        "schema_version": 1,
        "run_id": "run",
        "version": "1.0",
        "started_at": "then",
        "finished_at": "now",
        "settings": {odd: [odd]},
        "files": [asdict(file) for file in made],
        "not_made": [{"id": odd, "reason": "bad_id", "why": odd}],
        "request": {"state": odd},
    }
    assert "".join(manifest.texts()) == json.dumps(content, ensure_ascii=False, indent=2) + "\n"
