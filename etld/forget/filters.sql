-- What people asked for: filters of jobs on dead letters, arguments of actions. Keys that hold what stands in events.

-- name: jobs
SELECT id, chosen::text FROM etld.letter_job WHERE chosen ?| %(keys)s::text[]

-- name: audited
SELECT id, arguments::text FROM etld.audit WHERE arguments ?| %(keys)s::text[]

-- name: change_job
UPDATE etld.letter_job SET chosen = %(changed)s::jsonb WHERE id = %(id)s

-- name: change_audited
UPDATE etld.audit SET arguments = %(changed)s::jsonb WHERE id = %(id)s
