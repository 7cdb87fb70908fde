"""`etld ARGS` in a fork of a process that has loaded what the command needs: loading it is most of the work of a call.

The tests call it by the thousand. What runs is the command line itself, in a process, a directory and an environment
of the call's own; only commands that start programs, or load code of a user, go the long way.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("etld")
#: The commands that are called often, and only ask and tell.
COMMANDS = frozenset(
    {"cancel", "drain", "forget", "health", "pause", "reconcile", "reload", "resume", "scale", "status", "trace"}
)
_LETTERS = frozenset({"discard", "jobs", "list", "replay", "show", "stats"})
_LOADED = (
    "etld.cli.dlq.discard",
    "etld.cli.dlq.list",
    "etld.cli.dlq.replay",
    "etld.cli.dlq.show",
    "etld.cli.reconcile",
    "etld.cli.trace",
    "etld.cli.table",
    "etld.control.client",
    "etld.deadletters.service",
    "etld.forget.run",
    "etld.postgres.access",
    "etld.postgres.pool",
    "etld.reconcile.run",
    "etld.reconcile.trace",
)


def run(
    arguments: Sequence[str], env: Mapping[str, str], directory: Path, timeout: float, program: Path = PROGRAM
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run() does it, with the output as text; raises TimeoutExpired."""
    command = [str(program), *arguments]
    # A path of its own may hold modules that the command is to load, and another program is loaded nowhere.
    if program != PROGRAM or not _is_warm(arguments) or env.get("PYTHONPATH") != os.environ.get("PYTHONPATH"):
        return subprocess.run(
            command,
            env=dict(env),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with theirs:
            socket.send_fds(_server(), [b"."], [theirs.fileno(), out.fileno(), err.fileno()])
        asked = {"arguments": command, "env": dict(env), "directory": str(directory)}
        ours.sendall(json.dumps(asked).encode() + b"\n")
        code = _told(ours, command, timeout)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, -signal.SIGKILL if code is None else code, out.read(), err.read())


def _is_warm(arguments: Sequence[str]) -> bool:
    first, second = (*arguments[2 if tuple(arguments[:1]) == ("--config",) else 0 :], "", "")[:2]
    return first in COMMANDS or (first == "dlq" and second in _LETTERS)


def _told(ours: socket.socket, command: Sequence[str], timeout: float) -> int | None:
    """The exit code; None for one that was killed."""
    ours.settimeout(timeout)
    told = b""
    try:
        while piece := ours.recv(100):  # the end comes when the process has ended
            told += piece
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError, IndexError):  # it has ended, or not begun
            os.kill(int(told.split()[0]), signal.SIGKILL)
        raise subprocess.TimeoutExpired(command, timeout) from None
    assert told, "the process that forks the commands has ended"
    _pid, *code = (int(one) for one in told.split())
    return code[0] if code else None


@cache
def _server() -> socket.socket:
    """Where the calls go; the server ends with this process."""
    ours, theirs = socket.socketpair()
    atexit.register(ours.close)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "support.warm_cli", str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ).returncode = 0  # nobody waits for it
    return ours


def serve(calls: socket.socket) -> None:
    """Fork for each call, until the caller ends; in the child, become the command."""
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()  # so that the children share it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        word, (*fds,), _, _ = socket.recv_fds(calls, 1, 3)
        if not word:
            return
        if os.fork() == 0:
            calls.close()
            _become(socket.socket(fileno=fds[0]), *fds[1:])
            return
        for one in fds:
            os.close(one)


def _become(caller: socket.socket, out: int, err: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    caller.sendall(b"%d " % os.getpid())
    asked = json.loads(caller.makefile("rb").readline())
    for number, here in ((out, 1), (err, 2)):
        os.dup2(number, here)
        os.close(number)
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = asked["arguments"]
    from etld import cli

    code = 1
    try:
        cli.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    caller.sendall(b"%d " % code)
    os._exit(code)  # to take down all that was loaded takes longer than most commands


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
