"""What the command line says of requests, looked at before anything is asked of the queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from progress_exhaust.commands.texts import faults_of_text
from progress_exhaust.errors import RequestError, SettingsError
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.model import NewRequest, RequestKey
from progress_exhaust.job_requests.request_data import (
    BATCH_FILTER,
    SEARCH_FILTER,
    RequestedBatches,
    RequestedReports,
    parse_request_data,
    request_data_of,
)
from progress_exhaust.settings.sections import RequestSettings


@dataclass(frozen=True)
class Submission:
    """What the command line says of a request; None where it says nothing.

    Attributes:
        batches: ids of batches.
        search: see `wanted_of`.
        channel: root organisation that asks.
        request_id: names the request.
        tag: of the request.
        requested_by: who asks.
        now: when.
    """

    batches: Sequence[str] | None
    search: str | None
    channel: str
    request_id: str
    tag: str | None
    requested_by: str
    now: datetime

    def of(self, requests: RequestSettings) -> tuple[RequestedReports, NewRequest]:
        """Return what is asked for, and the request to put in.

        Raises:
            SettingsError: see `wanted_of` and `new_request`.
        """
        wanted = wanted_of(self.batches, self.search, requests.max_data_bytes)
        tag = requests.tag if self.tag is None else self.tag
        return wanted, new_request(
            wanted,
            request_id=self.request_id,
            tag=tag,
            channel=self.channel,
            requested_by=self.requested_by,
            now=self.now,
        )


def wanted_of(batches: Sequence[str] | None, search: str | None, max_bytes: int) -> RequestedReports:
    """Return what `--batch` or `--search` asks for.

    Args:
        batches: ids of batches.
        search: a search request as JSON, or the name of a file that holds it.
        max_bytes: most bytes of request data.

    Raises:
        SettingsError: both or neither are given, or what is given is no request.
    """
    if bool(batches) is (search is not None):
        raise SettingsError("submitting: expected one thing to ask for; give --batch ID… or --search FILE|JSON")
    try:
        if search is None:
            wanted = parse_request_data(json.dumps({BATCH_FILTER: list(batches or ())}), max_bytes)
        else:
            # What stands around the search can not be added to from inside it: only the search itself is kept.
            wanted = parse_request_data(f'{{"{SEARCH_FILTER}": {_search_text(search, max_bytes)}\n}}', max_bytes)
    except RequestError as error:
        raise SettingsError(f"submitting: {error}") from None
    return wanted


def new_request(
    wanted: RequestedReports, *, request_id: str, tag: str, channel: str, requested_by: str, now: datetime
) -> NewRequest:
    """Return the request to put in.

    Raises:
        SettingsError: an id, tag, channel or name can not be taken; all faults at once, a line each.
    """
    faults = []
    if not is_safe_id(request_id):
        faults.append(
            "--request-id: expected up to 100 letters, digits, _ . - that start with a letter or digit, without .., "
            f"got {json.dumps(request_id[:100])}"
        )
    for option, text in (("--tag", tag), ("--channel", channel), ("--requested-by", requested_by)):
        faults += [f"{option}: {fault}" for fault in faults_of_text(text)]
    if faults:
        raise SettingsError("\n".join(faults))
    return NewRequest(RequestKey(tag, request_id), request_data_of(wanted), requested_by, channel, now)


def unsafe_ids(wanted: RequestedReports) -> list[str]:
    """Return the batch ids asked for that will be refused."""
    return [one for one in wanted.batch_ids if not is_safe_id(one)] if isinstance(wanted, RequestedBatches) else []


def _search_text(search: str, max_bytes: int) -> str:
    if search.lstrip().startswith("{"):
        return search
    try:
        with Path(search).open("rb") as file:
            # No more than needed to tell that it is too much.
            return file.read(max_bytes + 1).decode("utf-8")
    except (OSError, ValueError) as error:
        got = (error.strerror if isinstance(error, OSError) else None) or "no UTF-8 text"
        name = json.dumps(search[:100])
        raise SettingsError(
            f"--search: {name}: {got}; give a search request as JSON, or a file that holds one"
        ) from None
