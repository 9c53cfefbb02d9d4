"""The job with one fault at its ports: submitted in place of the real one, which knows of no test.

At the point that FAULT_POINT names it writes the file FAULT_FILE, and waits there until that file is gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from progress_exhaust.cli import app as cli
from progress_exhaust.commands import resources, run

_POLL_S = 0.05

# Their ports are replaced under the names that they import these by.
opening: Any = resources
run_command: Any = run


def reached(point: str) -> None:
    """Wait here, once, if this is the point."""
    file = Path(os.environ["FAULT_FILE"])
    if os.environ["FAULT_POINT"] != point or file.with_suffix(".passed").exists():
        return
    file.with_suffix(".passed").touch()
    file.touch()
    while file.exists():
        time.sleep(_POLL_S)


class Around:
    """Passes every call on to a port, with points before and after some of them."""

    def __init__(self, port: Any, before: dict[str, str], after: dict[str, str], matters: Callable[..., bool]) -> None:
        self._port = port
        self._before = before
        self._after = after
        self._matters = matters

    def __getattr__(self, name: str) -> Any:
        if name in ("staging", "drafts"):  # of a local store it is the store itself
            return self
        attribute = getattr(self._port, name)
        if name not in self._before.keys() | self._after.keys():
            return attribute

        def call(*arguments: Any, **options: Any) -> Any:
            matters = self._matters(name, *arguments)
            if matters:
                reached(self._before.get(name, ""))
            result = attribute(*arguments, **options)
            if matters:
                reached(self._after.get(name, ""))
            return result

        return call


def matters_in_store(name: str, *arguments: Any) -> bool:
    """Whether a call is about a wave, a report on its way to its place, or the end of the staging."""
    if name == "publish":
        return str(arguments[1]).endswith(".csv")
    if name == "list_names":
        return str(arguments[0]).rpartition("/")[2].startswith("wave-")
    # The run's own staging: the janitor removes those of others before anything is claimed.
    return _has_claimed and str(arguments[0]).count("/") == 2


def main() -> None:
    """Run the command line with faults around its queue and its store."""
    open_queue, open_store, open_catalogue = run_command.open_queue, opening.open_store, opening.FilesCatalogue
    run_command.open_queue = lambda settings: Around(
        open_queue(settings),
        # Asked straight before each move, and before each wave.
        before={"is_ours": "before_publish", "checkpoint": "before_checkpoint", "complete": "before_commit"},
        after={"claim": "after_claim", "checkpoint": "after_checkpoint", "complete": "after_commit"},
        matters=is_after_staging,
    )
    opening.open_store = lambda *arguments: Around(
        open_store(*arguments),
        before={"list_names": "after_stage", "remove": "before_cleanup"},
        after={"publish": "after_publish"},
        matters=matters_in_store,
    )
    # The module's name stands for a class; here, too, it is only called.
    vars(opening)["FilesCatalogue"] = lambda *arguments: Around(
        open_catalogue(*arguments), before={}, after={"states": "after_search"}, matters=lambda *_: True
    )
    cli.main()


_looks = 0
_has_claimed = False


def is_after_staging(name: str, *arguments: Any) -> bool:
    """Whether a call comes after the wave was staged: a claim is looked at twice before, then once for each move."""
    global _looks, _has_claimed  # noqa: PLW0603 - one job a process
    _looks += name == "is_ours"
    _has_claimed = _has_claimed or name == "claim"
    return name != "is_ours" or _looks > 2


if __name__ == "__main__":
    main()
