"""Lists reach PostgreSQL as they are."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etld.postgres.connections import connect

pytestmark = pytest.mark.integration

_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_nasty = st.sampled_from(["", "NULL", "null", "{}", "{a,b}", '"', "\\", '\\"', "\\x", ",", " ", "\n", "\ufeff"])
_lists = st.one_of(
    st.tuples(st.just("text[]"), st.lists(st.none() | _texts | _nasty)),
    st.tuples(st.just("bytea[]"), st.lists(st.none() | st.binary(max_size=20))),
    st.tuples(st.just("bigint[]"), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.just("float8[]"), st.lists(st.none() | st.floats(allow_nan=False))),
    st.tuples(st.just("boolean[]"), st.lists(st.none() | st.booleans())),
    st.tuples(st.just("text[]"), st.lists(st.lists(_nasty, min_size=2, max_size=2), min_size=1)),
    st.tuples(
        st.just("timestamptz[]"),
        # The bounds are in the zone that is drawn.
        st.lists(
            st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
        ),
    ),
)


def test_what_comes_back_is_what_went(database: str) -> None:
    """Whatever is in the list: quotes, the word NULL, nothing at all."""
    with connect(database, application_name="etld test") as conn:

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @example(("float8[]", [math.inf, -math.inf, 5e-324, 1e300, -0.0]))
        @given(_lists)
        def check(case: tuple[str, list[Any]]) -> None:
            kind, values = case
            row = conn.execute(f"SELECT %s::{kind}".encode(), [values]).fetchone()
            assert row is not None
            assert row[0] == values
            assert [math.copysign(1, one) for one in row[0] if isinstance(one, float)] == [
                math.copysign(1, one) for one in values if isinstance(one, float)
            ]

        check()


def test_it_is_compared_with_a_column_without_a_cast(database: str) -> None:
    """As the statements do."""
    with connect(database, application_name="etld test") as conn:
        conn.execute("CREATE TABLE t (name text, number bigint)")
        conn.execute("INSERT INTO t VALUES ('a,b', 1), ('c', 2), (NULL, 3)")
        found = conn.execute(
            "SELECT number FROM t WHERE name = ANY(%(names)s) AND number = ANY(%(numbers)s)",
            {"names": ["a,b", "d", None], "numbers": [1, 2, 3]},
        ).fetchall()
    assert found == [(1,)]


@pytest.mark.parametrize("values", [["a", "b\0c"], ["\ud800"]])
def test_what_no_array_holds_is_refused(database: str, values: list[str]) -> None:
    """With the reason: PostgreSQL would only see a list that breaks off at the NUL."""
    with (
        connect(database, application_name="etld test") as conn,
        pytest.raises((psycopg.DataError, UnicodeEncodeError), match=r"NUL|surrogates"),
    ):
        conn.execute("SELECT %s::text[]", [values])
