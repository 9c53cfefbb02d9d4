"""What Linux tells of processes; on other systems, nothing."""

from __future__ import annotations

from pathlib import Path

HAS_ENDED = ("Z", "X", "x")
"""States of a process that has ended, and that its parent has not looked at yet."""


def stat_fields(process_id: int) -> list[str]:
    """Return the fields of a process's stat from the third on, its state; empty where there is no such process.

    The name before them may hold blanks and brackets.
    """
    return text_of(Path(f"/proc/{process_id}/stat")).rpartition(")")[2].split()


def text_of(path: Path) -> str:
    """Return what a small file of the system's holds; empty where there is none.

    The name of a process may be any bytes.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
