"""The first steps of a forked worker, until its role runs; it never returns."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from setproctitle import setproctitle

from etld import logs
from etld.errors import EtldError
from etld.supervisor.kinds import WorkerKind, load_object
from etld.supervisor.processes import spawn
from etld.util.parent_death import end_with_parent
from etld.worker import Addresses, SlotSpec, Worker
from etld.worker.channel import Channel

if TYPE_CHECKING:
    from etld.config import Config

_libc = ctypes.CDLL(None)
_libc.getenv.restype = ctypes.c_void_p

#: The code of what nobody foresaw.
INTERNAL = "ETLD-S019"

log = logging.getLogger("etld.worker")


@dataclass(frozen=True, slots=True)
class Birth:
    """What a worker is given by the supervisor."""

    spec: SlotSpec
    kind: WorkerKind
    config: Config
    addresses: Addresses
    sockets: tuple[socket.socket, ...]
    supervisor_pid: int
    log_file: Path | None
    #: The process before it in its slot was ended by nobody from outside.
    after_crash: bool = False


def main(birth: Birth, channel: Channel) -> NoReturn:
    """Run the role to its end and leave the process."""
    code = 1
    try:
        _detach(birth, channel)
        logs.setup(birth.spec.name, birth.config.log_settings())
        code = _run(birth, channel)
    except BaseException:
        logging.getLogger("etld.worker").exception("could not start")
    finally:
        with contextlib.suppress(BaseException):
            spawn.flush()
        os._exit(code)


def _detach(birth: Birth, channel: Channel) -> None:
    """Hold nothing of the supervisor's but the log and what this worker was given."""
    faulthandler.disable()  # the supervisor's; enabled anew when the signals' handlers are in place
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    keep = {0, 1, 2, spawn.stacks_fd, channel.fileno(), *(sock.fileno() for sock in birth.sockets)}
    for fd in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if fd not in keep:
            with contextlib.suppress(OSError):
                os.close(fd)
    os.setpgrp()
    end_with_parent(birth.supervisor_pid, birth.kind.death_signal)
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        os.environ.pop(name, None)
    if not birth.kind.database:
        _forget("ETLD_POSTGRES")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    # Polars panics at some broken records, which is caught: to tell from where takes longer than a whole batch.
    os.environ.pop("RUST_BACKTRACE", None)
    with contextlib.suppress(OSError):  # when memory runs out, a worker goes before the supervisor
        Path("/proc/self/oom_score_adj").write_text("500")
    setproctitle(f"etld: {birth.spec.name}")
    faulthandler.enable(spawn.stacks_fd)


def _forget(prefix: str) -> None:
    """Drop variables from the environment, and what the C library keeps of them."""
    for name in list(os.environ):
        if name.upper().startswith(prefix):
            value = _libc.getenv(name.encode())
            ctypes.memset(value, 0, len(os.fsencode(os.environ[name])))
            del os.environ[name]


def _load(entry: str) -> Callable[[Worker], None]:
    """The role and all that it imports, while the servers are coming up.

    All of that stays, and looking for garbage among it takes a fifth of the time.
    """
    gc.disable()
    role: Callable[[Worker], None] = load_object(entry)
    gc.freeze()
    gc.enable()
    return role


def _run(birth: Birth, channel: Channel) -> int:
    worker = Worker(birth.config, birth.spec, birth.addresses, sockets=birth.sockets, channel=channel)
    worker.ended_by_itself = birth.after_crash
    worker.on_config = lambda config: logs.setup(birth.spec.name, config.log_settings())
    signal.signal(signal.SIGTERM, lambda *_: worker.request_stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: logs.rotate(birth.log_file))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        role = _load(birth.kind.entry)
        if not worker.await_turn():
            role(worker)
    except EtldError as error:
        worker.failed(str(error), error.code)
        log.error("%s", error)
        return 1
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
    except BaseException as error:
        worker.failed(f"{type(error).__name__}: {error}", INTERNAL)
        log.exception("internal error in this worker")
        return 1
    if worker.stopping or birth.kind.one_shot:
        return 0
    worker.failed("ended by itself")
    return 1
