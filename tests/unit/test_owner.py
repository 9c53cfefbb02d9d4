"""The note that says whose a folder is: what is believed of it, and what not."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from progress_exhaust.owner import owner_of, this_process
from progress_exhaust.spark.janitor import Note, note_bytes

OURS = asdict(this_process())


def test_note_is_read_as_it_was_written() -> None:
    assert owner_of(this_process().to_json()) == this_process()
    assert Note.model_validate_json(note_bytes(["/a", "/b"])) == Note(owner=this_process(), foreign=("/a", "/b"))


@pytest.mark.parametrize(
    "note",
    [
        None,
        "",
        "no JSON",
        "[]",
        "null",
        "[" * 10_000,
        json.dumps(OURS | {"process_id": "1"}),
        json.dumps(OURS | {"process_id": True}),
        json.dumps(OURS | {"process_id": 1.0}),
        json.dumps(OURS | {"started": 1}),
        json.dumps(OURS | {"more": 1}),
        json.dumps({"host": "h"}),
    ],
    ids=lambda note: str(note)[:20],
)
def test_what_no_process_has_written_is_no_owner(note: str | None) -> None:
    assert owner_of(note) is None


def test_what_goes_with_a_folder_is_known_though_its_owner_can_not_be_read() -> None:
    note = Note.model_validate_json(json.dumps({"owner": OURS | {"more": 1}, "foreign": ["/a"]}))
    assert (note.owner, note.foreign) == (None, ("/a",))
