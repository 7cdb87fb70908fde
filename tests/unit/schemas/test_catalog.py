"""The catalog of event types, and the file that it reads the registered schemas from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etld.config import Config, load
from etld.errors import EtldError
from etld.schemas import catalog, registered
from etld.schemas.registered import RegisteredSchema

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "schemas" / "order.avsc").read_text()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The shipped event types, with a state directory of the test's own."""
    return load(ROOT / "config" / "etld.toml", {"ETLD_STATE_DIR": str(tmp_path / "state")})


def _entry(config: Config, name: str, schema_id: int, topic: str | None = None) -> RegisteredSchema:
    settings = config.event_types[name]
    text = settings.schema.read_text()
    return RegisteredSchema(schema_id, settings.topic if topic is None else topic, f"{settings.topic}-value", text)


def _register(config: Config, *names: str) -> None:
    entries = {name: _entry(config, name, number) for number, name in enumerate(names, 7)}
    registered.write(config.schemas_path, "cluster", entries, {"dead_letter_queue": "dead_letter_queue"})


def test_what_was_written_is_read(config: Config) -> None:
    """With the topics that are no event type's, for people and programs that look into the file."""
    _register(config, "order")
    found = registered.read(config.schemas_path)
    assert found is not None
    one = found["order"]
    assert (one.schema_id, one.topic, one.subject) == (7, "event_order", "event_order-value")
    assert json.loads(one.text) == json.loads(TEXT)
    document = json.loads(config.schemas_path.read_text())
    assert document["cluster_id"] == "cluster"
    assert document["dead_letter_queue"] == {"topic": "dead_letter_queue"}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"event_types": []}', '{"event_types": {"order": {"id": 7}}}'])
def test_a_broken_file_names_itself(config: Config, text: str) -> None:
    config.schemas_path.parent.mkdir(parents=True)
    config.schemas_path.write_text(text)
    for load_catalog in (catalog.of_registered, catalog.of_registered_and_files):
        with pytest.raises(EtldError, match=r"schemas\.json cannot be read .*etld restart setup"):
            load_catalog(config)


def test_ingest_needs_every_type_registered(config: Config) -> None:
    """And is told which one is not."""
    with pytest.raises(catalog.NotSetUp, match="is missing: the set-up step"):
        catalog.of_registered(config)
    _register(config, "purchase", "order")
    with pytest.raises(catalog.NotSetUp, match="event type delivery is not in"):
        catalog.of_registered(config)
    _register(config, "purchase", "order", "delivery")
    assert {kind.name: kind.schema_id for kind in catalog.of_registered(config)} == {
        "purchase": 7,
        "order": 8,
        "delivery": 9,
    }


def test_a_registered_schema_that_is_no_event_s(config: Config) -> None:
    names = ("purchase", "order", "delivery")
    entries = {name: RegisteredSchema(7, "", "", '"string"') for name in names}
    registered.write(config.schemas_path, "cluster", entries, {})
    with pytest.raises(catalog.NotSetUp, match=r"the schema of event type \w+: schema: expected a record"):
        catalog.of_registered(config)


def test_the_corrector_goes_by_files_until_set_up_has_run(config: Config) -> None:
    """A type that is registered has its registered schema and topic."""
    found = catalog.of_registered_and_files(config)
    assert [kind.schema_id for kind in found] == [None, None, None]
    registered.write(config.schemas_path, "cluster", {"order": _entry(config, "order", 9, "orders")}, {})
    found = catalog.of_registered_and_files(config)
    assert {kind.name: (kind.schema_id, kind.topic) for kind in found} == {
        "purchase": (None, "event_purchase"),
        "order": (9, "orders"),
        "delivery": (None, "event_delivery"),
    }


def test_by_name_topic_and_event_name(config: Config) -> None:
    found = catalog.of_registered_and_files(config)
    order = found.get("order")
    assert order is not None
    assert found.of_topic("event_order") is order
    assert found.of_event("order_placed") is order
    # Orders and deliveries both have it.
    assert found.of_event("order_shipped") is None
    assert found.expected == "one of delivery, order, purchase"
    assert [found.get("nobody"), found.get(7), found.of_topic(None), found.of_topic("x"), found.of_event([])] == [
        None
    ] * 5
    assert catalog.Catalog({}).expected == "an event type, but none is configured"


def test_a_file_that_is_no_schema(config: Config, tmp_path: Path) -> None:
    broken = tmp_path / "order.avsc"
    broken.write_text("{")
    types = {"order": config.event_types["order"].model_copy(update={"schema_": broken})}
    changed = config.model_copy(update={"event_types": types})
    with pytest.raises(EtldError, match=r"the schema of event type order, .*order\.avsc, cannot be read"):
        catalog.of_file(changed, "order")


def test_a_sample_decides_the_same_for_the_same_event(config: Config) -> None:
    kind = catalog.of_file(config, "order")
    assert kind.keeps("order_placed", "any")
    half = catalog.EventType("order", "t", kind.schema, sample={"order_placed": 0.5, "order_shipped": 0.0})
    kept = [half.keeps("order_placed", str(number)) for number in range(1000)]
    assert kept == [half.keeps("order_placed", str(number)) for number in range(1000)]
    assert 400 < sum(kept) < 600
    assert not any(half.keeps("order_shipped", str(number)) for number in range(100))
    assert half.keeps("order_processed", "any")
