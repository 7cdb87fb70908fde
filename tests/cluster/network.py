"""Machines on one machine: network namespaces on a bridge, each with an address and a host name of its own.

What runs in one reaches the others by TCP only, and iptables drops what is not to arrive: in both directions or in one,
and without a word to either end, as a broken cable or a firewall does it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import random
import re
import shutil
import signal
import string
import subprocess
import time
from pathlib import Path

from support.processes import alive

_PREFIX = "etldc"
_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET, _CLONE_NEWUTS = 0x40000000, 0x04000000
_DRIVER, _FIRST = 1, 11
#: Networks of one process, one after the other or at once.
_LETTERS = itertools.cycle(string.ascii_lowercase)
_libc = ctypes.CDLL(None, use_errno=True)


def missing() -> str:
    """Why there can be none here, or ""."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program, package in (("ip", "iproute2"), ("iptables", "iptables")):
        if shutil.which(program) is None:
            return f"there is no {program} (Debian's package {package})"
    tried = f"{_PREFIX}{os.getpid()}try"
    done = _run("ip", "netns", "add", tried, check=False)
    if done.returncode:
        return f"no network namespace can be made: {done.stderr.strip()}"
    try:
        done = _run("ip", "netns", "exec", tried, "iptables", "-S", check=False)
        return f"iptables does not work: {done.stderr.strip()}" if done.returncode else ""
    finally:
        _run("ip", "netns", "del", tried)


class Place:
    """One machine of the network. `enter` is for a child before its program starts (`etld.embedded.process.spawn`)."""

    def __init__(self, network: Network, name: str, number: int) -> None:
        self.name = name
        self.address = network.address(number)
        self._namespace = f"{network.tag}{name}"
        self._link = f"v{network.tag.removeprefix(_PREFIX)}.{number}"
        _run("ip", "netns", "add", self._namespace)
        made = ("type", "veth", "peer", "name", "eth0", "netns", self._namespace)
        _run("ip", "link", "add", self._link, *made)
        _run("ip", "link", "set", self._link, "master", network.bridge, "up")
        for words in (
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _run("ip", "-n", self._namespace, *words)

    def enter(self) -> None:
        """Put the calling process into it, with the host name."""
        handle = os.open(_NAMESPACES / self._namespace, os.O_RDONLY | os.O_CLOEXEC)
        _checked(_libc.setns(handle, _CLONE_NEWNET), "setns")
        os.close(handle)
        _checked(_libc.unshare(_CLONE_NEWUTS), "unshare(CLONE_NEWUTS)")
        name = self.name.encode()
        _checked(_libc.sethostname(name, len(name)), "sethostname")

    def run(self, *command: str) -> str:
        """What a short program says when it is run there; raises AssertionError when it fails."""
        return _run("ip", "netns", "exec", self._namespace, *command).stdout

    def pids(self) -> list[int]:
        """Every process in it."""
        return [int(pid) for pid in _run("ip", "netns", "pids", self._namespace).stdout.split()]

    def signal(self, number: signal.Signals) -> int:
        """Send it to every process in it; how many there were."""
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        return len(pids)

    def power_off(self) -> None:
        """All its processes are gone at once, and nobody is told: not one FIN goes out."""
        self.unplug()
        until = time.monotonic() + 10
        while self.signal(signal.SIGKILL) and time.monotonic() < until:
            time.sleep(0.05)

    def unplug(self) -> None:
        """Nothing comes in or goes out."""
        _run("ip", "link", "set", self._link, "down")

    def plug(self) -> None:
        """As before."""
        _run("ip", "link", "set", self._link, "up")

    def drop(self, sender: Place) -> None:
        """From now on nothing of what this one sends arrives here."""
        self.run("iptables", "-w", "-A", "INPUT", "-s", sender.address, "-j", "DROP")

    def heal(self) -> None:
        """All that is sent arrives."""
        self.plug()
        self.run("iptables", "-w", "-F", "INPUT")

    def remove(self) -> None:
        """End what is left in it, and the place itself."""
        self.signal(signal.SIGKILL)
        _run("ip", "link", "del", self._link, check=False)
        _run("ip", "netns", "del", self._namespace, check=False)


class Network:
    """A bridge with the caller on it, and `places` by their names. End it with remove()."""

    def __init__(self) -> None:
        remove_orphans()
        self.tag = f"{_PREFIX}{os.getpid()}{next(_LETTERS)}"
        self.bridge = f"{self.tag}b"
        self.places: dict[str, Place] = {}
        self._subnet = _free_subnet()
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{self.address(_DRIVER)}/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")

    @property
    def subnet(self) -> str:
        """All addresses of it."""
        return f"{self._subnet}.0/24"

    def address(self, number: int) -> str:
        """The address of one machine."""
        return f"{self._subnet}.{number}"

    def place(self, name: str) -> Place:
        """A new machine."""
        self.places[name] = made = Place(self, name, _FIRST + len(self.places))
        return made

    def cut(self, one: Place, other: Place) -> None:
        """Neither hears the other."""
        one.drop(other)
        other.drop(one)

    def heal(self) -> None:
        """Everybody hears everybody."""
        for place in self.places.values():
            place.heal()

    def remove(self) -> None:
        """End all that runs in it, and take it down."""
        for place in self.places.values():
            place.remove()
        _run("ip", "link", "del", self.bridge, check=False)


def remove_orphans() -> None:
    """What a run left that was killed: its number is that of a process that is gone."""
    for entry in _NAMESPACES.glob(f"{_PREFIX}*") if _NAMESPACES.is_dir() else ():
        owner = re.match(rf"{_PREFIX}(\d+)", entry.name)
        if owner and not alive(int(owner[1])):
            for pid in _run("ip", "netns", "pids", entry.name, check=False).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            _run("ip", "netns", "del", entry.name, check=False)
    for name, owner_pid in re.findall(rf"^\d+: ({_PREFIX}(\d+)[a-z]b):", _run("ip", "link").stdout, re.MULTILINE):
        if not alive(int(owner_pid)):
            _run("ip", "link", "del", name, check=False)


def _free_subnet() -> str:
    taken = _run("ip", "-4", "addr").stdout
    free = [f"10.203.{n}" for n in range(1, 255) if f"inet 10.203.{n}." not in taken]
    return random.choice(free)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def _run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done
