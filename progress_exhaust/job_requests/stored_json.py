"""JSON that the job has stored where others may write too: read so that no content of it can do harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.strict_json import StrictJsonError, parse_json

MOST = 2**63 - 1
"""The biggest number that is one: what a bigint holds."""

Count = Annotated[int, Field(ge=0, le=MOST)]
"""How many of something; in a `Stored` model true, 7.0 and "7" are none."""


def _safe_id(text: str) -> str:
    if not is_safe_id(text):
        raise ValueError("no id that may be part of a path")
    return text


SafeId = Annotated[str, AfterValidator(_safe_id)]
"""An id that may be part of a path."""


class Stored(BaseModel):
    """What is stored as an object: nothing in it is taken for another type, and keys that nobody knows are left out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


def json_of(text: str | None) -> Any:
    """Return what a text says; None where it is no JSON. An integer of more digits than any count has is infinite.

    >>> json_of('[1, 9' + 5000 * '9' + ']'), json_of('{')
    ([1, inf], None)
    """
    try:
        return parse_json(text, constants=True, huge_integers=True) if text else None
    except StrictJsonError:
        return None


def or_else(make_default: Callable[[], object]) -> WrapValidator:
    """Return what has a field that is not as it should be count as if it were not there; the others stay."""

    def validate(value: object, read: ValidatorFunctionWrapHandler) -> object:
        try:
            return read(value)
        except ValidationError:
            return make_default()

    return WrapValidator(validate)
