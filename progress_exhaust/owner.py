"""Which process a folder of ours belongs to, as the note in it tells, and whether that process is no more."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from progress_exhaust.proc import HAS_ENDED, stat_fields, text_of


@dataclass(frozen=True, slots=True, config=ConfigDict(strict=True, extra="forbid"))
class Owner:
    """Which process a folder belongs to; a process id alone may have been given to another.

    Attributes:
        host: name of the machine.
        boot_id: id of the machine's last start; empty where the system does not tell.
        namespace: the process-id namespace, since containers may share a host name.
        process_id: the process.
        started: the process's start, in the system's own ticks; empty where the system does not tell.
    """

    host: str
    boot_id: str
    namespace: str
    process_id: int
    started: str

    def to_json(self) -> str:
        """Return the note that tells this owner."""
        return json.dumps(asdict(self))

    def is_gone(self) -> bool:
        """Whether the process is certainly no more; false where that can not be seen from here."""
        if self.host != socket.gethostname() or not self.boot_id or not _boot_id():
            return False
        if self.boot_id != _boot_id():
            return True
        return self.namespace == _namespace() and self.started != start_of(self.process_id)

    def is_visible(self) -> bool:
        """Whether it can be seen from here what becomes of the process."""
        is_here = self.host == socket.gethostname() and self.boot_id == _boot_id() != ""
        return is_here and self.namespace == _namespace()


_OWNERS = TypeAdapter(Owner)


def this_process() -> Owner:
    """Return the owner that we are."""
    process_id = os.getpid()
    return Owner(socket.gethostname(), _boot_id(), _namespace(), process_id, start_of(process_id))


def owner_of(note: str | None) -> Owner | None:
    """Return the owner in a note, which anybody may have written; None where there is none that can be read."""
    try:
        return _OWNERS.validate_json(note) if note else None
    except ValidationError:
        return None


def start_of(process_id: int) -> str:
    """Return field 22 of the process's stat; empty where there is none, or only what waits for its parent to look."""
    fields = stat_fields(process_id)
    has_run = len(fields) > 19 and fields[0] not in HAS_ENDED
    return fields[19] if has_run else ""


def _boot_id() -> str:
    return text_of(Path("/proc/sys/kernel/random/boot_id")).strip()


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - a magic link, not a path
    except OSError:
        return ""
