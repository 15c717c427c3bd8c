"""Every route with who may call it: the one table of the front door (contract 1.4).

What is not in the table is answered 405, as MarbleRun's clients rely on (contract 1.1).
"""

from typing import Final

from coordinator.rest.call import Caller, Route
from coordinator.rest.handlers import features, law, readings, recovery, replicas, secrets, standing
from coordinator.rest.limits import MANIFEST_BYTES, QUOTE_BYTES, SECRETS_BYTES

_RECOVER_BYTES: Final = 20_480
"""As MarbleRun's (contract 1.12)."""
_BASE64_MANIFEST_BYTES: Final = MANIFEST_BYTES * 4 // 3 + 128 * 1024

ROUTES: Final[tuple[Route, ...]] = (
    Route(1, "GET", "/status", Caller.ANYONE, standing.status_v1),
    Route(1, "GET", "/quote", Caller.ANYONE, standing.quote_v1),
    Route(1, "GET", "/manifest", Caller.ANYONE, standing.manifest_v1),
    Route(1, "POST", "/manifest", Caller.SETTER, law.set_manifest_v1, MANIFEST_BYTES),
    Route(1, "GET", "/update", Caller.ANYONE, standing.update_log_v1),
    Route(1, "POST", "/update", Caller.USER, law.update_v1, MANIFEST_BYTES),
    Route(1, "GET", "/update-manifest", Caller.ANYONE, law.pending),
    Route(1, "POST", "/update-manifest", Caller.USER, law.acknowledge_v1, MANIFEST_BYTES, 500),
    Route(1, "POST", "/update-cancel", Caller.USER, law.cancel_v1, refusal_v1=500),
    Route(1, "GET", "/secrets", Caller.USER, secrets.read_secrets_v1),
    Route(1, "POST", "/secrets", Caller.USER, secrets.write_secrets_v1, SECRETS_BYTES),
    Route(2, "GET", "/readyz", Caller.ANYONE, standing.ready),
    Route(1, "POST", "/recover", Caller.ANYONE, recovery.recover_v1),
    Route(2, "GET", "/api/v2/status", Caller.ANYONE, standing.status_v2),
    Route(2, "GET", "/api/v2/quote", Caller.ANYONE, standing.quote_v2),
    Route(2, "GET", "/api/v2/configuration", Caller.ANYONE, standing.configuration),
    Route(2, "GET", "/api/v2/manifest", Caller.ANYONE, standing.manifest_v2),
    Route(2, "POST", "/api/v2/manifest", Caller.SETTER, law.set_manifest_v2, _BASE64_MANIFEST_BYTES),
    Route(2, "GET", "/api/v2/update", Caller.ANYONE, standing.update_log_v2),
    Route(2, "POST", "/api/v2/update", Caller.APPROVER, law.update_v2, _BASE64_MANIFEST_BYTES),
    Route(2, "GET", "/api/v2/update-manifest", Caller.ANYONE, law.pending),
    Route(2, "POST", "/api/v2/update-manifest", Caller.APPROVER, law.acknowledge_v2, _BASE64_MANIFEST_BYTES),
    Route(2, "POST", "/api/v2/update-cancel", Caller.USER, law.cancel_v2),
    Route(2, "GET", "/api/v2/history", Caller.ANYONE, standing.history),
    Route(2, "GET", "/api/v2/hierarchy", Caller.ANYONE, standing.hierarchy),
    Route(2, "GET", "/api/v2/marbles", Caller.ANYONE, standing.marbles),
    Route(2, "GET", "/api/v2/secrets", Caller.USER, secrets.read_secrets_v2),
    Route(2, "POST", "/api/v2/secrets", Caller.USER, secrets.write_secrets_v2, SECRETS_BYTES),
    Route(2, "GET", "/api/v2/secrets/requests", Caller.ANYONE, readings.requests),
    Route(2, "POST", "/api/v2/secrets/requests", Caller.USER, readings.ask),
    Route(2, "POST", "/api/v2/secrets/requests/approve", Caller.APPROVER, readings.approve),
    Route(2, "POST", "/api/v2/secrets/requests/withdraw", Caller.USER, readings.withdraw),
    Route(2, "POST", "/api/v2/secrets/requests/read", Caller.USER, readings.read),
    Route(2, "POST", "/api/v2/recover", Caller.ANYONE, recovery.recover_v2, _RECOVER_BYTES),
    Route(2, "GET", "/api/v2/recover/public-key", Caller.ANYONE, recovery.recovery_public_key),
    Route(2, "GET", "/api/v2/recovery", Caller.ANYONE, recovery.recovery_standing),
    Route(2, "POST", "/api/v2/recovery/approve", Caller.ANYONE, recovery.approve_state, _RECOVER_BYTES),
    Route(2, "POST", "/api/v2/recovery/rehearse", Caller.ANYONE, recovery.rehearse_recovery),
    Route(2, "GET", "/api/v2/journal", Caller.ANYONE, standing.journal_standing),
    Route(2, "POST", "/api/v2/sign-quote", Caller.ANYONE, features.sign_quote, QUOTE_BYTES),
    Route(2, "POST", "/api/v2/monotonic-counter", Caller.MARBLE, features.monotonic_counter),
    Route(2, "GET", "/api/v2/replica/challenge", Caller.ANYONE, replicas.challenge),
    Route(2, "POST", "/api/v2/replica/key", Caller.ANYONE, replicas.hand_over),
    Route(2, "GET", "/api/v2/replica/journal", Caller.ANYONE, replicas.journal),
    Route(2, "POST", "/api/v2/replica/copy", Caller.ANYONE, replicas.keep),
)
