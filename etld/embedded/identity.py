"""How a server that refuses to run as root is run by root: a user namespace, else another user."""

from __future__ import annotations

import ctypes
import os
import pwd
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from etld.errors import EtldError

_CLONE_NEWUSER = 0x10000000
_CAP_DAC_OVERRIDE = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A user namespace in which the caller's own id is called `inside`.

    Files stay the caller's, and nothing on the machine changes. Fits root, and a user the
    system has no name for (initdb asks for one).
    """

    inside: int

    def enter(self) -> None:
        """Called in the child, before its program starts."""
        uid, gid = os.geteuid(), os.getegid()
        _checked(_libc.unshare(_CLONE_NEWUSER), "unshare(CLONE_NEWUSER)")
        Path("/proc/self/uid_map").write_text(f"{self.inside} {uid} 1\n")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{self.inside} {gid} 1\n")

    def own(self, path: Path) -> None:
        """Nothing to do: the data is the caller's already."""

    def works(self) -> bool:
        """Does the kernel allow it here? Containers often do not."""
        tried = subprocess.run(["true"], preexec_fn=self._try, check=False)  # noqa: S607  # wherever it is
        return tried.returncode == 0

    def _try(self) -> None:
        try:
            self.enter()
        except OSError:
            os._exit(1)


@dataclass(frozen=True, slots=True)
class OtherUser:
    """An unprivileged user of the system, to whom root gives the data.

    It keeps root's right to pass through private directories (CAP_DAC_OVERRIDE, which containers
    leave to root): otherwise every directory above the data would have to be opened to all.
    """

    uid: int
    gid: int

    def enter(self) -> None:
        """Called in the child, before its program starts."""
        os.setgroups([])
        os.setgid(self.gid)
        _checked(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "PR_SET_KEEPCAPS")
        os.setuid(self.uid)
        # struct __user_cap_header_struct (version 3, this process), then two of {effective, permitted, inheritable}.
        header = struct.pack("=Ii", 0x20080522, 0)
        right = 1 << _CAP_DAC_OVERRIDE
        _checked(_libc.capset(header, struct.pack("=6I", right, right, right, 0, 0, 0)), "capset")
        _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0), "PR_CAP_AMBIENT")

    def own(self, path: Path) -> None:
        """Give a file, or a directory with all in it, to this user."""
        if path.stat().st_uid != self.uid:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.uid, self.gid, follow_symlinks=False)


Identity = Namespace | OtherUser


def choose() -> Identity | None:
    """What PostgreSQL has to be run as here; None when the caller will do as it is."""
    if os.geteuid() != 0 and _named(os.geteuid()):
        return None
    inside = next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0), 1000)
    namespace = Namespace(inside)
    if namespace.works() or os.geteuid() != 0:
        return namespace
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EtldError(
            "PostgreSQL does not run as root; this kernel forbids user namespaces and there is no user"
            " `nobody`: run etld as an ordinary user",
            code="ETLD-P018",
        ) from None
    return OtherUser(entry.pw_uid, entry.pw_gid)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def _named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
