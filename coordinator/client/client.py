"""`CoordinatorClient`: every REST call that this version knows, typed.  v2 paths (MarbleRun contract, 1.4).

What an unpinned client reads is what somebody says; `client.verify` makes the pin.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote as percent_encode

from cryptography import x509

from attestation.anchors import MALFORMED
from coordinator.client.errors import AnswerInvalid, InRecovery, NotAuthorised, RequestRefused, WrongState
from coordinator.client.readings import ReadRequestAnswer, read_answer, read_answers
from coordinator.client.recovery import RecoveryStanding, read_standing
from coordinator.client.transport import Exchange, Request
from coordinator.recovery.statement import WaitingState
from coordinator.wire.configuration import ConfigurationFormatError
from coordinator.wire.configuration import parse as parse_configuration
from coordinator.wire.history import HistoryFormatError, parse_history
from coordinator.wire.marbles import Marbles, MarblesFormatError, parse_document
from coordinator.wire.recovery import state_document
from coordinator.wire.replicas import Handover, KeyRequest, WrappedCopy, encode_copy, encode_key_request
from coordinator.wire.standing import Standing, StandingFormatError, parse_for_replica

PHASE_RECOVERY = 1
PHASE_ACCEPTING_MARBLES = 3
STRICT, COMPATIBLE = "strict", "compatible"
"""How a coordinator reads its manifest.  It says so only where it does as MarbleRun would."""
_REQUESTS = "/api/v2/secrets/requests"
_WRONG_STATE = "server is not in expected state"
_NOT_PERMITTED = frozenset({"U521", "A230", "A232"})
_CODED_MESSAGE = re.compile(r"(?P<code>[EVANRUK][0-9]{3}) (?P<text>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Status:
    """code: contract 1.3.  message: the coordinator's own words.  mode: how it reads the manifest, `strict` or
    `compatible`; empty while it has none.

    shared: whether replicas share the state; known: then the last record that the leader knew of when it began to lead,
    None for nothing.
    """

    code: int
    message: str
    mode: str
    shared: bool = False
    known: int | None = None


@dataclass(frozen=True, slots=True)
class QuoteAnswer:
    """intermediate, root: as the answer's chain has them.  evidence: bytes as sent, empty if the coordinator has none.

    peer_leaf_der: the certificate of the connection on which the answer came.
    """

    intermediate: x509.Certificate
    root: x509.Certificate
    evidence: bytes
    peer_leaf_der: bytes


@dataclass(frozen=True, slots=True)
class ActiveManifest:
    """raw: the exact bytes that were set.  signature: ECDSA by the root key over SHA-256 of them, DER.

    mode: how the coordinator reads them, `strict` or `compatible`.
    """

    raw: bytes
    signature: bytes
    mode: str = STRICT

    @property
    def digest(self) -> bytes:
        """SHA-256 of the exact bytes: 32 bytes.  Computed here, not taken from the answer."""
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True, slots=True)
class UpdateAnswer:
    """missing: approvals that are wanted still, and of whom.  recovery_secrets: base64 by owner, if they are new.

    applies_at: when it comes in force (RFC 3339), where it only waits for that; else empty.
    """

    missing: int
    users: tuple[str, ...]
    recovery_secrets: Mapping[str, str]
    applies_at: str


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """raw: the exact bytes that wait.  standing: the rest of the answer, as it came."""

    raw: bytes
    standing: Mapping[str, Any]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the exact bytes: 32 bytes.  Computed here."""
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True, slots=True)
class CoordinatorClient:
    """exchange: how requests travel.  pin: `transport.key_digest` of the verified root, or None before that."""

    exchange: Exchange
    pin: bytes | None = None

    def status(self) -> Status:
        """The coordinator's phase."""
        data = self._get("/api/v2/status")
        match data:
            case {"code": int(code), "message": str(message)}:
                has_manifest = code == PHASE_ACCEPTING_MARBLES
                known = data.get("knownAtStart")
                mode = _mode(data) if has_manifest else ""
                return Status(code, message, mode, "knownAtStart" in data, known if type(known) is int else None)
        raise _unexpected("status", "code and message")

    def quote(self, nonce: bytes) -> QuoteAnswer:
        """Evidence over the root certificate and `nonce`, with the certificate chain.  Nothing of it is verified."""
        path = "/api/v2/quote"
        if nonce:
            path += "?nonce=" + percent_encode(base64.urlsafe_b64encode(nonce).decode(), safe="")
        answer = self.exchange(Request("GET", path), pin=self.pin)
        match _data(answer.status, answer.body, "quote"):
            case {"cert": str(chain), "quote": str() | None as evidence}:
                intermediate, root = _chain(chain)
                return QuoteAnswer(intermediate, root, _base64(evidence or "", "quote"), answer.peer_leaf_der)
        raise _unexpected("quote", "cert and quote")

    def configuration(self) -> bytes | None:
        """The init-data by which the coordinator's machine was started; None for none, or if it does not say."""
        answer = self.exchange(Request("GET", "/api/v2/configuration"), pin=self.pin)
        if answer.status == 405:
            return None
        try:
            return parse_configuration(_data(answer.status, answer.body, "configuration"))
        except ConfigurationFormatError as cause:
            raise AnswerInvalid("N303", str(cause)) from cause

    def manifest_get(self) -> ActiveManifest:
        """The active manifest.  Raises WrongState if none is set."""
        data = self._get("/api/v2/manifest")
        match data:
            case {"manifest": str(raw), "manifestSignatureRootECDSA": str(signature)}:
                return ActiveManifest(_base64(raw, "manifest"), _base64(signature, "manifest signature"), _mode(data))
        raise _unexpected("manifest", "manifest and manifestSignatureRootECDSA")

    def manifest_set(self, raw: bytes, *, claim_token: str = "") -> Mapping[str, str]:
        """Make these exact bytes the law.  Returns the recovery secrets: name to base64 (contract 1.9).

        claim_token: for a coordinator that takes a manifest only from who knows it.
        """
        document = {"manifest": base64.b64encode(raw).decode()}
        match self._post("/api/v2/manifest", document, bearer=claim_token):
            case {"RecoverySecrets": dict(secrets)}:
                return {str(name): str(value) for name, value in secrets.items()}
            case None:
                return {}
        raise _unexpected("manifest", "RecoverySecrets")

    def update_log(self) -> tuple[Mapping[str, Any], ...]:
        """What was changed, oldest first: objects with `time`, `update` and what belongs to it (contract 8.4)."""
        match self._get("/api/v2/update"):
            case {"updateLog": list(entries)}:
                return tuple(_entry(text) for text in entries)
        raise _unexpected("update log", "updateLog")

    def secrets_get(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Secrets by name, as the contract has them (1.11).  The transport must show a user."""
        query = "&".join("s=" + percent_encode(name, safe="") for name in names)
        return _secrets(self._get(f"/api/v2/secrets?{query}"))

    def secrets_set(self, secrets: Mapping[str, Mapping[str, Any]]) -> None:
        """Set user-defined secrets, all or none (contract 1.11).  The transport must show a user."""
        self._post("/api/v2/secrets", {"secrets": secrets})

    def read_request(self, names: Sequence[str], reason: str, lasts: timedelta | None) -> ReadRequestAnswer:
        """Ask to read secrets that need the approval of others.  The transport must show a user."""
        document: dict[str, Any] = {"secrets": list(names), "reason": reason}
        if lasts is not None:
            document["expiresIn"] = int(lasts.total_seconds())
        return read_answer(self._post(_REQUESTS, document))

    def read_requests(self) -> tuple[ReadRequestAnswer, ...]:
        """Requests to read secrets that are open, oldest first."""
        return read_answers(self._get(_REQUESTS))

    def read_approve(self, name: str, signatures: Sequence[Mapping[str, str]]) -> ReadRequestAnswer:
        """Approve a request: as the transport's user, and with signatures of others."""
        more = {"signatures": [dict(signature) for signature in signatures]} if signatures else {}
        return read_answer(self._post(f"{_REQUESTS}/approve", {"request": name} | more))

    def read_withdraw(self, name: str) -> None:
        """End a request.  The transport must show a user."""
        self._post(f"{_REQUESTS}/withdraw", {"request": name})

    def read_approved(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Secrets of an approved request of the transport's user, as `secrets_get` gives others."""
        return _secrets(self._post(f"{_REQUESTS}/read", {"secrets": list(names)}))

    def journal(self, query: str) -> Any:
        """The signed standing of the journal, as it is; `standing.py` knows what it means."""
        return self._get("/api/v2/journal?" + query)

    def recovery_standing(self) -> RecoveryStanding:
        """Whose shares recover this coordinator's state, and what is known of them."""
        return read_standing(self._get("/api/v2/recovery"))

    def recovery_public_key(self) -> bytes:
        """The key with which an owner far away encrypts a share for this process: SubjectPublicKeyInfo, DER."""
        match self._get("/api/v2/recover/public-key"):
            case {"ephemeralPublicKey": str(key)}:
                return _base64(key, "public key")
        raise _unexpected("public key", "ephemeralPublicKey")

    def recover(self, secret: bytes, signature: bytes, state: WaitingState | None) -> int:
        """Give a share, plain or encrypted with `recovery_public_key`; how many more are needed.

        state: what the signature covers besides the share; None for MarbleRun's signatures.
        """
        document: dict[str, Any] = {
            "recoverySecret": base64.b64encode(secret).decode(),
            "recoverySecretSignature": base64.b64encode(signature).decode(),
        }
        if state is not None:
            document["state"] = state_document(state)
        match self._post("/api/v2/recover", document):
            case {"remaining": int(remaining)}:
                return remaining
        raise _unexpected("recover", "remaining")

    def approve_state(self, owner: str, state: WaitingState, signature: bytes) -> int:
        """Hand in an owner's word for a state that may not be the newest; how many more are needed."""
        body = {"owner": owner, "state": state_document(state), "signature": base64.b64encode(signature).decode()}
        match self._post("/api/v2/recovery/approve", body):
            case {"remaining": int(remaining)}:
                return remaining
        raise _unexpected("approval", "remaining")

    def rehearse_recovery(self, owner: str, proof: bytes) -> None:
        """Prove that an owner's share still opens."""
        self._post("/api/v2/recovery/rehearse", {"owner": owner, "proof": base64.b64encode(proof).decode()})

    def replica_challenge(self) -> bytes:
        """What the evidence of a replica that asks for the state's key must be over."""
        match self._get("/api/v2/replica/challenge"):
            case {"challenge": str(challenge)}:
                return _base64(challenge, "challenge")
        raise _unexpected("challenge", "challenge")

    def replica_key(self, asked: KeyRequest) -> Handover:
        """The state's key, encrypted for the request's recipient, and how the manifest wants it to be kept."""
        match self._post("/api/v2/replica/key", encode_key_request(asked)):
            case {"sealedKey": str(sealed), "sealMode": str(mode), "keySources": list(sources)}:
                return Handover(_base64(sealed, "key"), mode, tuple(map(str, sources)))
        raise _unexpected("key", "sealedKey, sealMode and keySources")

    def replica_journal(self, sequence: int | None) -> tuple[Standing, int]:
        """Where the leader's journal stands, and the number of the last acceptance of an older state.

        sequence: of an earlier record, whose link is asked for.
        """
        try:
            query = "" if sequence is None else f"?sequence={sequence}"
            return parse_for_replica(self._get(f"/api/v2/replica/journal{query}"))
        except StandingFormatError as cause:
            raise AnswerInvalid("N303", str(cause)) from cause

    def replica_keep(self, copy: WrappedCopy) -> None:
        """Leave a copy of the state's key that this machine wrapped."""
        self._post("/api/v2/replica/copy", encode_copy(copy))

    def _post(self, path: str, document: Mapping[str, Any], *, bearer: str = "") -> Any:
        answer = self.exchange(Request("POST", path, json.dumps(document).encode(), bearer), pin=self.pin)
        return _data(answer.status, answer.body, path.rsplit("/", 1)[-1])

    def hierarchy(self) -> Mapping[str, Any]:
        """Intermediates that are trusted, and who has a certificate of which (wire/hierarchy.py)."""
        data = self._get("/api/v2/hierarchy")
        if not isinstance(data, dict) or not isinstance(data.get("intermediates"), list):
            raise _unexpected("hierarchy", "intermediates")
        return data

    def marbles(self, most: int) -> Marbles:
        """Which marbles have joined, the newest `most` one by one."""
        try:
            return parse_document(self._get(f"/api/v2/marbles?limit={most}"))
        except MarblesFormatError as cause:
            raise AnswerInvalid("N303", str(cause)) from cause

    def history(self) -> tuple[tuple[str, bytes], ...]:
        """Every step of the deployment, oldest first: its exact text, and its document where it is kept (or empty).

        Nothing of it is proven before `history.prove` has compared it with the root certificate.
        """
        try:
            return parse_history(self._get("/api/v2/history"))
        except HistoryFormatError as cause:
            raise AnswerInvalid("N303", str(cause)) from cause

    def update_apply(self, raw: bytes, signatures: Sequence[Mapping[str, str]]) -> UpdateAnswer:
        """Raise security versions, or propose these exact bytes as the manifest (contract 1.10)."""
        return self._update("/api/v2/update", raw, signatures)

    def update_acknowledge(self, raw: bytes, signatures: Sequence[Mapping[str, str]]) -> UpdateAnswer:
        """Approve the pending manifest by its exact bytes."""
        return self._update("/api/v2/update-manifest", raw, signatures)

    def update_pending(self) -> PendingAnswer | None:
        """The manifest that waits for approvals; None if there is none."""
        answer = self.exchange(Request("GET", "/api/v2/update-manifest"), pin=self.pin)
        if answer.status == 404:
            return None
        match _data(answer.status, answer.body, "update-manifest"):
            case {"manifest": str(raw), **rest}:
                return PendingAnswer(_base64(raw, "update-manifest"), {str(key): value for key, value in rest.items()})
        raise _unexpected("update-manifest", "manifest")

    def update_cancel(self) -> None:
        """Withdraw the pending manifest.  The transport must show a user."""
        answer = self.exchange(Request("POST", "/api/v2/update-cancel"), pin=self.pin)
        _data(answer.status, answer.body, "update-cancel")

    def _update(self, path: str, raw: bytes, signatures: Sequence[Mapping[str, str]]) -> UpdateAnswer:
        document = {"manifest": base64.b64encode(raw).decode()}
        more = {"signatures": [dict(signature) for signature in signatures]} if signatures else {}
        answer = self.exchange(Request("POST", path, json.dumps(document | more).encode()), pin=self.pin)
        match _data(answer.status, answer.body, "update"):
            case {"missingAcknowledgments": int(missing), "missingUsers": list() | None as users, **rest}:
                secrets = rest.get("recoverySecrets")
                given = {str(k): str(v) for k, v in secrets.items()} if isinstance(secrets, dict) else {}
                applies_at = str(rest.get("appliesAt") or "")
                return UpdateAnswer(missing, tuple(str(user) for user in users or ()), given, applies_at)
        raise _unexpected("update", "missingAcknowledgments and missingUsers")

    def _get(self, path: str) -> Any:
        answer = self.exchange(Request("GET", path), pin=self.pin)
        return _data(answer.status, answer.body, path.partition("?")[0].rsplit("/", 1)[-1])


def _secrets(data: Any) -> Mapping[str, Mapping[str, Any]]:
    match data:
        case {"secrets": dict(secrets)} if all(isinstance(value, dict) for value in secrets.values()):
            return secrets
    raise _unexpected("secrets", "secrets")


def _data(status: int, body: bytes, what: str) -> Any:
    """The `data` of a JSend answer; only 200 is success (contract 1.2, 1.15)."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, dict) or "status" not in envelope:
        start = body[:60].decode("utf-8", "backslashreplace").strip()
        raise AnswerInvalid("N303", f"{what}: expected a JSON answer of a coordinator, got HTTP {status} '{start}'")
    if status == 200 and envelope["status"] == "success":
        return envelope.get("data")
    message = str(envelope.get("message") or f"HTTP {status}")
    coded = _CODED_MESSAGE.match(message)
    if status == 401 or (coded and coded["code"] in _NOT_PERMITTED):
        code, text = (coded["code"], coded["text"]) if coded else ("N307", f"{what}: {message}")
        raise NotAuthorised(code, text)
    if _WRONG_STATE in message:
        raise WrongState("N306", f"{what}: {message}")
    if status == 405:
        raise AnswerInvalid("N303", f"{what}: the server does not know this path")
    if coded:
        raise RequestRefused(coded["code"], coded["text"])
    raise RequestRefused("N305", message)


def refuse_recovery(status: Status) -> None:
    """Raises InRecovery if the coordinator waits for recovery: then its certificates are temporary ones."""
    if status.code == PHASE_RECOVERY:
        raise InRecovery("R410", f"the coordinator waits for recovery: {status.message}")


def _entry(text: object) -> Mapping[str, Any]:
    try:
        entry = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise AnswerInvalid("N303", "update log: expected entries that are JSON objects as text")
    return entry


def _chain(pem: str) -> tuple[x509.Certificate, x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except MALFORMED as cause:
        raise AnswerInvalid("N303", "quote: the certificate chain cannot be read") from cause
    if len(certificates) != 2:
        raise AnswerInvalid(
            "N303", f"quote: expected the intermediate and the root certificate, got {len(certificates)} certificates"
        )
    return certificates[0], certificates[1]


def _mode(data: Mapping[str, Any]) -> str:
    return COMPATIBLE if data.get("mode") == COMPATIBLE else STRICT


def _base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise AnswerInvalid("N303", f"{what}: expected base64") from cause


def _unexpected(what: str, fields: str) -> AnswerInvalid:
    return AnswerInvalid("N303", f"{what}: expected the fields {fields} in the answer")
