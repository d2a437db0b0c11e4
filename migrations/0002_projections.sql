-- What people query, and what timers and the job dispatcher work from; follows from the events alone, see projections/
-- depends: 0001_log

-- migrate: apply

-- All of it follows from the events alone and can be rebuilt at any time; see projections/. What lives on another partition
-- (definitions, above all) is joined when it is read.

CREATE TABLE checkpoints (
    projection text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (projection, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE checkpoints IS 'Up to which position of a partition each projection has been folded.';

CREATE TABLE retention (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    pruned_before timestamptz NOT NULL
);
COMMENT ON TABLE retention IS 'Instances that ended before this time have left the query tables.';

CREATE TABLE process_definitions (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    process_id text NOT NULL,
    version integer NOT NULL,
    version_tag text,
    name text,
    resource_name text NOT NULL,
    content bytea NOT NULL,
    deployment_key bigint NOT NULL,
    state text NOT NULL,
    start_form_id text,
    start_form_key bigint,
    deployed_at timestamptz NOT NULL
);
CREATE INDEX process_definitions_process_id ON process_definitions (process_id, version);

CREATE TABLE process_elements (
    definition_key bigint NOT NULL,
    element_id text NOT NULL,
    partition integer NOT NULL,
    element_type text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (definition_key, element_id)
);
COMMENT ON TABLE process_elements IS 'Type and name of each element of a process definition, and of the process itself.';

CREATE TABLE decision_requirements (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    requirements_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    resource_name text NOT NULL,
    content bytea NOT NULL,
    deployment_key bigint NOT NULL,
    deleted boolean NOT NULL
);
CREATE INDEX decision_requirements_id ON decision_requirements (requirements_id, version);

CREATE TABLE decision_definitions (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    decision_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    version_tag text,
    requirements_key bigint NOT NULL,
    requirements_id text NOT NULL,
    deployment_key bigint NOT NULL,
    deleted boolean NOT NULL
);
CREATE INDEX decision_definitions_id ON decision_definitions (decision_id, version);
CREATE INDEX decision_definitions_requirements ON decision_definitions (requirements_key);

CREATE TABLE forms (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    form_id text NOT NULL,
    version integer NOT NULL,
    version_tag text,
    resource_name text NOT NULL,
    content bytea NOT NULL,
    deployment_key bigint NOT NULL,
    deleted boolean NOT NULL
);
CREATE INDEX forms_id ON forms (form_id, version);

CREATE TABLE process_instances (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    definition_key bigint NOT NULL,
    process_id text NOT NULL,
    version integer NOT NULL,
    version_tag text,
    root_key bigint NOT NULL,
    parent_key bigint,
    parent_element_key bigint,
    business_id text,
    tags text[] NOT NULL,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    suspended_at timestamptz,
    quarantine_key bigint
) WITH (fillfactor = 85);
CREATE INDEX process_instances_process_id ON process_instances (process_id, key);
CREATE INDEX process_instances_definition ON process_instances (definition_key, key);
CREATE INDEX process_instances_parent ON process_instances (parent_key) WHERE parent_key IS NOT NULL;
CREATE INDEX process_instances_business_id ON process_instances (business_id) WHERE business_id IS NOT NULL;
CREATE INDEX process_instances_started ON process_instances (started_at, key);
CREATE INDEX process_instances_open ON process_instances (definition_key, key) WHERE state IN ('ACTIVE', 'SUSPENDED');
CREATE INDEX process_instances_quarantine ON process_instances (quarantine_key) WHERE quarantine_key IS NOT NULL;

CREATE TABLE element_instances (
    key bigint NOT NULL,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    scope_key bigint NOT NULL,
    element_id text NOT NULL,
    loop integer,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (key, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX element_instances_instance ON element_instances (instance_key, key);
CREATE INDEX element_instances_open ON element_instances (element_id, key) WHERE state = 'ACTIVE';
COMMENT ON TABLE element_instances IS 'History of element instances, one part per month of their start, made when needed.';

CREATE TABLE sequence_flows (
    instance_key bigint NOT NULL,
    flow_id text NOT NULL,
    partition integer NOT NULL,
    PRIMARY KEY (instance_key, flow_id)
);

CREATE TABLE variables (
    key bigint NOT NULL,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    scope_key bigint NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (scope_key, name)
) WITH (fillfactor = 85);
COMMENT ON COLUMN variables.value IS 'JSON text.';
COMMENT ON COLUMN variables.position IS 'Of the event that set it. Elements of a multi-instance''s output stored later stand in loop_outputs.';
CREATE INDEX variables_key ON variables (key);
CREATE INDEX variables_instance ON variables (instance_key);
CREATE INDEX variables_value ON variables (name, hashtext(value));

CREATE TABLE loop_outputs (
    scope_key bigint NOT NULL,
    name text NOT NULL,
    loop integer NOT NULL,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    value text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (scope_key, name, loop)
);
CREATE INDEX loop_outputs_instance ON loop_outputs (instance_key);

CREATE TABLE jobs (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    element_key bigint NOT NULL,
    element_id text NOT NULL,
    job_type text NOT NULL,
    kind text NOT NULL,
    listener_event_type text NOT NULL,
    headers text NOT NULL,
    priority integer NOT NULL,
    state text NOT NULL,
    retries integer NOT NULL,
    failed_with_retries_left boolean NOT NULL,
    worker text NOT NULL,
    deadline timestamptz,
    available_at timestamptz NOT NULL,
    incident_key bigint,
    suspended boolean NOT NULL,
    quarantine_key bigint,
    error_code text,
    error_message text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    activatable boolean NOT NULL GENERATED ALWAYS AS (
        ended_at IS NULL AND retries > 0 AND incident_key IS NULL AND NOT suspended
        AND quarantine_key IS NULL
    ) STORED
) WITH (fillfactor = 80);
COMMENT ON COLUMN jobs.available_at IS 'From when on it may be leased: its creation, the end of the back-off after a failure, or the end of its lease.';
CREATE INDEX jobs_offer ON jobs (partition, job_type, priority DESC, key) WHERE activatable;
CREATE INDEX jobs_available ON jobs (partition, job_type, available_at) WHERE activatable;
CREATE INDEX jobs_instance ON jobs (instance_key);
CREATE INDEX jobs_type ON jobs (job_type, key);
CREATE INDEX jobs_quarantine ON jobs (quarantine_key) WHERE quarantine_key IS NOT NULL;

CREATE TABLE user_tasks (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    element_key bigint NOT NULL,
    element_id text NOT NULL,
    state text NOT NULL,
    assignee text,
    candidate_groups text[] NOT NULL,
    candidate_users text[] NOT NULL,
    due_date timestamptz,
    follow_up_date timestamptz,
    priority integer NOT NULL,
    form_id text,
    form_key bigint,
    external_form_reference text,
    headers text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
) WITH (fillfactor = 85);
CREATE INDEX user_tasks_instance ON user_tasks (instance_key);
CREATE INDEX user_tasks_open ON user_tasks (created_at, key) WHERE ended_at IS NULL;
CREATE INDEX user_tasks_assignee ON user_tasks (assignee, key) WHERE assignee IS NOT NULL;
CREATE INDEX user_tasks_groups ON user_tasks USING gin (candidate_groups) WHERE ended_at IS NULL;

CREATE TABLE incidents (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    element_key bigint NOT NULL,
    element_id text,
    error_type text NOT NULL,
    error_message text NOT NULL,
    job_key bigint,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    resolved_at timestamptz
);
COMMENT ON COLUMN incidents.element_id IS 'NULL: the process itself, which stands still as a whole.';
CREATE INDEX incidents_instance ON incidents (instance_key);
CREATE INDEX incidents_open ON incidents (element_key) WHERE resolved_at IS NULL;

CREATE TABLE timers (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    instance_key bigint,
    element_key bigint,
    definition_key bigint,
    element_id text NOT NULL,
    due timestamptz NOT NULL,
    repetitions integer NOT NULL,
    repeat text,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
);
COMMENT ON COLUMN timers.definition_key IS 'Of a timer start event; the others belong to an instance.';
CREATE INDEX timers_instance ON timers (instance_key);

CREATE TABLE message_subscriptions (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    element_key bigint NOT NULL,
    element_id text NOT NULL,
    process_id text NOT NULL,
    message_name text NOT NULL,
    correlation_key text NOT NULL,
    interrupting boolean NOT NULL,
    correlated_at timestamptz,
    closed_at timestamptz,
    updated_at timestamptz NOT NULL
);
CREATE INDEX message_subscriptions_instance ON message_subscriptions (instance_key);
CREATE INDEX message_subscriptions_name ON message_subscriptions (message_name, correlation_key);

CREATE TABLE correlated_messages (
    message_key bigint NOT NULL,
    subscription_key bigint NOT NULL,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    element_key bigint,
    element_id text NOT NULL,
    process_id text NOT NULL,
    definition_key bigint,
    message_name text NOT NULL,
    correlation_key text NOT NULL,
    correlated_at timestamptz NOT NULL,
    PRIMARY KEY (message_key, subscription_key)
);
COMMENT ON TABLE correlated_messages IS 'Which message reached whom; of a message start event, the subscription is the process definition.';
CREATE INDEX correlated_messages_instance ON correlated_messages (instance_key);
CREATE INDEX correlated_messages_subscription ON correlated_messages (subscription_key);

CREATE TABLE signal_subscriptions (
    key bigint PRIMARY KEY,
    partition integer NOT NULL,
    instance_key bigint NOT NULL,
    element_key bigint NOT NULL,
    element_id text NOT NULL,
    signal_name text NOT NULL,
    received_at timestamptz,
    closed_at timestamptz,
    updated_at timestamptz NOT NULL
);
CREATE INDEX signal_subscriptions_instance ON signal_subscriptions (instance_key);

CREATE TABLE decision_instances (
    evaluation_key bigint NOT NULL,
    index integer NOT NULL,
    partition integer NOT NULL,
    decision_id text NOT NULL,
    decision_name text NOT NULL,
    decision_type text NOT NULL,
    decision_key bigint NOT NULL,
    decision_version integer NOT NULL,
    requirements_key bigint NOT NULL,
    root_decision_key bigint NOT NULL,
    instance_key bigint,
    element_key bigint,
    definition_key bigint,
    inputs text NOT NULL,
    rules text NOT NULL,
    result text NOT NULL,
    failure text,
    state text NOT NULL,
    evaluated_at timestamptz NOT NULL,
    PRIMARY KEY (evaluation_key, index)
);
CREATE INDEX decision_instances_instance ON decision_instances (instance_key);
CREATE INDEX decision_instances_decision ON decision_instances (decision_id, evaluation_key);

CREATE TABLE rejections (
    partition integer NOT NULL,
    position bigint NOT NULL,
    stream text NOT NULL,
    rejected_at timestamptz NOT NULL,
    command_id text NOT NULL,
    command text NOT NULL,
    code text NOT NULL,
    reason text NOT NULL,
    key bigint,
    by text NOT NULL,
    PRIMARY KEY (partition, position)
);
CREATE INDEX rejections_time ON rejections (rejected_at);

CREATE TABLE agenda (
    partition integer NOT NULL,
    key bigint NOT NULL,
    due timestamptz NOT NULL,
    kind text NOT NULL,
    instance_key bigint,
    name text NOT NULL,
    correlation_key text NOT NULL,
    suspended boolean NOT NULL,
    quarantine_key bigint,
    PRIMARY KEY (partition, key)
);
COMMENT ON TABLE agenda IS 'What the engine has to do at a time: kind timer (of an instance), start-timer (key of a start event''s timer) or message (its deadline). Rows leave when that is done or no longer wanted.';
CREATE INDEX agenda_due ON agenda (partition, due, key) WHERE NOT suspended AND quarantine_key IS NULL;
CREATE INDEX agenda_instance ON agenda (instance_key) WHERE instance_key IS NOT NULL;
CREATE INDEX agenda_quarantine ON agenda (quarantine_key) WHERE quarantine_key IS NOT NULL;

-- migrate: rollback

DROP TABLE agenda, rejections, decision_instances, signal_subscriptions, correlated_messages, message_subscriptions, timers,
    incidents, user_tasks, jobs, loop_outputs, variables, sequence_flows, element_instances, process_instances, forms,
    decision_definitions, decision_requirements, process_elements, process_definitions, retention, checkpoints;
