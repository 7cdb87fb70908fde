-- What events that have expired had in the summaries: for each a table etld.expired_<name>, made when its first events
-- expire, and here what that was made from.
CREATE TABLE etld.totals_of_expired (
    summary    text PRIMARY KEY,
    definition jsonb       NOT NULL,
    -- Events that expired before this are in no total.
    since      timestamptz NOT NULL DEFAULT now()
);

-- Values of events as columns of one type, for the views etld.event_<type>. What a type does not hold is NULL, and never
-- an error: other producers' schemas may give a field another type. As in summaries, a plain decimal number may be text.
-- Each as_… is one expression without a subquery, so that PostgreSQL puts it in the place of the call.

CREATE FUNCTION etld.as_numeric(value jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(value)
    WHEN 'number' THEN value::numeric
    WHEN 'string' THEN CASE
        WHEN length(value #>> '{}') < 1200 AND value #>> '{}' ~ '^-?[0-9]+([.][0-9]+)?$' THEN (value #>> '{}')::numeric
    END
END
$$;

CREATE FUNCTION etld.numeric_as_bigint(number numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
SELECT CASE
    WHEN number BETWEEN -9223372036854775808 AND 9223372036854775807 AND number = trunc(number) THEN number::bigint
END
$$;

CREATE FUNCTION etld.numeric_as_double(number numeric) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
SELECT CASE
    WHEN abs(number) BETWEEN 5e-324 AND 1.7976931348623157e308 OR number = 0 THEN number::double precision
END
$$;

-- Nearly all numbers are short, and fit: the functions above, which are calls, are for the others.
CREATE FUNCTION etld.as_bigint(value jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(value)
    WHEN 'number' THEN CASE
        WHEN length(value #>> '{}') < 19 AND scale(value::numeric) = 0 THEN value::bigint
        ELSE etld.numeric_as_bigint(value::numeric)
    END
    WHEN 'string' THEN etld.numeric_as_bigint(etld.as_numeric(value))
END
$$;

CREATE FUNCTION etld.as_double(value jsonb) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(value)
    WHEN 'number' THEN CASE
        WHEN length(value #>> '{}') < 300 THEN value::double precision
        ELSE etld.numeric_as_double(value::numeric)
    END
    WHEN 'string' THEN etld.numeric_as_double(etld.as_numeric(value))
END
$$;

CREATE FUNCTION etld.as_boolean(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE value WHEN 'true'::jsonb THEN true WHEN 'false'::jsonb THEN false END
$$;

CREATE FUNCTION etld.as_uuid(value text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN value ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' THEN value::uuid END
$$;

CREATE FUNCTION etld.as_date(value jsonb) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT (jsonb_path_query_first(value, 'strict $.datetime("YYYY-MM-DD")', '{}', true) #>> '{}')::date
$$;

CREATE FUNCTION etld.as_time(value text) RETURNS time LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN value ~ '^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?$' THEN value::time END
$$;

-- Without a zone, as Avro's local timestamps.
CREATE FUNCTION etld.as_timestamp(value jsonb) RETURNS timestamp LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT (jsonb_path_query_first(value, 'strict $.datetime() ? (@.type() == "timestamp without time zone")', '{}', true)
    #>> '{}')::timestamp
$$;

CREATE FUNCTION etld.as_timestamptz(value jsonb) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT (jsonb_path_query_first_tz(value, 'strict $.datetime() ? (@.type() == "timestamp with time zone")', '{}', true)
    #>> '{}')::timestamptz
$$;

-- The views that there are, and what they were made from, so that one that need not change is left alone.
CREATE TABLE etld.type_view (
    event_type text PRIMARY KEY,
    view_name  text  NOT NULL UNIQUE,
    -- [{"name", "path", "type"}], in the order of the view's columns.
    columns    jsonb NOT NULL,
    statement  text  NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now()
);

-- Which events a repair brought back. Where there are many letters it would keep the corrector waiting, and is left out:
-- whoever asks reads them all.
DO $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM etld.dead_letter LIMIT 200000) AS first) < 200000 THEN
        CREATE INDEX dead_letter_brought_back ON etld.dead_letter (repair_key) WHERE state = 'resolved';
    END IF;
END
$$;
