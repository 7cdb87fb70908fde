"""What may go wrong: configuration."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "C",
    "Configuration",
    Entry(
        "ETLD-C001",
        "No configuration was found",
        meaning=(
            "Neither `--config` nor `$ETLD_CONFIG` names a file that is there, and there is no `./config/etld.toml` "
            "and no `/etc/etld/etld.toml`."
        ),
        remedy=(
            "Go to the directory of the installation, or name the file: `etld --config FILE COMMAND`. `etld config "
            "init` writes a first one."
        ),
    ),
    Entry(
        "ETLD-C002",
        "A file of the configuration cannot be read",
        meaning="The file is there, and this user may not read it, or it is not UTF-8 text.",
        remedy="Run etld as the user that owns the file, give that user the right to read it, or save it as UTF-8.",
    ),
    Entry(
        "ETLD-C003",
        "A file is not TOML",
        meaning=(
            "The text breaks off or holds something that TOML does not know at the line named: often a quote or a "
            "bracket that was not closed, a text without quotes, or a table or key that is there twice."
        ),
        remedy=(
            "Mend the line. An editor that knows TOML shows the place; `etld config check` tells when all is well."
        ),
    ),
    Entry(
        "ETLD-C004",
        "A key is not known",
        meaning=(
            "The table has no key of this name. Most often it is misspelt, stands in the wrong table, or comes from "
            "another version of etld."
        ),
        remedy=(
            "Take the name that the message suggests, or look the key up in the reference of the configuration. `etld"
            " config schema` gives editors all keys."
        ),
    ),
    Entry(
        "ETLD-C005",
        "A key is missing",
        meaning="The key has no default, or another key that is set needs it.",
        remedy="Add the key. The reference of the configuration shows an example of each.",
    ),
    Entry(
        "ETLD-C006",
        "A value is not what its key takes",
        meaning=(
            "The value is of another type, out of the range, or none of the choices. Texts stand in quotes, numbers "
            'and true or false do not; times and sizes are texts such as "30 s" and "64 KiB".'
        ),
        remedy=(
            "Write what the message expects. A value that comes from an environment variable is named with the "
            "variable."
        ),
    ),
    Entry(
        "ETLD-C007",
        "Values contradict each other",
        meaning=(
            "Each value is good by itself, and they cannot both hold: two listeners on one port, two event types on "
            "one topic, a period longer than the one it has to fit into, a setting that has a meaning only with "
            "another."
        ),
        remedy="Change one of the keys that the message names.",
    ),
    Entry(
        "ETLD-C008",
        "A file or directory that a key names is not there",
        meaning=(
            "Relative paths begin at the directory of the installation, which is the one above `config/`. The file "
            "may also be there and hidden from this user by a directory on the way."
        ),
        remedy=(
            "Make it, correct the path, or leave the key out. `etld config check --without-secrets` lets files with "
            "secrets come later."
        ),
    ),
    Entry(
        "ETLD-C009",
        "Somebody else may write what the daemon goes by",
        meaning=(
            "The configuration, a file that it names, or a module of your own code may be written or replaced by a "
            "user who is neither root nor the one etld runs as. Whoever can do that can run code as the daemon."
        ),
        remedy=(
            "Run the command in the message, which takes that right away. In a container mount the files read-only."
        ),
    ),
    Entry(
        "ETLD-C010",
        "An environment variable names no key",
        meaning=(
            "`ETLD_SECTION__KEY` overrides a key of the configuration, with two underscores between section and key. "
            "This one fits no key, or goes through a key that is not a table."
        ),
        remedy="Correct the name of the variable, or unset it.",
    ),
    Entry(
        "ETLD-C011",
        "A file that holds a password or key cannot be read",
        meaning="The key names a file with a secret, and it is not there, is empty, or this user may not read it.",
        remedy="Put the secret into the file, owned by the user that etld runs as and with mode 0600.",
    ),
    Entry(
        "ETLD-C012",
        "A certificate or its key is of no use",
        meaning=(
            "The file holds no certificate in PEM form, the two do not belong together, the key has a password, or "
            "clients would refuse the chain."
        ),
        remedy=(
            "Check the pair with `openssl x509 -in CERT -noout -subject -enddate` and `openssl pkey -in KEY -check`. "
            "The certificate's file also holds the intermediate certificates, after its own."
        ),
    ),
    Entry(
        "ETLD-C013",
        "The file of write keys has a mistake",
        meaning=(
            "`ingest.keys_file` is a TOML file with a table for each key. A digest is not one, a limit is not a "
            "number, or an event type is not known."
        ),
        remedy="Mend the line named. `etld keys new` writes entries as they should be.",
    ),
    Entry(
        "ETLD-C014",
        "A correction rule has a mistake",
        meaning=(
            "A rule in `[[corrector.rules]]` or in a file of `corrector.rules_dir` has an unknown step or option, a "
            "pattern that is no regular expression, or a path that no event has. Nothing starts or reloads with it."
        ),
        remedy=(
            "Mend the rule; the message says which part of it. `etld dlq test --file FILE` tries a rule on real "
            "letters and changes nothing."
        ),
    ),
    Entry(
        "ETLD-C015",
        "The address of the database is not one that can be used",
        meaning=(
            "`postgres.dsn`, `migration_dsn` or `direct_dsn` is no DSN, names a parameter that libpq does not know, "
            "or one that etld sets itself."
        ),
        remedy="Write `postgresql://user@host:5432/database`. Passwords belong into `postgres.password_file`.",
    ),
    Entry(
        "ETLD-C016",
        "An option of librdkafka cannot be set here",
        meaning=(
            "Options in `[kafka.client]` go to the Kafka client as they are. Some would break exactly-once delivery, "
            "others have a key of their own in `[kafka]`, and those are refused by name."
        ),
        remedy="Remove the option, or use the key that the message names.",
    ),
    Entry(
        "ETLD-C017",
        "The change needs a stop and a start",
        meaning=(
            "A running daemon cannot take over another value of this key: embedded parts, their ports and the state "
            "directory stay what they are until it ends. Nothing was changed."
        ),
        remedy="`etld stop`, then `etld start`; or put the old value back and reload the rest.",
    ),
)
