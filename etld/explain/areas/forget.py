"""What may go wrong: erasure of persons."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "F",
    "Erasure of persons",
    Entry(
        "ETLD-F001",
        "The key of erasures is missing or another one",
        meaning=(
            "Who was forgotten is on record as a keyed hash. Without the key nobody could recognise the person in "
            "records that are read again, so what would need it stops."
        ),
        remedy=(
            "Copy the file from the host where `etld forget` was run first, to the place that "
            "`storage.erasure_key_file` names, on every host."
        ),
    ),
    Entry(
        "ETLD-F002",
        "An erasure is not finished",
        meaning=(
            "A step waits for something: a processor that is behind, a lock, a server. What was done is on record and"
            " holds."
        ),
        remedy="Mend what the message names and give the same command again; it goes on from there.",
    ),
    Entry(
        "ETLD-F003",
        "The subject is not understood",
        meaning=(
            "The condition names a field that no event type has, a value of another type, or something that fits "
            "everybody."
        ),
        remedy=(
            "Write such as `etld forget user_id=7`, a field of user_details or event_details. `--dry-run` shows what "
            "would be found."
        ),
    ),
    Entry(
        "ETLD-F004",
        "An erasure has come to no end",
        meaning=(
            "Somebody began an erasure, and it has neither gone on nor ended for long. The fault's text has its "
            "number and who began it."
        ),
        remedy=("Give the same `etld forget` again: it goes on from there."),
        words={"fault": ("erasure",)},
    ),
    Entry(
        "ETLD-F005",
        "A rebuild is in the way",
        meaning="Its shadow would bring back events of the subject.",
        remedy="Finish or give up the rebuild as the message says, then forget.",
    ),
)
