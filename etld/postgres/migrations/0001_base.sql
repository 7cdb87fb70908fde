-- Tables that exist from the first start on. One migration is one transaction.

CREATE SCHEMA IF NOT EXISTS etld;

CREATE TABLE public.processed_events (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid        NOT NULL,
    event_name      text        NOT NULL,
    event_type      text        NOT NULL,
    user_details    jsonb,
    event_details   jsonb,
    triggered_at    timestamptz NOT NULL,
    processed_at    timestamptz NOT NULL DEFAULT now(),
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    CONSTRAINT processed_events_event_id_key UNIQUE (event_id)
);

-- The position of one consumer group in one partition, moved in the transaction of its effects.
CREATE TABLE etld.kafka_position (
    cluster_id   text    NOT NULL,
    grp          text    NOT NULL,
    topic        text    NOT NULL,
    part         integer NOT NULL,
    topic_id     text    NOT NULL,
    start_offset bigint  NOT NULL,
    next_offset  bigint  NOT NULL,
    owner_epoch  bigint  NOT NULL DEFAULT 0,
    owner        text    NOT NULL,
    stored       bigint  NOT NULL DEFAULT 0,
    duplicate    bigint  NOT NULL DEFAULT 0,
    filtered     bigint  NOT NULL DEFAULT 0,
    dead         bigint  NOT NULL DEFAULT 0,
    consumed     bigint  NOT NULL DEFAULT 0,
    gaps         bigint  NOT NULL DEFAULT 0,
    lost         bigint  NOT NULL DEFAULT 0,
    -- Why a partition stands still: '' or TOPIC_RECREATED, OFFSET_LOST, OFFSET_BEYOND.
    halted       text    NOT NULL DEFAULT '',
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, grp, topic, part)
) WITH (fillfactor = 50);

-- Earlier lives of a position: a topic that was made anew, or a range given up.
CREATE TABLE etld.kafka_position_history (
    LIKE etld.kafka_position,
    reason   text        NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now()
);

-- Dead letters on their way to the dead_letter_queue, written with the good rows of their batch.
CREATE TABLE etld.dlq_outbox (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dead_letter_id uuid  NOT NULL UNIQUE,
    key            bytea,
    value          bytea,
    headers        jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- The dead letters, as the corrector knows them.
CREATE TABLE etld.dead_letter (
    id           uuid PRIMARY KEY,
    event_id     text,
    event_type   text,
    state        text NOT NULL CHECK (state IN ('new', 'repaired', 'resent', 'resolved', 'parked', 'discarded')),
    stage        text NOT NULL,
    error_class  text NOT NULL,
    error        text NOT NULL,
    sqlstate     text,
    topic        text,
    part         integer,
    off          bigint,
    key          bytea,
    value        bytea,
    headers      jsonb NOT NULL DEFAULT '{}',
    attempts     integer NOT NULL DEFAULT 0,
    -- What goes, or went, back to Kafka: topic, key and value of the repair.
    repair_topic text,
    repair_value bytea,
    not_before   timestamptz,
    reason       text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letter_state ON etld.dead_letter (state, created_at);
CREATE INDEX dead_letter_event ON etld.dead_letter (event_id);

-- Every attempt at a dead letter: which rule, what it made of it, what came of that.
CREATE TABLE etld.dead_letter_attempt (
    dead_letter_id uuid        NOT NULL REFERENCES etld.dead_letter ON DELETE CASCADE,
    attempt        integer     NOT NULL,
    rule           text,
    before         jsonb,
    after          jsonb,
    error          text,
    outcome        text        NOT NULL,
    -- The dead letter that came back for the repair of this attempt, if it failed again.
    returned_as    uuid UNIQUE,
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dead_letter_id, attempt)
);

-- The embedded schema registry.
CREATE TABLE etld.schema_version (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject     text    NOT NULL,
    version     integer NOT NULL,
    schema      text    NOT NULL,
    fingerprint text    NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (subject, version),
    UNIQUE (subject, fingerprint)
);

-- Event ids that the aggregator has counted, by the day it counted them.
CREATE TABLE etld.counted_event (
    counted_on date NOT NULL,
    event_id   uuid NOT NULL
) PARTITION BY RANGE (counted_on);

-- What each summary table was made from, so that a changed definition is filled again.
CREATE TABLE etld.summary (
    name       text PRIMARY KEY,
    definition jsonb NOT NULL,
    state      text  NOT NULL DEFAULT 'backfill' CHECK (state IN ('backfill', 'live')),
    -- Positions of the aggregator at which the backfill takes over: {"topic:partition": offset}.
    cut        jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now()
);
