"""Why a forget has not come to its end."""

from etld.errors import EtldError


class NotFinished(EtldError):
    """Something does not go on; what was done stays, and the same command goes on from there."""

    code = "ETLD-F002"

    def __init__(self, why: str) -> None:
        super().__init__(f"not finished: {why}. What was begun is on record: the same command goes on from there")
