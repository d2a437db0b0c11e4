-- Message start events: who else waits for messages
-- depends: 0003_command_log

-- migrate: apply

-- Null for all other elements, and for processes deployed before: `procession projections rebuild process_elements` finds theirs.
ALTER TABLE process_elements ADD COLUMN start_message text, ADD COLUMN start_number integer;
CREATE INDEX process_elements_start_message ON process_elements (start_message) WHERE start_message IS NOT NULL;

-- migrate: rollback

ALTER TABLE process_elements DROP COLUMN start_message, DROP COLUMN start_number;
