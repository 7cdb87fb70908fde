"""A dead letter that brings a mistake of etld's own to light."""

from __future__ import annotations

import json
import uuid

from etld.deadletters.repair_types import RepairTypes
from etld.deadletters.repairer import Repairer
from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from etld.schemas.catalog import Catalog

LETTER = """
INSERT INTO etld.dead_letter (id, event_id, event_type, state, stage, error_class, error, value)
VALUES (%s, %s, 'lamp', 'new', 'VALIDATION', 'InvalidEvent', 'broken', %s)
"""


class Fragile(RepairTypes):
    """Falls over one kind of event."""

    def problems(self, event: object) -> tuple[str, ...]:
        """What is wrong with the event."""
        if isinstance(event, dict) and event.get("fragile"):
            raise ZeroDivisionError("a day without hours")
        return ("always wrong",)


def test_one_letter_that_cannot_be_worked_on_stops_no_other(database: str) -> None:
    """It is parked with the mistake as its reason, and those before and after it are decided on."""
    ids = [str(uuid.uuid4()) for _ in range(5)]
    with connect(database, application_name="test") as conn:
        migrate(conn)
        for place, one in enumerate(ids):
            event = {"event_type": "lamp", "fragile": place == 2}
            conn.execute(LETTER, (one, one, json.dumps(event).encode()))
        repairer = Repairer([], Fragile(Catalog({})), lambda number: (_ for _ in ()).throw(LookupError(number)))
        assert repairer.repair_due(conn, 10, 1000) == 5
        found = dict(conn.execute("SELECT id::text, reason FROM etld.dead_letter WHERE state = 'parked'").fetchall())
        audit = conn.execute("SELECT count(*) FROM etld.dead_letter_attempt").fetchone()
    assert "ZeroDivisionError: a day without hours" in found[ids[2]]
    assert all("always wrong" in found[one] for one in ids if one != ids[2])
    assert audit == (5,)
