"""Certificates, tokens and options of the Kafka clients: what is taken, what is refused, and what librdkafka gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from etld.config import Config, parse
from etld.errors import ConfigError, EtldError
from etld.kafka.admin import Admin
from etld.kafka.consumer import GroupConsumer
from etld.kafka.errors import SettingsRefused
from etld.kafka.ports import Membership
from etld.kafka.settings import client_settings
from etld.worker import Addresses

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "config" / "etld.toml").read_text()


def read(kafka: str) -> Config:
    text = TEXT.replace('bootstrap_servers = "embedded"', 'bootstrap_servers = "k.example:9093"', 1)
    return parse(text.replace("\n[postgres]\n", f"\n{kafka}\n[postgres]\n", 1), ROOT / "config" / "etld.toml", {})


def settings(config: Config) -> dict[str, object]:
    return client_settings(config, Addresses("http://127.0.0.1:1", "k.example:9093", None, "embedded", ""))


def client(option: str, value: str = "1") -> str:
    return f'[kafka.client]\n"{option}" = {value}\n'


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("acks", "on all replicas in sync"),
        ("request.required.acks", "on all replicas in sync"),
        ("enable.idempotence", "there once"),
        ("transactional.id", "there once"),
        ("retries", "there once"),
        ("message.send.max.retries", "there once"),
        ("max.in.flight.requests.per.connection", "there once"),
        ("delivery.report.only.error", "there once"),
        ("enable.auto.commit", "positions are kept in PostgreSQL"),
        ("enable.auto.offset.store", "positions are kept in PostgreSQL"),
        ("auto.offset.reset", "positions are kept in PostgreSQL"),
        ("enable.partition.eof", "positions are kept in PostgreSQL"),
        ("group.id", "static members"),
        ("group.instance.id", "static members"),
        ("group.protocol", "static members"),
        ("partition.assignment.strategy", "static members"),
        ("isolation.level", "aborted"),
        ("allow.auto.create.topics", "made by set-up"),
        ("message.max.bytes", "the topic's to say"),
        ("bootstrap.servers", "kafka.bootstrap_servers"),
        ("security.protocol", "kafka.security_protocol"),
        ("sasl.password", "kafka.sasl_password_file"),
        ("ssl.key.pem", "kafka.ssl_key_file"),
        ("sasl.oauthbearer.client.secret", "kafka.oauth_client_secret_file"),
        ("session.timeout.ms", "kafka.session_timeout"),
        ("stats_cb", "is a function"),
        ("Fetch Bytes", "is no name"),
    ],
)
def test_an_option_that_would_break_a_promise_is_refused_by_name(option: str, words: str) -> None:
    """With the reason, and the line."""
    with pytest.raises(ConfigError) as caught:
        read(client(option))
    [problem] = caught.value.problems
    assert option in problem.path
    assert words in problem.message
    assert problem.line > 0


@pytest.mark.parametrize(
    ("option", "value", "given"),
    [
        ("client.rack", '"a"', "a"),
        ("fetch.max.bytes", "3000000", 3000000),
        ("linger.ms", "20", 20),
        ("ssl.endpoint.identification.algorithm", '"none"', "none"),
        ("socket.keepalive.enable", "false", False),
    ],
)
def test_any_other_option_reaches_every_client(option: str, value: str, given: object) -> None:
    """Over what etld itself would say."""
    found = settings(read(client(option, value)))
    assert found[option] == given
    Admin(found)
    GroupConsumer(found, Membership("g", "i", ["t"]), lambda _p, _m: {}, lambda _p: None).close(5)


def test_an_option_that_librdkafka_does_not_know_is_told_in_words() -> None:
    """Not as a traceback."""
    with pytest.raises(SettingsRefused, match=r"no\.such\.option"):
        Admin(settings(read(client("no.such.option"))))


def test_a_certificate_of_our_own(tmp_path: Path) -> None:
    """With its key, and the key's password from a file."""
    for name, text in (("cert", "c"), ("key", "k"), ("password", "secret\n")):
        tmp_path.joinpath(name).write_text(text)
    given = settings(
        read(
            f'ssl_cert_file = "{tmp_path}/cert"\nssl_key_file = "{tmp_path}/key"\n'
            f'ssl_key_password_file = "{tmp_path}/password"\n'
        )
    )
    assert given["ssl.certificate.location"] == f"{tmp_path}/cert"
    assert given["ssl.key.location"] == f"{tmp_path}/key"
    assert given["ssl.key.password"] == "secret"
    with pytest.raises(ConfigError, match=r"kafka\.ssl_key_file: is missing, and ssl_cert_file needs it"):
        read(f'ssl_cert_file = "{tmp_path}/cert"\n')


def test_the_password_of_the_embedded_broker(tmp_path: Path) -> None:
    """Read when a client is made; a file that is gone is named."""
    passfile = tmp_path / "kafka.pass"
    passfile.write_text("hush\n")
    config = parse(TEXT, ROOT / "config" / "etld.toml", {})
    where = Addresses("http://127.0.0.1:1", "127.0.0.1:2", None, "embedded", "", str(passfile))
    given = client_settings(config, where)
    assert [given[name] for name in ("security.protocol", "sasl.mechanism", "sasl.username", "sasl.password")] == [
        "sasl_plaintext", "PLAIN", "etld", "hush",
    ]  # fmt: skip
    passfile.unlink()
    with pytest.raises(EtldError, match=r"the embedded broker's password: cannot read .*kafka\.pass: No such file"):
        client_settings(config, where)


def test_tokens_of_an_identity_provider(tmp_path: Path) -> None:
    """By librdkafka's own OpenID Connect; what is missing is named."""
    tmp_path.joinpath("secret").write_text("hush\n")
    head = 'sasl_mechanism = "OAUTHBEARER"\n'
    config = read(
        f'{head}oauth_client_id = "etld"\noauth_client_secret_file = "{tmp_path}/secret"\n'
        'oauth_token_url = "https://id.example/token"\noauth_scope = "kafka"\n'
    )
    given = settings(config)
    assert {key: value for key, value in given.items() if key.startswith("sasl.")} == {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "etld",
        "sasl.oauthbearer.client.secret": "hush",
        "sasl.oauthbearer.token.endpoint.url": "https://id.example/token",
        "sasl.oauthbearer.scope": "kafka",
    }
    assert "hush" in config.secrets()
    text = TEXT.replace('protocol = "plaintext"', 'protocol = "sasl_ssl"', 1).replace(
        'bootstrap_servers = "embedded"', f'bootstrap_servers = "k.example:9093"\n{head}', 1
    )
    with pytest.raises(ConfigError) as caught:
        parse(text, ROOT / "config" / "etld.toml", {})
    assert {problem.path for problem in caught.value.problems} == {
        "kafka.oauth_client_id",
        "kafka.oauth_client_secret_file",
        "kafka.oauth_token_url",
    }
