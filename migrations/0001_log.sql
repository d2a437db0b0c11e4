-- The log: events, the partition rows that fence their writers, and what stands around them
-- depends:

-- migrate: apply

-- One row per partition: the fence (epoch) and how far everything is. Updated once per batch.
CREATE TABLE partitions (
    partition smallint PRIMARY KEY,
    epoch bigint NOT NULL,
    owner text NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    command_offset bigint NOT NULL DEFAULT 0,
    last_number bigint NOT NULL DEFAULT 0,
    marks text NOT NULL DEFAULT '{}',
    reactions_published bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- What happened. Never updated, never deleted by the engine.
CREATE TABLE events (
    partition smallint NOT NULL,
    position bigint NOT NULL,
    stream text NOT NULL,
    type text NOT NULL,
    schema smallint NOT NULL,
    time timestamptz NOT NULL,
    command_id text NOT NULL,
    "by" text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (partition, position)
);

CREATE INDEX events_stream ON events (partition, stream, position);

-- For operators: bodies as JSON.
CREATE VIEW event_log AS
    SELECT partition, position, stream, type, schema, time, command_id, "by", convert_from(body, 'UTF8')::json AS body
    FROM events;

-- Commands that wait for the owner of their partition. Publishers draw the offset under an advisory lock of the
-- partition, so that offsets become visible in order and a reader never passes one that is still to come.
CREATE TABLE commands (
    partition smallint NOT NULL,
    "offset" bigint GENERATED ALWAYS AS IDENTITY,
    reply_to text NOT NULL,
    command bytea NOT NULL,
    PRIMARY KEY (partition, "offset")
);

-- What became of commands whose id the client chose.
CREATE TABLE command_outcomes (
    partition smallint NOT NULL,
    command_id text NOT NULL,
    stream text NOT NULL,
    position bigint NOT NULL,
    answer bytea NOT NULL,
    PRIMARY KEY (partition, command_id)
);

-- Folds of long streams, so that loading one is bounded. May be emptied at any time.
CREATE TABLE snapshots (
    partition smallint NOT NULL,
    stream text NOT NULL,
    position bigint NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (partition, stream)
);

-- Further key blocks of instances that used up the one in their key.
CREATE TABLE key_blocks (
    partition smallint NOT NULL,
    block bigint NOT NULL,
    instance_key bigint NOT NULL,
    PRIMARY KEY (partition, block)
);

-- Answers on their way to callers in other processes. Lost in a crash, as those callers' connections are.
CREATE UNLOGGED TABLE replies (
    process text NOT NULL,
    caller bigint NOT NULL,
    reply bytea NOT NULL
);

CREATE INDEX replies_process ON replies (process);

-- migrate: rollback

DROP TABLE replies;

DROP TABLE key_blocks;

DROP TABLE snapshots;

DROP TABLE command_outcomes;

DROP TABLE commands;

DROP VIEW event_log;

DROP TABLE events;

DROP TABLE partitions;
