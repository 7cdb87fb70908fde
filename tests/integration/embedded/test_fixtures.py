"""The shared servers answer."""

from __future__ import annotations

import psycopg

from etld.embedded import probe


def test_the_broker_answers(kafka: str) -> None:
    """The shared Kafka answers the probe."""
    assert probe.kafka(int(kafka.rpartition(":")[2]))


def test_a_database_of_ones_own(database: str) -> None:
    """The DSN is complete: no password has to be given."""
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
