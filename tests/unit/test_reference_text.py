"""The reference's texts: numbers, timestamps, the formula guard and the quoting, by hand-worked cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.reference.csv_text import csv_bytes, guarded, legacy_moment, number_text, rounded, timestamp_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (-0.004, "0"),
        (-0.005, "-0.01"),
        (0.005, "0.01"),
        (1e-7, "0"),
        (2.675, "2.68"),
        (-2.675, "-2.68"),
        (2.665, "2.67"),
        (0.1 + 0.2, "0.3"),
        (99.995, "100"),
        (10.0, "10"),
        (100.0, "100"),
        (2.5, "2.5"),
        (123456789.125, "123456789.13"),
        (12345678901234.567, "12345678901234.57"),
        (999999999999999.0, "999999999999999"),
        (1e14, "100000000000000"),
    ],
)
def test_number_has_two_decimals_at_most_and_no_exponent(value: float, text: str) -> None:
    assert number_text(rounded(value)) == text


@pytest.mark.parametrize(
    ("moment", "zone", "text"),
    [
        (datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC), "UTC", "2020-08-25 13:45:54:150+0000"),
        (datetime(2020, 8, 25, 13, 45, 54, 150_999, UTC), "Asia/Kolkata", "2020-08-25 19:15:54:150+0530"),
        (datetime(2020, 8, 25, 18, 30, tzinfo=UTC), "Asia/Kolkata", "2020-08-26 00:00:00:000+0530"),
        (datetime(2020, 3, 8, 6, 59, 59, tzinfo=UTC), "America/New_York", "2020-03-08 01:59:59:000-0500"),
        (datetime(2020, 3, 8, 7, tzinfo=UTC), "America/New_York", "2020-03-08 03:00:00:000-0400"),
        (datetime(2020, 11, 1, 5, 30, tzinfo=UTC), "America/New_York", "2020-11-01 01:30:00:000-0400"),
        (datetime(2020, 11, 1, 6, 30, tzinfo=UTC), "America/New_York", "2020-11-01 01:30:00:000-0500"),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), "UTC", "1969-12-31 23:59:59:999+0000"),
        (datetime(1, 6, 15, 3, 4, 5, 6000, UTC), "UTC", "0001-06-15 03:04:05:006+0000"),
        (datetime(1, 6, 15, 12, tzinfo=UTC), "America/New_York", "0001-06-15 07:03:58:000-0456"),
        (datetime(9999, 12, 31, 11, 59, tzinfo=UTC), "Asia/Kolkata", "9999-12-31 17:29:00:000+0530"),
        (datetime(9999, 12, 31, 18, 29, 59, tzinfo=UTC), "Asia/Kolkata", "9999-12-31 23:59:59:000+0530"),
        (datetime(9999, 12, 31, 18, 30, tzinfo=UTC), "Asia/Kolkata", ""),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-1))), "UTC", ""),
        (
            datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-1))),
            "America/New_York",
            "9999-12-31 19:00:00:000-0500",
        ),
        (datetime(1, 1, 1, 4, 56, 2, tzinfo=UTC), "America/New_York", "0001-01-01 00:00:00:000-0456"),
        (datetime(1, 1, 1, 4, 56, 1, tzinfo=UTC), "America/New_York", ""),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "UTC", ""),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "Asia/Kolkata", "0001-01-01 00:53:28:000+0553"),
    ],
)
def test_timestamp_is_written_in_the_zone_of_the_report(moment: datetime, zone: str, text: str) -> None:
    assert timestamp_text(moment, zone) == text


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2020-08-25 13:45:54:150+0000", "2020-08-25 13:45:54:150+0000"),
        ("2020-08-25 13:45:54:150-0000", "2020-08-25 13:45:54:150+0000"),
        ("2020-08-25 00:15:54:150+0530", "2020-08-24 18:45:54:150+0000"),
        ("2020-02-29 13:45:54:150-1800", "2020-03-01 07:45:54:150+0000"),
        ("2021-02-29 13:45:54:150+0000", None),
        ("2020-02-30 13:45:54:150+0000", None),
        ("0000-02-03 13:45:54:150+0000", None),
        ("2020-08-25 24:00:00:000+0000", None),
        ("2020-08-25 13:45:60:000+0000", None),
        ("2020-08-25 13:45:54:150+1801", None),
        ("2020-08-25 13:45:54:150+0560", None),
        ("2020-08-25 13:45:54:150Z", None),
        ("2020-08-25 13:45:54:15+0000", None),
        ("2020-8-25 13:45:54:150+0000", None),
        ("2020-08-25 13:45:54:150+0000\n", None),
        ("२०२०-08-25 13:45:54:150+0000", None),
        ("", None),
    ],
)
def test_legacy_date_is_read_only_if_exactly_of_the_pattern(text: str, utc: str | None) -> None:
    moment = legacy_moment(text)
    assert (timestamp_text(moment, "UTC") if moment else None) == utc


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("", ""),
        ("plain", "plain"),
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("|x", "'|x"),
        ("%x", "'%x"),
        ("\uff1dx", "'\uff1dx"),
        ("\uff20x", "'\uff20x"),
        (" =x", "' =x"),
        ("\t\u00a0\u200b\u2060\ufeff=x", "'\t\u00a0\u200b\u2060\ufeff=x"),
        ("\u3000=x", "\u3000=x"),
        ("a=x", "a=x"),
        ("'=x", "'=x"),
        ('"=x', '"=x'),
        ("a\n=x", "a\n'=x"),
        ("a\r=x", "a\r'=x"),
        ("a\r\n=x", "a\r\n'=x"),
        ("\n=x", "\n'=x"),
        ("=a\n-b\n c", "'=a\n'-b\n c"),
        ("a\u2028=x", "a\u2028=x"),
        ("a\u0085=x", "a\u0085=x"),
        ("   ", "   "),
    ],
)
def test_formula_is_made_inert_line_by_line(text: str, inert: str) -> None:
    assert guarded(text) == inert
    assert guarded(inert) == inert


def test_cell_is_quoted_only_for_comma_quote_and_line_ends() -> None:
    lines = [["a", "", " b ", "c;d'"], ["a,b", 'q"q', "x\ry", "x\ny"], ["\u2028", "\t", "é", ""]]
    assert csv_bytes(lines) == (b"a,, b ,c;d'\n" + b'"a,b","q""q","x\ry","x\ny"\n' + "\u2028,\t,é,\n".encode())
