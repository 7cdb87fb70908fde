-- What became of the repairs of each rule. Where there are attempts, the corrector makes the index beside its work.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM etld.dead_letter_attempt) THEN
        CREATE INDEX dead_letter_attempt_rule ON etld.dead_letter_attempt (rule, outcome) WHERE rule IS NOT NULL;
    END IF;
END
$$;
