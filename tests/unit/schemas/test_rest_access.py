"""How a registry is reached: credentials in its URL, a CA and a client certificate of its own."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from etld.schemas.registry.base import RegistryUnavailable
from etld.schemas.registry.rest import RestRegistry, Tls
from support.registries import schema_of


class _Schemas(BaseHTTPRequestHandler):
    seen: list[str] = []  # noqa: RUF012  # of the one server of a test

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        body = json.dumps({"schema": '"string"'}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def registry(context: ssl.SSLContext | None = None) -> Iterator[int]:
    _Schemas.seen.clear()
    server = HTTPServer(("127.0.0.1", 0), _Schemas)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("password", ["plain", "p@ss:w/rd", "a b%20c", "ümläut", "100%", "#?&="])
def test_credentials_in_the_url_are_percent_encoded(password: str) -> None:
    """The registry gets what is meant, of the user too."""
    with registry() as port:
        found = RestRegistry(f"http://{quote('us@r', safe='')}:{quote(password, safe='')}@127.0.0.1:{port}")
        assert schema_of(found, 1) == '"string"'
    assert base64.b64decode(_Schemas.seen[0].removeprefix("Basic ")).decode() == f"us@r:{password}"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and a server's and a client's certificate of it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    root = tmp_path_factory.mktemp("pki")

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=root, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl(*new, "-x509", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    (root / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        openssl(*new[:-2], "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        sign = ("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl(*sign, "-days", "2", "-extfile", "names", "-out", f"{name}.pem")
    openssl("ec", "-aes256", "-passout", "pass:x", "-in", "client.key", "-out", "locked.key")
    return root


def test_a_ca_and_a_client_certificate(pki: Path) -> None:
    """Without either the registry is not spoken to, and the reason is told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    context.load_verify_locations(pki / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with registry(context) as port:
        url = f"https://127.0.0.1:{port}"
        good = Tls(pki / "ca.pem", pki / "client.pem", pki / "client.key")
        assert schema_of(RestRegistry(url, tls=good), 1) == '"string"'
        with pytest.raises(RegistryUnavailable, match="certificate verify failed"):
            schema_of(RestRegistry(url, tls=Tls(None, pki / "client.pem", pki / "client.key")), 1)
        with pytest.raises(RegistryUnavailable, match="does not answer"):
            schema_of(RestRegistry(url, tls=Tls(pki / "ca.pem")), 1)


@pytest.mark.parametrize("key", ["server.key", "locked.key", "gone.key"])
def test_a_key_that_does_not_fit_is_told_with_its_file(pki: Path, key: str) -> None:
    with pytest.raises(RegistryUnavailable, match=key.replace(".", r"\.")):
        schema_of(RestRegistry("https://127.0.0.1:1", tls=Tls(pki / "ca.pem", pki / "client.pem", pki / key)), 1)
