"""Look-ups of schemas by id: many at once, within a budget, and what is unknown for how long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from etld.schemas.registry import RegistryUnavailable, SchemaCache, UnknownSchema
from etld.schemas.registry.asked import answers
from etld.schemas.registry.rest import RestRegistry
from etld.schemas.registry.unknown_ids import UnknownIds
from etld.schemas.tree import SchemaError
from support.fake_registry import FakeRegistry

_PURCHASE = (Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text()


class Clock:
    """The time that a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Some:
    """A registry that knows what it is told, answers `at_once` ids a call, and remembers what it was asked."""

    def __init__(self, at_once: int = 10**9) -> None:
        self.schemas: dict[int, str | SchemaError] = {}
        self.asked: list[int] = []
        self.at_once = at_once

    def look_up(
        self, ids: Collection[int], _until: float, tick: Callable[[], None]
    ) -> Iterator[tuple[int, str | SchemaError | None]]:
        for one in list(ids)[: self.at_once]:
            tick()
            self.asked.append(one)
            yield one, self.schemas.get(one)


def cache(registry: Some, unknown: UnknownIds | None = None) -> SchemaCache:
    return SchemaCache(registry, unknown=unknown)  # type: ignore[arg-type]


def test_many_ids_are_one_question() -> None:
    """And the next batch with them asks nothing."""
    registry = Some()
    registry.schemas[7] = _PURCHASE
    found = cache(registry)
    for _ in range(2):
        found.learn(range(1, 3001))
        assert found(7).text == _PURCHASE
        for one in (1, 3000):
            with pytest.raises(UnknownSchema):
                found(one)
    assert sorted(registry.asked) == list(range(1, 3001))


def test_a_slow_registry_is_asked_a_part_at_a_time_and_nothing_twice() -> None:
    """The caller has its turn between; and though answers hold for a while only, all are there at the end."""
    registry, clock = Some(at_once=1000), Clock()
    found = cache(registry, UnknownIds(clock=clock))
    for by_now in (1000, 2000):
        with pytest.raises(RegistryUnavailable, match=f"slow: {by_now} of 3000 schema ids"):
            found.learn(range(3000))
        clock.now += 20
    found.learn(range(3000))
    for one in (0, 2999):
        with pytest.raises(UnknownSchema):
            found(one)
    assert len(registry.asked) == 3000
    found.learn([0, 2999])
    assert registry.asked[3000:] == [0]


def test_an_id_that_becomes_known_is_found(tmp_path: Path) -> None:
    """Not before the answer's time is over, which is longer each time, up to a limit."""
    registry, clock = Some(), Clock()
    found = cache(registry, UnknownIds(tmp_path / "unknown.json", "r", longest=35, clock=clock))
    waits = []
    for _ in range(4):
        before, began = len(registry.asked), clock.now
        while len(registry.asked) == before:
            found.learn([5])
            clock.now += 1
        with pytest.raises(UnknownSchema):
            found(5)
        waits.append(clock.now - began)
    assert waits == [1, 10, 20, 35]
    registry.schemas[5] = _PURCHASE
    assert found.found([5], 1) == []
    clock.now += 36
    assert found.found([5, 6], 1) == [5]
    assert found(5).text == _PURCHASE


def test_a_schema_of_no_use_is_told_and_asked_for_again() -> None:
    """Something else may have answered in the registry's place."""
    registry, clock = Some(), Clock()
    registry.schemas = {1: '"int"', 2: "[" * 100_000, 3: SchemaError("it is of type PROTOBUF, not AVRO")}
    found = cache(registry, UnknownIds(clock=clock))
    for one in registry.schemas:
        with pytest.raises(SchemaError):
            found(one)
    assert found.found([1, 2, 3, 4], 1) == [1, 2, 3]
    registry.schemas = dict.fromkeys(registry.schemas, _PURCHASE)
    clock.now += 61
    found.learn([1, 2, 3])
    assert all(found(one).text == _PURCHASE for one in (1, 2, 3))


def test_the_answers_outlive_the_process(tmp_path: Path) -> None:
    """Another worker, and the next life of this one, need not ask; for another registry they say nothing."""
    path, clock = tmp_path / "unknown.json", Clock()
    first = Some()
    cache(first, UnknownIds(path, "r", clock=clock)).learn([1, 2])
    second = Some()
    others = cache(second, UnknownIds(path, "r", clock=clock))
    others.learn([1, 2, 3])
    assert second.asked == [3]
    third = Some()
    cache(third, UnknownIds(path, "elsewhere", clock=clock)).learn([1])
    assert third.asked == [1]
    clock.now -= 500
    fourth = Some()
    cache(fourth, UnknownIds(path, "r", clock=clock)).learn([1])
    assert fourth.asked == [1]


_ODD = [[], [1], ["a", "b"], [0, 1e300], [None, None]]


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"[]", b"7", b'{"registry": "r"}', b'{"registry": "r", "unknown": {"x": 1}}', b"[" * 100_000, b"\xff"]
    + [json.dumps({"registry": "r", "unknown": {"1": one}}).encode() for one in _ODD],
)
def test_a_broken_file_is_done_without(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "unknown.json"
    path.write_bytes(content)
    registry = Some()
    cache(registry, UnknownIds(path, "r")).learn([1])
    assert registry.asked == [1]
    assert json.loads(path.read_bytes())["unknown"].keys() == {"1"}


def test_a_registry_that_is_slow_holds_nobody_up() -> None:
    """Several are asked at once, the caller gives signs of life meanwhile, and soon has its turn again."""
    server = FakeRegistry()
    server.delay = 0.5
    ticks: list[float] = []
    found = SchemaCache(RestRegistry(server.url), tick=lambda: ticks.append(time.monotonic()), budget=0.7)
    began = time.monotonic()
    with pytest.raises(RegistryUnavailable, match=r"(1[6-9]|[23]\d) of 40"):
        found.learn(range(1, 41))
    assert time.monotonic() - began < 4
    assert max(b - a for a, b in pairwise(ticks)) < 0.9
    server.delay = 0.0
    found.learn(range(1, 41))
    server.stop()


def test_what_a_worker_tells_those_that_try_is_not_kept_for_ever() -> None:
    """Ids that nobody knows are asked for once, and of made-up ones not any number is remembered."""
    registry = Some()
    answer = answers(lambda: registry)
    for _ in range(3):
        assert answer('["7"]') == '{"7": {"schema": null}}'
    assert len(registry.asked) == 1
    answer(json.dumps([str(one) for one in range(100, 20_200)]))
    answer('["7"]')
    assert len(registry.asked) == 20_102
