"""The statements of the floor: each makes one table, and the last query gives the files.

Widths are those of the widest collection: `done0`, `done1`, … stand for the collection itself and its nested ones,
`s0`, `s1`, … for the assessments; a narrower collection has nulls in what it lacks. Joins stand in the order in which
they are to run.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.floor_layouts import RequestedReports
from benchmarks.floor_learners import learner_statements

_WORD_BITS = 62


def statements(tables: Mapping[str, str], wanted: RequestedReports, *, tie_rule: bool) -> dict[str, str]:
    """Return the query of each table that `files` needs, by its name, in order.

    Args:
        tables: see `floor_tables.subqueries`; the small tables of `floor_layouts` must be there, too.
        wanted: what is reported on.
        tie_rule: whether the best of equal attempts is looked for, whose score is the same.
    """
    positions, assessments = range(wanted.nested + 1), range(wanted.assessments)
    return {
        "enrolment": _enrolment(tables),
        "done": _done(tables, positions, wanted.most_leaves),
        "scored": _SCORED,
        "best": _best(tables, assessments, tie_rule=tie_rule),
        "asking": _asking(assessments),
        "recorded": _recorded(tables, positions, assessments),
        **learner_statements(tables),
        "refused": _refused(tables),
    }


def files(tables: Mapping[str, str], wanted: RequestedReports) -> str:
    """Return the query of the reports: the batch id, and the bytes of the file.

    Args:
        tables: see `floor_tables.subqueries`; those of `statements` must be there.
        wanted: what is reported on.
    """
    lines = _lines(tables, range(wanted.nested + 1), range(wanted.assessments))
    return f"""
        SELECT b.batch_id, encode(concat(cells(l.header), chr(10), body.lines))
        FROM batch b JOIN layout l USING (collection_no) LEFT JOIN
             (SELECT batch_no, string_agg(line, '' ORDER BY user_id) AS lines FROM ({lines}) GROUP BY batch_no) body
             USING (batch_no)
        WHERE b.batch_no NOT IN (SELECT batch_no FROM refused)
    """


def _enrolment(tables: Mapping[str, str]) -> str:
    """Rows to keep; key row_key. Nothing of their maps of contents is read yet."""
    return f"""
        SELECT e.row_key, b.batch_no, b.collection_no, e.userid AS user_id,
               CASE WHEN e.enrolled_date IS NULL THEN legacy_instant(e.enrolleddate) ELSE e.enrolled_date END
                   AS enrolled_at,
               e.completedon AS completed_at,
               has_entry(e.certificates) OR has_entry(e.issued_certificates) AS is_certified,
               CASE WHEN e.completionpercentage IS NOT NULL THEN least(greatest(e.completionpercentage, 0), 100) END
                   AS noted_percent,
               CAST(e.progress AS DOUBLE) AS noted_leaves
        FROM {tables["user_enrolments"]} e
        JOIN batch b ON e.batchid = b.batch_id AND e.courseid = b.collection_id
        WHERE e.active AND e.userid <> ''
    """


def _done(tables: Mapping[str, str], positions: range, most_leaves: int) -> str:
    """Completed leaves, by position; key row_key. A row whose map of contents is null or empty is not in it.

    A leaf adds one to the counts of all positions it is a leaf of. They stand side by side in a word, since one sum
    takes a fraction of the time of many.
    """
    bits = max(1, most_leaves.bit_length())
    in_word = _WORD_BITS // bits
    words = range(-(-len(positions) // in_word))
    ones = ", ".join(
        f"CAST(coalesce(list_sum([CAST(1 AS BIGINT) << ({bits} * (p % {in_word})) FOR p IN positions "
        f"IF p // {in_word} = {word}]), 0) AS BIGINT) AS word{word}"
        for word in words
    )
    counts = ", ".join(
        f"CAST(word{at // in_word} >> {bits * (at % in_word)} & {(1 << bits) - 1} AS DOUBLE) AS done{at}"
        for at in positions
    )
    return f"""
        WITH weight AS (
            SELECT collection_no, leaf_id, {ones} FROM leaf
        ), content AS (
            SELECT e.row_key, b.collection_no,
                   unnest(map_keys(e.contentstatus)) AS leaf_id, unnest(map_values(e.contentstatus)) AS status
            FROM {tables["user_enrolments"]} e
            JOIN batch b ON e.batchid = b.batch_id AND e.courseid = b.collection_id
            WHERE e.active AND e.userid <> ''
        ), summed AS (
            SELECT c.row_key,
                   {_each(words, "CAST(coalesce(sum(w.word{0}) FILTER (c.status = 2), 0) AS BIGINT) AS word{0}")}
            FROM content c
            LEFT JOIN weight w ON w.collection_no = c.collection_no AND w.leaf_id = c.leaf_id
            GROUP BY c.row_key
        )
        SELECT row_key, {counts} FROM summed
    """


_SCORED = """
    SELECT b.batch_no, b.batch_id, b.collection_id,
           unnest(l.assessment_ids) AS content_id, unnest(range(len(l.assessment_ids))) AS ordinal
    FROM batch b JOIN layout l USING (collection_no)
"""
"""The assessments of each batch; key (batch_no, ordinal)."""


def _best(tables: Mapping[str, str], assessments: range, *, tie_rule: bool) -> str:
    """Best usable scores, by ordinal; key row_key. The highest, then the latest, then the smallest attempt id."""
    rank = "(-total_score, -coalesce(epoch_us(last_attempted_on), -9223372036854775807), attempt_id)"
    best = f"arg_min(total_score, {rank})" if tie_rule else "max(total_score)"
    return f"""
        SELECT e.row_key {_more(assessments, best + " FILTER (ordinal = {0}) AS s{0}")}
        FROM {tables["assessment_aggregator"]} a
        JOIN scored s ON a.batch_id = s.batch_id AND a.course_id = s.collection_id AND a.content_id = s.content_id
        JOIN enrolment e ON e.batch_no = s.batch_no AND e.user_id = a.user_id
        WHERE isfinite(a.total_score) AND a.total_score < 1e15 AND a.attempt_id <> ''
        GROUP BY e.row_key
    """


def _asking(assessments: range) -> str:
    """Rows that lack contents or a score; key row_key."""
    lacks_score = _more(assessments, "(len(l.assessment_ids) > {0} AND best.s{0} IS NULL)", " OR ")
    return f"""
        SELECT e.row_key, e.user_id, e.collection_no, 'cb:' || b.batch_id AS context_id
        FROM enrolment e JOIN batch b USING (batch_no) JOIN layout l ON l.collection_no = e.collection_no
        LEFT JOIN done USING (row_key) LEFT JOIN best USING (row_key)
        WHERE done.row_key IS NULL {lacks_score}
    """


def _recorded(tables: Mapping[str, str], positions: range, assessments: range) -> str:
    """What activity rows say of those who ask; key row_key. Adds r0, … by position, t0, … by ordinal."""
    completed = _each(positions, "max(completed) FILTER (position = {0}) AS r{0}")
    return f"""
        WITH counters AS (
            SELECT q.row_key, y.position, counter(a.aggregates, a.agg, 'completedCount') AS completed,
                   CASE WHEN y.position = 0 THEN
                       list_transform(l.assessment_ids, lambda id: counter(a.aggregates, a.agg, 'score:' || id))
                   END AS scores
            FROM {tables["user_activity_agg"]} a
            JOIN asking q ON q.user_id = a.user_id AND q.context_id = a.context_id
            JOIN activity y ON y.collection_no = q.collection_no AND y.activity_id = a.activity_id
            JOIN layout l ON l.collection_no = q.collection_no
            WHERE a.activity_type = 'Course'
        )
        SELECT row_key, {completed} {_more(assessments, "max(scores[{0} + 1]) AS t{0}")} FROM counters GROUP BY row_key
    """


def _refused(tables: Mapping[str, str]) -> str:
    """Batches that a doubled key would show in: a nested activity's does where no leaves are counted.

    Learners with more activity rows than positions are found first, by a hash and a word of bits: some of them may only
    share these with another learner or position.
    """
    return f"""
        WITH wanted_activity AS (
            SELECT b.batch_no, 'cb:' || b.batch_id AS context_id, y.activity_id, y.position,
                   CAST(1 AS UBIGINT) << (y.position % 64) AS bit
            FROM batch b JOIN activity y ON y.collection_no = b.collection_no
        ), suspects AS (
            SELECT hash(a.user_id, a.context_id) AS learner_hash
            FROM {tables["user_activity_agg"]} a JOIN wanted_activity w USING (context_id, activity_id)
            WHERE a.activity_type = 'Course' GROUP BY learner_hash HAVING count(*) > bit_count(bit_or(w.bit))
        ), doubled_activity AS (
            SELECT w.batch_no, a.user_id, w.position
            FROM {tables["user_activity_agg"]} a
            JOIN suspects s ON s.learner_hash = hash(a.user_id, a.context_id)
            JOIN wanted_activity w USING (context_id, activity_id)
            WHERE a.activity_type = 'Course' GROUP BY w.batch_no, a.user_id, w.position HAVING count(*) > 1
        ), doubled_user AS (
            SELECT id FROM {tables["user"]} GROUP BY id HAVING count(*) > 1
        )
        SELECT batch_no FROM enrolment GROUP BY batch_no, user_id HAVING count(*) > 1
        UNION ALL
        SELECT e.batch_no FROM enrolment e JOIN doubled_user u ON u.id = e.user_id
        UNION ALL
        SELECT e.batch_no FROM enrolment e JOIN doubled_activity a ON a.batch_no = e.batch_no AND a.user_id = e.user_id
        LEFT JOIN done d USING (row_key) WHERE a.position = 0 OR d.row_key IS NULL
    """


def _lines(tables: Mapping[str, str], positions: range, assessments: range) -> str:
    """The lines of all files, with their ends; key (batch_no, user_id)."""
    completed = "CASE WHEN d.row_key IS NULL THEN greatest(coalesce({1}, 0), 0) ELSE d.done{0} END AS completed{0}"
    own = completed.format(0, "r.r0, e.noted_leaves")
    nested = _more(positions[1:], completed.format("{0}", "r.r{0}"))
    counting = "CASE WHEN w.counts{0} THEN c{0} END AS m{0}"
    total = (
        f"CASE WHEN coalesce({_each(assessments, 'm{0}')}) IS NOT NULL "
        f"THEN {_each(assessments, 'coalesce(m{0}, 0)', ' + ')} END"
    )
    return f"""
        WITH wide AS (
            SELECT collection_no, after_nested, len(assessment_ids) AS scores,
                   {_each(positions, "leaf_counts[{0} + 1] AS leaves{0}, glue[{0}] AS glue{0}")}
                   {_more(assessments, "are_self_assess[{0} + 1] AS counts{0}")}
            FROM layout
        ), first AS (
            SELECT batch_no, cells(first_cells) AS first_cells FROM batch
        ), failed AS (
            SELECT DISTINCT b.batch_no, f.userid AS user_id, true AS has_failed
            FROM {tables["certificate_failures"]} f JOIN batch b ON b.batch_id = f.batchid
        ), numbers AS (
            SELECT e.*, w.* EXCLUDE (collection_no), f.first_cells, l.cells, x.has_failed,
                   d.row_key IS NULL AND r.r0 IS NULL AS is_untold, {own} {nested}
                   {_more(assessments, "cents(coalesce(s.s{0}, r.t{0})) AS c{0}, " + counting)}
            FROM enrolment e
            JOIN wide w USING (collection_no)
            JOIN first f USING (batch_no)
            JOIN learner l USING (user_id)
            LEFT JOIN done d USING (row_key)
            LEFT JOIN best s USING (row_key)
            LEFT JOIN recorded r USING (row_key)
            LEFT JOIN failed x ON x.batch_no = e.batch_no AND x.user_id = e.user_id
        )
        SELECT batch_no, user_id, concat(
            first_cells, ',', cells, ',', instant_text(enrolled_at), ',', instant_text(completed_at), ',',
            CASE WHEN completed_at IS NOT NULL THEN 100
                 WHEN is_untold AND leaves0 > 0 AND noted_percent IS NOT NULL THEN noted_percent
                 ELSE percent(completed0, leaves0) END, ',',
            CASE WHEN is_certified THEN 'Issued' WHEN has_failed THEN 'Failed' END, ',',
            {f"cents_text({total})" if assessments else "''"}
            {_more(positions[1:], "glue{0}, percent(completed{0}, leaves{0})")}, after_nested
            {_more(assessments, "CASE WHEN scores > {0} THEN ',' END, cents_text(c{0})")}, chr(10)) AS line
        FROM numbers
    """


def _each(numbers: range, template: str, between: str = ", ") -> str:
    """Repeat a piece of SQL for each number."""
    return between.join(template.format(number) for number in numbers)


def _more(numbers: range, template: str, before: str = ", ") -> str:
    """Repeat a piece of SQL for each number, to stand after others."""
    return "".join(before + template.format(number) for number in numbers)
