-- What events that have expired had in the summaries: for each a table etld.expired_<name>, made when its first events
-- expire, and here what that was made from.
CREATE TABLE etld.totals_of_expired (
    summary    text PRIMARY KEY,
    definition jsonb       NOT NULL,
    -- Events that expired before this are in no total.
    since      timestamptz NOT NULL DEFAULT now()
);
