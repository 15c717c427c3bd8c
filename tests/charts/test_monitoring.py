"""Dashboard and alerts ask for metrics that a coordinator really has, in words that Prometheus understands."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from coordinator.meters import Meters, OfType, Scene

MONITORING = Path(__file__).parents[2] / "charts" / "coordinator" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
RULES = yaml.safe_load((MONITORING / "rules.yaml").read_text().replace("NAMESPACE", "enclasp"))
TARGET_LABELS = {"namespace", "job", "pod"}
"""What Prometheus' operator adds to all that a ServiceMonitor finds."""


def exported() -> dict[str, set[str]]:
    """Each metric's name with its labels, as one sees them after everything has happened once."""
    meters = Meters("1")
    meters.look(lambda: Scene(True, [OfType("web", 1, 2, 3, 4)]))
    meters.activated("web")
    meters.refused("web", "A201")
    meters.renewed("web")
    meters.renewal_refused("A204")
    meters.request("get", "/status", 200, 0.1, received=1, sent=1)
    meters.call_started()
    meters.call_ended("OK")
    meters.durable(0.1)
    with meters.in_flight("/status"):
        meters.scrape()
    text = meters.scrape().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found: dict[str, set[str]] = {}
    for sample in samples:
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


EXPORTED = exported()


def on_the_dashboard() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$namespace", "enclasp")
            yield f"panel {panel['title']}", expression


def in_the_rules() -> Iterator[tuple[str, str]]:
    for rule in RULES["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"]


EXPRESSIONS = [*on_the_dashboard(), *in_the_rules()]


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def groups(expression: str) -> set[str]:
    return {label.strip() for words in re.findall(r"\bby \(([^)]*)\)", expression) for label in words.split(",")}


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_what_is_asked_for_is_there(where: str, expression: str) -> None:
    asked = selectors(expression)
    assert asked
    labels = set(TARGET_LABELS)
    for selector in asked:
        assert selector.name in EXPORTED, where
        labels |= EXPORTED[selector.name]
        wanted = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        assert "enclasp" == wanted["namespace"], "another release's coordinator is not looked at"
        assert wanted.keys() <= TARGET_LABELS | EXPORTED[selector.name], where
    assert groups(expression) <= labels, where


@pytest.mark.parametrize("expression", ["rate(coordinator_marbles[5m]", "sum by type (coordinator_marbles)", "a ="])
def test_the_parser_refuses_what_prometheus_refuses(expression: str) -> None:
    with pytest.raises(ValueError):
        promql_parser.parse(expression)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Prometheus")
def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))
    shutil.copy(Path(__file__).parent / "alerts.yaml", tmp_path)
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "alerts.yaml"]):
        ended = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert 0 == ended.returncode, ended.stdout + ended.stderr


def test_labels_of_an_alert_s_words_are_those_of_its_result() -> None:
    for rule in RULES["groups"][0]["rules"]:
        words = json.dumps(rule["annotations"])
        used = set(re.findall(r"\$labels\.(\w+)", words))
        assert used <= groups(rule["expr"]) | {"type", "pod"}, rule["alert"]
        assert {"summary", "description"} == rule["annotations"].keys()
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_panels_have_a_place_of_their_own_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["description"].endswith(".")
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert {"datasource", "namespace"} == {each["name"] for each in DASHBOARD["templating"]["list"]}
