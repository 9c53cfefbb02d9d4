-- The table of requests as Sunbird has it; the job alters none, and needs no other.
CREATE TABLE IF NOT EXISTS job_request (
    tag varchar(100) NOT NULL,
    request_id varchar(50) NOT NULL,
    job_id varchar(50),
    status varchar(50),
    request_data json,
    requested_by varchar(50),
    requested_channel varchar(50),
    dt_job_submitted timestamp,
    download_urls text[],
    dt_file_created timestamp,
    dt_job_completed timestamp,
    execution_time bigint,
    err_message varchar(300),
    iteration integer,
    encryption_key varchar(50),
    batch_number integer,
    processed_batches text,
    PRIMARY KEY (tag, request_id)
);
