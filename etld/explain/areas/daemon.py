"""What may go wrong: the daemon and its operation."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "S",
    "The daemon and its operation",
    Entry(
        "ETLD-S001",
        "The daemon does not answer",
        meaning=(
            "Nobody listens on the control socket, or who does is of no use to this user. The daemon does not run, "
            "runs with another configuration (and so another `state_dir`), or belongs to another user."
        ),
        remedy=(
            "`etld start`. If it runs, name its configuration (`etld --config FILE status`) and call the command as "
            "its user or root."
        ),
    ),
    Entry(
        "ETLD-S002",
        "The daemon runs already",
        meaning=("Another daemon holds the pid file of this `state_dir`. Two would fight for the same ports and data."),
        remedy=(
            "`etld status` shows it; `etld restart` replaces it. A second daemon needs a configuration with a "
            "`state_dir` of its own."
        ),
    ),
    Entry(
        "ETLD-S003",
        "A port is in use",
        meaning="Another program listens where a part of etld is to listen.",
        remedy="`ss -ltnp | grep PORT` tells which. Stop it, or set the key that the message names.",
    ),
    Entry(
        "ETLD-S004",
        "The daemon may not listen there",
        meaning=(
            "The host is no address of this machine, or the port is below 1024 and the user has no privilege for it."
        ),
        remedy=(
            "Set `ingest.host` and `ingest.port`. With systemd `AmbientCapabilities=CAP_NET_BIND_SERVICE` allows low "
            "ports."
        ),
    ),
    Entry(
        "ETLD-S005",
        "The state directory cannot be used",
        meaning=(
            "`state_dir`, or the pid file or control socket in it, cannot be made or written: another owner, a "
            "read-only or full disk, or a file in the place of a directory."
        ),
        remedy="Correct the owner (`chown`), make room, or set `state_dir`.",
    ),
    Entry(
        "ETLD-S006",
        "The daemon did not start",
        meaning=(
            "A part without which nothing goes could not come up, and all was stopped again. The message has what "
            "that part said, and the log what came before."
        ),
        remedy=(
            "Read the lines before the end of the log that the message names; `etld config check` finds mistakes of "
            "the configuration."
        ),
    ),
    Entry(
        "ETLD-S007",
        "The daemon did not start in time",
        meaning=(
            "After `supervisor.start_timeout` a worker was still not ready, so all was stopped again. The message "
            "tells what it was waiting for."
        ),
        remedy=(
            "Mend what it waited for (often a server that is away), or give a slow machine a longer "
            "`supervisor.start_timeout`."
        ),
    ),
    Entry(
        "ETLD-S008",
        "The daemon runs, and not all of it",
        meaning="Single workers could not start and were given up; all others work.",
        remedy="`etld health` names them and why. Mend the reason, then `etld restart WORKER`.",
    ),
    Entry(
        "ETLD-S009",
        "The daemon takes long to stop",
        meaning="It finishes what is under way first, up to `supervisor.stop_timeout`, and does so still.",
        remedy="Wait, or `etld stop --quick`, which leaves what is under way to be read again at the next start.",
    ),
    Entry(
        "ETLD-S010",
        "A disk is full or cannot be written",
        meaning=(
            "Where etld has to write there is next to no space or no inode left, or the directory is read-only or "
            "another user's."
        ),
        remedy="Make room or correct the rights; the fault goes by itself.",
        words={"fault": ("disk",)},
    ),
    Entry(
        "ETLD-S011",
        "Another operation is under way",
        meaning=(
            "Reload, restart, scale and drain run one at a time, or too many clients are connected to the control "
            "socket."
        ),
        remedy="Wait: `etld status` shows what is under way. `etld cancel` ends it.",
        words={"control": ("busy",)},
    ),
    Entry(
        "ETLD-S012",
        "The daemon refuses the request",
        meaning=(
            "What is asked for cannot be: workers of this kind cannot be paused or scaled, are another host's by "
            "`[roles] run`, or there is no worker of this name."
        ),
        remedy="The message has the reason; `etld status` names the workers.",
        words={"control": ("refused", "unknown_target")},
    ),
    Entry(
        "ETLD-S013",
        "An operation failed",
        meaning=(
            "A worker did not come up or did not come to rest, so the operation was taken back as far as possible."
        ),
        remedy="Mend what the message names and give the command again. `etld health` shows what is wrong now.",
        words={"control": ("failed",)},
    ),
    Entry(
        "ETLD-S014",
        "An operation did not end in time",
        meaning=(
            "The limit of `--timeout` or `supervisor.operation_timeout` was reached; the message tells what was still"
            " awaited."
        ),
        remedy="Look at `etld health` for what stands still, or allow more time.",
        words={"control": ("timeout",)},
    ),
    Entry(
        "ETLD-S015",
        "The daemon is stopping",
        meaning="It finishes what is under way and takes no new requests.",
        remedy="Wait for its end, then `etld start`.",
        words={"control": ("stopping",)},
    ),
    Entry(
        "ETLD-S016",
        "There is nothing to end",
        meaning="No operation is under way, or it has ended by itself, such as a drain whose ingest was resumed.",
        remedy="Nothing.",
        words={
            "control": (
                "nothing",
                "resumed",
            )
        },
    ),
    Entry(
        "ETLD-S017",
        "The control socket does not understand the request",
        meaning=(
            'A request is one JSON object on one line with a text "verb"; this one is not, names an unknown verb, or '
            "has a wrong argument. Between versions of etld verbs may differ."
        ),
        remedy=(
            "Call the `etld` of the same version as the daemon's (`etld status` shows it), or mend the program that "
            "wrote the request."
        ),
        words={
            "control": (
                "bad_request",
                "bad_json",
                "unknown_verb",
                "too_large",
            )
        },
    ),
    Entry(
        "ETLD-S018",
        "Only the daemon's owner may do this",
        meaning="The control socket serves the user that the daemon runs as, and root.",
        remedy="Call the command as that user: `sudo -u USER etld ...`.",
        words={"control": ("forbidden",)},
    ),
    Entry(
        "ETLD-S019",
        "A mistake in etld",
        meaning=(
            "Something happened that the code did not foresee. The traceback is in the log; a worker is started again"
            " by itself."
        ),
        remedy="If it comes again, report it with the traceback and the version.",
        words={"control": ("internal",)},
    ),
    Entry(
        "ETLD-S020",
        "Another daemon has this node_id",
        meaning=(
            "Two daemons of one cluster must not have the same `node_id`, which is the host name by default. This one"
            " has stopped its worker."
        ),
        remedy="Give each a `node_id` of its own. After a crash wait some seconds: the old one's row expires.",
    ),
    Entry(
        "ETLD-S021",
        "A host of the cluster is silent",
        meaning=(
            "A daemon that works on this database has not been heard from for a while. Its partitions go to others by"
            " themselves."
        ),
        remedy=(
            "Look at that host. `etld status --cluster` shows all; one that is gone for good vanishes from the list "
            "after a time."
        ),
        words={"fault": ("hosts",)},
    ),
    Entry(
        "ETLD-S022",
        "The program could not be replaced whole",
        meaning=(
            "At `etld restart` the new program would not run, could not take over the running state, or not every "
            "worker was replaced. What runs goes on."
        ),
        remedy=(
            "The message tells how far it came. Mend the reason and `etld restart` again, or `etld stop` and `etld "
            "start`."
        ),
    ),
    Entry(
        "ETLD-S023",
        "The log cannot be shown",
        meaning=(
            "The daemon writes it elsewhere: to a terminal or pipe, to a journal that this machine cannot read, or to"
            " a file that is not there or not this user's."
        ),
        remedy=(
            'Look where the message says; `[log] target = "file"` writes it below `state_dir`. A worker\'s name may '
            "also be misspelt: `etld status` lists them."
        ),
    ),
    Entry(
        "ETLD-S024",
        "Interrupted",
        meaning="The command was ended by Ctrl-C or a signal. The message tells whether what it began goes on.",
        remedy="Give the command again where that is wanted.",
    ),
    Entry(
        "ETLD-S025",
        "An embedded part does not come up",
        meaning="The program of an embedded server ended or was not ready in time.",
        remedy=(
            "The message names its log, below `log/` of `state_dir`. A slow or full disk and damaged data are the "
            "usual reasons."
        ),
    ),
    Entry(
        "ETLD-S026",
        "No worker accepts events",
        meaning="Ingest has no worker, or all of them are paused.",
        remedy="`etld resume ingest` or `etld scale ingest 1`.",
    ),
    Entry(
        "ETLD-S027",
        "An operation was called off",
        meaning=(
            "Somebody ended it by `etld cancel`, a newer one of its kind has taken its place, or whoever waited for it "
            "has gone. What can be taken back was taken back."
        ),
        remedy="Give the command again if it is still wanted.",
        words={"control": ("cancelled", "replaced", "abandoned")},
    ),
)
