-- All that the queue asks of PostgreSQL. A `part` stands for {its name} in the statements below it; {table} is the
-- setting. A line that ends in `--if COLUMN` is left out where the table has no such column, one that ends in
-- `--unless COLUMN` where it has.

-- part: key
r.request_id = %(request_id)s AND (r.tag = %(tag)s OR (r.tag IS NULL AND %(tag)s = ''))

-- part: lock
-- Of the row k: as JSON, which keeps its texts apart, with the table's full name as the server knows it, whatever the
-- setting calls it, so that drivers with other settings meet at the same lock.
hashtextextended(json_build_array(
    (
        SELECT json_build_array(n.nspname, c.relname)
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass('{table}')
    ),
    %(job_id)s::text, k.tag, k.request_id
)::text, 0)

-- part: asked_for
-- What a request asks for, by whom and under which password: each text with its length, without one where it is null.
concat(
    octet_length(r.encryption_key::text), ':', r.encryption_key::text,  --if encryption_key
    octet_length(r.request_data::text), ':', r.request_data::text,
    octet_length(r.requested_channel::text), ':', r.requested_channel::text
)

-- part: digest
-- Salted anew for each claim: it tells this row's texts from others, and is nothing to look a password up by.
encode(sha256(convert_to(%(salt)s || {asked_for}, getdatabaseencoding())), 'hex')

-- part: same
-- Of all these the digest costs most, and the server looks at it last.
r.job_id = %(job_id)s AND {key} AND r.dt_job_submitted::text IS NOT DISTINCT FROM %(submitted)s
    AND {digest} = %(digest)s

-- part: fence
{same} AND r.status = 'PROCESSING' AND r.iteration = %(iteration)s

-- part: is_cancelled
r.status = 'FAILED' AND r.err_message = %(cancelled)s AND r.iteration = %(iteration)s

-- part: files
-- What is null stays as it is.
    processed_batches = coalesce(%(processed)s, r.processed_batches),  --if processed_batches
    download_urls = CASE
        WHEN %(urls)s::text[] IS NULL THEN r.download_urls
        ELSE nullif(%(urls)s::text[], '{}')
    END

-- part: has_files
(%(urls)s::text[] IS NULL OR r.download_urls IS NOT DISTINCT FROM nullif(%(urls)s::text[], '{}'))

-- part: submitted_at
CASE WHEN r.dt_job_submitted BETWEEN '0001-01-02' AND '9999-12-30' THEN r.dt_job_submitted END

-- part: deaths
greatest(coalesce(r.iteration, 0), 0)

-- name: identify
SELECT pg_backend_pid(), (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()),
    pg_is_in_recovery()

-- name: prepare
-- The server looks after dead clients as we do after a dead server: else it would keep their locks for two hours.
SELECT set_config(s.name, w.value, false)
FROM pg_settings AS s
JOIN (VALUES
    ('TimeZone', 'UTC'),
    ('DateStyle', 'ISO, YMD'),
    ('default_transaction_isolation', 'read committed'),
    ('statement_timeout', %(statement_timeout_ms)s::text),
    ('lock_timeout', %(lock_timeout_ms)s::text),
    ('tcp_keepalives_idle', '30'),
    ('tcp_keepalives_interval', '10'),
    ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '60000')
) AS w (name, value) ON s.name = w.name

-- name: backend
SELECT pg_backend_pid()

-- name: end_stale_session
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = %(pid)s AND backend_start::text = %(started)s AND usename = current_user

-- name: is_read_only
SELECT current_setting('transaction_read_only') = 'on'

-- name: columns
SELECT a.attname, format_type(a.atttypid, NULL), a.atttypmod
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped

-- name: rights
SELECT n.command, n.privilege, n.name,
    has_table_privilege(to_regclass(%(table)s), n.privilege)
    OR has_column_privilege(to_regclass(%(table)s), n.name, n.privilege)
FROM json_to_recordset(%(needs)s::json) AS n (command text, privilege text, name text)

-- name: due
SELECT coalesce(r.tag, ''), r.request_id, coalesce(r.requested_channel, ''), {submitted_at}, r.status = 'PROCESSING',
    CASE WHEN r.status = 'SUBMITTED' AND r.dt_job_completed IS NOT NULL THEN 0 ELSE {deaths} END
FROM {table} AS r
WHERE r.job_id = %(job_id)s AND r.status IN ('SUBMITTED', 'PROCESSING') AND r.request_id IS NOT NULL
    AND (%(only_tag)s::text IS NULL OR coalesce(r.tag, '') = %(only_tag)s)
    AND (%(only_request_id)s::text IS NULL OR r.request_id = %(only_request_id)s)
ORDER BY r.dt_job_submitted, r.request_id COLLATE "C", r.tag COLLATE "C"

-- name: lock
SELECT pg_try_advisory_lock({lock}) FROM (SELECT %(tag)s::text AS tag, %(request_id)s::text AS request_id) AS k

-- name: unlock
SELECT pg_advisory_unlock({lock}) FROM (SELECT %(tag)s::text AS tag, %(request_id)s::text AS request_id) AS k

-- name: unlock_unclaimed
-- A row that is due all the same was somebody else's for the moment.
SELECT pg_advisory_unlock({lock}), EXISTS (
    SELECT FROM {table} AS r WHERE r.job_id = %(job_id)s AND {key} AND r.status IN ('SUBMITTED', 'PROCESSING')
)
FROM (SELECT %(tag)s::text AS tag, %(request_id)s::text AS request_id) AS k

-- name: claim
-- The row as it was is read by the same statement; had someone changed it meanwhile, nothing is written. Where someone
-- else has it locked, there is none: whoever waited here would keep all other claims of this driver waiting.
UPDATE {table} AS r SET
    status = CASE
        WHEN was.gives_up AND cardinality(r.download_urls) > 0 THEN 'SUCCESS'
        WHEN was.gives_up THEN 'FAILED'
        ELSE 'PROCESSING'
    END,
    iteration = was.deaths_now,
    dt_job_completed = CASE WHEN was.gives_up THEN %(now)s END,
    err_message = CASE WHEN was.gives_up THEN %(given_up)s WHEN was.has_ended THEN NULL ELSE r.err_message END,
    dt_file_created = CASE WHEN was.has_ended THEN NULL ELSE r.dt_file_created END,
    execution_time = CASE WHEN was.has_ended THEN NULL ELSE r.execution_time END,
    processed_batches = CASE WHEN was.has_ended THEN NULL ELSE r.processed_batches END,  --if processed_batches
    download_urls = CASE WHEN was.has_ended THEN NULL ELSE r.download_urls END
FROM (
    SELECT o.*, o.was_orphan AND o.deaths_now >= %(tries)s AS gives_up
    FROM (
        SELECT r.status, r.iteration, r.dt_job_submitted, r.dt_job_completed,
            r.status = 'PROCESSING' AS was_orphan,
            r.status = 'SUBMITTED' AND r.dt_job_completed IS NOT NULL AS has_ended,
            r.status = 'SUBMITTED' AND r.iteration IS NULL
                AND r.processed_batches IS NULL  --if processed_batches
                AS was_never_claimed,
            CASE
                WHEN r.status = 'PROCESSING' THEN least({deaths}, 2147483646) + 1
                WHEN r.dt_job_completed IS NOT NULL THEN 0
                ELSE {deaths}
            END AS deaths_now
        FROM {table} AS r
        WHERE r.job_id = %(job_id)s AND {key} AND r.status IN ('SUBMITTED', 'PROCESSING')
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS o
) AS was
WHERE r.job_id = %(job_id)s AND {key} AND r.status = was.status
    AND r.iteration IS NOT DISTINCT FROM was.iteration
    AND r.dt_job_submitted IS NOT DISTINCT FROM was.dt_job_submitted
    AND r.dt_job_completed IS NOT DISTINCT FROM was.dt_job_completed
RETURNING r.status, coalesce(left(r.request_data::text, %(longest_data)s), ''), coalesce(r.requested_channel, ''),
    {submitted_at}, r.dt_job_submitted::text, {digest},
    coalesce(r.encryption_key::text, '') <> '',  --if encryption_key
    false,  --unless encryption_key
    r.iteration, was.was_orphan, was.has_ended OR was.was_never_claimed,
    r.processed_batches,  --if processed_batches
    NULL,  --unless processed_batches
    EXISTS (
        SELECT FROM {table} AS other
        WHERE other.request_id = r.request_id AND other.job_id = r.job_id AND other.tag IS DISTINCT FROM r.tag
    )

-- name: is_ours
SELECT EXISTS (SELECT FROM {table} AS r WHERE {fence})

-- name: is_to_be_ended
-- Whether it is ours, or was until someone cancelled it.
SELECT EXISTS (
    SELECT FROM {table} AS r
    WHERE {same} AND (r.status = 'PROCESSING' AND r.iteration = %(iteration)s OR {is_cancelled})
)

-- name: checkpoint
-- Rows that someone else has locked are left to a later one.
UPDATE {table} AS r SET
    processed_batches = d.processed,  --if processed_batches
    download_urls = nullif(d.urls, '{}')
FROM (
    SELECT d.*
    FROM json_to_recordset(%(delivered)s::json) AS d (
        tag text, request_id text, iteration integer, submitted text, salt text, digest text, urls text[],
        processed text
    )
    JOIN {table} AS r ON r.job_id = %(job_id)s AND r.request_id = d.request_id AND coalesce(r.tag, '') = d.tag
    WHERE r.status = 'PROCESSING' AND r.iteration = d.iteration
        AND r.dt_job_submitted::text IS NOT DISTINCT FROM d.submitted
        AND encode(sha256(convert_to(d.salt || {asked_for}, getdatabaseencoding())), 'hex') = d.digest
    FOR NO KEY UPDATE OF r SKIP LOCKED
) AS d
WHERE r.job_id = %(job_id)s AND r.request_id = d.request_id AND coalesce(r.tag, '') = d.tag
    AND r.status = 'PROCESSING' AND r.iteration = d.iteration

-- name: complete
UPDATE {table} AS r SET
    {files},
    iteration = %(iteration_now)s,
    dt_file_created = %(file_created_at)s,
    dt_job_completed = %(completed_at)s,
    execution_time = %(execution_ms)s,
    err_message = nullif(%(err_message)s, ''),
    status = %(status)s
WHERE {fence}
RETURNING 1

-- name: is_completed
SELECT EXISTS (
    SELECT FROM {table} AS r
    WHERE {same} AND r.status = %(status)s AND r.iteration = %(iteration_now)s
        AND r.dt_job_completed = %(completed_at)s AND {has_files}
)

-- name: requeue
UPDATE {table} AS r SET
    {files},
    iteration = %(iteration_now)s,
    err_message = CASE WHEN %(has_failed)s THEN nullif(%(err_message)s, '') ELSE r.err_message END,
    status = 'SUBMITTED'
WHERE {fence}
RETURNING 1

-- name: is_requeued
SELECT EXISTS (
    SELECT FROM {table} AS r
    WHERE {same} AND r.status = 'SUBMITTED' AND r.iteration = %(iteration_now)s AND r.dt_job_completed IS NULL
        AND {has_files}
        AND (NOT %(has_failed)s OR r.err_message IS NOT DISTINCT FROM nullif(%(err_message)s, ''))
)

-- name: record_cancelled
UPDATE {table} AS r SET
    {files}
WHERE {same} AND {is_cancelled}
RETURNING 1

-- name: is_there
SELECT r.job_id = %(job_id)s AND r.dt_job_submitted = %(submitted_at)s AND r.requested_by = %(requested_by)s
FROM {table} AS r
WHERE {key}

-- name: submit
INSERT INTO {table}
    (tag, request_id, job_id, status, request_data, requested_by, requested_channel, dt_job_submitted)
VALUES (%(tag)s, %(request_id)s, %(job_id)s, 'SUBMITTED', %(request_data)s, %(requested_by)s, %(channel)s,
    %(submitted_at)s)

-- name: cancel
UPDATE {table} AS r SET status = 'FAILED', err_message = %(cancelled)s, dt_job_completed = %(now)s
WHERE r.job_id = %(job_id)s AND r.request_id = %(only_request_id)s AND r.status IN ('SUBMITTED', 'PROCESSING')
    AND (%(only_tag)s::text IS NULL OR coalesce(r.tag, '') = %(only_tag)s)

-- name: cancelled
SELECT coalesce(r.tag, ''), r.request_id
FROM {table} AS r
WHERE r.job_id = %(job_id)s AND r.request_id = %(only_request_id)s AND r.status = 'FAILED'
    AND r.err_message = %(cancelled)s AND r.dt_job_completed = %(now)s
    AND (%(only_tag)s::text IS NULL OR coalesce(r.tag, '') = %(only_tag)s)
ORDER BY r.tag COLLATE "C"

-- name: listed
-- A lock on a number shows as its two halves.
SELECT coalesce(r.tag, ''), r.request_id, coalesce(r.status, ''), coalesce(r.requested_channel, ''), {submitted_at},
    CASE WHEN r.dt_job_completed BETWEEN '0001-01-02' AND '9999-12-30' THEN r.dt_job_completed END,
    {deaths}, r.download_urls, coalesce(r.err_message, ''), EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.classid::bigint = ((h.lock >> 32) & 4294967295) AND l.objid::bigint = (h.lock & 4294967295)
    )
FROM {table} AS r
CROSS JOIN LATERAL (SELECT coalesce(r.tag, '')::text AS tag, r.request_id::text AS request_id) AS k
CROSS JOIN LATERAL (SELECT {lock} AS lock) AS h
WHERE r.job_id = %(job_id)s AND r.request_id IS NOT NULL
    AND (%(only_tag)s::text IS NULL OR coalesce(r.tag, '') = %(only_tag)s)
    AND (%(only_request_id)s::text IS NULL OR r.request_id = %(only_request_id)s)
ORDER BY r.dt_job_submitted, r.request_id COLLATE "C", r.tag COLLATE "C"
