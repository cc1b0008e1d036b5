-- Who writes what: the leader of a partition (store/writer.py) writes dag_run, task_instance, task_attempt, xcom, the
-- answers in command, and of dag is_paused and next_*. The DagProcessor (store/catalog.py) writes bundle*, dag_version,
-- import_error and the rest of dag. The API (store/reader.py) writes pool and the questions in command.
-- JSON columns are json, not jsonb: jsonb refuses \u0000 and lone surrogates, which users' strings may have.

CREATE TABLE setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);

-- epoch stands in a unique key so that raising it takes the lock (FOR UPDATE) that waits for every transaction which
-- holds the row FOR KEY SHARE (assert_leader); a heartbeat takes a weaker one and waits for nobody. For the same reason no
-- foreign key points here: it would make a take-over wait for transactions of the API and the DagProcessor.
CREATE TABLE leadership (
    partition    integer PRIMARY KEY CHECK (partition >= 0),
    epoch        bigint NOT NULL DEFAULT 0,
    holder       text,
    since        timestamptz,
    backend_pid  integer,
    heartbeat_at timestamptz,
    UNIQUE (partition, epoch)
);

CREATE FUNCTION assert_leader(leads_partition integer, under_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM leadership WHERE partition = leads_partition AND epoch = under_epoch FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'epoch % of partition % is over', under_epoch, leads_partition USING ERRCODE = 'SK001';
    END IF;
END $$;

-- Bundles are kept in parts, so that neither side ever holds a whole one as one SQL value. Zip archives: no compression.
CREATE TABLE bundle (
    digest     text PRIMARY KEY,
    size_bytes bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE bundle_part (
    digest  text NOT NULL REFERENCES bundle ON DELETE CASCADE,
    part    integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (digest, part)
);
ALTER TABLE bundle_part ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE bundle_head (
    name       text PRIMARY KEY,
    digest     text NOT NULL REFERENCES bundle,
    kind       text NOT NULL CHECK (kind IN ('folder', 'submitted')),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- header is the spec without its tasks and groups, as last parsed: for lists.
CREATE TABLE dag (
    dag_id            text PRIMARY KEY,
    partition         integer NOT NULL,
    bundle_name       text NOT NULL,
    relative_path     text NOT NULL,
    version           integer NOT NULL,
    is_paused         boolean NOT NULL,
    is_retired        boolean NOT NULL DEFAULT false,
    next_run_after    timestamptz,
    next_logical_date timestamptz,
    header            json NOT NULL,
    tags              text[] NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dag_partition ON dag (partition);
CREATE INDEX dag_file ON dag (bundle_name, relative_path);

-- edition counts how often a version that has no run yet was replaced in place: see assert_editions.
CREATE TABLE dag_version (
    dag_id        text NOT NULL REFERENCES dag ON DELETE CASCADE,
    version       integer NOT NULL,
    edition       integer NOT NULL DEFAULT 1,
    spec          json NOT NULL,
    spec_hash     text NOT NULL,
    source_hash   text NOT NULL,
    bundle_digest text NOT NULL REFERENCES bundle,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dag_id, version)
);
CREATE INDEX dag_version_bundle ON dag_version (bundle_digest);

-- A leader makes runs of a version as it knows it. Whoever replaces a version locks its row FOR UPDATE and then looks for
-- runs; so either the run is seen and the version stays, or the replacement is seen here and the run is refused.
CREATE FUNCTION assert_editions(dag_ids text[], versions integer[], editions integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted text;
BEGIN
    PERFORM 1
       FROM dag_version AS v
       JOIN unnest(dag_ids, versions, editions) AS known(dag_id, version, edition)
         ON v.dag_id = known.dag_id AND v.version = known.version AND v.edition = known.edition
      ORDER BY v.dag_id, v.version
        FOR KEY SHARE OF v;
    SELECT known.dag_id INTO wanted
      FROM unnest(dag_ids, versions, editions) AS known(dag_id, version, edition)
     WHERE NOT EXISTS (SELECT 1 FROM dag_version AS v
                        WHERE v.dag_id = known.dag_id AND v.version = known.version AND v.edition = known.edition)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the version of DAG % was replaced', wanted USING ERRCODE = 'SK002';
    END IF;
END $$;

CREATE TABLE import_error (
    import_error_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bundle_name     text NOT NULL,
    path            text NOT NULL,
    dag_id          text,
    line            integer,
    message         text NOT NULL,
    traceback       text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX import_error_file ON import_error (bundle_name, path);

CREATE TABLE dag_run (
    seq                 bigint PRIMARY KEY,
    dag_id              text NOT NULL,
    run_id              text NOT NULL,
    run_type            text NOT NULL,
    state               text NOT NULL,
    version             integer NOT NULL,
    logical_date        timestamptz,
    data_interval_start timestamptz,
    data_interval_end   timestamptz,
    run_after           timestamptz NOT NULL,
    queued_at           timestamptz,
    start_date          timestamptz,
    end_date            timestamptz,
    conf                json NOT NULL,
    triggered_by        text NOT NULL,
    note                text,
    CONSTRAINT dag_run_run_id UNIQUE (dag_id, run_id),
    FOREIGN KEY (dag_id, version) REFERENCES dag_version ON DELETE CASCADE
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX dag_run_logical_date ON dag_run (dag_id, logical_date) WHERE logical_date IS NOT NULL;
CREATE INDEX dag_run_version ON dag_run (dag_id, version);
CREATE INDEX dag_run_newest ON dag_run (run_after, seq);
CREATE INDEX dag_run_newest_of_dag ON dag_run (dag_id, run_after, seq);
CREATE INDEX dag_run_active ON dag_run (dag_id) WHERE state IN ('queued', 'running');
CREATE INDEX dag_run_last_scheduled ON dag_run (dag_id, logical_date) WHERE run_type = 'scheduled';

-- No column that changes with a state is in an index, and each page keeps room: updates are heap-only (HOT).
CREATE TABLE task_instance (
    ti_id                   bigint PRIMARY KEY,
    run_seq                 bigint NOT NULL REFERENCES dag_run ON DELETE CASCADE,
    task_id                 text NOT NULL,
    map_index               integer NOT NULL,
    state                   text NOT NULL,
    try_number              integer NOT NULL,
    max_tries               integer NOT NULL,
    attempt_id              bigint NOT NULL,
    infrastructure_failures integer NOT NULL,
    executor                text,
    pool                    text NOT NULL,
    pool_slots              integer NOT NULL,
    priority_weight         integer NOT NULL,
    scheduled_at            timestamptz,
    queued_at               timestamptz,
    start_date              timestamptz,
    end_date                timestamptz,
    not_before              timestamptz,
    node_id                 text,
    pid                     integer,
    error                   text,
    note                    text,
    CONSTRAINT task_instance_task UNIQUE (run_seq, task_id, map_index)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE task_attempt (
    attempt_id bigint PRIMARY KEY,
    ti_id      bigint NOT NULL REFERENCES task_instance ON DELETE CASCADE,
    try_number integer NOT NULL,
    state      text NOT NULL,
    start_date timestamptz,
    end_date   timestamptz,
    queued_at  timestamptz,
    executor   text,
    node_id    text,
    pid        integer,
    error      text
);
CREATE INDEX task_attempt_ti ON task_attempt (ti_id);

CREATE TABLE xcom (
    ti_id bigint NOT NULL REFERENCES task_instance ON DELETE CASCADE,
    key   text NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (ti_id, key)
);

-- The durable inbox. code is '' for done, or the code of a SkyrayError; all answers are null until applied.
CREATE TABLE command (
    command_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition    integer NOT NULL,
    dag_id       text NOT NULL,
    kind         text NOT NULL,
    payload      json NOT NULL,
    request_id   text CONSTRAINT command_request_id UNIQUE,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    applied_at   timestamptz,
    result       json,
    code         text,
    message      text
);
CREATE INDEX command_pending ON command (partition, command_id) WHERE applied_at IS NULL;

-- Identifiers of one partition become visible in their order, so that a leader which has read up to one misses none: the
-- lock is held to the end of the transaction. A transaction that calls it for several partitions does so in their order.
CREATE FUNCTION add_command(to_partition integer, of_dag text, of_kind text, with_payload json, under_request text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    added bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1397441794, to_partition);
    INSERT INTO command (partition, dag_id, kind, payload, request_id)
    VALUES (to_partition, of_dag, of_kind, with_payload, under_request)
    ON CONFLICT ON CONSTRAINT command_request_id DO NOTHING
    RETURNING command_id INTO added;
    RETURN added;
END $$;

CREATE TABLE pool (
    name             text PRIMARY KEY,
    slots            integer NOT NULL CHECK (slots >= -1),
    description      text NOT NULL DEFAULT '',
    include_deferred boolean NOT NULL DEFAULT false
);
