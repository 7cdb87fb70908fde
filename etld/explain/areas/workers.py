"""What may go wrong: workers and code of your own."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "W",
    "Workers and code of your own",
    Entry(
        "ETLD-W001",
        "A function cannot be loaded",
        meaning=(
            "The configuration names `module:function`, and the module is not found, its import fails, hangs or ends "
            "the process, or it has no such function."
        ),
        remedy=(
            "The module has to be in a directory of `[python] path`, on PYTHONPATH or installed beside etld. Try "
            '`python -c "import MODULE"` as the daemon\'s user, then `etld config check`.'
        ),
    ),
    Entry(
        "ETLD-W002",
        "A transform breaks its contract",
        meaning=(
            "It gave back no frame, another number of rows, other columns or types, or changed `event_id`. Nothing of"
            " the batch is stored and the partition stands still, since storing it could lose events."
        ),
        remedy=(
            "Keep height, `row`, `event_id` and the columns' types; leave rows out by the boolean column `etld_drop`."
            " Mend the function, then `etld reload`."
        ),
    ),
    Entry(
        "ETLD-W003",
        "A worker has ended and is started again",
        meaning=(
            "The process ended by itself, was killed (by the kernel for want of memory, say), or hung and was ended. "
            "It comes again after a pause that grows."
        ),
        remedy=(
            '`etld logs WORKER` shows its last words. A "killed by SIGKILL" that nobody sent is the kernel\'s: '
            "look at `dmesg`, give the machine memory, or lower `supervisor.max_memory`, past which a worker is "
            "replaced between two batches."
        ),
        words={"fault": ("down",)},
    ),
    Entry(
        "ETLD-W004",
        "A worker was given up",
        meaning=(
            "It ended too often in a row, or said itself that another start would not help. The daemon is degraded, "
            "and all other workers go on."
        ),
        remedy="Mend the reason beside it in `etld health`, then `etld restart WORKER`.",
    ),
    Entry(
        "ETLD-W005",
        "A worker is silent",
        meaning=(
            "It has sent no message for some seconds: it hangs in one step, or the machine is very busy. After "
            "`supervisor.hang_timeout` its stacks are written to the log and it is replaced."
        ),
        remedy="Nothing at first. If it comes again, the stacks in the log tell where it stands.",
        words={"fault": ("silent",)},
    ),
    Entry(
        "ETLD-W006",
        "A worker's successor does not come up",
        meaning=("A worker was to be replaced, and the new process failed, so the old one serves on with what it has."),
        remedy="Mend the reason in the fault's text, then `etld restart WORKER`.",
        words={"fault": ("successor",)},
    ),
    Entry(
        "ETLD-W007",
        "A worker runs another version",
        meaning="After an upgrade without a stop this worker was not replaced yet.",
        remedy="`etld restart WORKER`.",
        words={"fault": ("version",)},
    ),
    Entry(
        "ETLD-W008",
        "A worker does not take the new configuration",
        meaning="After `etld reload` the worker could not use its part of it and goes on with the old one.",
        remedy="Mend what the fault's text names and reload again, or `etld restart WORKER`.",
        words={"fault": ("reload",)},
    ),
    Entry(
        "ETLD-W009",
        "A batch cannot be made ready",
        meaning=(
            "Between reading from Kafka and writing, something fails for the batch as a whole: the schema registry is"
            " away, a function of yours breaks its contract, or memory is short. The partition stands still and the "
            "batch is tried again."
        ),
        remedy="The fault's text has the reason and is often an entry of its own.",
        words={"fault": ("batch",)},
    ),
    Entry(
        "ETLD-W010",
        "A worker begins its work anew",
        meaning=(
            "A session with Kafka and its sink ended with an error; after a pause the worker begins another at its "
            "position."
        ),
        remedy="The fault's text has the reason; if it does not go by itself, that has to be mended.",
        words={"fault": ("worker",)},
    ),
    Entry(
        "ETLD-W011",
        "Records are searched for one that ends the process",
        meaning=(
            "The worker ended without a word while it had these records in hand, so a child process tries them alone "
            "before they are processed. That takes a moment, and the partition waits."
        ),
        remedy=(
            "Nothing: what is found becomes a dead letter (ETLD-D009). If it lasts, the text tells what cannot be had"
            " for the search."
        ),
        words={"fault": ("search",)},
    ),
)
