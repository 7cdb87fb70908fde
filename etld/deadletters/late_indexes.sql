-- Indexes that the corrector makes beside its work, where there were letters before they were wanted.

-- name: dead_letter_event
CREATE INDEX CONCURRENTLY dead_letter_event ON etld.dead_letter (event_id)

-- name: dead_letter_error_group
CREATE INDEX CONCURRENTLY dead_letter_error_group ON etld.dead_letter
    (etld.letter_group(stage, error_class, sqlstate, error), state, created_at, id)

-- name: dead_letter_attempt_user
CREATE INDEX CONCURRENTLY dead_letter_attempt_user ON etld.dead_letter_attempt (etld.letter_user(before))

-- name: dead_letter_attempt_rule
CREATE INDEX CONCURRENTLY dead_letter_attempt_rule ON etld.dead_letter_attempt (rule, outcome) WHERE rule IS NOT NULL

-- name: try_lock
-- One corrector at a time; any constant will do.
SELECT pg_try_advisory_lock(hashtext('etld.dead_letter_event'))

-- name: state
SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('etld.' || %(name)s)
