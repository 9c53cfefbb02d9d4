"""Log lines on one request, for whoever looks for them."""

from __future__ import annotations

import logging

from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.log_actions import Action


def log_request(logger: logging.Logger, key: RequestKey, action: Action, sentence: str) -> None:
    """Log what has become of a request.

    Args:
        logger: of the module that has something to tell.
        key: which request.
        action: the same in a word.
        sentence: goes on after the request's id and a colon.
    """
    logger.debug("request %s: %s", key.request_id, sentence, extra={"action": action, "request_id": key.request_id})
