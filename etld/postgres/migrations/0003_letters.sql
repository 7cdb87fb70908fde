-- The corrector's own columns: what a repair is waiting for, and where it went.

ALTER TABLE etld.dead_letter
    -- Attempts made before the last replay: they count no more.
    ADD COLUMN base_attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN replays       integer NOT NULL DEFAULT 0,
    -- The schema id that the registry does not know yet.
    ADD COLUMN waits_for     bigint,
    -- The event_id of the repair, and where Kafka put it.
    ADD COLUMN repair_key    uuid,
    ADD COLUMN repair_part   integer,
    ADD COLUMN repair_off    bigint,
    -- Is the parked letter in parked_events too?
    ADD COLUMN announced     boolean NOT NULL DEFAULT false;

CREATE INDEX dead_letter_unannounced ON etld.dead_letter (created_at) WHERE state = 'parked' AND NOT announced;
CREATE INDEX dead_letter_waiting ON etld.dead_letter (waits_for) WHERE waits_for IS NOT NULL;

-- json keeps what jsonb refuses: a NUL in a text is often the very reason why an event is dead.
ALTER TABLE etld.dead_letter_attempt
    ALTER COLUMN before TYPE json USING before::json,
    ALTER COLUMN after TYPE json USING after::json,
    -- How the repair failed in its turn.
    ADD COLUMN stage       text,
    ADD COLUMN error_class text,
    ADD COLUMN sqlstate    text;

-- Dead letters that were deleted at the end of their time, so that totals do not shrink.
CREATE TABLE etld.dead_letter_removed (
    state    text    NOT NULL,
    repaired boolean NOT NULL,
    letters  bigint  NOT NULL,
    returns  bigint  NOT NULL,
    PRIMARY KEY (state, repaired)
);
