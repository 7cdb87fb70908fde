-- What dashboards show beside events and summaries: how fresh the numbers are, what is dead and why, and whether the books
-- agree. Each is a view that holds nothing of a record, so that the role of readers may have it.

CREATE TABLE etld.reconciliation (
    at          timestamptz NOT NULL DEFAULT now() PRIMARY KEY,
    ok          boolean     NOT NULL,
    in_flight   bigint      NOT NULL,
    differences text[]      NOT NULL
);
COMMENT ON TABLE etld.reconciliation IS 'What each `etld reconcile` of the last 90 days said.';
COMMENT ON COLUMN etld.reconciliation.ok IS 'Did topics, table, dead letters and summaries agree?';
COMMENT ON COLUMN etld.reconciliation.in_flight IS 'Records that were under way, and are in no account yet.';
COMMENT ON COLUMN etld.reconciliation.differences IS 'What did not agree, in words.';

CREATE VIEW etld.last_reconcile AS
SELECT r.at AS compared_at,
    CASE WHEN r.at IS NULL THEN 'never compared: run etld reconcile'
        WHEN r.ok THEN 'everything agrees'
        ELSE cardinality(r.differences) || CASE cardinality(r.differences) WHEN 1 THEN ' difference' ELSE ' differences' END
    END AS verdict,
    r.ok, cardinality(r.differences) AS differences, r.in_flight
FROM (VALUES (1)) AS one (row) LEFT JOIN (SELECT * FROM etld.reconciliation ORDER BY at DESC LIMIT 1) r ON true;
COMMENT ON VIEW etld.last_reconcile IS 'The verdict of the last `etld reconcile`: one row, also before the first.';
COMMENT ON COLUMN etld.last_reconcile.compared_at IS 'When topics, table, dead letters and summaries were compared.';
COMMENT ON COLUMN etld.last_reconcile.verdict IS 'What it said, in words.';
COMMENT ON COLUMN etld.last_reconcile.ok IS 'Did all agree? NULL before the first comparison.';
COMMENT ON COLUMN etld.last_reconcile.differences IS 'How many differences it found.';
COMMENT ON COLUMN etld.last_reconcile.in_flight IS 'Records that were under way.';

CREATE VIEW etld.freshness AS
SELECT substr(consumer_group, 16) AS event_type, max(updated_at) AS as_of, sum(stored)::bigint AS stored,
    sum(dead)::bigint AS dead
FROM etld.kafka_position
WHERE consumer_group LIKE 'etld-processor-%'
GROUP BY 1;
COMMENT ON VIEW etld.freshness IS 'How fresh the events of each type are.';
COMMENT ON COLUMN etld.freshness.event_type IS 'The event type.';
COMMENT ON COLUMN etld.freshness.as_of IS 'When a processor last stored events of this type, or took over its partitions.';
COMMENT ON COLUMN etld.freshness.stored IS 'Events that were stored.';
COMMENT ON COLUMN etld.freshness.dead IS 'Records that could not be.';

CREATE VIEW etld.dead_letters_by_reason AS
SELECT c.hour, c.event_type, coalesce(g.reason, 'unknown') AS reason, c.state, sum(c.letters)::bigint AS letters
FROM etld.dead_letter_count c
LEFT JOIN (
    -- Nothing of a record's values: a VALIDATION says where what was expected, the rest is told by its stage alone.
    SELECT one.error_group, CASE d.stage WHEN 'VALIDATION' THEN etld.letter_error(d.stage, d.error)
        WHEN 'VALUE_CONVERTER' THEN 'bytes that no schema reads'
        WHEN 'TRANSFORM' THEN 'refused by the transform'
        WHEN 'TASK_PUT' THEN 'refused by the table'
        ELSE lower(d.stage) END AS reason
    FROM (SELECT DISTINCT error_group FROM etld.dead_letter_count) one, LATERAL (
        SELECT * FROM etld.dead_letter d
        WHERE etld.letter_group(d.stage, d.error_class, d.sqlstate, d.error) = one.error_group
        LIMIT 1
    ) d
) g ON g.error_group = c.error_group
GROUP BY 1, 2, 3, 4 HAVING sum(c.letters) <> 0;
COMMENT ON VIEW etld.dead_letters_by_reason IS 'How many records could not be stored, by hour of arrival, event type, reason and state.';
COMMENT ON COLUMN etld.dead_letters_by_reason.hour IS 'The hour in which they came.';
COMMENT ON COLUMN etld.dead_letters_by_reason.event_type IS 'The event type, as far as it is known.';
COMMENT ON COLUMN etld.dead_letters_by_reason.reason IS 'What is wrong with them, without what they hold.';
COMMENT ON COLUMN etld.dead_letters_by_reason.state IS 'new, repaired, resent (on its way back), resolved (stored after all), parked (for a person), discarded.';
COMMENT ON COLUMN etld.dead_letters_by_reason.letters IS 'How many.';
