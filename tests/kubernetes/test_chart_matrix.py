"""Every combination of the chart's larger choices, rendered by Helm and put before the real API server.

The namespace enforces the restricted Pod Security Standard, as pods are made of each rendered template too.
cert-manager's own kinds are not in the cluster, so the API server cannot judge the two objects of that mode: what is
said about them here is what the webhook needs of them.
"""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.kubernetes.conftest import ROOT, Kubernetes

NAMESPACE = "matrix"
ENVIRONMENTS = ROOT / "charts" / "coordinator" / "environments"
CERT_MANAGER = "cert-manager.io/v1"
CHOICES: dict[str, tuple[str, ...]] = {
    "coordinator.replicas": ("1", "3"),
    "marbleInjector.start": ("true", "false"),
    "controller.start": ("true", "false"),
    "marbleInjector.useCertManager": ("true", "false"),
}
INIT_DATA = "marbleInjector.initData.configMap=init-data"


@dataclass(frozen=True)
class Rendering:
    """One combination, and its objects."""

    environment: str
    choices: tuple[tuple[str, str], ...]
    objects: tuple[dict[str, Any], ...]

    def chosen(self, name: str) -> str:
        return dict(self.choices)[name]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}


@pytest.fixture(scope="module")
def renderings(kubernetes: Kubernetes) -> list[Rendering]:
    environments = ["", *sorted(path.stem for path in ENVIRONMENTS.iterdir())]
    combinations = list(itertools.product(environments, itertools.product(*CHOICES.values())))

    def render(combination: tuple[str, tuple[str, ...]]) -> Rendering:
        environment, values = combination
        choices = tuple(zip(CHOICES, values, strict=True))
        options = ["-f", str(ENVIRONMENTS / f"{environment}.yaml")] if environment else []
        options += [word for name, value in choices for word in ("--set", f"{name}={value}")]
        command = ["helm", "template", "enclasp", "charts/coordinator", "--namespace", NAMESPACE, "--skip-tests"]
        rendered = kubernetes.run(*command, *options, "--set", INIT_DATA)
        objects = tuple(each for each in yaml.safe_load_all(rendered) if each)
        return Rendering(environment, choices, objects)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(render, combinations))


@pytest.fixture(scope="module")
def namespace(kubernetes: Kubernetes, renderings: list[Rendering]) -> Iterator[Kubernetes]:
    """A namespace of the restricted standard, with what pods are checked against when they are made."""
    classes = {name for each in renderings for name in _runtime_classes(each)}
    accounts = {name for each in renderings for name in each.of("ServiceAccount")}
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    runtimes = [
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}
        for name in sorted(classes)
    ]
    people = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
        for name in sorted(accounts)
    ]
    everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": [place, *runtimes, *people]})
    kubernetes.kubectl("apply", "-f", "-", text=everything)
    yield kubernetes
    kubernetes.kubectl("delete", "namespace", NAMESPACE)
    kubernetes.kubectl("delete", "runtimeclass", *sorted(classes))


def test_the_api_server_takes_every_object_of_every_combination(
    namespace: Kubernetes, renderings: list[Rendering]
) -> None:
    assert len(renderings) == 16 * (1 + len(list(ENVIRONMENTS.iterdir())))
    texts = {
        json.dumps(each, sort_keys=True)
        for rendering in renderings
        for each in rendering.objects
        if each["apiVersion"] != CERT_MANAGER and each["kind"] not in ("Namespace", "ServiceAccount")
    }
    said = _create(namespace, [json.loads(text) for text in sorted(texts)])
    assert len(texts) == said.count("server dry run"), said
    assert "Warning" not in said, said


def test_every_pod_is_within_the_restricted_standard(namespace: Kubernetes, renderings: list[Rendering]) -> None:
    """Made as pods, since a Deployment that breaks it would be taken, and its pods refused later."""
    templates = {
        (name, json.dumps(each["spec"]["template"], sort_keys=True))
        for rendering in renderings
        for name, each in rendering.of("Deployment").items()
    }
    pods = []
    for number, (name, text) in enumerate(sorted(templates)):
        template = json.loads(text)
        metadata = {**template["metadata"], "name": f"{name}-{number}", "namespace": NAMESPACE}
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        assert not [volume for volume in template["spec"]["volumes"] if "hostPath" in volume], name
    said = _create(namespace, pods)
    assert len(pods) == said.count("server dry run"), said
    open_pod = json.loads(json.dumps(pods[0]))
    open_pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    document = json.dumps(open_pod)
    refused = namespace.kubectl("create", "--dry-run=server", "-f", "-", text=document, code=1)
    assert "violates PodSecurity" in refused


def test_each_environment_says_where_the_coordinator_runs_and_nothing_of_the_host(renderings: list[Rendering]) -> None:
    for rendering in renderings:
        spec = rendering.of("Deployment")["coordinator"]["spec"]["template"]["spec"]
        limits = spec["containers"][0]["resources"]["limits"]
        devices = sorted(name for name in limits if "/" in name)
        expected = {
            "sev_snp": ("kata-qemu-snp", []),
            "tdx": ("kata-qemu-tdx", []),
            "sgx": (None, ["sgx.intel.com/enclave", "sgx.intel.com/epc", "sgx.intel.com/provision"]),
            "azure_sgx": (None, ["kubernetes.azure.com/sgx_epc_mem_in_MiB"]),
            "nitro": (None, ["aws.ec2.nitro/nitro_enclaves"]),
            "peer_pods": ("kata-remote", []),
        }.get(rendering.environment, (None, []))
        assert expected == (spec.get("runtimeClassName"), devices), rendering.environment


def test_the_webhook_gives_init_data_where_it_runs_and_reads_the_operators_texts(renderings: list[Rendering]) -> None:
    for rendering in renderings:
        injectors = rendering.of("Deployment").get("marble-injector")
        assert (injectors is not None) == (rendering.chosen("marbleInjector.start") == "true")
        if injectors is not None:
            spec = injectors["spec"]["template"]["spec"]
            given = {"--init-data", "--init-data-texts=/run/enclasp/init-data"} & {*spec["containers"][0]["args"]}
            volumes = [each for each in spec["volumes"] if each["name"] == "init-data"]
            expected = (
                []
                if rendering.environment == "peer_pods"
                else [{"name": "init-data", "configMap": {"name": "init-data"}}]
            )
            assert (2 * len(expected), expected) == (len(given), volumes)


def test_with_cert_manager_its_certificate_is_of_the_service_and_goes_where_the_webhook_reads_it(
    renderings: list[Rendering],
) -> None:
    seen = 0
    for rendering in renderings:
        managed = rendering.chosen("marbleInjector.useCertManager") == "true" and rendering.of(
            "PodDisruptionBudget"
        ).get("marble-injector")
        kinds = {each["kind"] for each in rendering.objects if each["apiVersion"] == CERT_MANAGER}
        assert ({"Issuer", "Certificate"} if managed else set()) == kinds
        if not managed:
            continue
        seen += 1
        certificate = rendering.of("Certificate")["marble-injector"]["spec"]
        configuration = rendering.of("MutatingWebhookConfiguration")[f"marble-injector-{NAMESPACE}"]
        spec = rendering.of("Deployment")["marble-injector"]["spec"]["template"]["spec"]
        services = {each["clientConfig"]["service"]["name"] for each in configuration["webhooks"]}
        assert {f"{name}.{NAMESPACE}.svc" for name in services} <= {*certificate["dnsNames"]}
        assert {"name": "marble-injector", "kind": "Issuer"} == certificate["issuerRef"]
        assert rendering.of("Issuer").keys() == {"marble-injector"}
        injected_from = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
        assert f"{NAMESPACE}/marble-injector" == injected_from
        assert {"name": "tls", "secret": {"secretName": certificate["secretName"]}} in spec["volumes"]
        assert {"--tls-cert=/run/enclasp/tls/tls.crt", "--tls-key=/run/enclasp/tls/tls.key"} <= {
            *spec["containers"][0]["args"]
        }
        assert "marble-injector-tls" not in rendering.of("Secret"), "cert-manager makes it"
        assert not [name for name in rendering.of("ClusterRole") if "injector" in name], "the webhook needs no rights"
    assert seen > 0


def _runtime_classes(rendering: Rendering) -> Iterator[str]:
    for each in rendering.of("Deployment").values():
        name = each["spec"]["template"]["spec"].get("runtimeClassName")
        if name:
            yield name


def _create(kubernetes: Kubernetes, objects: list[dict[str, Any]]) -> str:
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    return kubernetes.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", text=document)
