"""The chart for Kubernetes: what helm makes of it, and whether Kubernetes and etld would take that."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from etld.config import load
from etld.config.environment import PREFIX

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy" / "helm" / "etld"
#: Kinds of other makers, of which Kubernetes knows no schema.
FOREIGN = {"ServiceMonitor", "ScaledObject"}
VERSIONS = ("1.29.0", kubernetes_validate.latest_version())
EVERYTHING = """
ingest:
  tls: true
  ingress: { enabled: true, host: events.example, tlsSecret: events-tls, className: nginx }
  podAnnotations: { example.org/a: b }
  tolerations: [{ key: events, operator: Exists }]
workers:
  keda:
    enabled: true
    bootstrapServers: kafka:9093
    authentication: kafka
    groups: [{ topic: event_purchase, consumerGroup: etld-processor-purchase }]
  persistence: { storageClass: fast }
  nodeSelector: { disk: ssd }
console: { expose: true }
metrics:
  serviceMonitor:
    { enabled: true, labels: { release: prometheus }, credentials: { name: m, key: k }, tlsConfig: { serverName: e } }
networkPolicy:
  clients: [{ namespaceSelector: { matchLabels: { name: shop } } }]
secrets:
  - name: etld
  - { name: kafka-user, items: [{ key: password, path: kafka-password }] }
rules: { 10-trim.toml: "" }
env: [{ name: PYTHONPATH, value: /functions }]
imagePullSecrets: [{ name: pull }]
priorityClassName: high
serviceAccount: { annotations: { a: b } }
"""
BARE = """
ingest: { autoscaling: { enabled: false }, replicas: 1 }
workers: { persistence: { enabled: false }, replicas: 1 }
metrics: { enabled: false }
networkPolicy: { enabled: false }
podDisruptionBudget: { enabled: false }
serviceAccount: { create: false }
"""

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def helm() -> str:
    """The program."""
    found = shutil.which("helm") or shutil.which("helm", path=str(Path.home() / "go" / "bin"))
    if found is None:
        pytest.skip("there is no helm (go install helm.sh/helm/v3/cmd/helm@latest)")
    return found


@pytest.fixture(params=["", EVERYTHING, BARE], ids=["as-it-is", "everything", "bare"])
def values(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of values."""
    path = tmp_path / "values.yaml"
    path.write_text(request.param)
    return path


def rendered(helm: str, *arguments: str) -> list[dict[str, Any]]:
    """The manifests, by `helm template`."""
    done = run(helm, "template", "etld", str(CHART), "--namespace", "events", *arguments)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one is not None]


def run(helm: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm without a cluster."""
    env = {**os.environ, "KUBECONFIG": os.devnull}
    # A helm that `go install` made takes the cluster that is not there for an old one.
    command = [helm, *arguments, "--kube-version", f"v{VERSIONS[-1]}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)


def of_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of a kind."""
    return [one for one in manifests if one["kind"] == kind]


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The templates of pods."""
    for kind in ("Deployment", "StatefulSet"):
        yield from (one["spec"]["template"] for one in of_kind(manifests, kind))


def test_helm_finds_nothing_wrong(helm: str, values: Path) -> None:
    """`helm lint --strict`."""
    done = run(helm, "lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_would_take_it(helm: str, values: Path, version: str) -> None:
    """Every manifest follows the schemas of Kubernetes; a field that these do not know is a mistake."""
    for one in rendered(helm, "--values", str(values)):
        if one["kind"] not in FOREIGN:
            with warnings.catch_warnings():  # it imports pkg_resources' successors in its own way
                warnings.simplefilter("ignore")
                kubernetes_validate.validate(one, version, strict=True)


def test_selectors_and_ports_lead_to_pods(helm: str, values: Path) -> None:
    """What selects pods by labels finds some, and by the port's name one that they have."""
    manifests = rendered(helm, "--values", str(values))
    made = list(pods(manifests))

    def chosen(selector: dict[str, str]) -> list[dict[str, Any]]:
        return [one for one in made if selector.items() <= one["metadata"]["labels"].items()]

    for one in of_kind(manifests, "Service"):
        found = chosen(one["spec"]["selector"])
        assert len(found) == 1, one["metadata"]["name"]
        named = {given["name"] for given in found[0]["spec"]["containers"][0].get("ports", [])}
        assert {port["targetPort"] for port in one["spec"].get("ports", [])} <= named, one["metadata"]["name"]
    for kind, path in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        for one in of_kind(manifests, kind):
            assert len(chosen(one["spec"][path]["matchLabels"])) == 1, one["metadata"]["name"]


def test_etld_takes_the_configuration(helm: str, values: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each container's file and environment are a good configuration, with the roles and names of that container."""
    manifests = rendered(helm, "--values", str(values))
    (files,) = (one["data"] for one in of_kind(manifests, "ConfigMap"))
    (rules,) = {"rules.10-trim.toml"} & files.keys() or {None}
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for pod in pods(manifests):
        (volume,) = (one for one in pod["spec"]["volumes"] if one["name"] == "config")
        for item in volume["configMap"]["items"]:
            path = tmp_path / "etc" / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[item["key"]])
        (container,) = pod["spec"]["containers"]
        env = {one["name"]: one.get("value", "etld-0") for one in container["env"] if one["name"].startswith(PREFIX)}
        later: list[Any] = []
        config = load(tmp_path / "etc" / "etld.toml", env, later=later)
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert ("processor" in config.roles.run) == (component == "workers")
        assert ("ingest" in config.roles.run) == (component == "ingest" or values.read_text() != BARE)
        assert (config.node_id, config.state_dir) == ("etld-0", Path("/var/lib/etld"))
        mounted = Path("/var/run/secrets/etld")
        assert {mounted / "kafka-password", mounted / "postgres-password"} <= set(config.files().values())
        assert rules is None or (tmp_path / "etc/rules/10-trim.toml").exists()


def test_a_configuration_of_ones_own(helm: str, tmp_path: Path) -> None:
    """Text and schemas arrive as they are; a change of either replaces the pods."""
    toml, schema = tmp_path / "etld.toml", tmp_path / "refund.avsc"
    schema.write_text('{"type": "record"}\n')
    sums = set()
    for text in ('node_id = ""\n# {{ no template }}\n', "state_dir = 'x'\n"):
        toml.write_text(text)
        manifests = rendered(helm, "--set-file", f"config={toml}", "--set-file", rf"schemas.refund\.avsc={schema}")
        (found,) = of_kind(manifests, "ConfigMap")
        assert found["data"] == {"etld.toml": text, "schemas.refund.avsc": schema.read_text()}
        sums |= {one["metadata"]["annotations"]["checksum/config"] for one in pods(manifests)}
    assert len(sums) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ingest.port=0", "port"),
        ("ingest.replica=3", "replica"),
        ("workers.roles={ingestor}", "roles"),
        ("ingest.ingress.enabled=true", "host"),
        ("workers.keda.enabled=true", "workers.keda.groups"),
    ],
)
def test_mistakes_are_refused(helm: str, given: str, said: str) -> None:
    """By the schema of the values, or by the template; the message names the value."""
    done = run(helm, "template", "etld", str(CHART), "--set", given)
    assert done.returncode != 0
    assert said in done.stderr


def test_pods_may_do_little(helm: str, values: Path) -> None:
    """No root, no writable root file system, no token of the API; secrets come as files, and never as a variable."""
    manifests = rendered(helm, "--values", str(values))
    assert of_kind(manifests, "Secret") == []
    for pod in pods(manifests):
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("PASSWORD" in one["name"] for one in container["env"])
        assert all("secretKeyRef" not in str(one) for one in container["env"])
