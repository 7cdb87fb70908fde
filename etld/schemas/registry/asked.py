"""Schemas in a process that has no registry and asks the worker, which has one; see `etld.isolation.program`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from etld.schemas.reference import of_text
from etld.schemas.registry.base import RegistryUnavailable
from etld.schemas.registry.cache import SchemaCache, nothing
from etld.schemas.registry.opening import open_registry, renames
from etld.schemas.tree import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from etld.config import Config
    from etld.schemas.reference import SchemaRef
    from etld.schemas.registry.base import SchemaTexts
    from etld.worker import Addresses

#: Seconds that one question may take.
_WITHIN = 10.0
# So long the answer holds that there is none.
_UNKNOWN_FOR = 10.0
_MOST = 20_000


class _Asked:
    """`ask` is `Surroundings.ask`; what it raises when nobody answers goes through."""

    def __init__(self, ask: Callable[[str], str | None]) -> None:
        self._ask = ask

    def look_up(
        self, ids: Collection[SchemaRef], _until: float, _tick: Callable[[], None]
    ) -> Iterator[tuple[SchemaRef, str | SchemaError | None]]:
        for schema_id, answer in json.loads(self._ask(json.dumps(list(map(str, ids)))) or "{}").items():
            yield of_text(schema_id), SchemaError(answer["error"]) if "error" in answer else answer["schema"]


def asked_schemas(config: Config, ask: Callable[[str], str | None]) -> SchemaCache:
    """Schemas by id, in the process that asks."""
    return SchemaCache(_Asked(ask), renames(config), long_ids=config.schema_registry.id_bytes == 8)


def schema_texts(config: Config, addresses: Addresses) -> Callable[[str], str]:
    """What answers, of a configuration's registry."""
    return answers(lambda: open_registry(config, addresses))


def answers(opened: Callable[[], SchemaTexts]) -> Callable[[str], str]:
    """What answers: schemas by their ids, which nobody has read yet. Each is looked up once.

    The answer raises `RegistryUnavailable`; what is known by then is not asked for again.
    """
    known: dict[SchemaRef, tuple[dict[str, str | None], float]] = {}

    def answer(question: str) -> str:
        ids: list[SchemaRef] = list(map(of_text, json.loads(question)))
        now = time.monotonic()
        if len(known) > _MOST:  # anybody can make up ids; what stands is asked for again
            known.clear()
        told = {one: said for one in ids if (said := known.get(one)) is not None and said[1] >= now}
        asked = [one for one in ids if one not in told]
        found = opened().look_up(asked, now + _WITHIN, nothing) if asked else ()
        for schema_id, text in found:
            if isinstance(text, SchemaError):
                said = {"error": str(text)}, now + _UNKNOWN_FOR
            else:
                said = {"schema": text}, now + (_UNKNOWN_FOR if text is None else float("inf"))
            known[schema_id] = told[schema_id] = said
        missing = sum(one not in told for one in ids)
        if missing:
            raise RegistryUnavailable(f"the schema registry is slow: {missing} of {len(ids)} schema ids are not known")
        return json.dumps({str(one): told[one][0] for one in ids})

    return answer
