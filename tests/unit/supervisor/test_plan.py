"""From two configurations to the steps between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etld.config import Config, parse
from etld.supervisor.kinds import KINDS, specs
from etld.supervisor.reload import plan

ROOT = Path(__file__).parents[3]
WITH_CONSOLE = (ROOT / "config" / "etld.toml").read_text()
# It shows every key, so that it is told of every change.
TEXT = WITH_CONSOLE.replace("enabled = true", "enabled = false", 1)
SOURCE = ROOT / "config" / "etld.toml"


def read(text: str) -> Config:
    return parse(text, SOURCE, {})


def slots(config: Config, scale: dict[str, int] | None = None) -> list[plan.RunningSlot]:
    return [plan.RunningSlot(spec) for spec in specs(KINDS, config, scale)]


def compare(text: str, scale: dict[str, int] | None = None) -> plan.ReloadPlan:
    old, new = read(TEXT), read(text)
    before, after = plan.snapshot(old), plan.snapshot(new)
    return plan.make(KINDS, plan.ConfigChange(old, new, before, after), slots(old, scale), scale or {})


def edit(old: str, new: str) -> Callable[[], str]:
    def text() -> str:
        assert old in TEXT
        return TEXT.replace(old, new, 1)

    return text


NEW_TYPE = '\n[event_types.refund]\nschema = "schemas/purchase.avsc"\n'


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (edit("", ""), []),
        (edit("stop_timeout", "# \nstop_timeout"), []),
        (edit("max_failures = 5", "max_failures = 7"), []),
        (
            edit("workers = 1\n# A field", "workers = 3\n# A field"),
            ["start processor-purchase-1", "start processor-purchase-2"],
        ),
        (
            edit('linger = "50 ms"', 'linger = "60 ms"'),
            [f"restart processor-{t}-0" for t in ("purchase", "order", "delivery")],
        ),
        (edit("keep = 20", "keep = 30"), ["restart aggregator-0"]),
        (
            edit('run = ["ingest", "processor", ', "run = ["),
            [
                *(f"stop processor-{t}-0" for t in ("purchase", "order", "delivery")),
                "stop ingest-0",
            ],
        ),
        (edit("max_attempts = 3", "max_attempts = 4"), ["reload corrector-0"]),
        (edit('max_age = "0 s"', 'max_age = "1 h"'), ["reload corrector-0", "reload ingest-0"]),
        (edit("max_batch = 1000", "max_batch = 1001"), ["reload ingest-0"]),
        (edit("max_connections = 1024", "max_connections = 10"), ["restart ingest-0"]),
        (
            lambda: TEXT + NEW_TYPE,
            ["run setup", "start processor-refund-0", "reload aggregator-0", "reload corrector-0", "reload ingest-0"],
        ),
        (
            edit('dead_letter_retention = "forever"', 'dead_letter_retention = "400 d"'),
            ["reload aggregator-0", "reload corrector-0"],
        ),
        (
            edit('# dedup_window = "30 d"', 'dedup_window = "40 d"'),
            [
                "reload corrector-0",
                "restart aggregator-0",
                *(f"restart processor-{t}-0" for t in ("purchase", "order", "delivery")),
            ],
        ),
    ],
    ids=[
        "same",
        "comment",
        "supervisor only",
        "workers",
        "linger",
        "charts",
        "roles",
        "corrector",
        "bounds of time",
        "ingest",
        "ingest connections",
        "new type",
        "retention",
        "window",
    ],
)
def test_only_what_is_touched(text: Callable[[], str], steps: list[str]) -> None:
    """Everything else is left alone."""
    assert [f"{step.action} {step.slot}" for step in compare(text()).steps] == steps


def test_the_console_is_told_of_all_that_it_shows() -> None:
    """Which nobody is told where it only shows it; and it begins anew for what it is served with."""

    def steps(old: str, new: str) -> list[str]:
        before, after = read(WITH_CONSOLE), read(WITH_CONSOLE.replace(old, new, 1))
        change = plan.ConfigChange(before, after, plan.snapshot(before), plan.snapshot(after))
        made = plan.make(KINDS, change, slots(before), {})
        return [f"{step.action} {step.slot}{' unsaid' * step.unsaid}" for step in made.steps if step.slot == "console"]

    assert steps("keep = 20", "keep = 30") == ["reload console unsaid"]
    assert steps("max_attempts = 3", "max_attempts = 4") == ["reload console"]
    assert steps("port = 8090", "port = 8091") == ["restart console"]
    assert steps("enabled = true", "enabled = false") == ["stop console"]


def test_every_step_says_why() -> None:
    """By the keys that changed."""
    (step,) = compare(edit("keep = 20", "keep = 30")()).steps
    assert step.as_dict() == {"action": "restart", "worker": "aggregator-0", "why": ["charts.keep"]}


def test_what_only_a_start_can_change_is_refused() -> None:
    """The state directory holds the socket that the question came by."""
    assert compare(edit('state_dir = "./var"', 'state_dir = "./else"')()).refused == ("state_dir",)
    assert compare(edit('prefix = ""', 'prefix = "stage-"')()).refused == ("kafka.prefix",)


def test_a_schema_files_content_counts(tmp_path: Path) -> None:
    """Same path, other fields."""
    schema = tmp_path / "purchase.avsc"
    schema.write_text((ROOT / "schemas" / "purchase.avsc").read_text())
    text = TEXT.replace('"schemas/purchase.avsc"', f'"{schema}"')
    config = read(text)
    before = plan.snapshot(config)
    schema.write_text(schema.read_text() + "\n")
    after = plan.snapshot(config)
    assert plan.changed_keys(before, after) == ("event_types.purchase.schema.content",)
    steps = plan.make(KINDS, plan.ConfigChange(config, config, before, after), slots(config), {}).steps
    assert "run setup" in [f"{step.action} {step.slot}" for step in steps]


@pytest.mark.parametrize(
    ("key", "renewed"),
    [
        ("sasl_password_file", {"setup", "aggregator", "processor", "corrector", "ingest"}),
        ("ssl_ca_file", {"setup", "aggregator", "processor", "corrector", "ingest"}),
        ("password_file", {"setup", "aggregator", "processor", "corrector"}),
    ],
)
def test_a_rotated_secret_is_a_change(tmp_path: Path, key: str, renewed: set[str]) -> None:
    """Same path, other content: for the workers that use it, as files are rotated (a new one in its place)."""
    secret = tmp_path / "secret"
    secret.write_text("a")
    section = "postgres" if key == "password_file" else "kafka"
    config = read(TEXT.replace(f"\n[{section}]\n", f'\n[{section}]\n{key} = "{secret}"\n', 1))
    before = plan.snapshot(config)
    assert plan.snapshot(config) == before
    (tmp_path / "next").write_text("b")
    (tmp_path / "next").rename(secret)
    after = plan.snapshot(config)
    assert plan.changed_keys(before, after) == (f"{section}.{key}.content",)
    steps = plan.make(KINDS, plan.ConfigChange(config, config, before, after), slots(config), {}).steps
    assert {step.slot.partition("-")[0] for step in steps} == renewed


@pytest.mark.parametrize("key", ["tls_cert_file", "tls_key_file"])
def test_another_certificate_restarts_nobody(tmp_path: Path, key: str) -> None:
    """Ingest takes it while it runs, also where the file was written over."""
    files = {name: tmp_path / name for name in ("tls_cert_file", "tls_key_file")}
    text = TEXT
    for name, file in files.items():
        file.write_text("a")
        text = text.replace(f'{name} = ""', f'{name} = "{file}"', 1)
    config = read(text)
    before = plan.snapshot(config)
    files[key].write_text("bc")
    after = plan.snapshot(config)
    steps = plan.make(KINDS, plan.ConfigChange(config, config, before, after), slots(config), {}).steps
    assert [(step.action, step.slot, step.why) for step in steps] == [
        ("reload", "ingest-0", (f"ingest.{key}.content",))
    ]


def test_a_removed_type_stops_its_processor() -> None:
    """And nothing of the other types."""
    text = TEXT[: TEXT.index("[event_types.delivery]")] + TEXT[TEXT.index("[processor]") :]
    text = text[: text.index("[summaries.delivery]")] + text[text.index("[corrector]") :]
    stopped = compare(text).of("stop")
    assert stopped == ["processor-delivery-0"]


def test_scaled_workers_stay_scaled() -> None:
    """An unrelated reload does not undo `etld scale`."""
    todo = compare(edit("keep = 20", "keep = 30")(), {"ingest": 3})
    assert todo.of("stop") == todo.of("start") == []


def test_what_a_worker_has_not_taken_is_still_to_be_done() -> None:
    """The plan looks at what each works by, not at what was read last."""
    old, new = read(TEXT), read(edit('linger = "50 ms"', 'linger = "60 ms"')())
    before, after = plan.snapshot(old), plan.snapshot(new)
    change = plan.ConfigChange(new, new, after, after)
    running = [
        plan.RunningSlot(one.spec, before if one.spec.name in ("processor-order-0", "corrector-0") else after)
        for one in slots(new)
    ]
    todo = plan.make(KINDS, change, running, {})
    assert [(step.action, step.slot) for step in todo.steps] == [("restart", "processor-order-0")]
    assert todo.changed == ("processor.linger",)


@pytest.mark.parametrize(("name", "action"), [("corrector-0", "restart"), ("setup", "run")])
def test_a_worker_that_was_given_up_is_tried_again(name: str, action: str) -> None:
    """What it failed of may be mended, though no key has changed."""
    config = read(TEXT)
    snapshot = plan.snapshot(config)
    running = [plan.RunningSlot(one.spec, None, one.spec.name == name) for one in slots(config)]
    todo = plan.make(KINDS, plan.ConfigChange(config, config, snapshot, snapshot), running, {})
    assert [(step.action, step.slot) for step in todo.steps] == [(action, name)]


@pytest.mark.parametrize(
    ("files", "edited"),
    [
        ({"mine.py": "def f(frame): return frame"}, "mine.py"),
        ({"mine.py": "import helper\ndef f(frame): return frame", "helper.py": "x = 1"}, "helper.py"),
        ({"mine.py": "from helper import x", "helper.py": "import deeper", "deeper.py": "x = 1"}, "deeper.py"),
        ({"mine/__init__.py": "from . import part\nfrom .part import f", "mine/part.py": "x = 1"}, "mine/part.py"),
    ],
)
def test_an_edited_module_is_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], edited: str
) -> None:
    """Of a transform for all who read its records; the modules that it imports from beside it too."""
    for name, text in files.items():
        tmp_path.joinpath(name).parent.mkdir(exist_ok=True)
        tmp_path.joinpath(name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = read(TEXT.replace('transform = ""', 'transform = "mine:f"', 1))
    before = plan.snapshot(config)
    assert plan.snapshot(config) == before
    tmp_path.joinpath(edited).write_text("x = 2")
    after = plan.snapshot(config)
    assert plan.changed_keys(before, after) == ("event_types.purchase.transform.content",)
    steps = plan.make(KINDS, plan.ConfigChange(config, config, before, after), slots(config), {}).steps
    assert [step.slot for step in steps if step.together] == ["aggregator-0", "processor-purchase-0"]
