"""What may go wrong: the console."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "U",
    "The console",
    Entry(
        "ETLD-U001",
        "A file of the console's users or tokens is wrong",
        meaning=(
            "`console.users_file` or `console.tokens_file` cannot be read, or has an entry that the commands do "
            "not write. Until it is mended nobody in it may come in."
        ),
        remedy="Mend the line, or make entries by `etld console user add` and `etld console token add`.",
        words={
            "fault": (
                "users",
                "tokens",
            )
        },
    ),
    Entry(
        "ETLD-U002",
        "The console cannot listen",
        meaning=(
            "Its port is in use, its host is no address of this machine, or its certificate cannot be used. Events "
            "flow without it."
        ),
        remedy="Set `console.port`, or see ETLD-C012; it is tried again.",
        words={"fault": ("console",)},
    ),
    Entry(
        "ETLD-U003",
        "A value is not what a field takes",
        meaning="The form or the JSON holds a value of another kind, too long or out of its range.",
        remedy="Correct what the message names; `/api/v1/openapi.json` describes every field.",
        words={"console": ("400",)},
    ),
    Entry(
        "ETLD-U004",
        "There is nothing of this name",
        meaning=(
            "The address names an event, letter, summary, schema or page that does not exist (any more), or is for "
            "another method."
        ),
        remedy="Go back to the list.",
        words={
            "console": (
                "404",
                "405",
            )
        },
    ),
    Entry(
        "ETLD-U005",
        "The page cannot be shown now",
        meaning=(
            "What it is made of does not answer: PostgreSQL or the daemon's control socket, or too much is asked at "
            "once."
        ),
        remedy="Load it again in a moment; `etld health` tells what is wrong.",
        words={
            "console": (
                "503",
                "500",
            )
        },
    ),
    Entry(
        "ETLD-U006",
        "A log-in is needed",
        meaning="The session has ended, or the bearer token is not known or has expired.",
        remedy="Log in, or make a token: `etld console token add NAME`.",
        words={"console": ("401",)},
    ),
    Entry(
        "ETLD-U007",
        "This is not allowed",
        meaning=(
            "The role of the user does not allow it, or the request comes from another site than the console itself, "
            "which is refused to keep others from acting in your name."
        ),
        remedy=(
            "Ask an admin for the role. Use the console by its own address; a proxy has to pass Host and Origin on."
        ),
        words={"console": ("403",)},
    ),
    Entry(
        "ETLD-U008",
        "Too many attempts",
        meaning="Log-ins or bad tokens from this address came too fast.",
        remedy="Wait as long as Retry-After says.",
        words={"console": ("429",)},
    ),
    Entry(
        "ETLD-U009",
        "The request is not in the right form",
        meaning="The API takes JSON bodies of a limited size with `Content-Type: application/json`.",
        remedy="Send it so.",
        words={
            "console": (
                "413",
                "415",
            )
        },
    ),
    Entry(
        "ETLD-U010",
        "Too many actions are under way",
        meaning="Only a few run at once for all users of the console.",
        remedy="Wait for one to end, or cancel it.",
    ),
    Entry(
        "ETLD-U011",
        "A command that the console ran has failed",
        meaning=(
            "The console runs the command line for some actions, and that ended with an error; its own words are in "
            "the message."
        ),
        remedy="Run the same command in a terminal to see all of it.",
    ),
    Entry(
        "ETLD-U012",
        "There is no console",
        meaning="`[console] enabled` is false, or no console runs on this host.",
        remedy="Set it to true, then `etld reload`.",
    ),
)
