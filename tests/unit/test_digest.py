"""One read of a file: its length, its hash and its rows, wherever the pieces of the read end."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progress_exhaust.errors import OutputError
from progress_exhaust.output.csv_text import line_text
from progress_exhaust.output.digest import Digest, digest_of
from progress_exhaust.output.stores.local import LocalStore

PIECE_BYTES = 1 << 20


@pytest.mark.parametrize(
    ("content", "row_count"),
    [
        (b"", 0),
        (b"header\n", 1),
        (b"header\nrow\n", 2),
        (b'header\n"two\nlines"\n', 2),
        (b'"a ""quoted"" word\n",b\nrow\n', 2),
        (b'"\n\n\n"\n', 1),
        (b'header\n"",""\n', 2),
        (b"header\r\nrow\n", 2),
        (b'header\n"a\rb"\n', 2),
        (b"header\nrow without an end", 1),
    ],
)
def test_row_ends_at_a_line_feed_outside_quotes(tmp_path: Path, content: bytes, row_count: int) -> None:
    assert digest(tmp_path, content) == Digest(len(content), hashlib.sha256(content).hexdigest(), row_count)


@pytest.mark.parametrize("shift", range(-6, 3))
def test_quoted_line_end_across_two_pieces_of_the_read_ends_no_row(tmp_path: Path, shift: int) -> None:
    row = b'"a""\n""b",c\n'
    content = b"x" * (PIECE_BYTES + shift - 1) + b"\n" + row + row

    assert digest(tmp_path, content).row_count == 3


def test_quotes_in_every_piece_of_a_long_file_are_kept_track_of(tmp_path: Path) -> None:
    row = b'name,"' + b"one\n" * 1001 + b'",""""\n'
    content = row * 1500
    assert len(content) > 5 * PIECE_BYTES

    assert digest(tmp_path, content).row_count == 1500


@given(rows=st.lists(st.lists(st.text('ab,"\r\n '), min_size=1, max_size=4), max_size=8))
@settings(max_examples=50)
def test_rows_are_those_a_csv_reader_finds(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    lines = [line_text(["key", *row]) for row in rows]
    text = "".join(f"{line}\n" for line in lines)

    found = digest(tmp_path_factory.getbasetemp(), text.encode()).row_count

    assert found == len(rows) == len(list(csv.reader(io.StringIO(text, newline=""))))


def digest(folder: Path, content: bytes) -> Digest:
    file = folder / "file.csv"
    file.write_bytes(content)
    return digest_of(LocalStore(folder).pieces(file.name))


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("gone", "reading .*file: it is gone; find out what else removes files there"),
        ("pipe", r"reading .*file: it is no regular file; check output\.url, its space and its rights"),
        ("link", r"reading .*file: .*file is a symbolic link, which is not followed; check output\.url"),
    ],
)
def test_what_is_no_file_any_more_is_a_fault_of_the_output_place(tmp_path: Path, kind: str, sentence: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "file")
    elif kind == "link":
        (tmp_path / "file").symlink_to(__file__)
    with pytest.raises(OutputError, match=sentence):
        digest_of(LocalStore(tmp_path).pieces("file"))
