-- Which topic the commands were read from, should another one bear its name
-- depends: 0005_replies

-- migrate: apply

-- As Kafka's tools write it; null as long as no brokers have told it.
ALTER TABLE command_log ADD COLUMN topic_id text;

-- migrate: rollback

ALTER TABLE command_log DROP COLUMN topic_id;
