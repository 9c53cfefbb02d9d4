"""What claimed requests mean: their batches, what of them may be seen, what is finished already, what is too much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from progress_exhaust.catalogue.port import Catalogue, CollectionState
from progress_exhaust.catalogue.refusals import retired
from progress_exhaust.errors import RequestError
from progress_exhaust.export import refusals
from progress_exhaust.export.publishing import described_columns
from progress_exhaust.export.selection import ReportQuery, Selection
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.checkpoint import Entry, request_sha256, reusable, submission_of
from progress_exhaust.job_requests.model import Claim
from progress_exhaust.job_requests.request_data import RequestedBatches, RequestedReports, parse_request_data
from progress_exhaust.output.digest import digest_of
from progress_exhaust.output.manifest import MadeFile
from progress_exhaust.output.stores.port import Store
from progress_exhaust.report.model import Batch, Report
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.job import RequestWork, earlier_folder, request_folder
from progress_exhaust.worker.resume import Earlier, FileCounts


def wanted_of(claim: Claim, settings: Settings) -> RequestedReports:
    """Read what a request wants, before anything is asked of anyone.

    Raises:
        RequestError: its data or its id can not be used.
    """
    if claim.has_key:
        raise RequestError("Files protected by a password can not be made yet; ask without one")
    if not is_safe_id(claim.key.request_id):
        raise RequestError("The request id can not name a folder; use letters, digits, _ . -")
    return parse_request_data(claim.request_data, settings.requests.max_data_bytes)


def asked_by(work: RequestWork, wanted: RequestedReports, catalogue: Catalogue) -> ReportQuery:
    """Return the batches that a request names, or the live collections of its search; retired ones are refused.

    A search is done once a submission: what an earlier driver has found is taken as it was.

    Raises:
        RequestError: the search can not be done.
        StepFailed: this search has failed, while the catalogue answers.
        CatalogueError: the catalogue does not answer.
    """
    if isinstance(wanted, RequestedBatches):
        return ReportQuery(batches=wanted.batch_ids)
    if work.found is None:
        found = catalogue.search(wanted.request)
        live, gone = (
            tuple(one.collection_id for one in found if one.state is state)
            for state in (CollectionState.LIVE, CollectionState.RETIRED)
        )
        work.found = live, gone
    live_ids, retired_ids = work.found
    for collection_id in retired_ids:
        work.refuse(retired(collection_id))
    return ReportQuery(collections=tuple(live_ids))


class Reports:
    """The reports of a set of requests: each (batch, audience) once, whoever asks for it."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[int, str | None], Report] = {}

    def number_of(self, batch: Batch, audience: str | None) -> int:
        """Return the number of a report, which is a new one where nobody has asked for it."""
        fresh = Report(len(self._by_key), batch, audience)
        return self._by_key.setdefault((batch.batch_no, audience), fresh).report_no

    def numbered(self, numbers: set[int]) -> list[Report]:
        """Return the reports of these numbers, in their order."""
        return [report for report in self._by_key.values() if report.report_no in numbers]


def permitted(work: RequestWork, selection: Selection, asked: ReportQuery) -> list[tuple[Batch, str | None]]:
    """Return the batches that a request may see, with their audience, in the order asked for; refuse the others.

    All learners of a batch may be seen, and its audience is None, where its collection is the channel's own, else the
    channel's own learners; where either side has no channel, nobody. A batch without any right is refused in the words
    for one that nobody knows.
    """
    may_see = []
    for batch in selection.batches:
        if work.claim.channel and batch.layout.channel:
            is_own = work.claim.channel == batch.layout.channel
            may_see.append((batch, None if is_own else work.claim.channel))
        else:
            work.refuse(refusals.unknown_batch(batch.batch_id))
    place = {batch_id: number for number, batch_id in enumerate(asked.batches)}
    # A search names no batch: those come by their id.
    return sorted(may_see, key=lambda pair: (place.get(pair[0].batch_id, 0), pair[0].batch_id))


def finished_entries(
    claim: Claim, earlier: Earlier, may_see: Sequence[tuple[Batch, str | None]]
) -> list[tuple[Entry, Batch]]:
    """Return what an earlier driver has finished of this submission, with its batches, in the order asked for."""
    usable = reusable(
        earlier.entries,
        submitted_at=submission_of(claim.submitted_at),
        request_sha256=request_sha256(claim.request_data),
        folders={request_folder(claim), earlier_folder(claim)},
    )
    by_report = {(entry.batch_id, entry.audience): entry for entry in usable}
    keyed = [(by_report.get((batch.batch_id, audience)), batch) for batch, audience in may_see]
    return [(entry, batch) for entry, batch in keyed if entry is not None]


def used_again(entry: Entry, batch: Batch, earlier: Earlier, store: Store, scratch: Path) -> MadeFile | None:
    """Return a finished file where it is whole, else None.

    Raises:
        OutputError: it can not be read; so does an OSError tell.
    """
    if not _is_whole(entry, store, scratch):
        return None
    return _made_file(entry, batch, earlier.counts.get(entry.file_path, FileCounts()))


def _is_whole(entry: Entry, store: Store, scratch: Path) -> bool:
    if store.size_bytes(entry.file_path) != entry.file_size:
        return False
    digest = digest_of(store.local_copy(entry.file_path, scratch))
    return digest.sha256 == entry.sha256


def _made_file(entry: Entry, batch: Batch, counts: FileCounts) -> MadeFile:
    layout = batch.layout
    return MadeFile(
        path=entry.file_path,
        batch_id=batch.batch_id,
        collection_id=layout.collection_id,
        collection_name=layout.name,
        audience=entry.audience,
        rows=entry.rows,
        size_bytes=entry.file_size,
        sha256=entry.sha256,
        columns=described_columns(layout),
        rows_dropped=counts.rows_dropped,
        warnings=counts.warnings,
        guarded_cells=counts.guarded_cells,
    )
