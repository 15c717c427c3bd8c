"""Keeps the webhook's certificate: makes it, stores it for all replicas, tells the API server, and replaces it in time.

The order is what makes a rotation unnoticed: stored, then trusted (`caBundle`, beside its predecessor), and shown only
if the round before found it too, so that the API server has had time to learn it.  Replicas agree by the
Secret's resourceVersion.
"""

import asyncio
import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import CONFLICT, NOT_FOUND
from typing import Final

from cryptography import x509
from OpenSSL import SSL

from coordinator.admission.certificate import Credential, CredentialInvalid, from_secret, make, to_secret
from coordinator.cluster.api import ClusterApi, Json
from coordinator.cluster.errors import ApiRefused, ClusterError
from coordinator.doors.tls import ClientCertificate, make_context

_ROUND_SECONDS: Final = 30.0
_IMPATIENT_SECONDS: Final = 1.0
_log = logging.getLogger("enclasp.admission")


@dataclass(frozen=True, slots=True)
class Names:
    """Where everything is.  dns: what the API server calls the webhook, the longest known name first."""

    namespace: str
    secret: str
    webhook: str
    dns: tuple[str, ...]

    @property
    def secret_path(self) -> str:
        """The Secret, for the API."""
        return f"/api/v1/namespaces/{self.namespace}/secrets/{self.secret}"

    @property
    def webhook_path(self) -> str:
        """The webhook configuration, for the API."""
        return f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{self.webhook}"


@dataclass(slots=True)
class Keeper:
    """shown: what handshakes get; there is one as soon as `ready` is set, which is when the API server was told."""

    api: ClusterApi
    names: Names
    lifetime: timedelta
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _shown: tuple[Credential, SSL.Context] | None = None
    _seen: x509.Certificate | None = None

    def context(self) -> SSL.Context:
        """For a new connection; only after `ready`."""
        assert self._shown is not None, "asked before it was ready"
        return self._shown[1]

    async def keep(self) -> None:
        """Rounds until cancelled.  A round that fails is said and tried again: what is shown goes on being shown."""
        every = min(_ROUND_SECONDS, self.lifetime.total_seconds() / 20)
        while True:
            try:
                await self.round()
            except (ClusterError, CredentialInvalid) as cause:
                _log.warning("certificate: %s", cause)
            await asyncio.sleep(every if self.ready.is_set() else _IMPATIENT_SECONDS)

    async def round(self) -> None:
        """One round.  Raises ClusterError, CredentialInvalid."""
        stored = await asyncio.to_thread(self._stored)
        told = await asyncio.to_thread(self._tell, stored.bundle)
        settled = told and self._seen == stored.certificate
        self._seen = stored.certificate
        if settled and (self._shown is None or self._shown[0].certificate != stored.certificate):
            context = make_context(
                (stored.certificate,), stored.key, client_certificate=ClientCertificate.REQUEST, alpn=("http/1.1",)
            )
            self._shown = (stored, context)
            self.ready.set()
            _log.info("certificate shown until %s", stored.certificate.not_valid_after_utc.isoformat())

    def _stored(self) -> Credential:
        """What is in the Secret; where it is due or of other names, a new one that we have put there."""
        while True:
            secret = self._get(self.names.secret_path)
            found = from_secret(secret.get("data"))
            now = self.clock()
            if found is not None and not found.is_due(now) and set(self.names.dns) == found.names():
                return found
            fresh = make(self.names.dns, self.lifetime, found, now=now, entropy=self.entropy(16))
            if self._replace(self.names.secret_path, {**secret, "data": to_secret(fresh)}):
                _log.info("certificate made, valid until %s", fresh.certificate.not_valid_after_utc.isoformat())
                return fresh

    def _tell(self, bundle: bytes) -> bool:
        """See to it that the API server trusts `bundle`; whether it did already."""
        wanted = base64.b64encode(bundle).decode()
        configuration = self._get(self.names.webhook_path)
        webhooks = configuration.get("webhooks") or []
        if all(webhook["clientConfig"].get("caBundle") == wanted for webhook in webhooks):
            return True
        told = [{**each, "clientConfig": {**each["clientConfig"], "caBundle": wanted}} for each in webhooks]
        if self._replace(self.names.webhook_path, {**configuration, "webhooks": told}):
            _log.info("the API server was told to trust the new certificate")
        return False

    def _get(self, path: str) -> Json:
        found = self.api.get(path)
        if found is None:
            raise ApiRefused(f"GET {path}", NOT_FOUND, "expected it from the chart, got none")
        return found

    def _replace(self, path: str, document: Json) -> bool:
        """Whether the object was still as we had read it."""
        try:
            self.api.replace(path, document)
        except ApiRefused as refused:
            if refused.status != CONFLICT:
                raise
            return False
        return True
