"""The files of docs/deploy: valid by their schemas, and about what the service has."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import kubernetes_validate
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from serving.settings import Settings
from tests.serving.servers import RED, ROOT, plain, upload

DEPLOY = ROOT / "docs" / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text())
BOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SCRAPED = {"job", "instance", "le"}  # labels that Prometheus adds, and that of buckets
OPEN = {"/livez", "/readyz", "/healthz"}  # what needs no token


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: m["kind"])
def test_kubernetes_takes_the_manifest(manifest: dict[str, Any]) -> None:
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(manifest, version, strict=True)  # raises
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifest, "spec": {"no": "field"}}, version, strict=True)


def test_the_parts_of_the_manifest_meet() -> None:
    parts = {manifest["kind"]: manifest["spec"] for manifest in MANIFESTS}
    pod = parts["Deployment"]["template"]
    labels = pod["metadata"]["labels"]
    assert parts["Deployment"]["selector"]["matchLabels"] == labels
    assert parts["Service"]["selector"] == labels
    for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert parts[kind][field]["matchLabels"] == labels
    (container,) = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in parts["Service"]["ports"]} <= ports
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in OPEN
        assert container[probe]["httpGet"]["port"] in ports
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["spec"]["volumes"]}
    given = {row["name"]: row.get("value", "a-token-of-many-letters") for row in container["env"]}
    assert settings(given).process_threads == int(container["resources"]["limits"]["cpu"])


def settings(variables: dict[str, str]) -> Settings:
    """The service's settings of a container's variables: each must exist and be valid."""
    own = {k.removeprefix("DPNP_").lower(): v for k, v in variables.items() if k[:5] == "DPNP_"}
    assert own.keys() <= Settings.model_fields.keys()
    return Settings(**own)  # type: ignore[arg-type]


def test_compose_takes_its_file() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, DEPLOY / "compose.yaml"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_parts_of_the_compose_file_meet() -> None:
    service, prometheus = COMPOSE["services"]["dpnp"], COMPOSE["services"]["prometheus"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    variables = service["environment"] | {"DPNP_API_TOKEN": "a-token-of-many-letters"}
    assert settings(variables).rate_limit == 600
    assert set(prometheus["secrets"]) <= COMPOSE["secrets"].keys()
    for mount in prometheus["volumes"]:
        assert (DEPLOY / mount.split(":")[0]).is_file()
    config = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())
    (scrape,) = config["scrape_configs"]
    secret = scrape["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert secret in prometheus["secrets"]
    assert scrape["static_configs"] == [{"targets": ["dpnp:3000"]}]
    assert all((DEPLOY / name).is_file() for name in config["rule_files"])


def test_the_rules_have_what_prometheus_asks_for() -> None:
    (group,) = RULES["groups"]
    assert group.keys() == {"name", "rules"}
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names)) > 5
    for rule in group["rules"]:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary"}


def test_the_dashboard_has_what_grafana_asks_for() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    places = [tuple(panel["gridPos"][k] for k in "xy") for panel in BOARD["panels"]]
    assert len(places) == len(set(places))
    assert {variable["name"] for variable in BOARD["templating"]["list"]} == {"source", "job"}
    for panel in BOARD["panels"]:
        assert panel["datasource"]["uid"] == "${source}"
        assert panel["title"]
        assert panel["targets"]


def questions() -> Iterator[str]:
    """Every PromQL expression of both files."""
    for rule in RULES["groups"][0]["rules"]:
        yield rule["expr"]
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            # Grafana fills its variables in.
            yield re.sub(r"\$__(rate_)?interval", "5m", target["expr"]).replace("$job", "dpnp")


@pytest.fixture(scope="module")
def series(client: httpx.Client) -> dict[str, set[str]]:
    """Each series of GET /metrics with its labels."""
    assert client.post("/predict", files=upload(plain(RED))).status_code == 200
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        labels = {name for sample in family.samples for name in sample.labels}
        for end in ends.get(family.type, [""]):
            found[family.name + end] = labels
    return found


@pytest.mark.parametrize("question", list(questions()))
def test_every_series_and_label_exists(series: dict[str, set[str]], question: str) -> None:
    promql_parser.parse(question)  # raises ValueError
    selectors = re.findall(r"\b(dpnp_\w+|up)\b(?:\{([^}]*)\})?", question)
    assert selectors
    for name, matchers in selectors:
        assert name in series
        used = set(re.findall(r"(\w+)=", matchers))
        # A series without samples yet shows no labels; its definition is tested with the metrics.
        assert not series[name] or used <= series[name] | SCRAPED
