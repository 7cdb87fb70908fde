-- `etld rebuild`: an event type's records are read again into a shadow, which then replaces what it stands for.
CREATE TABLE etld.rebuild (
    event_type    text PRIMARY KEY,
    -- waiting: for its turn. reading: into the shadow, etld.rebuild_event. cancelled: by somebody, while it was at work.
    -- kept: it is done, and the rows that were replaced are in etld.replaced_<event_type>.
    state         text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'reading', 'cancelled', 'kept')),
    -- What was asked for; NULL: all that Kafka holds.
    since         timestamptz,
    -- Events that were accepted before stay as they are; NULL: none does.
    cut           timestamptz,
    cluster_id    text        NOT NULL DEFAULT '',
    topic         text        NOT NULL DEFAULT '',
    keep_replaced boolean     NOT NULL,
    begun_at      timestamptz NOT NULL DEFAULT now()
);

-- Of the one that is reading: its records begin there, and rows stored until `since` are those of another topic.
CREATE TABLE etld.rebuild_range (
    partition    integer PRIMARY KEY,
    topic_id     text        NOT NULL,
    first_offset bigint      NOT NULL,
    since        timestamptz NOT NULL
);

-- Its dead letters, until it replaces.
CREATE TABLE etld.rebuild_letter (
    dead_letter_id uuid PRIMARY KEY,
    key            bytea,
    value          bytea,
    headers        jsonb NOT NULL
);

COMMENT ON TABLE etld.rebuild IS 'What `etld rebuild` has begun, and whose replaced rows are kept.';
