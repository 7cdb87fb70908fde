"""What may go wrong: dead letters and repairs."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "D",
    "Dead letters and repairs",
    Entry(
        "ETLD-D001",
        "An event does not fit its schema",
        meaning=(
            "Ingest kept it because it names an unknown event type, or because a field is missing, unknown or of "
            "another type. The letter's message names each path."
        ),
        remedy=(
            "Mend the producer. For what has come already write a rule: `etld dlq stats` groups the letters, and "
            "`etld dlq rules draft GROUP` begins one."
        ),
        words={"letter": ("InvalidEvent",)},
    ),
    Entry(
        "ETLD-D002",
        "A record cannot be decoded",
        meaning=(
            "The bytes of the record are not what the schema that it names describes. Somebody wrote to the topic "
            "with another schema than they named, or bytes were lost."
        ),
        remedy=(
            "Find the producer by the letter's topic, partition and offset. The bytes are kept; `etld dlq show ID` "
            "has them, and `etld dlq replay ID --edit` lets you write the event anew."
        ),
        words={
            "letter": (
                "Truncated",
                "TrailingBytes",
                "BadVarint",
                "BadLength",
                "BadBoolean",
                "BadUnionIndex",
                "BadEnumIndex",
                "BadDecimal",
                "InvalidUtf8",
                "VALUE_CONVERTER",
            )
        },
    ),
    Entry(
        "ETLD-D003",
        "A record does not begin like one of a schema registry",
        meaning=(
            "The topic takes Avro in Confluent's wire format: a zero byte, a schema id of four bytes, the body. This "
            "record has no value, is too short, or is something else, such as plain JSON."
        ),
        remedy=(
            "Let producers write through a registry's serializer (docs/producers.md), or send events to ingest instead."
        ),
        words={
            "letter": (
                "BadMagicByte",
                "BadSchemaHeader",
                "JsonInsteadOfAvro",
                "TooShort",
                "EmptyValue",
                "Tombstone",
            )
        },
    ),
    Entry(
        "ETLD-D004",
        "A record names a schema that is not an event's",
        meaning="The schema id is not known to the registry, or its schema has not the fields of an event.",
        remedy="See ETLD-R005. `etld dlq replay` takes the letters up when the schema is there.",
        words={
            "letter": (
                "UnknownSchemaId",
                "NotAnEventSchema",
            )
        },
    ),
    Entry(
        "ETLD-D005",
        "A value cannot be stored",
        meaning=(
            "The record can be read, and PostgreSQL could not hold it or it is in the wrong topic: a NaN, the "
            "character U+0000, a time outside of the years 1 to 9999, an event_id that is no UUID, another event "
            "type."
        ),
        remedy="Mend the producer, or repair by a rule (`set`, `regex_replace`, `clamp`).",
        words={
            "letter": (
                "NotFinite",
                "NulCharacter",
                "TimeOutOfRange",
                "NotATime",
                "InvalidEventId",
                "WrongEventType",
                "MissingField",
                "VALIDATION",
            )
        },
    ),
    Entry(
        "ETLD-D006",
        "Your transform fails on a record",
        meaning=(
            "The function of `[event_types.<type>] transform` raises for this record; the batch was halved until the "
            "one was found. The letter has the exception and its message."
        ),
        remedy="Mend the function, `etld reload`, then `etld dlq replay --stage TRANSFORM`.",
        words={"letter": ("TRANSFORM",)},
    ),
    Entry(
        "ETLD-D007",
        "The table refuses a record",
        meaning=(
            "PostgreSQL raises an error for this one row: a CHECK, NOT NULL or foreign key that was added to "
            "`processed_events`, or a trigger that raises. The letter has its SQLSTATE."
        ),
        remedy="Change the constraint or repair the events by a rule, then `etld dlq replay --stage TASK_PUT`.",
        words={
            "letter": (
                "TASK_PUT",
                "CheckViolation",
                "NotNullViolation",
                "ForeignKeyViolation",
                "UniqueViolation",
                "RaiseException",
                "ExclusionViolation",
            )
        },
    ),
    Entry(
        "ETLD-D008",
        "A trigger has swallowed a record",
        meaning=(
            "A trigger of `processed_events` returned NULL for this row, so PostgreSQL took it without storing it."
        ),
        remedy="Mend the trigger (ETLD-P010), then `etld dlq replay --stage TASK_PUT`.",
        words={"letter": ("Swallowed",)},
    ),
    Entry(
        "ETLD-D009",
        "An event ends the process that works on it",
        meaning=(
            "Each time this record is read, the worker crashes, hangs or grows out of its memory, and it did so alone"
            " in a process of its own, too. So it was put aside, and all others go on."
        ),
        remedy=(
            "Keep the bytes (`etld dlq show ID`): a crash in decoding is worth a report, one in a transform or hook "
            "is for its author. `etld dlq replay ID` tries again in a process of its own."
        ),
        words={"letter": ("WORKER_KILLED",)},
    ),
    Entry(
        "ETLD-D010",
        "Too many events are dead",
        meaning=(
            "Of the last records more than `breaker.ratio` became dead letters (or parked repairs), so the worker "
            "pauses instead of emptying the topic into the queue."
        ),
        remedy=(
            "`etld dlq stats` shows what is wrong with them. Mend it, then `etld resume processor` (or `corrector`)."
        ),
        words={"fault": ("breaker",)},
    ),
    Entry(
        "ETLD-D011",
        "Dead letters wait for Kafka",
        meaning=(
            "Letters are safe in PostgreSQL (`etld.dlq_outbox`) and cannot be written to the topic of dead letters."
        ),
        remedy="See ETLD-K001 and ETLD-K002; they go out by themselves.",
        words={"fault": ("relay",)},
    ),
    Entry(
        "ETLD-D012",
        "The corrector cannot go on with repairs",
        meaning=(
            "A round of repairs failed as a whole, most often because PostgreSQL or the schema registry does not "
            "answer. It is tried again, and letters stay as they are."
        ),
        remedy=("The message has the reason, or the log of the corrector (`etld logs corrector`)."),
        words={"fault": ("corrector",)},
    ),
    Entry(
        "ETLD-D013",
        "Dead letters are searched for one that ends the worker",
        meaning=(
            "A corrector ended while it worked on these letters, so each is tried in a process of its own before "
            "it is repaired. That takes a moment, and the others go on."
        ),
        remedy=(
            "Nothing: what is found is parked (ETLD-D009). If it lasts, the text tells what cannot be had for the"
            " search."
        ),
        words={"fault": ("trials",)},
    ),
    Entry(
        "ETLD-D014",
        "A hook rests, since it hangs",
        meaning=(
            "A hook of `[[corrector.rules]]` did not return within its limit several times in a row, so it is not"
            " called for a while. Its letters wait."
        ),
        remedy="Mend the hook, then `etld restart corrector`.",
        words={"fault": ("hooks",)},
    ),
    Entry(
        "ETLD-D015",
        "Repaired events wait for Kafka",
        meaning="Repairs are on record and cannot be written to their topics.",
        remedy="See ETLD-K001 and ETLD-K002; they go out by themselves.",
        words={"fault": ("letters",)},
    ),
    Entry(
        "ETLD-D016",
        "There is no such dead letter",
        meaning="No letter has this id or event_id, or the beginning of an id fits several.",
        remedy="`etld dlq list` shows the ids; write more characters of it.",
    ),
    Entry(
        "ETLD-D017",
        "The letter's state does not allow this",
        meaning=(
            "Only letters that are not under way can be replayed or discarded; the message names the states from "
            "which it is possible."
        ),
        remedy="`etld dlq show ID` tells the state. What is `resent` becomes `resolved` or comes back by itself.",
    ),
    Entry(
        "ETLD-D018",
        "The letter was left as it is",
        meaning=(
            "The edited event is still not valid, was not changed, cannot be sent, or the letter was changed by "
            "others meanwhile."
        ),
        remedy="The message names what is wrong with the event; edit again.",
    ),
    Entry(
        "ETLD-D019",
        "There is no such rule",
        meaning="No rule of the configuration has this name.",
        remedy="`etld dlq rules list` shows them.",
    ),
    Entry(
        "ETLD-D020",
        "The rule's file cannot be changed",
        meaning=(
            "`corrector.rules_dir` is not set or cannot be written, a rule or file of this name is there already, or "
            "the rule stands in `etld.toml`, which etld does not edit."
        ),
        remedy=(
            "Set `rules_dir`, choose another name, say `--replace`, or edit `etld.toml` by hand and `etld reload`."
        ),
    ),
    Entry(
        "ETLD-D021",
        "There is no such job",
        meaning=(
            "Actions on many letters run as jobs with a number, and none has this one. Finished ones are forgotten "
            "after a while."
        ),
        remedy="`etld dlq jobs` lists them.",
    ),
    Entry(
        "ETLD-D022",
        "An action ended before its last letter",
        meaning="The job broke off. What it did up to then stays done.",
        remedy="The message has the reason; give the same command again, and it takes up the rest.",
    ),
)
