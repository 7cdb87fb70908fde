"""`etld dlq rules`: list, show, draft, add, remove. What they do is in deadletters/rule_store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etld.cli.audited import AuditedCommand
from etld.cli.dlq.options import open_service
from etld.cli.dlq.output import agreed, print_table
from etld.errors import EtldError, Unreachable

if TYPE_CHECKING:
    from etld.deadletters.rule_store import KnownRule, RuleStore

_TAKE_UP = "`etld reload` takes that up"


@click.group()
def command() -> None:
    """List, show, add and remove the rules that repair dead letters."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_(path: Path | None, as_json: bool) -> None:
    """All rules, in the order in which they are tried, with how many letters each repaired."""
    rules = _store(path).all()
    counts = _counts(path)
    if as_json:
        for rule in rules:
            click.echo(json.dumps({**rule.as_json(), **_of(rule.name, counts)}))
        return
    if not rules:
        click.echo("no rules")
        return
    rows: list[tuple[object, ...]] = []
    for rule in rules:
        of = _of(rule.name, counts)
        numbers = tuple("?" if of[key] is None else of[key] for key in ("repaired", "failed"))
        rows.append((rule.name, rule.place.rpartition("/")[2], *numbers, _brief(rule.match)))
    print_table(("rule", "where", "repaired", "failed", "for letters with"), rows)


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def show(path: Path | None, name: str, as_json: bool) -> None:
    """The rule NAME: where it stands, what became of its repairs, and its text."""
    rule = _store(path).named(name)
    of = _of(name, _counts(path))
    if as_json:
        click.echo(json.dumps({**rule.as_json(), **of}))
        return
    click.echo(f"# {rule.place}")
    if of["repaired"] is not None:
        click.echo("# " + ", ".join(f"{key.replace('_', ' ')} {number}" for key, number in of.items()))
    click.echo(rule.as_toml(), nl=False)


@command.command()
@click.argument("group")
@click.pass_obj
def draft(path: Path | None, group: str) -> None:
    """Begin a rule for the letters of GROUP, of `etld dlq stats --json`: a text to go on with, try and add."""
    from etld.deadletters.letter_filter import letter_filter
    from etld.deadletters.rule_writing import draft as drafted

    with open_service(path) as service:
        found = service.groups(letter_filter(group=group)).groups
    if not found:
        raise EtldError(
            f"there are no dead letters of the group {group}; `etld dlq stats --json` tells which there are",
            code="ETLD-D016",
        )
    click.echo(drafted(found[0]), nl=False)


@command.command(cls=AuditedCommand, action="rules/apply")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--as", "name", metavar="NAME.toml", help="The file's name there, such as 10-trim.toml; else FILE's own.")
@click.option("--replace", is_flag=True, help="Overwrite the rule of that name.")
@click.option("--reload", "reload_too", is_flag=True, help="Have the daemon take it up at once.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def add(path: Path | None, file: str, name: str | None, replace: bool, reload_too: bool, as_json: bool) -> None:
    """Check the rule of FILE (- for stdin), and put it into corrector.rules_dir. `etld dlq test --file` tries it."""
    from etld.config.rule_files import text_of

    text = sys.stdin.read() if file == "-" else text_of(Path(file))
    own_name = None if file == "-" else Path(file).name
    rule = _store(path).save(text, Path(file), name or own_name, replace=replace)
    _done(path, rule, f"{rule.place} holds the rule {rule.name!r}", reload_too=reload_too, as_json=as_json)


@command.command(cls=AuditedCommand, action="rules/remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reload", "reload_too", is_flag=True, help="Have the daemon work without it at once.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def remove(path: Path | None, name: str, yes: bool, reload_too: bool, as_json: bool) -> None:
    """Remove the rule NAME with its file. One that stands in the configuration's file is taken out there by hand."""
    store = _store(path)
    if not yes and not agreed(f"remove the rule {name!r}, {store.named(name).place}?"):
        sys.exit(1)
    rule = store.remove(name)
    _done(path, rule, f"removed the rule {name!r}, {rule.place}", reload_too=reload_too, as_json=as_json)


def _store(path: Path | None) -> RuleStore:
    from etld.deadletters.rule_store import RuleStore
    from etld.supervisor.config_checks import load

    return RuleStore(lambda: load(path))


def _done(path: Path | None, rule: KnownRule, told: str, *, reload_too: bool, as_json: bool) -> None:
    from etld.cli.reload import reload

    if not as_json:
        click.echo(told if reload_too else f"{told}; {_TAKE_UP}")
    answer = reload(path) if reload_too else None
    if as_json:
        click.echo(json.dumps({**rule.as_json(), "reloaded": reload_too}))
    elif answer:
        click.echo(answer)


def _counts(path: Path | None) -> dict[str, dict[str, int]] | None:
    """What became of each rule's repairs; None where the database cannot be asked."""
    try:
        with open_service(path) as service:
            return service.rule_counts()
    except Unreachable as error:
        click.echo(f"etld: without numbers: {error.with_code()}", err=True)
        return None


def _of(name: str, counts: dict[str, dict[str, int]] | None) -> dict[str, int | None]:
    keys = {"repaired": "stored", "failed": "failed", "under_way": "under_way", "parked": "parked"}
    if counts is None:
        return dict.fromkeys(keys)
    return {key: counts.get(name, {}).get(column, 0) for key, column in keys.items()}


def _brief(match: dict[str, Any]) -> str:
    """What a rule is for, on one line."""
    parts = []
    for key, value in match.items():
        if key == "where" and isinstance(value, dict):
            parts += [f"{field} {_shown(condition)}" for field, condition in value.items()]
        else:
            parts.append(f"{key} {_shown(value)}")
    return ", ".join(parts) or "(every letter)"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_shown(one)}" for key, one in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
