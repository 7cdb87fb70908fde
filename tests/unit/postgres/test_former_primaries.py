"""Of the hosts of a DSN, those that are former primaries are asked last."""

from __future__ import annotations

from typing import Any

from etld.postgres.former_primaries import FormerPrimaries


def asked(known: FormerPrimaries, **parameters: Any) -> dict[str, Any]:
    """The parameters as they are given to libpq."""
    known.ask_last(parameters)
    return parameters


def test_the_order_is_kept_but_for_former_primaries() -> None:
    """Each with its port, be there one for all or one each."""
    known = FormerPrimaries()
    assert asked(known, host="a,b,c", port="1,2,3") == {"host": "a,b,c", "port": "1,2,3"}
    known.note("a", 1)
    assert asked(known, host="a,b,c", port="1,2,3") == {"host": "b,c,a", "port": "2,3,1"}
    assert asked(known, host="a,b", port="1") == {"host": "b,a", "port": "1,1"}
    assert asked(known, host="a,b") == {"host": "a,b", "port": "5432,5432"}
    assert asked(known, host="a", port="1") == {"host": "a", "port": "1"}
    assert asked(known, host="a,b", hostaddr="10.0.0.1,10.0.0.2", port="1")["host"] == "a,b"


def test_the_usual_port_may_be_left_out() -> None:
    known = FormerPrimaries()
    known.note("a", 5432)
    assert asked(known, host="a,b") == {"host": "b,a", "port": "5432,5432"}
    assert asked(known, host="a,b", port=",6432") == {"host": "b,a", "port": "6432,5432"}
