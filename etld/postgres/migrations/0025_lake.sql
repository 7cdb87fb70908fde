-- The lake's catalog, as Iceberg's JDBC catalogs have it (so that Trino and Spark read it too), and what its workers say of
-- the tables: the rows and positions themselves are in the lake.

CREATE TABLE etld.iceberg_tables (
    catalog_name               varchar(255)  NOT NULL,
    table_namespace            varchar(255)  NOT NULL,
    table_name                 varchar(255)  NOT NULL,
    metadata_location          varchar(1000),
    previous_metadata_location varchar(1000),
    iceberg_type               varchar(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
COMMENT ON TABLE etld.iceberg_tables IS 'The tables of the lake, where [lake] catalog is "embedded": a JDBC catalog of Iceberg.';

CREATE TABLE etld.iceberg_namespace_properties (
    catalog_name   varchar(255)  NOT NULL,
    namespace      varchar(255)  NOT NULL,
    property_key   varchar(255)  NOT NULL,
    property_value varchar(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
);
COMMENT ON TABLE etld.iceberg_namespace_properties IS 'The namespaces of that catalog.';

CREATE TABLE etld.lake_table (
    event_type    text        PRIMARY KEY,
    name          text        NOT NULL,
    snapshot_id   bigint      NOT NULL,
    sequence      bigint      NOT NULL,
    row_count     bigint      NOT NULL,
    expected_rows bigint      NOT NULL,
    file_count    bigint      NOT NULL,
    byte_count    bigint      NOT NULL,
    committed_at  timestamptz NOT NULL
);
COMMENT ON TABLE etld.lake_table IS 'Each table of the lake as of the snapshot that its workers committed last.';
COMMENT ON COLUMN etld.lake_table.name IS 'The table in the catalog.';
COMMENT ON COLUMN etld.lake_table.sequence IS 'The number of that snapshot, which grows with each.';
COMMENT ON COLUMN etld.lake_table.row_count IS 'Rows of the table, as the snapshot says.';
COMMENT ON COLUMN etld.lake_table.expected_rows IS 'Rows that the positions in the same snapshot account for.';
COMMENT ON COLUMN etld.lake_table.file_count IS 'Its data files.';
COMMENT ON COLUMN etld.lake_table.byte_count IS 'Their bytes.';
COMMENT ON COLUMN etld.lake_table.committed_at IS 'When that snapshot was committed.';

CREATE TABLE etld.lake_backfill (
    event_type    text        PRIMARY KEY,
    accepted_from timestamptz NOT NULL,
    requested_by  text        NOT NULL,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    rows          bigint      NOT NULL DEFAULT 0,
    told          text        NOT NULL DEFAULT '',
    done_at       timestamptz
);
COMMENT ON TABLE etld.lake_backfill IS 'What `etld lake backfill` was asked for last, by event type.';
COMMENT ON COLUMN etld.lake_backfill.accepted_from IS 'Events accepted from here on are still to be looked at.';
COMMENT ON COLUMN etld.lake_backfill.rows IS 'Rows that went into the lake.';
COMMENT ON COLUMN etld.lake_backfill.told IS 'Why it stands still, in words.';
COMMENT ON COLUMN etld.lake_backfill.done_at IS 'When all was in the lake; NULL until then.';
