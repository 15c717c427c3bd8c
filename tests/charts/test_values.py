"""The chart's values and what it renders, as far as that can be said without Helm and a cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support import chart_values

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "coordinator"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
MARBLERUN = """
global:
  createdBy: Helm
  podAnnotations: {}
  podLabels: {}
  coordinatorComponentLabel: edgeless.systems/control-plane-component
  coordinatorNamespaceLabel: edgeless.systems/control-plane-ns
  pullSecret:
marbleInjector:
  start: true
  replicas: 1
  repository: registry.example/marblerun
  image: marble-injector
  version: v1.9.1
  pullPolicy: IfNotPresent
  resourceKey: sgx.intel.com/epc
  useCertManager: false
  CABundle: ""
  httpErrorLogLevel: error
  objectSelector: {matchExpressions: [{key: marblerun/marbletype, operator: Exists}]}
  namespaceSelector: {}
coordinator:
  replicas: 1
  repository: registry.example/marblerun
  image: coordinator
  version: v1.9.1
  pullPolicy: IfNotPresent
  meshServerHost: 0.0.0.0
  meshServerPort: 2001
  clientServerHost: 0.0.0.0
  clientServerPort: 4433
  hostname: ""
  sealDir: /coordinator/data/
  simulation: true
  debugLogging: false
  httpErrorLogLevel: error
  probes:
    readiness: {failureThreshold: 7, periodSeconds: 60, timeoutSeconds: 30}
    liveness: {failureThreshold: 3, periodSeconds: 60, timeoutSeconds: 30}
    startup: {initialDelaySeconds: 15, failureThreshold: 3, periodSeconds: 2, timeoutSeconds: 30}
  distributedDeployment: false
  storeBackend: k8s-secret
  stateSecretName: marblerun-state
  kekConfigMap: marblerun-sealed-kek
  keyAPIName: coordinator-key-api
  azureCredentials: {clientID: ""}
  enableWorkloadIdentity: false
  azureHSM: {keyName: ""}
  resources: {limits: {sgx.intel.com/epc: 10Mi, sgx.intel.com/enclave: 1, sgx.intel.com/provision: 1}}
  storageClass: ""
  storageSize: 10Mi
  pvcName: ""
tolerations: [{key: sgx.intel.com/epc, operator: Exists, effect: NoSchedule}]
nodeSelector: {kubernetes.io/os: linux}
dcap: {qcnlConfig: "", pccsUrl: https://pccs.example, useSecureCert: true}
"""
"""Every value that MarbleRun 1.9.1's chart has (contract 7.2)."""


def values(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def released() -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((ROOT / "manifests" / "kubernetes" / "enclasp.yaml").read_text())


def pods() -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in released() if "Deploy" in each["kind"]
    }


def test_the_schema_knows_every_value_of_the_chart_and_refuses_a_typing_error() -> None:
    defaults = values(CHART / "values.yaml")
    jsonschema.validate(defaults, SCHEMA)
    for name, section in SCHEMA["properties"].items():
        documented = {key for key, part in section.get("properties", {}).items() if "description" not in part}
        assert not documented or documented == defaults[name].keys(), name
    with pytest.raises(jsonschema.ValidationError, match="replcas"):
        jsonschema.validate({"coordinator": {"replcas": 1}}, SCHEMA)


def test_the_reference_of_values_is_current_and_explains_each() -> None:
    assert chart_values.FILE.read_text() == chart_values.page(), "python -m tests.support.chart_values"
    rows = [line.split(" | ") for line in chart_values.page().splitlines() if line.startswith("| `")]
    assert [] == [cells[0] for cells in rows if len(cells[-1]) < 10], "a value without a comment"
    named = {cells[0].strip("|` ") for cells in rows}
    assert {"networkPolicy", "controller.marbleObjects", "coordinator.probes.startup"} <= named


def test_marbleruns_values_files_are_accepted() -> None:
    jsonschema.validate(yaml.safe_load(MARBLERUN), SCHEMA)


@pytest.mark.parametrize("path", sorted((CHART / "environments").iterdir()), ids=lambda path: path.stem)
def test_each_environments_values_fit(path: Path) -> None:
    jsonschema.validate(values(path), SCHEMA)


def test_no_pod_runs_as_root_or_writes_its_root_or_gains_anything() -> None:
    assert {"coordinator", "marble-injector"} == pods().keys()
    for pod in pods().values():
        assert (True, "RuntimeDefault") == (
            pod["securityContext"]["runAsNonRoot"],
            pod["securityContext"]["seccompProfile"]["type"],
        )
        for container in pod["containers"]:
            security = container["securityContext"]
            assert (False, True) == (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"])
            assert {"drop": ["ALL"]} == security["capabilities"]
            assert "memory" in container["resources"]["limits"]


def test_the_coordinator_has_no_account_in_the_cluster_and_no_way_out() -> None:
    assert pods()["coordinator"]["automountServiceAccountToken"] is False
    bound = [each["subjects"][0]["name"] for each in released() if each["kind"].endswith("RoleBinding")]
    assert {"marble-injector"} == set(bound)
    policies = {each["metadata"]["name"]: each["spec"] for each in released() if each["kind"] == "NetworkPolicy"}
    assert ([], ["Ingress", "Egress"]) == (policies["coordinator"]["egress"], policies["coordinator"]["policyTypes"])


def test_the_webhook_may_touch_its_own_secret_and_configuration_only_and_is_closed() -> None:
    rules = [rule for each in released() if each["kind"] in ("Role", "ClusterRole") for rule in each["rules"]]
    assert [
        (["secrets"], ["marble-injector-tls"], ["get", "update"]),
        (["mutatingwebhookconfigurations"], ["marble-injector-enclasp"], ["get", "update"]),
    ] == sorted(((rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in rules), reverse=True)
    (configuration,) = (each for each in released() if each["kind"] == "MutatingWebhookConfiguration")
    assert {"Fail"} == {webhook["failurePolicy"] for webhook in configuration["webhooks"]}


def test_readiness_is_not_liveness() -> None:
    container = pods()["coordinator"]["containers"][0]
    assert ("/api/v2/status", "/readyz") == (
        container["livenessProbe"]["httpGet"]["path"],
        container["readinessProbe"]["httpGet"]["path"],
    )
