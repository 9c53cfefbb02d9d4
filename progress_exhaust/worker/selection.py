"""What claimed requests mean: their batches, what of them may be seen, what is finished already, what is too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from progress_exhaust.catalogue.port import Catalogue, CollectionState
from progress_exhaust.catalogue.refusals import retired
from progress_exhaust.errors import RequestError
from progress_exhaust.export import refusals
from progress_exhaust.export.publishing import described_columns
from progress_exhaust.export.selection import ReportQuery, Selection
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.checkpoint import FinishedFile, reusable
from progress_exhaust.job_requests.messages import too_many_message
from progress_exhaust.job_requests.model import Claim
from progress_exhaust.job_requests.request_data import (
    RequestedBatches,
    RequestedReports,
    RequestedSearch,
    TooManyBatches,
    parse_request_data,
)
from progress_exhaust.output.digest import digest_of
from progress_exhaust.output.stores.port import Store
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.report.model import Batch, Report
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.folders import folders_of_submission
from progress_exhaust.worker.job import Job
from progress_exhaust.worker.previous_run import PreviousRun
from progress_exhaust.worker.record import FoundCollections


def wanted_of(claim: Claim, settings: Settings) -> RequestedReports:
    """Read what a request wants, before anything is asked of anyone.

    Raises:
        RequestError: its data or its id can not be used.
    """
    if claim.has_key:
        raise RequestError("Files protected by a password can not be made yet; ask without one")
    if not is_safe_id(claim.key.request_id):
        raise RequestError("The request id can not name a folder; use letters, digits, _ . -")
    try:
        return parse_request_data(claim.request_data, settings.requests.max_data_bytes)
    except TooManyBatches:
        raise RequestError(too_many_message(settings.requests.reports_per_request)) from None


def query_of(job: Job, catalogue: Catalogue) -> ReportQuery:
    """Return the batches that a request names, or the live collections of its search; retired ones are refused.

    A search is done once a submission: what an earlier driver has found is taken as it was.

    Raises:
        RequestError: the search can not be done.
        StepFailed: this search has failed, while the catalogue answers.
        CatalogueError: the catalogue does not answer.
    """
    asked = job.record.asked
    if asked is None:
        return ReportQuery()
    if isinstance(asked, RequestedBatches):
        return ReportQuery(batches=asked.batch_ids)
    found = job.record.found or _searched(asked, catalogue)
    job.recall(found)
    for collection_id in found.retired:
        job.refuse(retired(collection_id))
    return ReportQuery(collections=found.live)


def _searched(asked: RequestedSearch, catalogue: Catalogue) -> FoundCollections:
    found = catalogue.search(asked.request)
    return FoundCollections(
        *(
            tuple(one.collection_id for one in found if one.state is state)
            for state in (CollectionState.LIVE, CollectionState.RETIRED)
        )
    )


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


def permitted(job: Job, selection: Selection, asked: ReportQuery) -> list[tuple[Batch, str | None]]:
    """Return the batches that a request may see, with their audience, in the order asked for; refuse the others.

    All learners of a batch may be seen, and its audience is None, where its collection is the channel's own, else the
    channel's own learners; where either side has no channel, nobody. A batch without any right is refused in the words
    for one that nobody knows.
    """
    may_see: list[tuple[Batch, str | None]] = []
    channel = job.claim.channel
    for batch in selection.batches:
        if channel and batch.layout.channel:
            is_own = channel == batch.layout.channel
            may_see.append((batch, None if is_own else channel))
        else:
            job.refuse(refusals.unknown_batch(batch.batch_id))
    place = {batch_id: number for number, batch_id in enumerate(asked.batches)}
    # A search names no batch: those come by their id.
    return sorted(may_see, key=lambda pair: (place.get(pair[0].batch_id, 0), pair[0].batch_id))


def finished_before(
    job: Job, previous: PreviousRun, may_see: Sequence[tuple[Batch, str | None]]
) -> list[tuple[FinishedFile, Batch]]:
    """Return what an earlier driver has finished of this submission, with its batches, in the order asked for."""
    usable = reusable(previous.files, job.record.submission, folders_of_submission(job.claim))
    by_report = {(one.file.batch_id, one.file.audience): one for one in usable}
    keyed = [(by_report.get((batch.batch_id, audience)), batch) for batch, audience in may_see]
    return [(one, batch) for one, batch in keyed if one is not None]


def whole_file(file: PublishedFile, batch: Batch, store: Store) -> PublishedFile | None:
    """Return a finished file, with what its collection's layout tells of it, where it is whole, else None.

    Raises:
        OutputError: it can not be read.
    """
    if store.size_bytes(file.path) != file.size_bytes:
        return None
    if digest_of(store.pieces(file.path)).sha256 != file.sha256:
        return None
    layout = batch.layout
    return replace(
        file,
        collection_id=layout.collection_id,
        collection_name=layout.name,
        columns=described_columns(layout),
    )
