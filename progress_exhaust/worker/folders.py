"""Where a request's files are under the output root."""

from __future__ import annotations

import hashlib

from progress_exhaust.job_requests.model import Claim
from progress_exhaust.paths import ROOT

MANIFEST = "manifest.json"
_NOT_IN_AN_ID = "~"
"""Joins a request id and a hash of its tag; an id that ends like a hash is another name then."""


def request_folder(claim: Claim) -> str:
    """Return the folder of a request's files, which no other request has: its tag is in it where ids are not enough."""
    return _folder(claim, joined_by=_NOT_IN_AN_ID)


def folders_of_submission(claim: Claim) -> tuple[str, ...]:
    """Return where files of a request may be: its folder, and the one earlier versions took, maybe another's too."""
    return tuple(dict.fromkeys((request_folder(claim), _folder(claim, joined_by="."))))


def _folder(claim: Claim, *, joined_by: str) -> str:
    plain = f"{ROOT}/{claim.key.request_id}"
    if not claim.shares_request_id:
        return plain
    return f"{plain}{joined_by}{hashlib.sha256(claim.key.tag.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
