"""`etld bi`: dashboards for Superset and Grafana, a project for dbt, and who may read."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etld.cli.audited import AuditedCommand
from etld.errors import EtldError, UsageError

if TYPE_CHECKING:
    from etld.bi.address import DatabaseAddress
    from etld.bi.model import Dashboards
    from etld.bi.superset.client import Superset
    from etld.bi.superset.local import LocalSuperset
    from etld.config import Config

_FILE = click.Path(path_type=Path, dir_okay=False)
_OUT = click.Path(path_type=Path)
#: Who Superset is to PostgreSQL, unless somebody says otherwise.
LOGIN = "superset"


@click.group()
def command() -> None:
    """Dashboards of the summaries, made from the configuration."""


@command.command()
@click.option("--out", type=_OUT, metavar="DIR|ZIP", help="Write the bundle there: a directory, or a file *.zip.")
@click.option("--url", help="Bring the dashboards to the Superset there, such as http://127.0.0.1:8088.")
@click.option("--user", help="Who imports: a user of Superset with the role Admin.")
@click.option("--password-file", type=_FILE, help="Holds the password of --user: one line.")
@click.option("--provider", default="db", show_default=True, help="How Superset knows --user: db, or ldap.")
@click.option(
    "--database", "address", metavar="DSN", help="PostgreSQL as Superset reaches it; else as etld does, as `superset`."
)
@click.option("--database-password-file", type=_FILE, help="Holds the password for --database: one line.")
@click.option("--with-password", is_flag=True, help="Write that password into the bundle of --out, in clear.")
@click.option(
    "--change",
    is_flag=True,
    help="For --out: big numbers with their change; Superset needs CHART_PLUGINS_EXPERIMENTAL.",
)
@click.option("--name", default="etld", show_default=True, help="What the database is called in Superset.")
@click.pass_obj
def superset(  # noqa: PLR0913, PLR0917  # an option each
    path: Path | None,
    out: Path | None,
    url: str | None,
    user: str | None,
    password_file: Path | None,
    provider: str,
    address: str | None,
    database_password_file: Path | None,
    with_password: bool,
    change: bool,
    name: str,
) -> None:
    """Write the dashboards as a bundle of Superset's, or import them: again after each change, nothing doubles.

    Superset reads as a member of the role of readers: `etld bi login superset --password-file FILE` makes one.
    """
    from etld.bi.address import MASK
    from etld.bi.superset import bundle

    if (out is None) == (url is None):
        raise UsageError("say where to: --out DIR|ZIP, or --url URL")
    if with_password and (out is None or database_password_file is None):
        raise UsageError("--with-password is for --out, with --database-password-file")
    password = _secret(database_password_file) if database_password_file else None
    config, target = _database(path, address)
    made = _made(config)
    if out is not None:
        files = bundle.files(made, target, name, password if with_password and password else MASK, change=change)
        click.echo(f"wrote {_write(out, files)}")
        return
    assert url is not None
    from etld.bi.superset.client import Superset

    if user is None or password_file is None:
        raise UsageError("--url needs --user and --password-file")
    session = Superset(url)
    session.log_in(user, _secret(password_file), provider)
    _bring(session, made, target, name, password)


@command.command()
@click.option("--out", type=_OUT, required=True, metavar="DIR", help="Write a file for each dashboard there.")
@click.option("--name", default="etld", show_default=True, help="Stands before the titles of dashboards.")
@click.pass_obj
def grafana(path: Path | None, out: Path, name: str) -> None:
    """Write the dashboards as JSON for Grafana, which asks for the data source (PostgreSQL) when it imports them."""
    from etld.bi import grafana
    from etld.supervisor.config_checks import load

    click.echo(f"wrote {_write(out, grafana.files(_made(load(path)), name))}")


@command.command()
@click.option("--out", type=_OUT, required=True, metavar="DIR", help="Write the project there.")
@click.option("--database", "address", metavar="DSN", help="PostgreSQL as dbt reaches it; else as etld does.")
@click.pass_obj
def dbt(path: Path | None, out: Path, address: str | None) -> None:
    """Write a project for dbt: views and summaries as sources with descriptions and tests, and models by day.

    Files of yours beside it stay as they are.
    """
    from etld.bi import dbt
    from etld.sinks.postgres.view_columns import view_name

    config, target = _database(path, address)
    names = {view_name(event_type): kind.event_names for event_type, kind in config.event_types.items()}
    click.echo(f"wrote {_write(out, dbt.files(_made(config), names, target))}")


@command.command(cls=AuditedCommand, action="config/reader")
@click.argument("name")
@click.option("--password-file", type=_FILE, required=True, help="Holds its password; made when it is missing.")
@click.pass_obj
def login(path: Path | None, name: str, password_file: Path) -> None:
    """Make a login NAME in PostgreSQL that may read events, views and summaries, and nothing else.

    For Superset, Grafana, dbt, or a person. One that is there gets the password of the file.
    """
    from etld.cli.target import find
    from etld.postgres import privileges

    target = find(path)
    reader = _readers(target.config)
    if not password_file.exists():
        _new_secret(password_file)
    password = _secret(password_file)
    with target.connect("bi login") as conn:
        privileges.make_login(conn, name, password, reader)
    click.echo(f"{name} may read; its password is in {password_file}")


@command.command(cls=AuditedCommand, action="config/reader")
@click.option("--port", default=8088, show_default=True, type=click.IntRange(1, 65535), help="Where it listens.")
@click.pass_obj
def up(path: Path | None, port: int) -> None:
    """Run Superset on this machine beside the daemon, with the dashboards in it; again after each change.

    For the embedded PostgreSQL, which also holds what Superset keeps itself. It listens on loopback only, until
    `etld bi down`.
    """
    from etld.bi.address import DatabaseAddress
    from etld.bi.superset.client import Superset
    from etld.bi.superset.local import ADMIN, DATABASE
    from etld.cli.target import find
    from etld.postgres import privileges

    target = find(path)
    if target.config.postgres.dsn != "embedded":
        raise UsageError("this is for the embedded PostgreSQL; for one of yours: etld bi superset --url URL")
    local, readers = _local(target.config, port), _readers(target.config)
    own = DatabaseAddress.of(privileges.server(target.postgres))
    with target.connect("bi up") as conn:
        privileges.make_database(conn, DATABASE)
        local.prepare(replace(own, database=DATABASE).uri_by_file(target.config.state_dir / "postgres.pass"), _say)
        secret = local.directory / "reader.pass"
        if not secret.exists():
            _new_secret(secret)
        privileges.make_login(conn, LOGIN, _secret(secret), readers)
    local.start(_say)
    session = Superset(local.url)
    session.log_in(ADMIN, _secret(local.admin_password_file))
    _bring(session, _made(target.config), replace(own, user=LOGIN), "etld", _secret(secret))
    click.echo(f"Log in as {ADMIN} with the password in {local.admin_password_file}; it runs until `etld bi down`")


@command.command()
@click.pass_obj
def down(path: Path | None) -> None:
    """End the Superset that `etld bi up` runs."""
    from etld.supervisor.config_checks import load

    click.echo("Superset is stopped" if _local(load(path), 0).stop() else "Superset does not run")


def _local(config: Config, port: int) -> LocalSuperset:
    from etld.bi.superset.local import LocalSuperset
    from etld.embedded import jars

    directory = config.state_dir / "superset"
    return LocalSuperset(directory, jars.cache_dir(config.state_dir / "cache"), config.log_dir / "superset.log", port)


def _readers(config: Config) -> str:
    if not config.postgres.reader:
        raise EtldError(
            "there is no role of readers: set [postgres] reader_role, such as etld_reader, and restart",
            code="ETLD-B005",
        )
    return config.postgres.reader


def _say(text: str) -> None:
    click.echo(text, err=True)


def _bring(session: Superset, made: Dashboards, target: DatabaseAddress, name: str, password: str | None) -> None:
    """Import, and say where the dashboards are."""
    from etld.bi.superset import bundle
    from etld.bi.superset.client import FLAG
    from etld.bi.superset.names import BundleNames

    change = session.shows_change()
    session.take(bundle.zipped(bundle.files(made, target, name, change=change)), password)
    names = BundleNames(name)
    for board in made.dashboards:
        click.echo(f"{board.title:24} {session.dashboard(names.slug(board.key))}")
    if not change:
        _say(
            f"Big numbers have no change to the period before: turn {FLAG} on in Superset's FEATURE_FLAGS, restart it,"
            " and run this again"
        )


def _made(config: Config) -> Dashboards:
    from etld.bi import build

    if not config.event_types:
        raise EtldError("the configuration has no event types, so there is nothing to show", code="ETLD-B006")
    return build.dashboards(config)


def _secret(file: Path) -> str:
    try:
        password = file.read_text("utf-8").strip("\r\n")
    except OSError as error:
        raise EtldError(f"cannot read {file}: {error.strerror}", code="ETLD-X005") from error
    except UnicodeDecodeError as error:
        raise EtldError(f"cannot read {file}: it is not UTF-8", code="ETLD-X005") from error
    if not password:
        raise EtldError(f"{file} is empty, and should hold a password", code="ETLD-X005")
    return password


def _new_secret(file: Path) -> None:
    from etld.util.files import write_atomically

    try:
        write_atomically(file, f"{secrets.token_urlsafe(24)}\n".encode())
    except OSError as error:
        raise EtldError(f"cannot write {file}: {error.strerror}", code="ETLD-X003") from error


def _database(path: Path | None, given: str | None) -> tuple[Config, DatabaseAddress]:
    """The configuration, and how Superset reaches its database: as is said, or as etld does."""
    from etld.bi.address import DatabaseAddress
    from etld.cli.target import find
    from etld.config.secrets import split
    from etld.postgres.privileges import server
    from etld.supervisor.config_checks import load

    config = load(path)
    try:
        if given is not None:
            return config, DatabaseAddress.of(server(split(given)[0]))
        own = find(path).postgres if config.postgres.dsn == "embedded" else split(config.postgres.dsn)[0]
        return config, DatabaseAddress.of(server(own), LOGIN)
    except ValueError as error:
        raise UsageError(f"--database: {error}") from error


def _write(out: Path, files: dict[str, str]) -> str:
    """Put the bundle where it was asked for; what was written, in words."""
    from etld.bi.superset import bundle
    from etld.util.files import write_atomically

    try:
        if out.suffix == ".zip":
            write_atomically(out, bundle.zipped(files))
            return str(out)
        for name, text in files.items():
            out.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out / name, text.encode())
    except OSError as error:
        raise EtldError(f"cannot write {error.filename or out}: {error.strerror}", code="ETLD-X003") from error
    return f"{len(files)} files below {out}"
