"""Where letters are repaired: take what is due, decide, write state, repair and audit in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.avro import UnknownSchema
from etld.corrector import verdict
from etld.corrector.decode import Decoded, decode
from etld.store import letters, repairs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etld.avro.schema import EventSchema
    from etld.corrector.catalog import Catalog
    from etld.corrector.rules import Rule
    from etld.store.db import Connection

# Seconds: hooks may be slow, and the letters of a batch are locked meanwhile. The rest waits for the next one.
_AT_A_TIME = 2.0


class Bench:
    """The rules and event types of one configuration, applied to the table."""

    def __init__(self, rules: Sequence[Rule], catalog: Catalog, schema_for: Callable[[int], EventSchema]) -> None:
        self.rules = rules
        self.catalog = catalog
        self._schema_for = schema_for

    def mend(self, conn: Connection, limit: int) -> int:
        """Decide on up to `limit` letters; how many. Errors of the registry go through, nothing is written."""
        with conn.transaction(), conn.cursor() as cur:
            waiting = letters.take_new(cur, limit)
            if not waiting:
                return 0
            history = letters.attempts_of(cur, [one.id for one in waiting if one.attempts])
            decoded = {one.id: self.decode(one.value) for one in waiting}
            ids = {one.id: verdict.identity(one, decoded[one.id].event) for one in waiting}
            stored = letters.stored_already(cur, list(set(ids.values())))
            settled = []
            enough = time.monotonic() + _AT_A_TIME
            for one in waiting:
                settled.append(
                    verdict.settle(
                        one,
                        decoded[one.id],
                        history.get(one.id, []),
                        self.rules,
                        self.catalog,
                        stored=ids[one.id] in stored,
                    )
                )
                if time.monotonic() > enough:
                    break
            letters.settle(cur, settled)
        return len(settled)

    def decode(self, value: bytes | None) -> Decoded:
        """What the bytes of a letter say."""
        return decode(value, self._schema_for)

    def revive(self, conn: Connection) -> int:
        """Take parked letters up again whose schema id the registry has learnt; how many."""
        with conn.transaction(), conn.cursor() as cur:
            revived = 0
            for schema_id in repairs.waits_for(cur):
                try:
                    self._schema_for(schema_id)
                except UnknownSchema:
                    continue
                revived += repairs.revive(cur, schema_id)
        return revived
