"""What a test does when a real service can not be had: it fails where the run is strict, else it is skipped.

`make test` sets PROGRESS_EXHAUST_STRICT_TESTS=1: there a skipped test would be a gap that nobody sees.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from progress_exhaust.errors import ProgressExhaustError

STRICT = "PROGRESS_EXHAUST_STRICT_TESTS"


@contextmanager
def require_or_skip(service: str) -> Iterator[None]:
    """Run the block that gets a service; its failure to do so fails or skips the test, with the reason."""
    try:
        yield
    except ProgressExhaustError as missing:
        sentence = f"{service} can not be had: {missing}"
        if os.environ.get(STRICT) == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(f"{sentence} ({STRICT}=1 makes this a failure)")


def pgbouncer_binary() -> str | None:
    """Where pgbouncer is; its tests are left out where it is not, since a small fake stands for it in all runs."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
