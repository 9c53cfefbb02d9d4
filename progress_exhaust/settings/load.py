"""Reads the settings: one TOML file lies under the environment, and this under the command line.

Variables are `PROGRESS_EXHAUST__<SECTION>__<KEY>`. All faults are reported at once. A secret never stands in the file:
it comes from the environment, or from a file that a `…_file` setting names.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from progress_exhaust.errors import Fault, SettingsError, Value, WrongValue, cause_of
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.section import ENVIRONMENT_PREFIX, Section, variable_of
from progress_exhaust.settings.sections import Settings

_LOG = logging.getLogger(__name__)

_NO_SUCH_SETTING = "no such setting"

Overrides = Mapping[str, Mapping[str, Any]]
"""Settings of the command line: section to key to value."""


def load(file: Path | None, environment: Mapping[str, str], overrides: Overrides) -> Settings:
    """Read settings from a TOML file, the environment and the command line, the later winning.

    Args:
        file: the TOML file, or None for built-in defaults.
        environment: all environment variables; those with the prefix are used.
        overrides: settings of the command line.

    Raises:
        SettingsError: the file can not be read, or settings are wrong; all faults at once, a line each.
    """
    faults: list[Fault] = []
    merged = _from_file(file, faults) if file else {}
    _merge(merged, _from_environment(environment, faults))
    _merge(merged, {section: dict(keys) for section, keys in overrides.items()})
    _read_secret_files(merged, faults)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        faults += map(_fault, error.errors(include_url=False, include_input=False))
    if faults:
        raise SettingsError(faults=faults)
    return settings


def secret_keys() -> frozenset[tuple[str, str]]:
    """Return the (section, key) pairs that hold secrets."""
    return frozenset(
        (section, key)
        for section, model in _sections().items()
        for key, field in model.model_fields.items()
        if field.annotation == SecretStr | None
    )


def parse_date(text: str) -> date:
    """Return the day of `--date`, given as YYYY-MM-DD.

    Raises:
        SettingsError: the text is not such a day.
    """
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError("--date", expected="a day as YYYY-MM-DD", got=Value(f'"{text}"')) from None


def _sections() -> dict[str, type[Section]]:
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def _from_file(file: Path, faults: list[Fault]) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            "reading", object=f"settings from {file}", got=cause_of(error), remedy="give --config an existing file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("reading", object=f"settings from {file}", got=f"not TOML: {error}") from None
    _LOG.debug("settings read from %s", file, extra={"action": Action.SETTINGS_READ})
    for section, key in sorted(secret_keys()):
        keys = content.get(section)
        if isinstance(keys, dict) and key in keys:
            del keys[key]
            remedy = f"set {variable_of(section, key)} or {key}_file"
            faults.append(Fault(f"{section}.{key}", got=f"a secret may not stand in {file.name}", remedy=remedy))
    return content


def _from_environment(environment: Mapping[str, str], faults: list[Fault]) -> dict[str, Any]:
    sections = _sections()
    found: dict[str, Any] = {}
    for variable, text in sorted(environment.items()):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX):
            continue
        section, _, key = variable[len(ENVIRONMENT_PREFIX) :].lower().partition("__")
        model = sections.get(section)
        if model is None or key not in model.model_fields:
            remedy = f"expected {ENVIRONMENT_PREFIX}<SECTION>__<KEY>"
            faults.append(Fault(variable, got=_NO_SUCH_SETTING, remedy=remedy))
            continue
        is_list = "tuple" in str(model.model_fields[key].annotation)
        _LOG.debug("setting %s.%s taken from the environment", section, key, extra={"action": Action.SETTINGS_READ})
        found.setdefault(section, {})[key] = [part.strip() for part in text.split(",")] if is_list else text
    return found


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for section, keys in over.items():
        current = base.setdefault(section, {})
        if isinstance(current, dict):
            current.update(keys)


def _read_secret_files(merged: dict[str, Any], faults: list[Fault]) -> None:
    """Replace each unset secret whose `…_file` is set by that file's text, less the line end."""
    for section, key in sorted(secret_keys()):
        keys = merged.get(section)
        if not isinstance(keys, dict) or keys.get(key) is not None or not keys.get(f"{key}_file"):
            continue
        file = Path(str(keys[f"{key}_file"]))
        try:
            keys[key] = file.read_text(encoding="utf-8").rstrip("\r\n")
            _LOG.debug("secret %s.%s read from %s", section, key, file, extra={"action": Action.SETTINGS_READ})
        except (OSError, UnicodeDecodeError) as error:
            cause = cause_of(error) if isinstance(error, OSError) else "not UTF-8"
            faults.append(Fault(f"{section}.{key}_file", got=f"{file} can not be read: {cause}"))


def _fault(found: ErrorDetails) -> Fault:
    """Return what pydantic has found."""
    place = ".".join(str(part) for part in found["loc"])
    refused = found.get("ctx", {}).get("error")
    if isinstance(refused, WrongValue):
        return replace(refused.fault, doing=place or refused.fault.doing)
    return Fault(place, got=_NO_SUCH_SETTING if found["type"] == "extra_forbidden" else found["msg"])
