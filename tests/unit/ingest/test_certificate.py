"""The certificate of [ingest]: what is wrong with its files, when it ends, and who takes it."""

from __future__ import annotations

import contextlib
import ssl
import time
from pathlib import Path

import pytest

from etld.config.sections.ingest import IngestSection
from etld.errors import EtldError
from etld.ingest import certificate
from support.certificates import Pair, make, run

DAY = 86_400


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A good one."""
    return make(tmp_path_factory.mktemp("good"))


def section(cert: Path, key: Path) -> IngestSection:
    """[ingest] with these files."""
    return IngestSection.model_validate({"tls_cert_file": str(cert), "tls_key_file": str(key)})


def load(cert: Path, key: Path) -> certificate.Certificate:
    """Of these files."""
    found = certificate.load(section(cert, key))
    assert found is not None
    return found


def shown(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = None) -> ssl.SSLObject:
    """The client's side of a handshake."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (client.wrap_bio(to_client, to_server, server_hostname=name), server.wrap_bio(to_server, to_client, True))
    for _ in range(3):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return sides[0]


def test_it_is_told_when_it_ends(pair: Pair) -> None:
    """Two weeks before, and after."""
    found = load(pair.certificate, pair.key)
    assert found.ends == pytest.approx(time.time() + 365 * DAY, abs=DAY)
    assert found.problem(found.ends - 15 * DAY) is None
    soon, late = found.problem(found.ends - 13 * DAY), found.problem(found.ends + 1)
    when = time.strftime("%Y-%m-%d", time.gmtime(found.ends))
    assert soon is not None
    assert f"the certificate {pair.certificate} ends on {when}" in soon
    assert "etld reload" in soon
    assert late is not None
    assert "has ended on" in late
    assert certificate.load(IngestSection()) is None


def test_one_that_has_ended_is_shown_all_the_same(pair: Pair, tmp_path: Path) -> None:
    """Clients refuse it, and the daemon says so; to serve none at all would help nobody."""
    request, ended = tmp_path / "csr", tmp_path / "ended.pem"
    run("req", "-new", "-key", str(pair.key), "-out", str(request), "-subj", "/CN=x")
    run("x509", "-req", "-in", str(request), "-signkey", str(pair.key), "-days", "-1", "-out", str(ended))
    found = load(ended, pair.key)
    assert "has ended on" in str(found.problem(time.time()))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shown(found.context, certificate.client_context(ended, own=True))


def test_a_key_that_everybody_may_read_is_told(tmp_path: Path) -> None:
    """One that a group may read is not."""
    pair = make(tmp_path)
    pair.key.chmod(0o640)
    assert load(pair.certificate, pair.key).exposed == ""
    pair.key.chmod(0o644)
    assert f"chmod o-r {pair.key}" in load(pair.certificate, pair.key).exposed


def test_every_file_that_is_of_no_use_is_named(pair: Pair, tmp_path: Path) -> None:
    """In one line, with the key of the configuration."""
    other = make(tmp_path, "other")
    rsa = make(tmp_path, "rsa", rsa=True)
    locked, none, junk = (tmp_path / name for name in ("locked", "none", "junk"))
    run("ec", "-in", str(other.key), "-aes128", "-passout", "pass:abc", "-out", str(locked))
    junk.write_text("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ\n-----END CERTIFICATE-----\n")
    client_only = make(tmp_path, "client", "-addext", "extendedKeyUsage=clientAuth")
    for cert, key, expected in (
        (pair.certificate, other.key, f"tls_key_file: {other.key} is not the key of the certificate"),
        (pair.certificate, rsa.key, f"tls_key_file: {rsa.key} is not the key of the certificate"),
        (other.certificate, locked, f"tls_key_file: {locked} has a password"),
        (pair.certificate, pair.certificate, f"tls_key_file: there is no private key in {pair.certificate}"),
        (pair.key, pair.key, f"tls_cert_file: there is no certificate in {pair.key}"),
        (pair.certificate, none, f"tls_key_file: cannot read {none}: No such file"),
        (none, pair.key, f"tls_cert_file: cannot read {none}: No such file"),
        (junk, pair.key, f"tls_cert_file: cannot read {junk}: "),
        (client_only.certificate, client_only.key, "tls_cert_file: clients will refuse it: unsuitable certificate"),
        (pair.certificate, tmp_path, f"tls_key_file: cannot read {tmp_path}: Is a directory"),
    ):
        with pytest.raises(EtldError) as raised:
            load(cert, key)
        assert str(raised.value).startswith(f"ingest.{expected}"), raised.value
        assert "\n" not in str(raised.value)


def test_clients_of_this_machine_take_exactly_this_one(pair: Pair, tmp_path: Path) -> None:
    """By whatever name they come to their own daemon; by another address only if the name is right."""
    server = load(pair.certificate, pair.key).context
    impostor = make(tmp_path)
    own = certificate.client_context(pair.certificate, own=True)
    done = shown(server, own, "elsewhere.example")
    assert done.version() == "TLSv1.3"
    by_name = certificate.client_context(pair.certificate, own=False)
    assert shown(server, by_name, "localhost").version() == "TLSv1.3"
    for client, name in ((by_name, "elsewhere.example"), (certificate.client_context(None, own=False), "localhost")):
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(server, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(load(impostor.certificate, impostor.key).context, own)


def test_a_chain_is_shown_whole_and_its_signer_is_not_trusted(tmp_path: Path) -> None:
    """What else the same authority has signed is not this server."""
    authority = make(tmp_path, "authority", "-addext", "keyUsage=critical,keyCertSign")
    pairs = []
    for name in ("one", "two"):
        pair, request = Pair(tmp_path / f"{name}.pem", tmp_path / f"{name}.key"), tmp_path / f"{name}.csr"
        run(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(pair.key), "-out", str(request), "-subj", "/CN=x"),
        )
        run(
            *("x509", "-req", "-in", str(request), "-CA", str(authority.certificate), "-CAkey", str(authority.key)),
            *("-CAcreateserial", "-days", "3", "-out", str(pair.certificate)),
        )
        pair.certificate.write_bytes(pair.certificate.read_bytes() + authority.certificate.read_bytes())
        pairs.append(pair)
    one, two = (load(pair.certificate, pair.key) for pair in pairs)
    assert one.ends == pytest.approx(time.time() + 3 * DAY, abs=DAY)
    own = certificate.client_context(pairs[0].certificate, own=True)
    assert shown(one.context, own).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(two.context, own)
    everybody = ssl.create_default_context(cafile=authority.certificate)
    everybody.check_hostname = False
    assert shown(two.context, everybody).version() == "TLSv1.3"


def test_what_is_spoken(pair: Pair) -> None:
    """TLS 1.2 and 1.3, HTTP/1.1 in them."""
    server = load(pair.certificate, pair.key).context
    client = certificate.client_context(pair.certificate, own=True)
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert shown(server, client).selected_alpn_protocol() == "http/1.1"
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shown(server, client).version() == "TLSv1.2"
    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
