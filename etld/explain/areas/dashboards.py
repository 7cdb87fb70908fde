"""What may go wrong: dashboards."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "B",
    "Dashboards",
    Entry(
        "ETLD-B001",
        "Superset does not answer",
        meaning="The address of `--url` cannot be reached, or what answers there is no Superset.",
        remedy="Open the address in a browser; it is the one without a path, such as http://127.0.0.1:8088.",
    ),
    Entry(
        "ETLD-B002",
        "Superset refuses the user",
        meaning=(
            "Name or password are wrong, the user comes from another provider than `--provider` says, may not import,"
            " or a password of the database is asked for."
        ),
        remedy=(
            "Take a user with the role Admin; `--database-password-file` gives Superset the password of the database."
        ),
    ),
    Entry(
        "ETLD-B003",
        "This Superset cannot show the dashboards",
        meaning="It is older than the dashboards need, or has no driver for PostgreSQL.",
        remedy="Upgrade it, or install psycopg2-binary where it runs and restart it.",
    ),
    Entry(
        "ETLD-B004",
        "Superset cannot run here",
        meaning=(
            "It is installed into an environment of its own, and there is no Python that it takes, an installation "
            "step failed, or it did not start."
        ),
        remedy="The message has the reason or names the log. `etld bi superset --url` uses a Superset of yours.",
    ),
    Entry(
        "ETLD-B005",
        "There is no role of readers",
        meaning=(
            "Dashboards log in as the role that may read and nothing else, and `[postgres] reader_role` is empty."
        ),
        remedy='Set it, such as "etld_reader", and `etld restart`.',
    ),
    Entry(
        "ETLD-B006",
        "There is nothing to show",
        meaning="Dashboards are made of event types and summaries, and the configuration has none.",
        remedy="Add an event type: `etld new-type NAME`.",
    ),
)
