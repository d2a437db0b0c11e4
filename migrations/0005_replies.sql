-- Answers to callers in other processes travel in notifications
-- depends: 0004_message_starts

-- migrate: apply

DROP TABLE replies;

-- migrate: rollback

CREATE UNLOGGED TABLE replies (
    process text NOT NULL,
    caller bigint NOT NULL,
    reply bytea NOT NULL
);

CREATE INDEX replies_process ON replies (process);
