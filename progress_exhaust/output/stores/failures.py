"""What the failures of a store are told as."""

from __future__ import annotations

from py4j.protocol import Py4JJavaError

from progress_exhaust.errors import OutputError, cause_of
from progress_exhaust.file_systems import clause_of

NEXT_STEP = "check output.url, its space and its rights"


class told:  # noqa: N801 - reads as a clause where it is used
    """Turns the failures of a store into `OutputError`, saying what was being done to which place."""

    def __init__(self, action: str, place: object) -> None:
        self._action, self._place = action, str(place)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Py4JJavaError):
            cause = clause_of(str(error.java_exception))
        elif isinstance(error, OSError):
            cause = cause_of(error)
        else:
            return
        raise OutputError(self._action, object=self._place, got=cause, remedy=NEXT_STEP) from None
