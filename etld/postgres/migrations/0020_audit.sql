-- Who changed what from where, in the console and by commands.
CREATE TABLE etld.audit (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    node      text        NOT NULL,
    who       text        NOT NULL,
    role      text        NOT NULL,
    address   text        NOT NULL,
    action    text        NOT NULL,
    arguments jsonb       NOT NULL,
    outcome   text        NOT NULL DEFAULT 'under way',
    ended_at  timestamptz
);

COMMENT ON TABLE etld.audit IS 'Who changed what from where, in the console and by commands.';
COMMENT ON COLUMN etld.audit.at IS 'When it was asked for.';
COMMENT ON COLUMN etld.audit.node IS 'The node_id of the daemon.';
COMMENT ON COLUMN etld.audit.who IS 'The name that somebody had logged in with, local without a log-in; of a command the user of the operating system.';
COMMENT ON COLUMN etld.audit.role IS 'What that one may do: viewer, operator or admin.';
COMMENT ON COLUMN etld.audit.address IS 'Where the request came from; cli for a command.';
COMMENT ON COLUMN etld.audit.action IS 'What was asked for, such as workers/restart.';
COMMENT ON COLUMN etld.audit.arguments IS 'With which arguments.';
COMMENT ON COLUMN etld.audit.outcome IS 'under way, done, refused: why, or failed: why.';
COMMENT ON COLUMN etld.audit.ended_at IS 'When the outcome was known.';
