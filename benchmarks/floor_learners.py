"""The floor's statements about learners: their names, states and districts, as cells."""

from __future__ import annotations

from collections.abc import Mapping


def learner_statements(tables: Mapping[str, str]) -> dict[str, str]:
    """Return the query of each table up to `learner`, by its name, in order; `enrolment` must be there.

    Args:
        tables: see `floor_tables.subqueries`.
    """
    return {
        "place": _place(tables),
        "organisation": _organisation(tables),
        "school": _school(tables),
        "known": _known(tables),
        "address": _ADDRESS,
        "located": _LOCATED,
        "learner": _LEARNER,
    }


def _place(tables: Mapping[str, str]) -> str:
    """States and districts with their names as they stand in the file; key id."""
    return f"""
        WITH named AS (
            SELECT * FROM {tables["location"]} WHERE id <> '' AND name <> '' AND type IN ('state', 'district')
        ), states AS (SELECT id, text_cell(name) AS name FROM named WHERE type = 'state')
        SELECT n.id, s.id AS state_id, s.name AS state,
               CASE WHEN n.type = 'district' THEN text_cell(n.name) END AS district
        FROM named n LEFT JOIN states s ON s.id = CASE WHEN n.type = 'state' THEN n.id ELSE n.parentid END
    """


def _organisation(tables: Mapping[str, str]) -> str:
    """Organisations with their lists of location ids; key id."""
    return f"""
        SELECT id, organisationtype = '2' AS is_school, listed_ids(orglocation, locationids) AS ids
        FROM {tables["organisation"]} WHERE id <> ''
    """


def _school(tables: Mapping[str, str]) -> str:
    """The school of each learner; key user_id."""
    return f"""
        SELECT m.userid AS user_id, min(m.organisationid) AS school_id
        FROM {tables["user_organisation"]} m JOIN organisation o ON o.id = m.organisationid
        WHERE o.is_school AND m.isdeleted IS NOT TRUE
        GROUP BY m.userid
    """


def _known(tables: Mapping[str, str]) -> str:
    """Learners of the reports who have a row and are not deleted, with what places them; key user_id.

    Organisations are null for the self-signed-up.
    """
    return f"""
        WITH learners AS (
            SELECT id AS user_id, profilelocation, locationids,
                   concat_ws(' ', nullif(trim(firstname, ' '), ''), nullif(trim(lastname, ' '), '')) AS user_name,
                   CASE WHEN rootorgid NOT IN ('', coalesce((SELECT max(value) FROM {tables["system_settings"]}
                                                             WHERE id = 'custodianOrgId'), ''))
                        THEN rootorgid END AS root_id
            FROM {tables["user"]} u SEMI JOIN enrolment e ON e.user_id = u.id
            WHERE isdeleted IS NOT TRUE
        )
        SELECT l.*, s.school_id FROM learners l LEFT JOIN school s ON s.user_id = l.user_id AND l.root_id IS NOT NULL
    """


_ADDRESS = """
    SELECT row_number() OVER () AS address_no, *
    FROM (SELECT DISTINCT profilelocation, locationids, school_id, root_id FROM known)
"""
"""What places learners, each once: many share it, and its JSON is most of the work. Key address_no."""

_LOCATED = """
    WITH listed AS (
        SELECT a.address_no, list_concat(listed_ids(a.profilelocation, a.locationids),
                                         coalesce(s.ids, []), coalesce(r.ids, [])) AS ids
        FROM address a
        LEFT JOIN organisation s ON s.id = a.school_id
        LEFT JOIN organisation r ON r.id = a.root_id
    ), found AS (
        SELECT l.address_no, l.nth, p.*
        FROM (SELECT address_no, unnest(ids) AS id, unnest(range(len(ids))) AS nth FROM listed) l
        JOIN place p ON p.id = l.id
    ), states AS (
        SELECT address_no, arg_min((state_id, state), nth) FILTER (state_id IS NOT NULL) AS first
        FROM found GROUP BY address_no
    )
    SELECT f.address_no, any_value(s.first[2]) AS state,
           arg_min(f.district, f.nth) FILTER (
               f.district IS NOT NULL AND (f.state_id IS NULL OR f.state_id = s.first[1])) AS district
    FROM found f JOIN states s USING (address_no) GROUP BY f.address_no
"""
"""State and district as cells; key address_no."""

_LEARNER = """
    SELECT p.user_id,
           concat(text_cell(p.user_id), ',', text_cell(k.user_name), ',', l.state, ',', l.district) AS cells
    FROM (SELECT DISTINCT user_id FROM enrolment) p
    LEFT JOIN known k USING (user_id)
    LEFT JOIN address a ON a.profilelocation IS NOT DISTINCT FROM k.profilelocation
        AND a.locationids IS NOT DISTINCT FROM k.locationids
        AND a.school_id IS NOT DISTINCT FROM k.school_id AND a.root_id IS NOT DISTINCT FROM k.root_id
    LEFT JOIN located l USING (address_no)
"""
"""The four cells that a learner has in every report; key user_id."""
