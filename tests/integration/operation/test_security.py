"""What a daemon keeps to itself."""

from __future__ import annotations

import hashlib
import stat
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.memory import pieces
from support.waiting import wait_until

pytestmark = pytest.mark.integration

CANARY = "c4n4ry-in-the-m1ne"
KEY = "k3y-of-a-cl1ent"


@pytest.fixture(scope="module")
def closed(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon with a secret of each sort, that has served, and met errors."""
    daemon = make_daemon()
    daemon.prepared = None  # what etld itself writes is looked at
    secret = daemon.directory / "config" / "secret"
    secret.write_text(f"{CANARY}\n")
    secret.chmod(0o600)
    keys = daemon.directory / "config" / "keys.toml"
    keys.write_text(f'[shop]\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\n')
    daemon.configure(
        {
            "ingest.keys_file": str(keys),
            "schema_registry.password_file": str(secret),
            "kafka.sasl_password_file": str(secret),
            "log.level": "debug",
        }
    )
    try:
        daemon.start()
        daemon.cli("generate", "--count", "60", "--invalid", "6", "--key", KEY)
        for key in (KEY[:-1], KEY + "x"):
            request = urllib.request.Request(f"{daemon.http}/track", b"{}", {"X-Write-Key": key})
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(request, timeout=5)
        daemon.configure({"breaker.window": 77, "nonsense.password_file": CANARY})
        daemon.cli("reload", check=False)
        daemon.configure({"breaker.window": 78})
        settings = daemon.settings()
        del settings["nonsense"]
        daemon.write(settings)
        daemon.cli("reload")
        wait_until(lambda: daemon.status()["totals"]["stored"] >= 54, 30, "events are stored")
        yield daemon
    finally:
        daemon.stop()


def generated(daemon: Daemon) -> str:
    """The password that etld has made for its PostgreSQL."""
    return (daemon.state_dir / "postgres.pass").read_text().strip().rpartition(":")[2]


def processes(daemon: Daemon) -> dict[int, str]:
    """Every process of the tree, by name."""
    status = daemon.status()
    found = {status["pid"]: "supervisor"}
    found.update({worker["pid"]: worker["name"] for worker in status["workers"]})
    for pid in list(found):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found.update({int(child): f"child of {found[pid]}" for child in children if int(child) not in found})
    return found


def test_no_secret_shows(closed: Daemon) -> None:
    """Not in logs, status, configuration, metrics, dead letters; not in arguments and environments."""
    secrets = [CANARY, KEY, generated(closed)]
    shown = {
        "logs": "".join(path.read_text(errors="replace") for path in closed.state_dir.joinpath("log").iterdir()),
        "status": closed.cli("status", "--json").stdout + closed.cli("status").stdout,
        "config": closed.cli("config", "show").stdout,
        "letters": closed.cli("dlq", "list", "--json").stdout,
    }
    with urllib.request.urlopen(f"{closed.http}/metrics", timeout=10) as answer:
        shown["metrics"] = answer.read().decode()
    for pid, name in processes(closed).items():
        for part in ("cmdline", "environ"):
            shown[f"{part} of {name}"] = Path(f"/proc/{pid}/{part}").read_text(errors="replace")
    assert [(place, secret) for place, text in shown.items() for secret in secrets if secret in text] == []
    assert len(shown["logs"]) > 10_000


def test_ingest_does_not_know_the_database(closed: Daemon) -> None:
    """Its password is nowhere in its memory; a processor's memory shows that this finds it."""
    password = generated(closed).encode()

    def knows(name: str) -> bool:
        return any(password in piece for piece in pieces(closed.worker(name)["pid"]))

    assert knows("processor-order-0")
    assert not knows("ingest-0")


def test_what_is_written_is_the_owners(closed: Daemon) -> None:
    """Directories 0700, files 0600, the control socket too."""
    made = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in closed.state_dir.iterdir()}
    del made["log"]  # the fixture's own
    files = dict.fromkeys(("etld.pid", "etld.sock", "postgres.pass", "schemas.json"), "0o600")
    assert made.items() >= {**files, "kafka": "0o700", "postgres": "0o700"}.items()
    assert set(made.values()) == {"0o600", "0o700"}


def test_embedded_parts_listen_on_loopback_only(closed: Daemon) -> None:
    """As the kernel lists them."""
    settings = closed.settings()
    ports = {settings["kafka"]["embedded_port"], settings["postgres"]["embedded_port"]}
    loopback = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
    seen = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, _, port = address.partition(":")
            if state == "0A" and int(port, 16) in ports:
                seen.add(int(port, 16))
                assert host in loopback, line
    assert seen == ports
