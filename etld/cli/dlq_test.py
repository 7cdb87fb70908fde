"""`etld dlq test`: rules on real letters, without changing any."""

from __future__ import annotations

import json
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq_common import chosen, differences, filters, identified, names, plain, workbench
from etld.errors import ConfigError, EtldError, Problem, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_UNASKED = 100
_AT_ONCE = 200


@click.command()
@click.argument("rule", required=False)
@click.option(
    "--file", "file", type=click.Path(dir_okay=False), help="Rules from this TOML instead of the configuration's."
)
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this letter; may be repeated.")
@click.option("--all", "every", is_flag=True, help=f"Every letter that is new or parked, not the newest {_UNASKED}.")
@filters
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def command(
    path: Path | None,
    /,
    rule: str | None,
    file: str | None,
    ids: tuple[str, ...],
    every: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Try RULE of the configuration, all its rules, or those of a file; nothing is changed.

    Shows what would become of each letter that is new or parked. Exit code 1 when one stays broken.
    """
    from etld.cli.target import find
    from etld.deadletters import queries

    if rule and file:
        raise UsageError("expected a RULE or --file, not both")
    target = find(path)
    bench = workbench(target, _from_file(file) if file else None)
    if rule:
        bench.rules = [one for one in bench.rules if one.name == rule]
        if not bench.rules:
            known = ", ".join(one.name for one in target.config.corrector.rules) or "none"
            raise UsageError(f"there is no rule {rule!r}; the rules are {known}")
    wanted = chosen(**{**options, "states": options["states"] or (() if ids else ("new", "parked"))})
    given = names(ids)
    report = _Report(as_json)
    with target.connect("dlq") as conn:
        batch: list[str] = []
        wanted = identified(conn, wanted, given)
        total = queries.count(conn, wanted)
        for row in queries.pages(conn, wanted, None if every or ids else _UNASKED, None):
            batch.append(row.id)
            if len(batch) == _AT_ONCE:
                _try(bench, queries.waiting(conn, batch), report, only_matching=bool(rule and not ids))
                batch.clear()
        _try(bench, queries.waiting(conn, batch), report, only_matching=bool(rule and not ids))
    sys.exit(report.end(total, rule))


class _Report:
    """Says what becomes of each letter, and counts."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.repaired = self.broken = self.apart = 0

    def add(self, letter: Any, event: Any, tried: list[Any], wrong: str) -> None:
        good = bool(tried) and tried[-1].good
        self.repaired += good
        self.broken += not good
        last = tried[-1] if tried else None
        changes = differences(event, last.event) if last is not None and last.event is not None else []
        if self.as_json:
            click.echo(
                json.dumps(
                    {
                        "id": letter.id,
                        "event_id": letter.event_id,
                        "event_type": letter.event_type,
                        "ok": good,
                        "rule": last.rule if last is not None and good else None,
                        "problem": None if good else wrong,
                        "changes": [{"path": path, "before": old, "after": new} for path, old, new in changes],
                    }
                )
            )
            return
        said = f"repaired by {last.rule}" if last is not None and good else f"still broken: {wrong}"
        click.echo(f"{letter.id}  {letter.event_type or '?'}  {plain(said)}")
        for path, old, new in changes:
            click.echo(f"    {plain(path)}: {old} -> {new}")

    def end(self, total: int, rule: str | None) -> int:
        tested = self.repaired + self.broken
        code = 1 if self.broken or (total and not tested) else 0
        if self.as_json:
            return code
        if not total:
            click.echo("no dead letters to test")
            return 0
        if not tested:
            click.echo(f"rule {rule} matches none of {self.apart:,} dead letters")
            return code
        rest = total - tested - self.apart
        click.echo(
            f"{self.repaired:,} would be repaired, {self.broken:,} would stay broken"
            + (f", {self.apart:,} do not match" if self.apart else "")
            + (f", {rest:,} not tested (--all)" if rest > 0 else "")
            + "; nothing was changed"
        )
        return code


def _try(bench: Any, letters: list[Any], report: _Report, *, only_matching: bool) -> None:
    from etld.deadletters.decision import AS_IT_IS, needs_change, why, work_on
    from etld.deadletters.rules.engine import Tried, correct

    for letter in letters:
        decoded = bench.decode(letter.value)
        event, failure = work_on(letter, decoded, [])
        if event is None:
            report.add(letter, None, [], decoded.reason or "undecodable")
            continue
        types = bench.catalog.at(letter.asked_at)
        problems = types.problems(event)
        if not problems and not needs_change(failure):
            report.add(letter, event, [Tried(AS_IT_IS, event, ())], "")
            continue
        tried = correct(bench.rules, event, failure, types, known=[event])
        if only_matching and not tried:
            report.apart += 1
            continue
        report.add(letter, event, tried, why(tried, failure, problems))


def _from_file(name: str) -> Any:
    """The rules of a TOML file, under [[corrector.rules]] or [[rules]]; raises `ConfigError`."""
    from pathlib import Path

    from etld.config import key_path, lines
    from etld.deadletters.rules.engine import check

    try:
        text = Path(name).read_text()
        data = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EtldError(f"{name} is not TOML: {error}") from None
    nested = data.get("corrector", {})
    prefix = "corrector.rules" if isinstance(nested, dict) and "rules" in nested else "rules"
    rules = nested["rules"] if prefix == "corrector.rules" else data.get("rules")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise EtldError(f"{name} has no rules: expected tables [[corrector.rules]]")
    index = lines.index(text)
    problems = [Problem(at, lines.find(index, key_path.split(at)), message) for at, message in check(rules, prefix)]
    if problems:
        raise ConfigError(problems, name)
    return rules
