"""Do the topics of letters keep records as long as the configuration says?"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config.sections.services import KafkaSection

_LOOK_EVERY = 600.0
# The loop waits for it.
_ANSWER_WITHIN = 2.0
_DAY_MS = 86_400_000


class TopicRetention:
    """Looks now and then."""

    def __init__(self, settings: Mapping[str, Any], kafka: KafkaSection) -> None:
        self._settings = settings
        self._kafka = kafka
        self._look_at = 0.0
        self._problem: str | None = None

    def problem(self) -> str | None:
        """What is otherwise, and what that means; None while nothing is, or nobody knows."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_EVERY
            with contextlib.suppress(KafkaProblem):
                self._problem = self._ask()
        return self._problem

    def _ask(self) -> str | None:
        admin = Admin(self._settings, _ANSWER_WITHIN)
        seconds = self._kafka.letter_retention
        wanted = -1 if seconds is None else round(seconds * 1000)
        for name in (self._kafka.dead_letter_topic, self._kafka.parked_topic):
            told = admin.topic_config(name).get("retention.ms")
            if told is not None and int(told) != wanted:
                return (
                    f"topic {name} keeps records {_span(int(told))} (retention.ms), and kafka.letter_retention says"
                    f" {_span(wanted)}: so long Kafka has dead letters of whom `etld forget` erases, and letters that"
                    " no corrector has read within it are lost. Change the one or the other"
                )
        return None


def _span(milliseconds: int) -> str:
    return "for ever" if milliseconds < 0 else f"for {milliseconds / _DAY_MS:g} d"
