"""docker-compose.yml is whole, and says to etld what the configuration understands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from etld.cli import cli
from etld.console.access.users import read
from etld.supervisor.config_checks import load

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT.joinpath("docker-compose.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]


@pytest.mark.parametrize("name", ["kafka", "schema-registry", "postgres", "kafka-ui", "etld"])
def test_every_part_is_there(name: str) -> None:
    """The five parts, none of them under a tag that moves."""
    if name == "etld":
        assert SERVICES[name]["build"] == "."
    else:
        assert re.search(r":v?\d", SERVICES[name]["image"])


def test_etld_understands_its_environment(tmp_path: Path) -> None:
    """Every override names a key of the configuration, and the result is valid."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    shutil.copy(ROOT / "config/etld.toml", tmp_path / "etld.toml")
    password = tmp_path / "password"
    password.write_text("x")
    users = tmp_path / "users.toml"
    told = SERVICES["etld"]["environment"] | {
        "ETLD_POSTGRES__PASSWORD_FILE": str(password),
        "ETLD_CONSOLE__USERS_FILE": str(users),
    }
    console_password = tmp_path / "console-password"
    console_password.write_text("a" * 48)
    shell, flag, command = SERVICES["etld"]["command"]
    first, _, then = command.partition(" && exec ")
    assert (shell, flag, then) == ("sh", "-c", "etld start --foreground")
    words = first.replace("/run/secrets/console-password", str(console_password)).split()
    made = CliRunner(env=told).invoke(cli, ["--config", str(tmp_path / "etld.toml"), *words[1:]])
    assert made.exit_code == 0, made.exception
    loaded = load(tmp_path / "etld.toml", told)
    assert {name: user.role for name, user in read(users).items()} == {"admin": "admin"}
    assert loaded.kafka.bootstrap_servers == "kafka:9092"
    assert loaded.postgres.dsn.endswith("@postgres:5432/etld")
    assert loaded.schema_registry.url == "http://schema-registry:8081"
    assert loaded.state_dir == Path("/var/lib/etld")


def test_every_variable_has_an_example() -> None:
    """.env.example names what docker-compose.yml reads."""
    examples = set(re.findall(r"^([A-Z_]+)=", ROOT.joinpath(".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)", TEXT)) == examples


def test_nothing_is_published_beyond_this_machine() -> None:
    """Who wants that, says so in a file of his own (docker-compose.override.yml)."""
    ports = [port for one in SERVICES.values() for port in one.get("ports", ())]
    assert len(ports) == 7
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_passwords_are_made_and_stand_in_no_file_of_ours(tmp_path: Path) -> None:
    """Without one compose says what to do; `make .env` makes them once, and for its owner only."""
    example = ROOT.joinpath(".env.example").read_text()
    for name in ("Makefile", ".env.example", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    made = tmp_path / ".env"
    for _ in range(2):
        subprocess.run(["make", "-C", str(tmp_path), ".env"], check=True, capture_output=True)
    assert made.stat().st_mode & 0o777 == 0o600
    for name in ("POSTGRES_PASSWORD", "CONSOLE_PASSWORD", "SUPERSET_PASSWORD"):
        assert f"${{{name}:?" in TEXT
        assert re.search(f"^{name}=$", example, re.MULTILINE)
        (password,) = re.findall(f"^{name}=([0-9a-f]{{48}})$", made.read_text(), re.MULTILINE)
        example = example.replace(f"{name}=\n", f"{name}={password}\n")
    assert made.read_text() == example
    assert len(set(re.findall(r"[0-9a-f]{48}", example))) == 3


def test_who_looks_into_kafka_or_wants_superset_says_so() -> None:
    """The console is there without."""
    profiles = {name: one["profiles"] for name, one in SERVICES.items() if "profiles" in one}
    assert profiles == {"kafka-ui": ["kafka-ui"], "superset": ["bi"], "dashboards": ["bi"]}


def test_dashboards_are_brought_by_commands_that_are_there() -> None:
    """Every option of the command that imports is one, and so is each of the login's; etld has the role of readers."""
    first, second = SERVICES["dashboards"]["command"][2].split(" && ")
    for words in (first.split(), second.split()):
        shown = CliRunner().invoke(cli, [*words[1:3], "--help"]).output
        assert [one for one in words if one.startswith("--") and one not in shown] == []
    role = "ETLD_POSTGRES__READER_ROLE"
    assert SERVICES["dashboards"]["environment"][role] == SERVICES["etld"]["environment"][role] == "etld_reader"


def test_docker_compose_takes_it() -> None:
    """The real client checks the file, where there is one with compose."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker client with compose here")
    checked = subprocess.run(
        [docker, "compose", "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        env={**os.environ, "POSTGRES_PASSWORD": "x", "CONSOLE_PASSWORD": "x", "SUPERSET_PASSWORD": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
