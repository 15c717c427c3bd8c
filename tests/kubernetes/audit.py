"""What a service account may do, by its Role, and what it has done, by the API server's audit log."""

import json

from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.conftest import Kubernetes

Right = tuple[str, str, str]
"""API group, resource (with its subresource), verb."""


def rights(kubernetes: Kubernetes, namespace: str, role: str) -> set[Right]:
    """What a Role allows."""
    document = json.loads(kubernetes.kubectl("--namespace", namespace, "get", "role", role, "-o", "json"))
    return {
        (group, resource, verb)
        for rule in document["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(cluster: Cluster, namespace: str, account: str) -> set[Right]:
    """What the account has asked for, allowed or not."""
    found = set()
    for line in cluster.audit_log.read_text().splitlines():
        event = json.loads(line)
        if event["user"]["username"] == f"system:serviceaccount:{namespace}:{account}" and "objectRef" in event:
            where = event["objectRef"]
            resource = "/".join(filter(None, (where["resource"], where.get("subresource"))))
            found.add((where.get("apiGroup", ""), resource, event["verb"]))
    return found
