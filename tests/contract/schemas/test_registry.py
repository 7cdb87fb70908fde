"""One suite for every registry: the table, the REST client against the documented exchanges, and real ones."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from etld.postgres import connections
from etld.postgres.migrate import migrate
from etld.schemas.reference import LongId
from etld.schemas.registered import RegisteredSchema
from etld.schemas.registry import Incompatible, Registry, RegistryUnavailable, UnknownSchema
from etld.schemas.registry.cache import SchemaCache
from etld.schemas.registry.rest import RestRegistry
from etld.schemas.registry.table import TableRegistry, put_back
from etld.schemas.tree import SchemaError
from support.apicurio import Apicurio, missing, running
from support.fake_registry import FakeRegistry, guid_of
from support.registries import schema_of

_PURCHASE = (Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text()
pytestmark = pytest.mark.integration


def _changed(**detail: Any) -> str:
    """The purchase schema with one more field in event_details."""
    schema = json.loads(_PURCHASE)
    schema["fields"][5]["type"]["fields"].append(detail)
    return json.dumps(schema)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    """The server of the documented exchanges."""
    server = FakeRegistry()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def apicurio() -> Iterator[Apicurio]:
    """A real one, for all tests of this file."""
    lacks = missing()
    if lacks:
        pytest.skip(f"a real Apicurio: {lacks}")
    with running() as made:
        yield made


@pytest.fixture(params=["table", "rest", "confluent", "apicurio"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """Each implementation in turn, empty."""
    if request.param == "table":
        dsn = request.getfixturevalue("database")
        with connections.connect(dsn, application_name="test") as conn:
            migrate(conn)
        yield TableRegistry(lambda: connections.connect(dsn, application_name="test"))
    elif request.param == "rest":
        yield RestRegistry(request.getfixturevalue("fake").url, timeout=5)
    elif request.param == "apicurio":
        real = request.getfixturevalue("apicurio")
        real.empty()
        yield RestRegistry(real.url, timeout=10)
    else:
        with _confluent() as url:
            yield RestRegistry(url, timeout=10)


def _confluent() -> Any:
    """A real Confluent registry in containers."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "info"], capture_output=True, check=False, timeout=30).returncode:
        pytest.skip("a real registry needs a Docker engine, and none answers here")
    from support import confluent

    return confluent.running()


def test_registers_and_reads_back(registry: Registry) -> None:
    """An id is given once: the same schema, however it is spelled, keeps it."""
    first = registry.register("event_purchase-value", _PURCHASE)
    again = registry.register("event_purchase-value", json.dumps(json.loads(_PURCHASE)))
    assert first == again
    assert json.loads(schema_of(registry, first)) == json.loads(_PURCHASE)
    assert [version.version for version in registry.versions("event_purchase-value")] == [1]


def test_unknown_things(registry: Registry) -> None:
    """No subject, no id: said so, not made up."""
    assert registry.latest("nobody-value") is None
    assert registry.versions("nobody-value") == []
    assert registry.check("nobody-value", _PURCHASE) == []
    for unknown in (987654, 2**31, 2**32 - 1):
        assert schema_of(registry, unknown) is None


def test_guids(fake: FakeRegistry) -> None:
    """As they come in a header of a record; the cache takes them as it takes ids."""
    registry = RestRegistry(fake.url, timeout=5)
    registry.register("event_purchase-value", _PURCHASE)
    guid = guid_of(_PURCHASE)
    assert json.loads(schema_of(registry, guid) or "") == json.loads(_PURCHASE)
    assert schema_of(registry, UUID(int=7)) is None
    cache = SchemaCache(registry)
    assert cache(guid).text == cache(1).text
    with pytest.raises(UnknownSchema, match="no schema has the GUID 00000000-"):
        cache(UUID(int=7))


def test_the_table_has_no_guids(database: str) -> None:
    """And says who has."""
    with connections.connect(database, application_name="test") as conn:
        migrate(conn)
        cache = SchemaCache(TableRegistry(lambda: connections.connect(database), connection=conn))
        with pytest.raises(SchemaError, match="gives no GUIDs"):
            cache(UUID(int=7))
        with pytest.raises(UnknownSchema):
            cache(LongId(7))


def test_a_schema_that_a_failover_lost_is_put_back(database: str) -> None:
    """Under its id, which records in Kafka name, and which no other schema is given then."""
    with connections.connect(database, application_name="test") as conn:
        migrate(conn)
        registry = TableRegistry(lambda: conn, connection=conn)
        kept = RegisteredSchema(registry.register("a-value", _PURCHASE), "a", "a-value", _PURCHASE)
        lost = RegisteredSchema(kept.schema_id + 3, "b", "b-value", _PURCHASE)
        put_back(conn, [kept, lost])
        assert json.loads(schema_of(registry, lost.schema_id) or "") == json.loads(_PURCHASE)
        assert [one.version for one in registry.versions("a-value")] == [1]
        changed = _changed(name="coupon", type=["null", "string"], default=None)
        ids = [registry.register(f"{name}-value", changed) for name in "abcde"]
        assert len({kept.schema_id, lost.schema_id, *ids}) == 7


def test_a_compatible_change_is_a_new_version(registry: Registry) -> None:
    """A field with a default may come."""
    old = registry.register("event_purchase-value", _PURCHASE)
    changed = _changed(name="coupon", type=["null", "string"], default=None)
    assert registry.check("event_purchase-value", changed) == []
    new = registry.register("event_purchase-value", changed)
    assert new != old
    latest = registry.latest("event_purchase-value")
    assert latest is not None
    assert (latest.id, latest.version) == (new, 2)
    assert registry.register("event_purchase-value", _PURCHASE) == old


def test_an_incompatible_change_is_refused_with_its_field(registry: Registry) -> None:
    """A field without a default may not: old events could not be read. Nothing is registered."""
    registry.register("event_purchase-value", _PURCHASE)
    changed = _changed(name="coupon", type="string")
    assert "coupon" in " ".join(registry.check("event_purchase-value", changed))
    with pytest.raises(Incompatible, match="coupon"):
        registry.register("event_purchase-value", changed)
    assert len(registry.versions("event_purchase-value")) == 1


def test_a_registry_that_names_no_reason_is_not_left_at_that(fake: FakeRegistry) -> None:
    """As Apicurio's: the reason is our own."""
    fake.names_reasons = False
    registry = RestRegistry(fake.url, timeout=5)
    registry.register("event_purchase-value", _PURCHASE)
    changed = _changed(name="coupon", type="string")
    (reason,) = registry.check("event_purchase-value", changed)
    assert "event_details.coupon" in reason
    assert "old events could not be read" in reason
    with pytest.raises(Incompatible, match=r"event_details\.coupon"):
        registry.register("event_purchase-value", changed)


def test_subjects_are_apart(registry: Registry) -> None:
    """Another subject has its own versions; its name may hold any character."""
    registry.register("event_purchase-value", _PURCHASE)
    registry.register("a/b c-value", _PURCHASE)
    assert len(registry.versions("a/b c-value")) == 1


def test_cache_asks_once(registry: Registry) -> None:
    """A known id is asked for once, an unknown one not at every record."""
    schema_id = registry.register("event_purchase-value", _PURCHASE)
    cache = SchemaCache(registry)
    assert cache(schema_id) is cache(schema_id)
    for _ in range(2):
        with pytest.raises(UnknownSchema):
            cache(424242)


def test_rest_slow_is_unavailable(fake: FakeRegistry) -> None:
    """An answer that takes longer than the time-out is none."""
    fake.delay = 2.0
    with pytest.raises(RegistryUnavailable, match="in time"):
        schema_of(RestRegistry(fake.url, timeout=0.2), 1)


def test_rest_down_is_unavailable() -> None:
    """Nobody listens; the message names the address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        RestRegistry(url, timeout=1).latest("x")


def test_rest_basic_auth(fake: FakeRegistry) -> None:
    """User and password are sent; a refusal names the keys to look at."""
    fake.authorization = "Basic " + base64.b64encode(b"etld:secret").decode()
    assert RestRegistry(fake.url, username="etld", password="secret").versions("x") == []
    with pytest.raises(RegistryUnavailable, match="password_file"):
        RestRegistry(fake.url, username="etld", password="wrong").versions("x")


def test_rest_conflict_at_registration(fake: FakeRegistry) -> None:
    """A 409 that the check before it did not foresee (another daemon was faster) is a refusal."""
    fake.conflict = True
    with pytest.raises(Incompatible, match="incompatible with an earlier schema"):
        RestRegistry(fake.url).register("x", _PURCHASE)


def test_rest_invalid_schema(fake: FakeRegistry) -> None:
    """A 422 is about the schema."""
    with pytest.raises(Incompatible, match="Invalid schema"):
        RestRegistry(fake.url).register("x", '"nonsense"')


def test_rest_something_else_answers(fake: FakeRegistry) -> None:
    """A 404 without the registry's error code is no unknown schema: records must not die of a wrong URL."""
    with pytest.raises(RegistryUnavailable, match="is the URL right"):
        schema_of(RestRegistry(fake.url + "/wrong"), 1)


def test_rest_sets_the_level(fake: FakeRegistry) -> None:
    """The configured compatibility becomes the subject's."""
    RestRegistry(fake.url, compatibility="FULL").register("x", _PURCHASE)
    assert fake.level == {"x": "FULL"}


def test_table_away_is_unavailable() -> None:
    """PostgreSQL away means that nothing is known, not that the schema is unknown."""
    dsn = "postgresql://etld@127.0.0.1:1/etld"
    registry = TableRegistry(lambda: connections.connect(dsn, application_name="test", connect_timeout=2))
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        schema_of(registry, 1)


def test_rest_resolves_references(fake: FakeRegistry) -> None:
    """A schema whose details are a schema of their own stands by itself."""
    whole = json.loads(_PURCHASE)
    details = whole["fields"][5]["type"]
    details = {**details, "namespace": "shop"}
    whole["fields"][5]["type"] = f"shop.{details['name']}"
    text = json.dumps(whole)
    fake.ids += [json.dumps(details), text]
    fake.subjects["details"] = [(1, json.dumps(details))]
    fake.references[text] = [{"name": f"shop.{details['name']}", "subject": "details", "version": 1}]
    schema = SchemaCache(RestRegistry(fake.url, timeout=5))(2)
    assert [field.name for field in schema.tree.fields[5].type.fields] == [one["name"] for one in details["fields"]]
