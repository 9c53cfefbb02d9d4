"""What the sections of the settings have in common."""

from __future__ import annotations

import re

from pydantic import AfterValidator, BaseModel, ConfigDict

from progress_exhaust.errors import Fault, Value, WrongValue

ENVIRONMENT_PREFIX = "PROGRESS_EXHAUST__"


class Section(BaseModel):
    """One section of the settings: unknown keys are faults, values do not change after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def variable_of(section: str, key: str) -> str:
    """Return the name of the environment variable of a setting."""
    return f"{ENVIRONMENT_PREFIX}{section.upper()}__{key.upper()}"


def like(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """Check that a text is like a pattern, whole."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise WrongValue(Fault(expected=expected, got=Value(f'"{text}"')))
        return text

    return AfterValidator(check)
