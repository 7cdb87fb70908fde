"""The file of users, and passwords."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etld.console.access import users
from etld.console.access.users import LOCAL, User, UsersFile
from etld.errors import EtldError


def test_a_password_is_known_by_its_hash() -> None:
    one, other = users.digest("correct horse"), users.digest("correct horse")
    assert one != other
    assert "horse" not in one
    user = User("alice", "viewer", one)
    assert users.matches("correct horse", user)
    assert not users.matches("correct hors", user)
    assert not users.matches("", None)
    assert not users.matches("", LOCAL)


def test_a_role_may_what_those_below_it_may() -> None:
    assert [User("x", role).may("operator") for role in users.ROLES] == [False, True, True]


GOOD = "14:8:1:c2FsdHNhbHRzYWx0c2E=:aGFzaA=="


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "expected role and scrypt in [x]"),
        ("[x]\nrole = 'boss'\nscrypt = '" + GOOD + "'", "expected viewer, operator, admin, got 'boss'"),
        ("[x]\nrole = 'viewer'\nscrypt = 'secret'", "[x] scrypt: expected what"),
        ("[x]\nrole = 'viewer'\nscrypt = '30:8:1:AA==:AA=='", "[x] scrypt: expected what"),
        ("[x]\nrole = 'viewer'\nscrypt = 7", "[x] scrypt: expected what"),
        ("['a b']\nrole = 'viewer'\nscrypt = '" + GOOD + "'", "'a b' is no name of a user"),
        ("[x", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "users.toml"
    file.write_text(text)
    with pytest.raises(EtldError, match=str(file)) as caught:
        users.read(file)
    assert told in str(caught.value)


def test_changes_of_the_file_are_seen(tmp_path: Path) -> None:
    """A user who is removed is gone; a broken file lets nobody in, and says so."""
    file = tmp_path / "users.toml"
    known = UsersFile(file)
    assert known.get("alice") is None
    assert "nobody can log in" in str(known.problem)
    file.write_text(f"[alice]\nrole = 'admin'\nscrypt = '{GOOD}'\n")
    assert known.get("alice") == User("alice", "admin", GOOD)
    assert known.problem is None
    file.write_text("[alice")
    os.utime(file, (1, 1))
    assert known.get("alice") is None
    assert "is not TOML" in str(known.problem)
