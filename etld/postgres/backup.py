"""The whole database to a file and back, by PostgreSQL's own programs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from etld.errors import EtldError
from etld.postgres import statements
from etld.util.parent_death import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.postgres.client_programs import ClientPrograms
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "backup")
_OURS = b" SCHEMA - etld "
_NO_ROLE = re.compile('role ".*" does not exist')


@dataclass(frozen=True, slots=True)
class BackupTarget:
    """A database as the programs are told of it: no password is in `dsn`, since every user sees their arguments."""

    dsn: str
    password: str | None

    def environment(self) -> dict[str, str]:
        """With the password, where libpq does not find it by itself."""
        return {**os.environ, **({"PGPASSWORD": self.password} if self.password else {}), "LC_ALL": "C"}


def contents(conn: Connection) -> list[str]:
    """The tables and views of a database, without what is PostgreSQL's or an extension's."""
    return [name for (name,) in conn.execute(_SQL.contents)]


def major(conn: Connection) -> int:
    """The server's major version."""
    return conn.info.server_version // 10_000


def dump(programs: ClientPrograms, target: BackupTarget, to: Path | IO[bytes]) -> None:
    """Write the database, as of this moment, in pg_dump's own format; raises `EtldError`."""
    command = [programs["pg_dump"], "--format=custom", "--no-password", f"--dbname={target.dsn}"]
    if isinstance(to, Path):
        command.append(f"--file={to}")
    with _errors() as errors:
        # Not to a file by way of stdout: pg_dump would append its table of contents once more.
        child = subprocess.Popen(
            command,
            env=target.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=_tied(),  # noqa: PLW1509 - a command has one thread
        )
        with child:
            assert child.stdout is not None
            if not isinstance(to, Path):
                shutil.copyfileobj(child.stdout, to)
        if child.returncode != 0:
            raise EtldError(f"pg_dump failed: {_told(errors)}", code="ETLD-P012")


def refuse_foreign(programs: ClientPrograms, file: Path) -> None:
    """Raise `EtldError` for a file that is no dump, or not one of a database of etld's."""
    done = subprocess.run([programs["pg_restore"], "--list", file], capture_output=True, check=False)
    if done.returncode != 0:
        raise EtldError(f"{file} cannot be restored: {_last(done.stderr)}", code="ETLD-P013")
    if _OURS not in done.stdout:
        raise EtldError(f"{file} is no dump of a database of etld's: it has no schema etld", code="ETLD-P013")


def restore(
    programs: ClientPrograms,
    target: BackupTarget,
    file: Path,
    *,
    replace: bool,
    schemas: bool,
    erasures: bool,
    privileges: bool,
) -> None:
    """Fill the database from a dump, whole or not at all. Raises `EtldError`.

    `replace`: what is in the place of the dump's tables goes. `schemas`: those that are registered there stay, beside
    those of the dump. `erasures`: so do those that are on record there, for `take_kept`. `privileges`: grants are
    restored too.
    """
    script = [programs["pg_restore"], "--no-owner", "--file=-", *(["--clean", "--if-exists"] if replace else [])]
    script += [*([] if privileges else ["--no-privileges"]), str(file)]
    before = [_SQL.begin, *([_SQL.keep_schemas] if schemas else []), *([_SQL.keep_erasures] if erasures else [])]
    before += [_SQL.clear] if replace else []
    with _errors() as refused, _errors() as failed:
        psql = subprocess.Popen(
            [programs["psql"], "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-w", "-d", target.dsn, "-f", "-"],
            env=target.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=refused,
            preexec_fn=_tied(),  # noqa: PLW1509 - a command has one thread
        )
        try:
            assert psql.stdin is not None
            _say(psql.stdin, before)
            # psql commits at the end of its input, which comes from us, not from pg_restore: only a whole script ends.
            done = subprocess.run(script, stdout=psql.stdin, stderr=failed, preexec_fn=_tied(), check=False)
            if done.returncode == 0:
                _say(psql.stdin, [_SQL.give_schemas_back] if schemas else [])
                _say(psql.stdin, [_SQL.give_erasures_back] if erasures else [])
                with contextlib.suppress(BrokenPipeError):
                    psql.stdin.close()
                psql.wait()
            elif psql.poll() is None and not _ends(psql):
                raise EtldError(f"pg_restore failed, nothing was changed: {_told(failed)}", code="ETLD-P013")
            if psql.returncode != 0:
                told = _told(refused)
                hint = "; --no-privileges leaves grants out" if _NO_ROLE.search(told) else ""
                raise EtldError(f"the restore failed, nothing was changed: {told}{hint}", code="ETLD-P013")
        finally:
            psql.kill()
            psql.wait()


def take_kept(conn: Connection) -> bool:
    """After a restore, and the migrations: take in the erasures that were kept; were there any?"""
    with conn.transaction():
        row = conn.execute(_SQL.kept).fetchone()
        if not row or not row[0]:
            return False
        conn.execute(_SQL.take_kept)
    return True


def _say(to: IO[bytes], blocks: list[bytes]) -> None:
    # One that has ended does not listen any more; its exit code tells why.
    with contextlib.suppress(BrokenPipeError):
        for block in blocks:
            to.write(block + b"\n")
        to.flush()


def _ends(child: subprocess.Popen[bytes]) -> bool:
    """Is it about to end by itself? Then pg_restore only lost its reader."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(1.0)
    return child.poll() is not None


def _tied() -> partial[None]:
    return partial(end_with_parent, os.getpid())


@contextlib.contextmanager
def _errors() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file


def _told(file: IO[bytes]) -> str:
    file.seek(0)
    return _last(file.read())


def _last(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-4:]) or "it did not say why"
