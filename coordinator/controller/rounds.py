"""Rounds over the namespace's objects: each looks at everything anew, so a restart or a lost answer changes nothing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.client import CONFLICT, NOT_FOUND

from coordinator.cluster.api import ClusterApi
from coordinator.cluster.errors import ApiRefused, ClusterError
from coordinator.controller.objects import (
    API_VERSION,
    DefinitionsMissing,
    ManifestObject,
    collection,
    read_approvals,
    read_manifests,
)
from coordinator.controller.reconcile import Visit, reconcile, second_of_namespace
from coordinator.controller.standing import Phase, Standing, status_of

_log = logging.getLogger("enclasp.controller")


@dataclass(frozen=True, slots=True)
class Controller:
    """visit: verifies a coordinator.  endpoint: of objects that name none.

    compatible: read documents as laxly as MarbleRun.  clock: the moment, in UTC.
    """

    api: ClusterApi
    visit: Visit
    endpoint: str
    compatible: bool
    clock: Callable[[], datetime]

    def round(self) -> None:
        """Look at all objects once.  What fails for the API server's sake is said, and tried again in the next one."""
        try:
            wishes = read_manifests(self.api, self.endpoint)
            approvals = read_approvals(self.api) if wishes else []
            for wish in wishes[1:]:
                self._tell(wish, second_of_namespace(wish, wishes[0].name))
            for wish in wishes[:1]:
                self._tell(wish, reconcile(wish, approvals, self.visit, compatible=self.compatible))
        except (ClusterError, DefinitionsMissing) as cause:
            _log.warning("round: %s %s", cause.code, cause)

    def _tell(self, wish: ManifestObject, standing: Standing) -> None:
        """Write the status if it is another one, and an event if the phase or its reason is."""
        status = status_of(standing, wish.status, wish.generation, now=self.clock())
        if status == wish.status:
            return
        path = f"{collection(self.api.namespace, 'manifests')}/{wish.name}/status"
        try:
            self.api.replace(path, {**wish.raw, "status": status})
        except ApiRefused as refused:
            if refused.status not in (CONFLICT, NOT_FOUND):
                raise
            _log.info("manifest %s: changed meanwhile, the next round looks again", wish.name)
            return
        said = standing.said
        _log.info("manifest %s: %s: %s %s", wish.name, standing.phase, said.reason, said.message)
        self.api.create(f"/api/v1/namespaces/{self.api.namespace}/events", self._event(wish, standing))

    def _event(self, wish: ManifestObject, standing: Standing) -> dict[str, object]:
        moment, said = self.clock().strftime("%Y-%m-%dT%H:%M:%SZ"), standing.said
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{wish.name}.", "namespace": self.api.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": "Manifest",
                "name": wish.name,
                "namespace": self.api.namespace,
                "uid": wish.raw["metadata"]["uid"],
            },
            "type": "Warning" if standing.phase is Phase.REFUSED or not said.met else "Normal",
            "reason": standing.phase.value if said.met else said.reason,
            "message": said.message[:1024],
            "source": {"component": "enclasp-controller"},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
