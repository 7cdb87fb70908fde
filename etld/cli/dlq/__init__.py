"""`etld dlq`: list, show, stats, test, rules, replay, jobs, discard.

One file a command; what they do is in deadletters/service and deadletters/rule_store.
"""

from __future__ import annotations

import click

from etld.cli.lazy import LazyGroup

#: Command to module and the line that `etld dlq --help` shows.
COMMANDS = {
    "list": ("etld.cli.dlq.list", "List dead letters, newest first."),
    "show": ("etld.cli.dlq.show", "Show one dead letter, its attempts, and what the rules would make of it."),
    "stats": ("etld.cli.dlq.stats", "Count dead letters by state, error, rule and day."),
    "test": ("etld.cli.dlq.test", "Try rules on dead letters; nothing is changed."),
    "rules": ("etld.cli.dlq.rules", "List, show, add and remove rules."),
    "replay": ("etld.cli.dlq.replay", "Take parked letters up again, or repair one by hand."),
    "jobs": ("etld.cli.dlq.jobs", "Show or cancel replays and discards of many letters."),
    "discard": ("etld.cli.dlq.discard", "Give dead letters up for good."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Look at dead letters, repair, replay or discard them."""
