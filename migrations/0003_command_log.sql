-- Where commands come from, once that is Kafka, and the secret by which its engines know each other
-- depends: 0002_projections

-- migrate: apply

-- At most one row. An offset in `partitions` means something in this log only.
CREATE TABLE command_log (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    name text NOT NULL,
    secret bytea NOT NULL
);

-- migrate: rollback

DROP TABLE command_log;
