"""Ingest over TLS: every command finds it, and certificates change under load without a failed request."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from support.certificates import Pair, make
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event
from support.waiting import wait_until

pytestmark = pytest.mark.integration


class TlsLoad:
    """Two clients of each kind, one that keeps its connection and one that makes another for each event."""

    def __init__(self, url: str, pairs: list[Pair]) -> None:
        self.sent: set[str] = set()
        self.failures: list[str] = []
        self._url = url
        self._context = ssl.create_default_context()
        for pair in pairs:
            self._context.load_verify_locations(cafile=pair.certificate)
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while inside."""
        thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(30)

    async def _all(self) -> None:
        await asyncio.gather(*(self._send(keep=number % 2 == 0) for number in range(4)))

    async def _send(self, *, keep: bool) -> None:
        connector = aiohttp.TCPConnector(ssl=self._context, force_close=not keep, limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            while not self._over.is_set():
                own = str(uuid4())
                try:
                    async with session.post(f"{self._url}/track", json=event(event_id=own)) as answer:
                        body = await answer.text()
                        if answer.status == 200:
                            self.sent.add(own)
                        else:
                            self.failures.append(f"{answer.status} {body}")
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self.failures.append(repr(error))
                await asyncio.sleep(0.005)

    def some_more(self, count: int = 50) -> None:
        """Wait until that many more are sent."""
        base = len(self.sent)
        wait_until(lambda: len(self.sent) >= base + count or self.failures, 30, f"{count} events are sent")


def shown(port: int) -> str:
    """The certificate that the next connection gets (PEM)."""
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)


def is_shown(port: int, pair: Pair) -> bool:
    """By every process: the kernel deals connections to them by chance."""
    return all(shown(port).split() == pair.certificate.read_text().split() for _ in range(16))


def get(url: str, path: str, pair: Pair) -> tuple[int, str]:
    """A request as a probe or Prometheus makes it."""

    async def ask() -> tuple[int, str]:
        context = ssl.create_default_context(cafile=pair.certificate)
        async with aiohttp.ClientSession() as session, session.get(f"{url}{path}", ssl=context) as answer:
            return answer.status, await answer.text()

    return asyncio.run(ask())


def test_a_daemon_with_tls(make_daemon: Callable[[], Daemon], tmp_path: Path) -> None:
    """Its addresses and commands; new certificates in the same files under load, broken ones, one that ends soon."""
    first, second, ending = (make(tmp_path / name, days=days) for name, days in (("1", 365), ("2", 365), ("3", 10)))
    used = Pair(tmp_path / "used.pem", tmp_path / "used.key")
    used.replace_with(first)
    used.key.chmod(0o600)
    made = make_daemon()
    made.configure(
        {
            "ingest.tls_cert_file": str(used.certificate),
            "ingest.tls_key_file": str(used.key),
            "ingest.workers": 2,
        }
    )
    port = made.settings()["ingest"]["port"]
    with made.running() as daemon:
        url = daemon.status()["addresses"]["http"]
        assert url == f"https://127.0.0.1:{port}"
        assert daemon.cli("health").returncode == 0
        assert is_shown(port, first)
        assert f"{url}/track" in daemon.cli("demo", "--count", "30").stdout
        assert daemon.json("generate", "--count", "20", "--url", f"https://localhost:{port}")["sent"] == 20
        assert (get(url, "/healthz", used)[0], get(url, "/readyz", used)[0]) == (200, 200)
        assert "etld_failed_handshakes_total" in get(url, "/metrics", used)[1]
        load = TlsLoad(url, [first, second, ending])
        with load.running():
            load.some_more()
            used.replace_with(second)
            assert daemon.json("reload")["changed"] == [
                "ingest.tls_cert_file.content",
                "ingest.tls_key_file.content",
            ]
            wait_until(lambda: is_shown(port, second), 10, "the second is shown")
            load.some_more()
            used.key.write_bytes(ending.key.read_bytes())  # as when only half is there yet
            refused = daemon.cli("reload", check=False)
            assert refused.returncode == 1
            said = [line for line in (refused.stdout + refused.stderr).splitlines() if "tls_key_file" in line]
            assert len(said) == 1
            assert f"{used.key} is not the key of the certificate {used.certificate}" in said[0]
            load.some_more()
            assert is_shown(port, second)
            used.replace_with(ending)
            os.kill(daemon.status()["pid"], signal.SIGHUP)
            wait_until(lambda: is_shown(port, ending), 20, "the third is shown")
            load.some_more()
            told = wait_until(lambda: (r := daemon.cli("health", check=False)).returncode == 1 and r, 10, "a fault")
            assert f"the certificate {used.certificate} ends on " in told.stdout + told.stderr
        assert load.failures == []
        etld = EtldClient(daemon)
        wait_until(lambda: etld.stored(*load.sent) == len(load.sent), 60, "every event is stored")
        assert {one["restarts"] for one in daemon.status()["workers"]} == {0}
        off_and_on(daemon, port)


def off_and_on(daemon: Daemon, port: int) -> None:
    """By reloads; without a certificate none ends."""
    settings = daemon.settings()["ingest"]
    daemon.configure({"ingest.tls_cert_file": "", "ingest.tls_key_file": ""})
    daemon.cli("reload")
    assert daemon.status()["addresses"]["http"] == f"http://127.0.0.1:{port}"
    assert daemon.json("generate", "--count", "5")["sent"] == 5
    wait_until(lambda: daemon.cli("health", check=False).returncode == 0, 10, "all is well")
    daemon.configure({f"ingest.{key}": settings[key] for key in ("tls_cert_file", "tls_key_file")})
    daemon.cli("reload")
    assert daemon.status()["addresses"]["http"] == f"https://127.0.0.1:{port}"
    assert daemon.json("generate", "--count", "5")["sent"] == 5
