"""[[alerts]]: what is wrong with one, and what is shown of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from etld import logs
from etld.config import Config, parse
from etld.config.effective import shown
from etld.errors import ConfigError, EtldError
from support.daemon import ROOT

URL = "https://bob:pass-of-bob@hooks.example:8443/services/T0/B0/x7"


def config(*alerts: str) -> Config:
    tables = "".join(f"[[alerts]]\n{lines}\n" for lines in alerts)
    return parse(f"[event_types.order]\n{tables}", ROOT / "config" / "etld.toml", {})


@pytest.mark.parametrize(
    ("alerts", "told"),
    [
        (['name = "a"'], "alerts[0].url: expected either url or url_file"),
        (['name = "a"\nurl = "http://x"\nurl_file = "/x"'], "alerts[0].url: expected either url or url_file"),
        (['name = "a"\nurl = "ftp://x/secret"'], "alerts[0].url: expected an http or https URL"),
        (['name = "a"\nurl = "http://x:port/secret"'], "alerts[0].url: expected an http or https URL"),
        (['name = "A b"\nurl = "http://x"'], "alerts[0].name: expected up to 40 of a-z, 0-9, _ and -, got 'A b'"),
        (
            ['name = "a"\nurl = "http://x"', 'name = "a"\nurl = "http://y"'],
            "alerts[1].name: 'a' is the name of another",
        ),
        (['name = "a"\nurl = "http://x"\nform = "teams"'], "alerts[0].form: expected 'json' or 'slack', got 'teams'"),
        (['name = "a"\nurl_file = "/nowhere/url"'], "alerts[0].url_file: there is no file /nowhere/url"),
    ],
)
def test_a_mistake_is_told_with_its_place(alerts: list[str], told: str) -> None:
    """And without the URL, which may be a secret."""
    with pytest.raises(ConfigError) as caught:
        config(*alerts)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_of_a_url_only_its_host_is_shown() -> None:
    made = config(f'name = "a"\nurl = "{URL}"')
    assert shown(made)["alerts"][0]["url"] == "https://hooks.example:8443/***"
    told = logs.Redactor(made.secrets())(f"pass-of-bob at {URL.partition('@')[2]}")
    assert told == "*** at hooks.example:8443/***"


def test_files_are_read_when_they_are_needed(tmp_path: Path) -> None:
    """From the place of the configuration; without one there is none."""
    (tmp_path / "url").write_text(f"{URL}\n")
    lines = f'[event_types.order]\nschema = "{ROOT}/schemas/order.avsc"\n[[alerts]]\nname = "a"\nurl_file = "url"\n'
    made = parse(lines, tmp_path / "etld.toml", {})
    (alert,) = made.alerts
    assert (made.secret_of(alert, "url"), made.secret_of(alert, "secret")) == (URL, "")
    (tmp_path / "url").unlink()
    with pytest.raises(EtldError, match="cannot read"):
        made.secret_of(alert, "url")
