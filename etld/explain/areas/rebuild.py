"""What may go wrong: rebuild, rewind, reconcile."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "T",
    "Rebuild, rewind, reconcile",
    Entry(
        "ETLD-T001",
        "Another rebuild or erasure is under way",
        meaning=(
            "Only one at a time may put rows into the place of others, and what a rebuild replaced has to be dropped "
            "before the next."
        ),
        remedy=(
            "`etld rebuild` goes on with the one under way, `--cancel` gives it up, `--drop-replaced` removes what it"
            " replaced."
        ),
    ),
    Entry(
        "ETLD-T002",
        "PostgreSQL refuses the rebuild",
        meaning=(
            "The shadow cannot be made or cannot take the table's place: a right is missing, a view or a foreign key "
            "of yours depends on the table, or a lock was not to be had. The table is as it was."
        ),
        remedy="Mend the reason in the message, then `etld rebuild` again.",
    ),
    Entry(
        "ETLD-T003",
        "The shadow does not agree with what was read",
        meaning=(
            "Rows were changed or removed while it was filled, or records could not be read to the end. The table is "
            "as it was."
        ),
        remedy="`etld rebuild --cancel`, see that `etld reconcile` names no difference, and begin again.",
    ),
    Entry(
        "ETLD-T004",
        "The exchange has to wait",
        meaning=(
            "Somebody is behind, or rows were stored, removed or claimed in this moment. It is tried again by itself."
        ),
        remedy="Nothing. If it never comes to it, look for what the message names in `etld status`.",
    ),
    Entry(
        "ETLD-T005",
        "The rebuild was interrupted",
        meaning="What was read is kept.",
        remedy="`etld rebuild` goes on from there, `--cancel` gives it up.",
    ),
    Entry(
        "ETLD-T006",
        "A rebuild does not end",
        meaning="The process that rebuilds holds its lock still.",
        remedy="End it (its host and pid are in `pg_stat_activity`), then `etld rebuild --cancel`.",
    ),
    Entry(
        "ETLD-T007",
        "The partition is not halted",
        meaning="`--from low` gives up what is missing of a halted partition, and this one is not.",
        remedy="Nothing: `etld status` shows where it is. `etld resume WORKER` ends a pause.",
    ),
    Entry(
        "ETLD-T008",
        "The partition is halted",
        meaning="A rewind would begin at a place that means nothing in the topic as it is now.",
        remedy="First `etld resume processor --from low TOPIC:PARTITION`; see ETLD-K005.",
    ),
    Entry(
        "ETLD-T009",
        "A comparison is under way",
        meaning="`etld reconcile` runs once at a time from the console, since it reads the whole table.",
        remedy="Wait for its verdict.",
    ),
    Entry(
        "ETLD-T010",
        "No rebuild is under way",
        meaning="There is nothing to go on with or to give up: the last one is done, or none was begun.",
        remedy="`etld rebuild EVENT_TYPE --from TIME` begins one.",
    ),
)
