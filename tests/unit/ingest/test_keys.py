"""The file of write keys, and where a request brings one."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from etld.errors import ConfigError
from etld.ingest import keys


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_keys_are_found_by_their_hash_until_they_expire(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'[old]\nsha256="{digest("a")}"\nexpires=2026-01-01\n[new]\nsha256="{digest("b")}"\nrate=3\n')
    ring = keys.load(path, ["purchase"])
    expiry = 1767225600.0
    assert [key and key.name for key in (ring.find("a", expiry - 1), ring.find("a", expiry))] == ["old", None]
    assert (found := ring.find("b", expiry)) is not None
    assert found.rate == 3
    assert ring.find("c", 0) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", "not a table"),
        ("[a]", "64 hex digits"),
        (f'[a]\nsha256=["{digest("a")}", "b"]', "64 hex digits"),
        ("[a]\nsha256=[]", "64 hex digits"),
        (f'[a]\nsha256="{digest("a")}"\nrat=1', "unknown field 'rat'"),
        (f'[a]\nsha256="{digest("a")}"\nclient=""', "client: expected a name"),
        (f'[a]\nsha256="{digest("a")}"\nevent_types=["parcel"]', "no event type 'parcel'"),
        (f'[a]\nsha256="{digest("a")}"\n[b]\nsha256="{digest("a")}"', "one key, one table"),
        ("[a", "is not TOML"),
    ],
)
def test_mistakes_in_the_key_file_are_named(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        keys.load(path, ["purchase"])
    with pytest.raises(ConfigError, match="cannot be read"):
        keys.load(tmp_path / "none.toml", [])


def test_where_a_key_may_stand() -> None:
    basic = base64.b64encode(b"k1:").decode()
    for headers in ({"x-write-key": "k1"}, {"authorization": "bearer k1"}, {"authorization": f"Basic {basic}"}):
        assert keys.presented(headers) == "k1"
    for headers in ({}, {"authorization": "Basic ???"}, {"authorization": "Digest k1"}):
        assert keys.presented(headers) is None
