"""How values become text, as SQL macros of the floor; the rules are those of the contract's last three sections."""

from __future__ import annotations

_SKIPPED = r"\x{00}-\x{09}\x{0b}\x{0c}\x{0e}-\x{20}\x{a0}\x{200b}-\x{200f}\x{2060}\x{feff}"
_TRIGGERS = r"=+\-@|%\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}"
_CONTROL = r"[\x{00}-\x{08}\x{0b}\x{0c}\x{0e}-\x{1f}\x{7f}]"
_FORMULA_LINE = rf"(^|[\r\n])([{_SKIPPED}]*[{_TRIGGERS}])"
_LEGACY = r"[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3])(:[0-5][0-9]){2}:[0-9]{3}[+-]((0[0-9]|1[0-7])[0-5][0-9]|1800)"

CELLS = (
    f"CREATE TEMP MACRO readable(t) AS regexp_replace(t, '{_CONTROL}', '\N{REPLACEMENT CHARACTER}', 'g')",
    rf"CREATE TEMP MACRO guarded(t) AS regexp_replace(t, '{_FORMULA_LINE}', '\1''\2', 'g')",
    # Looking for four characters one by one is several times as fast as one regular expression.
    """
    CREATE TEMP MACRO cell(t) AS
        CASE WHEN contains(t, ',') OR contains(t, '"') OR contains(t, chr(10)) OR contains(t, chr(13))
             THEN '"' || replace(t, '"', '""') || '"' ELSE coalesce(t, '') END
    """,
    "CREATE TEMP MACRO text_cell(t) AS cell(guarded(readable(t)))",
    "CREATE TEMP MACRO cells(texts) AS array_to_string(list_transform(texts, lambda t: text_cell(t)), ',')",
)
"""Control characters, guard and quotes; a null is a blank cell."""

INSTANTS = (
    """
    CREATE TEMP MACRO instant_text(t) AS
        CASE WHEN year(t) BETWEEN 1 AND 9999 THEN strftime(t, '%Y-%m-%d %H:%M:%S:%g+0000') END
    """,
    rf"""
    CREATE TEMP MACRO legacy_instant(t) AS
        CASE WHEN regexp_full_match(t, '{_LEGACY}') AND NOT starts_with(t, '0000') THEN
            TRY_CAST(t[1:10] || ' ' || t[12:19] || '.' || t[21:23] AS TIMESTAMP)
            - to_minutes(CAST(t[24] || '1' AS INTEGER) * (60 * CAST(t[25:26] AS INTEGER) + CAST(t[27:28] AS INTEGER)))
        END
    """,
)

NUMBERS = (
    """
    CREATE TEMP MACRO counter(aggregates, agg, k) AS
        CASE WHEN isfinite(aggregates[k]) THEN aggregates[k] ELSE CAST(agg[k] AS DOUBLE) END
    """,
    """
    CREATE TEMP MACRO percent(completed, leaves) AS
        CASE WHEN leaves > 0
             THEN CAST(floor((least(completed, leaves) * 200 + leaves) / (leaves * 2)) AS INTEGER) END
    """,
    # Halves are decided by the shortest decimal text; what is not near one need not become text.
    """
    CREATE TEMP MACRO cents(score) AS
        CASE WHEN abs(score) < 1e9 AND abs(abs(score) * 100 - floor(abs(score) * 100) - 0.5) > 1e-4
             THEN CAST(round(score * 100) AS BIGINT)
             ELSE TRY_CAST(TRY_CAST(CAST(score AS VARCHAR) AS DECIMAL(38, 2)) * 100 AS BIGINT) END
    """,
    """
    CREATE TEMP MACRO cents_text(c) AS
        CASE WHEN c % 100 = 0 THEN CAST(c // 100 AS VARCHAR)
             WHEN c IS NOT NULL THEN concat(CASE WHEN c < 0 THEN '-' END, abs(c) // 100, '.', abs(c) // 10 % 10,
                                            CASE WHEN c % 10 <> 0 THEN abs(c) % 10 END) END
    """,
)

CERTIFICATES = (
    """
    CREATE TEMP MACRO has_entry(certificates) AS
        coalesce(list_bool_or(list_transform(certificates, lambda m: len(map_keys(m)) > 0)), false)
    """,
)
"""Whether a map of a list has an entry."""

LOCATION_IDS = (
    # The engine's JSON takes a comma at the end, NaN and infinities; outside of texts these show.
    r"""
    CREATE TEMP MACRO is_strict_json(t) AS
        json_valid(t)
        AND NOT regexp_matches(regexp_replace(t, '"(?:[^"\\]|\\.)*"', '""', 'g'), '(?i),\s*[\]}]|nan|inf')
    """,
    """
    CREATE TEMP MACRO has_text_or_no_id(e) AS
        json_type(e) = 'NULL'
        OR (json_type(e) = 'OBJECT' AND coalesce(json_type(e, '$.id'), 'NULL') IN ('NULL', 'VARCHAR'))
    """,
    """
    CREATE TEMP MACRO ids_of_elements(elements) AS
        CASE WHEN list_bool_and(list_transform(elements, lambda e: has_text_or_no_id(e)))
             THEN list_transform(elements, lambda e: e ->> '$.id') END
    """,
    """
    CREATE TEMP MACRO ids_of_json(t) AS
        CASE WHEN is_strict_json(t) THEN
            CASE json_type(t) WHEN 'OBJECT' THEN ids_of_elements([CAST(t AS JSON)])
                              WHEN 'ARRAY' THEN ids_of_elements(json_extract(t, '$[*]')) END
        END
    """,
    "CREATE TEMP MACRO listed_ids(t, ids) AS list_concat(coalesce(ids_of_json(t), []), coalesce(ids, []))",
)
"""A text that can not be read gives null, and so does an empty list of elements; an id may be null."""

MACROS = CELLS + INSTANTS + NUMBERS + CERTIFICATES + LOCATION_IDS
"""In the order in which they build on each other."""
