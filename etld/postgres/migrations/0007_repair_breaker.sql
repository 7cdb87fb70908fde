-- How repairs ended of late, for all correctors together: when most fail again, none is sent.
CREATE TABLE etld.repair_breaker (
    the_only  boolean PRIMARY KEY DEFAULT true CHECK (the_only),
    ended     bigint  NOT NULL DEFAULT 0,
    failed    bigint  NOT NULL DEFAULT 0,
    opened_at timestamptz,
    -- What came back before is not counted.
    since     timestamptz NOT NULL DEFAULT now(),
    -- After it was open: a few repairs show whether it may close.
    trying    boolean NOT NULL DEFAULT false
);
INSERT INTO etld.repair_breaker DEFAULT VALUES;
