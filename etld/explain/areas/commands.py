"""What may go wrong: the command line."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "X",
    "The command line",
    Entry(
        "ETLD-X001",
        "The command was called the wrong way",
        meaning=(
            "An option or argument is missing, misspelt, has a value of the wrong kind, or does not go with another."
        ),
        remedy="`etld COMMAND --help` shows what it takes.",
    ),
    Entry(
        "ETLD-X002",
        "There is nothing of this name",
        meaning="No event type, summary, user or token is called so.",
        remedy="Take a name that the message suggests; `etld config show` has event types and summaries.",
    ),
    Entry(
        "ETLD-X003",
        "A file cannot be written",
        meaning="The directory does not exist, belongs to another user, or the disk is full or read-only.",
        remedy="Name another place, or correct the rights.",
    ),
    Entry(
        "ETLD-X004",
        "Something is there already",
        meaning="The command does not overwrite what it did not make.",
        remedy="Choose another name, move it away, or say `--force` where the command has it.",
    ),
    Entry(
        "ETLD-X005",
        "A file cannot be read",
        meaning="The file that an option names is not there, empty, not this user's, or not UTF-8.",
        remedy="Correct the path or the rights.",
    ),
    Entry(
        "ETLD-X006",
        "Ingest refused sample events",
        meaning=(
            "`etld generate` or `etld demo` sent events, and the daemon answered that they are not taken. The first "
            "answer is in the message."
        ),
        remedy=(
            "Read the code in that answer: a write key (`--key`), limits, or a schema that was changed are the usual "
            "reasons."
        ),
    ),
    Entry(
        "ETLD-X007",
        "Ingest acknowledges nothing",
        meaning=("Connections come about, and no event is acknowledged for long: Kafka is away, or ingest is paused."),
        remedy="`etld health` names the fault.",
    ),
    Entry(
        "ETLD-X008",
        "The certificate at the address is not trusted",
        meaning=(
            "The server shows a certificate that this machine does not trust, for another name, or one that has ended."
        ),
        remedy="Use the name in the certificate, or add its authority to the machine's (`SSL_CERT_FILE`).",
    ),
    Entry(
        "ETLD-X009",
        "The demo did not come to its end",
        meaning=(
            "Within its time not all of the events arrived, were summed up or drawn, or a command that it runs failed."
        ),
        remedy="`etld status` and `etld logs` tell where they are.",
    ),
    Entry(
        "ETLD-X010",
        "Nothing answers at the address of ingest",
        meaning=(
            "No connection comes about: the daemon does not run, ingest listens elsewhere, or a firewall is in the way."
        ),
        remedy="`etld status` shows the address. `--url` names another one.",
    ),
    Entry(
        "ETLD-X011",
        "No event type takes sample events",
        meaning="No event type of the configuration is one that clients may send (`accept`).",
        remedy="Add one with `etld new-type NAME`, or set `accept = true` in its table.",
    ),
)
