"""What ends connections from another thread, and must keep no process from ending."""

from __future__ import annotations

import threading

from progress_exhaust.catalogue.http.cutter import Cutter


def test_deadline_that_is_far_off_keeps_no_process_from_ending() -> None:
    before = set(threading.enumerate())
    with Cutter().deadline(60.0):
        [timer] = set(threading.enumerate()) - before
        assert timer.daemon
