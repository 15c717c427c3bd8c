"""`manifest init --from-kubernetes`: a folder, a rendered chart on stdin, a cluster; and what is none of them."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Enclasp, Ended
from tests.fakes.kubernetes_api import kubernetes_api
from tests.support.answers import answered

SHOP = Path(__file__).parents[2] / "examples" / "web_shop" / "kubernetes"
FILES = sorted(SHOP.glob("*.yaml"))
OBJECTS: list[dict[str, Any]] = [one for file in FILES for one in yaml.safe_load_all(file.read_text())]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "manifest.yaml"


def from_stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def meaning(text: str) -> Any:
    """A draft without its comments, packages in any order."""
    return yaml.safe_load(text)


def test_the_shop_passes_after_filling_in_what_is_marked(enclasp: Enclasp, file: Path) -> None:
    ended = enclasp("manifest", "init", file, "--from-kubernetes", SHOP, "-o", "json")
    assert ended.code == 0
    assert ended.document["decisions"] > 0
    opened = enclasp("manifest", "check", file, "-o", "json")
    assert {"E060"} == {finding["code"] for finding in opened.document["findings"]}
    assert ended.document["decisions"] == len(opened.document["findings"])
    file.write_text(answered(file.read_text()))
    checked = enclasp("manifest", "check", file, "--strict")
    assert (0, True) == (checked.code, f"{file}: valid" in checked.text)
    assert {"web", "api", "worker", "report", "postgres", "redis"} == set(meaning(file.read_text())["Marbles"])


def test_no_value_of_a_secret_is_in_the_draft(enclasp: Enclasp, file: Path) -> None:
    ended = enclasp("manifest", "init", file, "--from-kubernetes", SHOP)
    for text in (file.read_text(), ended.err, ended.text):
        assert "not-a-real" not in text


def test_what_was_not_taken_over_is_said_with_file_and_line(enclasp: Enclasp, file: Path) -> None:
    ended = enclasp("manifest", "init", file, "--from-kubernetes", SHOP, "-o", "json")
    said = {entry["what"]: entry["where"] for entry in ended.document["ignored"]}
    where = next(where for what, where in said.items() if what.startswith("initContainers migrate"))
    name, _, line = where.rpartition(":")
    assert "name: migrate" in Path(name).read_text().splitlines()[int(line) - 1]
    assert "not taken over: " in enclasp("manifest", "init", file, "--force", "--from-kubernetes", SHOP).err


def test_a_rendered_chart_is_read_from_stdin(enclasp: Enclasp, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enclasp("manifest", "init", file, "--from-kubernetes", SHOP)
    from_stdin(monkeypatch, "".join(f"---\n# Source: shop/templates/{one.name}\n{one.read_text()}" for one in FILES))
    ended = enclasp("manifest", "init", "-", "--from-kubernetes", "-")
    assert ended.code == 0
    assert meaning(file.read_text()) == meaning(ended.text)


def test_platforms_and_measurements_of_the_user_count(enclasp: Enclasp, tmp_path: Path, file: Path) -> None:
    (tmp_path / "pod.yaml").write_text("kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: b}]}\n")
    enclasp("manifest", "init", file, "--from-kubernetes", tmp_path / "pod.yaml", "--platform", "sev-snp")
    assert ["SEVSNP"] == list(meaning(file.read_text())["Packages"]["web"])
    (tmp_path / "web.yaml").write_text(f'TDX:\n  MRTD: "{"12" * 48}"\n')
    flags = ("--reference", f"web={tmp_path / 'web.yaml'}", "--force")
    assert enclasp("manifest", "init", file, "--from-kubernetes", tmp_path / "pod.yaml", *flags).code == 0
    assert {"TDX": {"MRTD": "12" * 48}} == meaning(file.read_text())["Packages"]["web"]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ({"a.yaml": "kind: Pod\nmetadata: {name: {{ .Release.Name }}}\n"}, "E061", "helm template"),
        ({"Chart.yaml": "name: shop\n"}, "E061", "is a Helm chart, not what it makes"),
        ({"kustomization.yaml": "resources: []\n"}, "E061", "kubectl kustomize"),
        ({"a.yaml": "kind: Service\nmetadata: {name: web}\n"}, "E062", "nothing there starts a pod"),
        ({"compose.yaml": "services:\n  web: {image: nginx}\n"}, "E062", "a compose file, no Kubernetes object"),
        ({}, "E062", "nothing there starts a pod"),
    ],
)
def test_what_is_no_application_is_refused(
    enclasp: Enclasp, tmp_path: Path, file: Path, content: dict[str, str], code: str, said: str
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(text)
    ended = enclasp("manifest", "init", file, "--from-kubernetes", folder)
    assert (3, b"", False) == (ended.code, ended.out, file.exists())
    assert f"error[{code}]" in ended.err
    assert said in ended.err


def test_a_path_that_is_not_there_is_invalid_input(enclasp: Enclasp, file: Path, tmp_path: Path) -> None:
    assert enclasp("manifest", "init", file, "--from-kubernetes", tmp_path / "absent").code == 3


@pytest.mark.parametrize("flag", ["--service", "--template", "--namespace"])
def test_flags_that_do_not_go_with_it_are_refused(enclasp: Enclasp, file: Path, flag: str) -> None:
    assert enclasp("manifest", "init", file, "--from-kubernetes", SHOP, flag, "minimal").code == 2


def live(enclasp: Enclasp, config: Path, *more: str | Path) -> Ended:
    return enclasp("manifest", "init", "-", "--from-kubernetes", "live", "--kubeconfig", config, *more)


def test_a_live_cluster_gives_the_draft_of_its_files(enclasp: Enclasp, tmp_path: Path, file: Path) -> None:
    with kubernetes_api(tmp_path, OBJECTS, {}) as (config, seen):
        ended = live(enclasp, config)
    assert ended.code == 0
    enclasp("manifest", "init", file, "--from-kubernetes", SHOP)
    assert meaning(file.read_text())["Marbles"] == meaning(ended.text)["Marbles"]
    assert meaning(file.read_text())["Secrets"] == meaning(ended.text)["Secrets"]
    assert "not-a-real" not in ended.text + ended.err
    assert "not taken over: Deployment shop/api: initContainers migrate" in ended.err
    assert {"GET"} == {method for method, _, _ in seen.requests}


def test_a_selector_narrows_workloads_and_a_namespace_is_asked_for(enclasp: Enclasp, tmp_path: Path) -> None:
    with kubernetes_api(tmp_path, OBJECTS, {}) as (config, seen):
        ended = live(enclasp, config, "--namespace", "other", "--selector", "app=web")
    assert (3, True) == (ended.code, "error[E062]: the cluster's namespace other" in ended.err)
    paths = [path for _, path, _ in seen.requests]
    assert all("/namespaces/other/" in path for path in paths)
    assert ["labelSelector" in path for path in paths] == [
        any(kind in path for kind in ("deployments", "sets", "jobs", "pods")) for path in paths
    ]


def test_secrets_that_may_not_be_listed_are_said(enclasp: Enclasp, tmp_path: Path) -> None:
    with kubernetes_api(tmp_path, OBJECTS, {"secrets": 403}) as (config, _):
        ended = live(enclasp, config)
    assert (0, True) == (ended.code, "does not let this user list secrets" in ended.err)
    assert "{{ hex .Secrets.shopDatabasePassword }}" in ended.text


@pytest.mark.parametrize(("status", "code"), [(403, 7), (401, 7), (500, 6)])
def test_a_cluster_that_refuses_has_its_exit_code(enclasp: Enclasp, tmp_path: Path, status: int, code: int) -> None:
    with kubernetes_api(tmp_path, OBJECTS, {"deployments": status}) as (config, _):
        ended = live(enclasp, config)
    assert (code, b"", True) == (ended.code, ended.out, "error[U551]" in ended.err)


def test_a_cluster_that_cannot_be_reached_or_is_not_known(enclasp: Enclasp, tmp_path: Path) -> None:
    with kubernetes_api(tmp_path, OBJECTS, {}) as (config, _):
        ended = live(enclasp, config, "--context", "nowhere")
        assert (6, True) == (ended.code, "cannot be reached" in ended.err)
        ended = live(enclasp, config, "--context", "moon")
        assert (3, True) == (ended.code, "error[U551]: no access to a cluster" in ended.err)
    (tmp_path / "empty").write_text("")
    assert live(enclasp, tmp_path / "empty").code == 3
    assert live(enclasp, tmp_path / "absent").code == 3
