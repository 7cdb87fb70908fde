"""The CLI's end of the control socket. Standard library only: `etld status` must answer at once."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import tomllib
from pathlib import Path
from typing import Any, Self

from etld.control.path import address
from etld.errors import EtldError, Unreachable, UsageError
from etld.util import config_file

_SYSTEM_SOCKET = Path("/run/etld/etld.sock")


class RequestRefused(EtldError):
    """The daemon said no; `error` is its answer."""

    code = "ETLD-S013"

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message", "the daemon refused")), code=str(error.get("explain", "")))
        self.error = error


def state_dir(config: Path | None) -> Path:
    """The configuration's state_dir, without reading and checking the rest of it (which takes longer)."""
    source = config_file.find(config)
    if source is None:
        raise UsageError(f"{config_file.NOWHERE}; use --config", code="ETLD-C001")
    try:
        data = tomllib.loads(source.read_text())
    except FileNotFoundError:
        raise UsageError(f"{source}: there is no such file", code="ETLD-C001") from None
    except OSError as error:
        raise EtldError(f"cannot read {source}: {error.strerror}", code="ETLD-C002") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        data = {}  # a broken file must not stand between an operator and a running daemon
    value = os.environ.get("ETLD_STATE_DIR") or data.get("state_dir", "./var")
    root = source.absolute().parent
    root = root.parent if root.name == "config" else root
    return Path(os.path.normpath(root / Path(str(value)).expanduser()))


def socket_path(config: Path | None) -> Path:
    """Where the daemon of this configuration listens: in RUNTIME_DIRECTORY, or in its state directory."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if runtime:
        return Path(runtime) / "etld.sock"
    path = state_dir(config) / "etld.sock"
    if not path.exists() and _SYSTEM_SOCKET.exists():
        return _SYSTEM_SOCKET
    return path


class ControlConnection:
    """One conversation with the daemon."""

    def __init__(self, path: Path, timeout: float | None = 10.0) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(10.0)
        try:
            self._connect()
        except BaseException:
            self._sock.close()
            raise
        self._sock.settimeout(timeout)
        self._file = self._sock.makefile("rb")

    def _connect(self) -> None:
        try:
            with address(self.path) as where:
                self._sock.connect(where)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise Unreachable(f"not running (nobody listens on {self.path})") from None
        except PermissionError:
            raise Unreachable(f"the daemon on {self.path} serves only its owner and root") from None
        except OSError as error:
            raise Unreachable(f"cannot reach the daemon on {self.path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._sock.close()

    def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Send one request and wait for its answer; raises RequestRefused, Unreachable."""
        try:
            # A daemon that refuses a client says why before it has read anything, and closes.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._sock.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            line = self._file.readline()
        except TimeoutError:
            raise Unreachable(f"the daemon on {self.path} does not answer") from None
        except OSError as error:
            raise Unreachable(f"the daemon on {self.path} broke the connection: {error}") from error
        if not line:
            raise Unreachable(f"the daemon on {self.path} closed the connection")
        reply: dict[str, Any] = json.loads(line)
        if not reply.get("ok"):
            raise RequestRefused(reply.get("error", {}))
        return reply

    def wait_end(self, timeout: float) -> bool:
        """Wait until the daemon closes the connection; False when it has not by then."""
        until = time.monotonic() + timeout
        try:
            while (left := until - time.monotonic()) > 0:
                self._sock.settimeout(left)
                if not self._sock.recv(4096):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        return False


def ask(config: Path | None, verb: str, *, timeout: float | None = 10.0, **arguments: object) -> dict[str, Any]:
    """One request to the daemon of this configuration."""
    with ControlConnection(socket_path(config), timeout) as connection:
        return connection.ask(verb, **arguments)
