-- Many hosts on one database, and a database that goes over to a standby which was behind.

-- Each promotion of a standby begins a new timeline. 0: a server that tells of none, since it loses nothing when it goes
-- over (its storage is shared), or one in recovery.
CREATE FUNCTION etld.timeline() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint;
EXCEPTION WHEN OTHERS THEN
    RETURN 0;
END
$$;
COMMENT ON FUNCTION etld.timeline() IS 'The timeline that this server writes.';

-- An epoch is the timeline, 2^40 times, and a number that only grows: so a standby never gives one again that the former
-- primary has given, be it before or after the standby was promoted.
CREATE FUNCTION etld.next_epoch(before bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (etld.timeline() << 40) + (before & ((1::bigint << 40) - 1)) + 1
$$;
COMMENT ON FUNCTION etld.next_epoch(bigint) IS 'The epoch after another one.';

ALTER TABLE etld.kafka_position
    ADD COLUMN rewound bigint NOT NULL DEFAULT 0,
    ADD COLUMN failed_over_at timestamptz;
COMMENT ON COLUMN etld.kafka_position.rewound IS
    'Records that were read again because PostgreSQL went over to a standby that was behind.';
COMMENT ON COLUMN etld.kafka_position.failed_over_at IS 'When the partition was first claimed on another server.';
ALTER TABLE etld.kafka_position_history
    ADD COLUMN rewound bigint NOT NULL DEFAULT 0,
    ADD COLUMN failed_over_at timestamptz;

-- What one host does for all: who holds a lease, and until when by this server's clock. Its epoch grows when another takes it.
CREATE TABLE etld.lease (
    name       text        PRIMARY KEY,
    epoch      bigint      NOT NULL DEFAULT 0,
    holder     text        NOT NULL DEFAULT '',
    node_id    text        NOT NULL DEFAULT '',
    taken_at   timestamptz,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE etld.lease IS 'What one host does for all, and who that is now.';
COMMENT ON COLUMN etld.lease.name IS 'charts, storage (partitions and retention), summaries (filling them), hosts (telling of those that are away).';
COMMENT ON COLUMN etld.lease.node_id IS 'The node_id of the holder.';
COMMENT ON COLUMN etld.lease.expires_at IS 'Until when it is held, unless it is renewed: every 2 s.';
INSERT INTO etld.lease (name) VALUES ('charts'), ('storage'), ('summaries'), ('hosts');

-- What each daemon tells of itself, for `etld status --cluster`.
ALTER TABLE etld.daemon
    ADD COLUMN version text,
    ADD COLUMN roles   text[],
    ADD COLUMN report  jsonb,
    ADD COLUMN left_at timestamptz;
