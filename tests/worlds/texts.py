"""Odd texts, moments and numbers that rows of a world are made of; all people and places are invented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

FORMULA_TRIGGERS = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
SKIPPED_CHARACTERS = (
    *(chr(code) for code in range(0x21)),
    "\u00a0",
    *(chr(code) for code in range(0x200B, 0x2010)),
    "\u2060",
    "\ufeff",
)
PLAIN_NAMES = (
    "Asha",
    "Bela Novak",
    "Chidi",
    "D'Arcy",
    "Émile",
    "Fen",
    "Grażyna",
    "Hoshi",
    "अनिता",
    "宏",
    "😀",
    "e\u0301",
)
ODD_NAMES = (
    "",
    " ",
    "   ",
    " padded ",
    "  two  words  ",
    "\tTabbed\t",
    "\u00a0hard blank\u00a0",
    "Comma, Inc.",
    'Quote "Q" Quote',
    '"',
    "new\nline",
    "carriage\rreturn",
    "both\r\nof them",
    "ends in newline\n",
    "semi;colon",
    "'apostrophe",
    "null",
    "None",
    "NaN",
    "line\u2028separator",
    "next\u0085line",
    "\u202eright to left\u202c",
    "back\\slash",
    "back\\",
    "1,000",
    "0012",
    "x" * 300,
    "a=b",
    "mail@example.org",
    "\u200b",
    "\u3000wide blank",
    "nul\x00byte",
    "\x00",
    " \x1b[31mred ",
    "delete\x7f",
    "bell\x07, and comma",
    "unit\x1fseparator\n",
    "half\ud83d",
    "\udc00half and \x01",
)

INVALID_LEGACY_DATES = (
    "2020-08-25",
    "2020-8-25 13:45:54:150+0000",
    "2020-08-25 13:45:54:15+0000",
    "2020-08-25 13:45:54:1500+0000",
    "2020-08-25 13:45:54.150+0000",
    "2020-08-25 13:45:54:150",
    "2020-08-25 13:45:54:150Z",
    "2020-08-25 13:45:54:150+00:00",
    "2020-08-25 13:45:54:150 +0000",
    "2020-08-25T13:45:54:150+0000",
    "20200-08-25 13:45:54:150+0000",
    "２０２０-08-25 13:45:54:150+0000",
    "२०२०-०८-२५ 13:45:54:150+0000",
    "2020-02-30 13:45:54:150+0000",
    "2021-02-29 13:45:54:150+0000",
    "2020-13-01 13:45:54:150+0000",
    "2020-00-10 13:45:54:150+0000",
    "2020-08-00 13:45:54:150+0000",
    "2020-04-31 13:45:54:150+0000",
    "2020-08-25 24:00:00:000+0000",
    "2020-08-25 13:60:54:150+0000",
    "2020-08-25 13:45:60:150+0000",
    "2020-08-25 13:45:54:150+1801",
    "2020-08-25 13:45:54:150-1900",
    "2020-08-25 13:45:54:150+0560",
    "2020-08-25 13:45:54:150+05",
    "0000-08-25 13:45:54:150+0000",
    "-2020-08-25 13:45:54:150+0000",
    "+2020-08-25 13:45:54:150+0000",
    " 2020-08-25 13:45:54:150+0000",
    "2020-08-25 13:45:54:150+0000 ",
    "2020-08-25 13:45:54:150+0000\n",
    "2020-08-25  13:45:54:150+0000",
    "2020-08-25 13:45:54:150UTC",
    "1598363154150",
    "null",
    " ",
    "yesterday",
)
VALID_LEGACY_DATES = (
    "2020-08-25 13:45:54:150+0000",
    "2020-08-25 13:45:54:150-0000",
    "2020-08-25 13:45:54:150+0530",
    "2020-02-29 23:59:59:999-0800",
    "2020-08-25 13:45:54:150+1800",
    "2020-08-25 13:45:54:150-1800",
    "2020-08-25 13:45:54:150+1759",
    "2020-03-08 02:30:00:000-0500",
    "2020-11-01 06:30:00:001+0000",
    "1969-12-31 23:59:59:999+0000",
    "0001-06-15 00:00:00:001+0000",
    "9999-12-31 11:59:59:999+0000",
    "2000-01-01 00:00:00:000+0000",
    "0001-01-01 00:00:00:000+1800",
    "9999-12-31 23:59:59:999-1800",
    "9999-12-31 23:59:59:999+0000",
)
NOTABLE_MOMENTS = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 5, 29, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(1, 1, 1, 4, tzinfo=timezone(timedelta(hours=9))),
    datetime(1, 6, 15, 3, 4, 5, 6000, tzinfo=UTC),
    datetime(1582, 10, 10, 1, 2, 3, tzinfo=UTC),
    datetime(1883, 11, 18, 12, 0, 0, 1000, tzinfo=UTC),
    datetime(1905, 6, 1, 12, 0, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2020, 3, 8, 6, 59, 59, 999999, tzinfo=UTC),
    datetime(2020, 3, 8, 7, 0, tzinfo=UTC),
    datetime(2020, 11, 1, 5, 30, tzinfo=UTC),
    datetime(2020, 11, 1, 6, 30, tzinfo=UTC),
    datetime(2020, 8, 25, 18, 30, tzinfo=UTC),
    datetime(9999, 12, 31, 11, 59, 59, 999000, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(9999, 12, 31, 20, tzinfo=timezone(-timedelta(hours=8))),
)
ZONES_WRITTEN = (UTC, UTC, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8)))

SCORES = (
    None,
    0.0,
    -0.0,
    -0.004,
    -0.005,
    0.005,
    1e-7,
    0.1 + 0.2,
    1.0,
    2.5,
    2.675,
    2.665,
    -2.675,
    7.0,
    9.999,
    10.0,
    99.995,
    -3.0,
    123456789.125,
    12345678901234.567,
    999999999999999.0,
    1e15,
    1.5e16,
    1e300,
    float("nan"),
    float("inf"),
    float("-inf"),
)
AGGREGATE_SCORES = (None, 0.0, -0.0, 3.0, 2.675, -1.5, 1e-7, 41.0, float("nan"), float("inf"), float("-inf"))
COMPLETED_COUNTS = (
    None,
    0.0,
    1.0,
    2.0,
    3.0,
    1.5,
    0.5,
    0.25,
    -2.0,
    -0.0,
    7.0,
    1e9,
    float("nan"),
    float("inf"),
    float("-inf"),
)


def chance(rng: Random, probability: float) -> bool:
    """Decide with a probability."""
    return rng.random() < probability


def maybe(rng: Random, value: Item, probability: float = 0.85) -> Item | None:
    """Give a value mostly, else null."""
    return value if chance(rng, probability) else None


def odd_name(rng: Random) -> str | None:
    """Give a name: plain, odd, one that starts as a formula, or null."""
    kind = rng.randrange(10)
    if kind < 4:
        return rng.choice(PLAIN_NAMES)
    if kind < 6:
        return rng.choice(ODD_NAMES)
    return formula_text(rng) if kind < 9 else None


def formula_text(rng: Random) -> str:
    """Give a text of which a line starts, or nearly starts, as a formula."""
    skipped = "".join(rng.choice(SKIPPED_CHARACTERS) for _ in range(rng.choice((0, 0, 1, 1, 2, 3))))
    start = skipped + rng.choice(FORMULA_TRIGGERS) + rng.choice(("", "1+1", "SUM(A1)", "cmd", "x,y", '"q"'))
    before = rng.choice(("", "", "", "first\n", "first\r", "first\r\n", "=a\n=b\n", "'", "x", '"', ";", "\n", "\r"))
    after = rng.choice(("", "", "", "\nlast", "\r\n-last", "\r"))
    return before + start + after


def odd_moment(rng: Random) -> datetime:
    """Give an aware moment with milliseconds or microseconds, written in one of several zones."""
    if chance(rng, 0.35):
        moment = rng.choice(NOTABLE_MOMENTS)
    else:
        moment = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(6 * 365 * 86_400_000))
        if chance(rng, 0.3):
            moment += timedelta(microseconds=rng.randrange(1000))
    try:
        return moment.astimezone(rng.choice(ZONES_WRITTEN))
    except OverflowError:
        return moment


def legacy_date(rng: Random) -> str | None:
    """Give a legacy enrolment date: good, broken, empty or null."""
    return rng.choice((rng.choice(VALID_LEGACY_DATES), rng.choice(INVALID_LEGACY_DATES), "", None))
