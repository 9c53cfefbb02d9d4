"""A claimed request and its files, for tests of what stands above the queue."""

from __future__ import annotations

from datetime import UTC, date, datetime

from progress_exhaust.job_requests.model import Claim, RequestKey
from progress_exhaust.published_file import PublishedFile

NOW = datetime(2024, 1, 1, tzinfo=UTC)
DAY = date(2024, 1, 1)
CLAIM = Claim(
    key=RequestKey("t", "r-1"),
    request_data='{"batchFilter": ["b-0"]}',
    channel="root",
    submitted_at=NOW,
    iteration=0,
    was_orphan=False,
    is_new=True,
    processed=None,
    shares_request_id=False,
    has_key=False,
)


def file_of(batch_id: str, rows: int = 1) -> PublishedFile:
    return PublishedFile(
        path=f"progress-exhaust/r-1/{batch_id}_progress_01_01_2024.csv",
        batch_id=batch_id,
        collection_id="do_1",
        collection_name="",
        audience=None,
        rows=rows,
        size_bytes=10,
        sha256="a" * 64,
    )
