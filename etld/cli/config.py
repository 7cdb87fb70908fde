"""`etld config`: check, show, init, schema."""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import click

from etld.errors import ConfigError, EtldError, Problem

#: What a configuration is for, to the file that `init` begins with.
_PURPOSES = {"laptop": "etld.toml", "server": "etld.production.toml", "kubernetes": "etld.kubernetes.toml"}


@click.group()
def command() -> None:
    """Check, show or write the configuration."""


@command.command()
@click.option(
    "--without-secrets", is_flag=True, help="Files of passwords, keys and certificates, and user names, come later."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def check(path: Path | None, without_secrets: bool, as_json: bool) -> None:
    """Name every mistake with its line; exit 1 when there is one."""
    from etld.config import locate, refuse_unsafe, refuse_unsafe_files, user_code
    from etld.supervisor.config_checks import load

    later: list[Problem] | None = [] if without_secrets else None
    try:
        refuse_unsafe(locate(path))
        config = load(path, later=later)
        refuse_unsafe_files(config, [one.path for one in later or ()])
        user_code.refuse_unsafe_code(config)
        user_code.check(config)
    except EtldError as failure:
        error = (
            failure
            if isinstance(failure, ConfigError)
            else ConfigError([Problem("", 0, str(failure), code=failure.code)])
        )
        if as_json:
            found = [problem.as_json() for problem in error.problems]
            click.echo(json.dumps({"ok": False, "file": error.source, "problems": found}))
        else:
            click.echo(error.with_code(), err=True)
        sys.exit(1)
    if as_json:
        come_later = {} if later is None else {"later": [one.path for one in later]}
        click.echo(json.dumps({"ok": True, "file": str(config.source), "problems": [], **come_later}))
    else:
        missing = ", ".join(one.path for one in later or ())
        click.echo(f"{config.source}: good" + (f", once these are there: {missing}" if missing else ""))


@command.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def show(path: Path | None, as_json: bool) -> None:
    """The configuration in force, defaults included; secrets are hidden.

    As TOML it can be read again: rules in the files of corrector.rules_dir are only named.
    """
    from etld.config import effective
    from etld.supervisor.config_checks import load

    config = load(path)
    data = effective.shown(config)
    if as_json:
        click.echo(json.dumps(data))
        return
    import tomli_w

    rules = config.corrector.rules
    data["corrector"]["rules"] = data["corrector"]["rules"][: sum(rule.in_file is None for rule in rules)]
    in_files = ", ".join(repr(rule.name) for rule in rules if rule.in_file is not None)
    if in_files:
        click.echo(f"# Rules in files of corrector.rules_dir, tried after those below: {in_files}")
    click.echo(tomli_w.dumps(data), nl=False)


def write_default(target: Path, purpose: str = "laptop") -> None:
    """Write a configuration to begin with, its JSON schema, and the sample schemas where there are none.

    Raises EtldError.
    """
    from etld.config.file_schema import NAME, json_schema

    root = target.absolute().parent
    root = root.parent if root.name == "config" else root
    bundle = resources.files("etld.config").joinpath("defaults")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(bundle.joinpath(_PURPOSES[purpose]).read_text())
        target.chmod(0o640)
        target.with_name(NAME).write_text(_text_of(json_schema()))
        for entry in bundle.iterdir():
            if entry.name.endswith(".avsc") and not (root / "schemas" / entry.name).exists():
                (root / "schemas").mkdir(exist_ok=True)
                (root / "schemas" / entry.name).write_text(entry.read_text())
    except OSError as error:
        raise EtldError(f"cannot write {target}: {error.strerror}", code="ETLD-X003") from error


@command.command()
@click.argument("target", type=click.Path(path_type=Path), default="config/etld.toml")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(list(_PURPOSES)),
    default="laptop",
    show_default=True,
    help="laptop: every key, documented, with embedded servers; the others: what differs, for servers of your own.",
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(target: Path, purpose: str, force: bool) -> None:
    """Write a configuration to begin with, its JSON schema for editors, and the sample schemas beside it."""
    if target.exists() and not force:
        raise EtldError(f"{target} is there already; --force overwrites it", code="ETLD-X004")
    write_default(target, purpose)
    after = "start" if purpose == "laptop" else "config check --without-secrets"
    click.echo(f"wrote {target}; next: etld --config {target} {after}")


@command.command()
def schema() -> None:
    """The JSON schema of the file, for editors."""
    from etld.config.file_schema import json_schema

    click.echo(_text_of(json_schema()), nl=False)


def _text_of(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
