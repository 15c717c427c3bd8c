"""Ways into the coordinator, its clients and marbles: manifests, templates, bodies, journal records, answers."""

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.init_data import InitDataInvalid, make_init_data
from coordinator.admission.mutate import inject
from coordinator.admission.pod import Refusal
from coordinator.admission.review import VERSION, ReviewInvalid, parse_review
from coordinator.admission.settings import Injection
from coordinator.client.client import CoordinatorClient
from coordinator.client.configuration import read_configuration
from coordinator.client.errors import ClientError
from coordinator.client.transport import Answer, Request
from coordinator.config import ENTRY, ConfigInvalid, load
from coordinator.draft.kubernetes.objects import read_application
from coordinator.draft.kubernetes.tree import NotReadable, Source
from coordinator.journal.errors import BrokenLink, KeyUnusable, StorageFailed
from coordinator.journal.head_object import STATE, read_head
from coordinator.journal.key import DataKey, JournalId, parse_wrapped
from coordinator.journal.record import Flags, first_position, genesis, open_record, seal_record
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.explain import explain
from coordinator.manifest.package import parse_reference
from coordinator.manifest.parse import parse
from coordinator.manifest.signature import SignatureFormatError, Subject, parse_signature
from coordinator.manifest.template.render import Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue
from coordinator.recovery.errors import OwnerKeyInvalid, PlanInvalid
from coordinator.recovery.owner_key import parse_owner_key
from coordinator.recovery.plan import decode_plan
from coordinator.rpc.calls import Call, NotGrpc, parse_header
from coordinator.rpc.frames import FrameOutline, FrameTooLong
from coordinator.rpc.status import RpcError
from coordinator.state.events import EventFormatError, MarbleActivated, decode_event, encode_event
from coordinator.state.kept_evidence import KeptEvidenceUnreadable, decode_kept
from coordinator.wire.features import decode_counter, decode_sign_quote
from coordinator.wire.history import HistoryFormatError, parse_entry
from coordinator.wire.read_requests import (
    ReadRequestDocument,
    ReadRequestFormatError,
    decode_approval,
    decode_ask,
    parse_request,
)
from coordinator.wire.recovery import decode_rehearsal, decode_submission
from coordinator.wire.secrets import decode_v1, decode_v2
from coordinator.wire.updates import decode as decode_update
from coordinator.wire.v2 import BodyInvalid, decode_manifest_set, decode_nonce
from marble.join_protocol import (
    Challenge,
    JoinRequest,
    Renewable,
    RenewalRequest,
    Sealed,
    decode_challenge,
    decode_join,
    decode_renewal,
    decode_sealed,
    encode_challenge,
    encode_join,
    encode_renewal,
    encode_sealed,
)
from marble.plain_lines import parse_plain_lines
from marble.protocol import (
    ActivationRequest,
    ProtocolFormatError,
    decode_request,
    decode_response,
    encode_request,
    parse_uuid,
)
from marble.sealing import SEALING_KEY_BYTES
from pki.certificates import CertificateFormatError, CsrInvalid, load_der, load_pem_chain, parse_csr
from tests.fuzz.target import ROOT, Target, vectors
from tests.support import marble_client

_JOURNAL, _KEY = JournalId(bytes(16)), DataKey(bytes(32))
_CONTEXT: dict[str, Any] = {
    "Secrets": {"key": SecretValue("symmetric-key", size=16, public=b"ab", private=b"ab")},
    "Previous": {"Secrets": {}},
    "MarbleRun": {},
}


def _manifest(raw: bytes) -> None:
    """Strictly and as MarbleRun reads; one that is accepted can be explained."""
    for compatible in (True, False):
        try:
            manifest = parse(raw, name="manifest", compatible=compatible).manifest
        except ManifestInvalid as refusal:
            if not all(finding.message and finding.line >= 0 for finding in refusal.findings):
                raise AssertionError("a finding without words or place") from refusal
            continue
        explain(manifest)


def _template(raw: bytes) -> None:
    for place in Place:
        try:
            Template.parse(raw, place).render(_CONTEXT, place)
        except TemplateError:
            continue


def _record(raw: bytes) -> None:
    """A record opens only if it was sealed for its place."""
    start = genesis(_JOURNAL)
    try:
        first_position(_JOURNAL, raw)
        opened = open_record(_KEY, start, raw)
    except BrokenLink:
        return
    assert seal_record(_KEY, start, opened.flags, opened.body, raw[42:54]) == raw


def _event(raw: bytes) -> None:
    assert decode_event(encode_event(decode_event(raw))) == decode_event(raw)


def _request(raw: bytes) -> None:
    request = decode_request(raw)
    assert decode_request(encode_request(request)) == request


def _join(raw: bytes) -> None:
    request = decode_join(raw)
    assert decode_join(encode_join(request)) == request


def _renewal(raw: bytes) -> None:
    request = decode_renewal(raw)
    assert decode_renewal(encode_renewal(request)) == request


def _call(raw: bytes) -> None:
    call = Call(1)
    for at in range(0, len(raw), 7):
        call.add(raw[at : at + 7], 4096)
    call.message()


def _header(raw: bytes) -> None:
    fields = [line.partition(b"\0") for line in raw.split(b"\n")]
    parse_header((name, value) for name, _, value in fields)


def _outline(raw: bytes) -> None:
    """Cut anywhere, the outline is the same."""
    try:
        whole = FrameOutline().follow(raw)
    except FrameTooLong:
        return
    piecewise = FrameOutline()
    assert whole == sum(piecewise.follow(raw[at : at + 5]) for at in range(0, len(raw), 5))


def _answers(raw: bytes) -> None:
    """What a server that is not trusted yet may answer."""

    def exchange(request: Request, *, pin: bytes | None) -> Answer:
        return Answer(200, raw, b"")

    client = CoordinatorClient(exchange)
    for ask in (client.status, lambda: client.quote(b""), client.manifest_get, client.update_log):
        try:
            ask()
        except ClientError:
            continue


def _head(raw: bytes) -> None:
    read_head("a test", {"metadata": {"resourceVersion": "1"}, "data": {STATE: base64.b64encode(raw).decode()}})


def _review(raw: bytes) -> None:
    """What a pod of a stranger becomes, or why it is refused."""
    review = parse_review(raw)
    if review.pod is not None:
        json.dumps(list(inject(review.pod, namespace=review.namespace, settings=Injection("coordinator:2001"))))


def _objects(raw: bytes) -> None:
    read_application([Source("objects.yaml", raw)])


def _reviews() -> Iterable[bytes]:
    labels = {"marblerun/marbletype": "web", "enclasp.io/marble": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b", "command": ["c"]}]}}
    request = {"uid": "1", "namespace": "n", "kind": {"kind": "Pod"}, "operation": "CREATE", "object": pod}
    yield json.dumps({"kind": "AdmissionReview", "apiVersion": VERSION, "request": request}).encode()


def _charts() -> Iterable[bytes]:
    for path in sorted((ROOT / "examples").glob("**/*.yaml")):
        yield path.read_bytes()


def _manifests() -> Iterable[bytes]:
    yield from vectors("manifest/*/*")()
    for path in sorted((ROOT / "manifests").glob("**/*.yaml")):
        yield path.read_bytes()


def _certificates() -> Iterable[bytes]:
    yield marble_client.self_signed(ec.generate_private_key(ec.SECP384R1())).public_bytes(Encoding.DER)


def _requests() -> Iterable[bytes]:
    yield marble_client.signing_request(ec.generate_private_key(ec.SECP384R1()))


def _records() -> Iterable[bytes]:
    event = encode_event(MarbleActivated(1, "web", marble_client.UUID, bytes(32)))
    yield seal_record(_KEY, genesis(_JOURNAL), Flags.NONE, event, bytes(12))


def _joins() -> Iterable[bytes]:
    yield encode_request(ActivationRequest(b"quote", b"csr", "web", marble_client.UUID))


def _native_joins() -> Iterable[bytes]:
    key = bytes(SEALING_KEY_BYTES)
    yield encode_join(JoinRequest(b"n" * 40, b"evidence", b"csr", key, "web", marble_client.UUID))


def _renewals() -> Iterable[bytes]:
    yield encode_renewal(RenewalRequest(b"n" * 40, b"evidence", bytes(SEALING_KEY_BYTES), b"intermediate"))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _read_request() -> bytes:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    digest = bytes(32)
    return ReadRequestDocument("ab", digest, digest, "alice", digest, ("master",), "why", noon, noon).text()


def _configuration(raw: bytes) -> None:
    """A measured configuration with a file beside it, as a verifier reads it."""
    setters, _, toml = raw.decode("latin-1").partition("\0")
    told = make_init_data({ENTRY: toml, "setters.pem": setters})
    assert read_configuration(told, b"").words.startswith("measured: setters: ")


def _configurations() -> Iterable[bytes]:
    certificate = marble_client.self_signed(ec.generate_private_key(ec.SECP384R1())).public_bytes(Encoding.PEM)
    yield certificate + b"\0setters = 'setters.pem'\n"
    yield b"\0tpm = 'device:x'\nwitness = 'tpm'\n"


TARGETS = (
    Target("manifest", _manifest, (), _manifests),
    Target("reference", lambda raw: parse_reference(raw, name="r"), (ManifestInvalid,), _manifests),
    Target("template", _template, ()),
    Target("manifest-signature", lambda raw: parse_signature(raw, Subject.MANIFEST), (SignatureFormatError,)),
    Target("read-request", parse_request, (ReadRequestFormatError,), lambda: [_read_request()]),
    Target("read-approval", lambda raw: parse_signature(raw, Subject.READ_REQUEST), (SignatureFormatError,)),
    Target("body-read-ask", decode_ask, (BodyInvalid,), lambda: [b'{"secrets":["a"],"reason":"r","expiresIn":60}']),
    Target("body-read-approval", decode_approval, (BodyInvalid,), lambda: [b'{"request":"a","signatures":[{}]}']),
    Target("body-manifest", decode_manifest_set, (BodyInvalid,), lambda: [b'{"manifest":"e30="}']),
    Target("body-secrets-v1", decode_v1, (BodyInvalid,), lambda: [b'{"a":{"Key":"YQ==","Cert":null,"Private":[1]}}']),
    Target("body-secrets-v2", decode_v2, (BodyInvalid,), lambda: [b'{"secrets":{"a":{"key":"YQ=="}}}']),
    Target("nonce", lambda raw: decode_nonce(_text(raw)), (BodyInvalid,), lambda: [b"YWJjZA=="]),
    Target("grpc-call", _call, (RpcError,), lambda: [b"\0\0\0\0\5hello"]),
    Target("grpc-header", _header, (RpcError, NotGrpc), lambda: [b":method\0POST\ngrpc-timeout\x001S"]),
    Target("http2-outline", _outline, ()),
    Target("activation-request", _request, (ProtocolFormatError,), _joins),
    Target("activation-response", decode_response, (ProtocolFormatError,)),
    Target("join-request", _join, (ProtocolFormatError,), _native_joins),
    Target(
        "join-challenge", decode_challenge, (ProtocolFormatError,), lambda: [encode_challenge(Challenge(b"n", b"r"))]
    ),
    Target(
        "join-response",
        decode_sealed,
        (ProtocolFormatError,),
        lambda: [encode_sealed(Sealed(b"sealed", Renewable(("/f",), "SIGHUP")))],
    ),
    Target("renewal-request", _renewal, (ProtocolFormatError,), _renewals),
    Target("uuid", lambda raw: parse_uuid(_text(raw)), (ProtocolFormatError,), lambda: [marble_client.UUID.encode()]),
    Target(
        "csr",
        parse_csr,
        (CsrInvalid,),
        _requests,
    ),
    Target("pem-chain", load_pem_chain, (CertificateFormatError,), vectors("nvidia_gpu/*/cert_chain.pem")),
    Target("journal-record", _record, (), _records),
    Target("journal-event", _event, (EventFormatError,), lambda: [encode_event(MarbleActivated(1, "w", "u", b""))]),
    Target("journal-key", parse_wrapped, (KeyUnusable,)),
    Target("kept-evidence", decode_kept, (KeptEvidenceUnreadable,)),
    Target("journal-head", _head, (StorageFailed,)),
    Target("recovery-plan", decode_plan, (PlanInvalid,)),
    Target("recovery-key", parse_owner_key, (OwnerKeyInvalid,)),
    Target("body-recover", decode_submission, (BodyInvalid,), lambda: [b'{"recoverySecret":"YQ==","state":null}']),
    Target("body-rehearsal", decode_rehearsal, (BodyInvalid,)),
    Target("body-update", decode_update, (BodyInvalid,), lambda: [b'{"manifest":"e30=","signatures":[{}]}']),
    Target("body-sign-quote", decode_sign_quote, (BodyInvalid,)),
    Target("body-counter", decode_counter, (BodyInvalid,)),
    Target("history-entry", lambda raw: parse_entry(_text(raw)), (HistoryFormatError,)),
    Target("pod-review", _review, (ReviewInvalid, Refusal), _reviews),
    Target("kubernetes-objects", _objects, (NotReadable,), _charts),
    Target("certificate", load_der, (CertificateFormatError,), _certificates),
    Target("answers", _answers, ()),
    Target("config", lambda raw: load(raw, {}), (ConfigInvalid,), lambda: [b'dns_names = ["a"]\nclient = "x:1"\n']),
    Target("configuration", _configuration, (ConfigInvalid, InitDataInvalid), _configurations),
    Target("plain-lines", lambda raw: parse_plain_lines(_text(raw)), (ValueError,), _manifests),
)
