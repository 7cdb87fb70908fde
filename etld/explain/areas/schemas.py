"""What may go wrong: schemas and their registry."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "R",
    "Schemas and their registry",
    Entry(
        "ETLD-R001",
        "The schema registry does not answer",
        meaning=(
            "The address in `schema_registry.url` cannot be reached, answers too slowly, or answers something that is"
            " not the registry's protocol. Schemas that are known already go on being used; only a new schema, and "
            "set-up, have to wait."
        ),
        remedy="Try `curl URL/subjects` from this host. It is asked again by itself.",
        words={"fault": ("schema_registry",)},
    ),
    Entry(
        "ETLD-R002",
        "The schema registry refuses the daemon",
        meaning=(
            "It answers 401 or 403: user name or password are wrong, or the user may not read or register subjects."
        ),
        remedy=(
            "Correct `schema_registry.username` and `password_file`, or grant the rights in the registry, then `etld "
            "reload`."
        ),
    ),
    Entry(
        "ETLD-R003",
        "A schema cannot be used",
        meaning=(
            "The file cannot be read, is no Avro schema, or uses something that has no column type: a recursive type,"
            " `bytes` inside the details, a name with other signs than letters, digits and _, more fields than a "
            "table bears."
        ),
        remedy="`etld schemas check FILE` names every reason with its path. Mend the file, then `etld reload`.",
    ),
    Entry(
        "ETLD-R004",
        "A schema may not be changed like this",
        meaning=(
            "Records that were written with the old schema could not be read with the new one, or the other way "
            "round. The message names the fields: one without a default was added or removed, or a type was changed."
        ),
        remedy=(
            "Give new fields a default, keep the old ones, or make the change as a new event type. `etld schemas "
            "check FILE` tells whether a schema may follow."
        ),
    ),
    Entry(
        "ETLD-R005",
        "No schema has this id",
        meaning=(
            "A record names a schema id that the registry does not know. It comes from another registry or cluster, "
            "or the schema was deleted for good there."
        ),
        remedy=(
            "Register the schema again, or find the producer that writes with another registry. `etld dlq replay` "
            "takes the letters up when it is known."
        ),
    ),
    Entry(
        "ETLD-R006",
        "The schemas are not registered yet",
        meaning=(
            "Set-up registers the schemas of the configuration and writes `schemas.json` below `state_dir`, which the"
            " other workers read. It has not run to its end, or the file is damaged or older than the configuration."
        ),
        remedy=(
            "`etld restart setup` (or `etld reload` after a change), and look for what set-up says in `etld logs`."
        ),
    ),
    Entry(
        "ETLD-R007",
        "The list of registered schemas cannot be written",
        meaning=(
            "`schemas.json` below `state_dir` cannot be written: the disk is full, or the directory belongs to "
            "another user."
        ),
        remedy="Make room or correct the owner, then `etld restart setup`.",
    ),
)
