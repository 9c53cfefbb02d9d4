"""How values become text, and text the bytes of a file: numbers, timestamps, the formula guard, the quoting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal
from zoneinfo import ZoneInfo

SKIPPED_BEFORE_A_FORMULA = (
    {chr(code) for code in range(0x21)} | {chr(code) for code in range(0x200B, 0x2010)} | {"\u00a0", "\u2060", "\ufeff"}
)
FORMULA_STARTS = set("=+-@|%") | {"\uff1d", "\uff0b", "\uff0d", "\uff20"}

CONTROL_CHARACTERS = {chr(code) for code in [*range(0x20), 0x7F]} - {"\t", "\n", "\r"}

LEGACY_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}):([0-9]{3})([+-])([0-9]{2})([0-9]{2})"
)


def rounded(value: float) -> Decimal:
    """Round the shortest decimal text of a double to 2 decimals, halves away from zero."""
    room_for_any_double = Context(prec=400)
    return Decimal(repr(value)).quantize(Decimal("0.01"), ROUND_HALF_UP, room_for_any_double)


def number_text(value: Decimal) -> str:
    """Write a number without trailing zeros, exponent or negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def timestamp_text(moment: datetime, time_zone: str) -> str:
    """Write a moment as `yyyy-MM-dd HH:mm:ss:SSSZ` in a zone, cutting milliseconds and the offset's seconds.

    One whose year in the zone is none from 0001 to 9999, which are all that Python has, is blank.
    """
    offset = offset_at(moment, ZoneInfo(time_zone))
    try:
        local = moment.replace(tzinfo=None) + (offset - offset_of(moment))
    except OverflowError:
        return ""
    minutes = int(abs(offset.total_seconds())) // 60
    sign = "-" if offset < timedelta(0) and minutes else "+"
    return (
        f"{local.year:04d}-{local.month:02d}-{local.day:02d} "
        f"{local.hour:02d}:{local.minute:02d}:{local.second:02d}:{local.microsecond // 1000:03d}"
        f"{sign}{minutes // 60:02d}{minutes % 60:02d}"
    )


def offset_at(moment: datetime, zone: ZoneInfo) -> timedelta:
    """Return how far a zone is from UTC at a moment."""
    try:
        return offset_of(moment.astimezone(zone))
    except OverflowError:  # in UTC it lies beyond Python's years; no zone changes its offset within two days of there
        inside = datetime(1, 1, 3) if moment.year == 1 else datetime(9999, 12, 29)
        return offset_of(inside.replace(tzinfo=zone))


def offset_of(moment: datetime) -> timedelta:
    """Return the offset of a moment that has a zone."""
    offset = moment.utcoffset()
    assert offset is not None
    return offset


def legacy_moment(text: str) -> datetime | None:
    """Read a legacy enrolment date, or give None where it is not exactly of the pattern."""
    match = LEGACY_DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, milli = (int(part) for part in match.groups()[:7])
    offset_hours, offset_minutes = int(match[9]), int(match[10])
    offset = timedelta(hours=offset_hours, minutes=offset_minutes)
    if offset_minutes > 59 or offset > timedelta(hours=18):
        return None
    zone = timezone(-offset if match[8] == "-" else offset)
    try:
        return datetime(year, month, day, hour, minute, second, milli * 1000, tzinfo=zone)
    except ValueError:
        return None


def has_control_character(text: str) -> bool:
    """Tell whether a text has a control character other than TAB, LF and CR."""
    return any(character in CONTROL_CHARACTERS for character in text)


def readable(text: str) -> str:
    """Put U+FFFD in the place of such control characters, and of halves of surrogate pairs."""
    return "".join(
        "\ufffd" if character in CONTROL_CHARACTERS or 0xD800 <= ord(character) <= 0xDFFF else character
        for character in text
    )


def guarded(text: str) -> str:
    """Put a `'` in front of every line of a cell that a spreadsheet would run as a formula."""
    lines = re.split(r"(?<=[\r\n])", text)
    return "".join("'" + line if starts_a_formula(line) else line for line in lines)


def starts_a_formula(line: str) -> bool:
    """Tell whether the first character of a line that counts is one a formula starts with."""
    for character in line:
        if character not in SKIPPED_BEFORE_A_FORMULA:
            return character in FORMULA_STARTS
    return False


def quoted(text: str) -> str:
    """Quote a cell if it holds a comma, a quote, CR or LF, and only then."""
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_bytes(lines: Iterable[Sequence[str]]) -> bytes:
    """Write lines of cells as UTF-8 without BOM, each line ended by LF."""
    return "".join(",".join(quoted(cell) for cell in line) + "\n" for line in lines).encode("utf-8")
