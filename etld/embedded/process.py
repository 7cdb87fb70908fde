"""Child processes that end with the process that started them, and their bounded log files."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from etld.errors import EtldError
from etld.util.parent_death import end_with_parent

_LOG_LIMIT = 10 * 1024 * 1024

Preexec = Callable[[], None]


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    become: Preexec | None = None,
) -> subprocess.Popen[bytes]:
    """Start argv in a session of its own, its output appended to `log`.

    The kernel sends it `death_signal` when the calling thread ends, however it ends.
    `become` changes the child's credentials first (etld.embedded.identity).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
            preexec_fn=_tied(os.getpid(), death_signal, become),  # noqa: PLW1509 - our processes have one thread
        )


def run(
    argv: Sequence[str],
    *,
    become: Preexec | None = None,
    env: Mapping[str, str] | None = None,
    text: str = "",
) -> None:
    """Run a short command, with `text` as its input, to its end; EtldError with its last lines when it fails."""
    done = subprocess.run(
        list(argv),
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        preexec_fn=_tied(os.getpid(), signal.SIGKILL, become),
        check=False,
    )
    if done.returncode != 0:
        said = last_lines(done.stdout.decode(errors="replace"))
        raise EtldError(f"{Path(argv[0]).name} failed ({_how(done.returncode)}): {said}", code="ETLD-S025")


def stop(child: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, giving the child that many seconds to end; at last SIGKILL its group."""
    for number, seconds in steps:
        if child.poll() is not None:
            return
        child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def trim(log: Path, limit: int = _LOG_LIMIT) -> None:
    """Keep a log that a child holds open for appending below `limit` bytes: one old copy, then start anew."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)


def tail(log: Path, since: int = 0, lines: int = 3) -> str:
    """The last lines of a log, on one line, of what came after byte `since`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = since if since <= size else 0
            file.seek(max(start, size - 16384))
            return last_lines(file.read().decode(errors="replace"), lines)
    except FileNotFoundError:
        return ""


def last_lines(text: str, lines: int = 3) -> str:
    """The last lines of a text that say something, joined by " / "."""
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(kept[-lines:])[-1000:]


def ended(child: subprocess.Popen[bytes], what: str, log: Path, since: int) -> EtldError:
    """The error for a server that ended by itself."""
    said = tail(log, since)
    return EtldError(
        f"{what} ended ({_how(child.returncode)}); the last of {log}: {said or '(nothing)'}", code="ETLD-S025"
    )


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _tied(parent: int, death_signal: signal.Signals, become: Preexec | None) -> Preexec:
    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if become is not None:
            become()
        end_with_parent(parent, death_signal)  # after `become`, which would undo it

    return prepare
