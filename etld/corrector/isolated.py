"""What the corrector does with a letter before it writes what becomes of it, in a process of its own.

See `etld.isolation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.deadletters.repair_types import RepairTypes
from etld.deadletters.repairer import Repairer
from etld.deadletters.rules.engine import compile_rules
from etld.deadletters.trials import CORRECTION
from etld.schemas import catalog
from etld.schemas.registry.asked import asked_schemas
from etld.serdes.base import STAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.config import Config
    from etld.deadletters.letters import Attempt, PendingLetter
    from etld.isolation.program import Surroundings, Work


def opened(config: Config, _label: str, around: Surroundings) -> Work:
    """The work on letters, each with the attempts at it so far; the payload is the configuration."""
    types = RepairTypes(catalog.of_registered_and_files(config))
    repairer = Repairer(compile_rules(config.corrector.rules), types, asked_schemas(config, around.ask))
    hooks = [rule.hook for rule in repairer.rules if rule.hook is not None]

    def work(letters: Sequence[tuple[PendingLetter, Sequence[Attempt]]]) -> None:
        around.stage(STAGE)
        repairer.announce([letter for letter, _ in letters])
        for letter, earlier in letters:
            for hook in hooks:
                hook.wake()  # what it is not called for is not tried
            around.stage(STAGE)
            decoded = repairer.decode(letter)
            around.stage(CORRECTION)
            repairer.decide(letter, decoded, earlier)

    return work
