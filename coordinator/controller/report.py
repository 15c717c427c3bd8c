"""Says how objects stand: a status if it is another one than before, and an event if the phase or its reason is."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from http.client import CONFLICT, NOT_FOUND
from typing import Any

from coordinator.cluster.api import ClusterApi
from coordinator.cluster.errors import ApiRefused
from coordinator.controller.objects import API_VERSION, ApprovalObject, ManifestObject, Wish, collection
from coordinator.controller.standing import (
    READY,
    STALLED,
    ApprovalStanding,
    Population,
    Standing,
    approval_status,
    manifest_status,
    told,
)

_log = logging.getLogger("enclasp.controller")


class Reporter:
    """clock: the moment, in UTC."""

    def __init__(self, api: ClusterApi, clock: Callable[[], datetime]) -> None:
        self._api, self._clock = api, clock

    def manifest(self, manifest: ManifestObject, standing: Standing, population: Population | None) -> None:
        """Raises ClusterError."""
        before, generation = manifest.wish.status, manifest.wish.generation
        self._write(manifest.wish, manifest_status(standing, population, before, generation, now=self._clock()))

    def approval(self, approval: ApprovalObject, standing: ApprovalStanding) -> None:
        """Raises ClusterError."""
        before, generation = approval.wish.status, approval.wish.generation
        self._write(approval.wish, approval_status(standing, before, generation, now=self._clock()))

    def _write(self, wish: Wish, status: Mapping[str, Any]) -> None:
        if status == wish.status:
            return
        path = f"{collection(self._api.namespace, wish.plural)}/{wish.name}/status"
        try:
            self._api.replace(path, {**wish.raw, "status": status})
        except ApiRefused as refused:
            if refused.status not in (CONFLICT, NOT_FOUND):
                raise
            _log.info("%s %s: changed meanwhile, the next round looks again", wish.kind.lower(), wish.name)
            return
        if told(status) == told(wish.status):
            return
        phase, reason, message = map(str, told(status))
        _log.info("%s %s: %s: %s %s", wish.kind.lower(), wish.name, phase, reason, message)
        met = {each["type"] for each in status["conditions"] if each["status"] == "True"}
        self._event(wish, phase if READY in met else reason, message, warning=STALLED in met)

    def _event(self, wish: Wish, reason: str, message: str, *, warning: bool) -> None:
        moment = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{wish.name}.", "namespace": self._api.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": wish.kind,
                "name": wish.name,
                "namespace": self._api.namespace,
                "uid": wish.raw["metadata"]["uid"],
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "enclasp-controller"},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        self._api.create(f"/api/v1/namespaces/{self._api.namespace}/events", event)
