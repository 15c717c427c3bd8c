"""Ways into the coordinator, its clients and marbles: manifests, templates, bodies, journal records, answers."""

from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.client.client import CoordinatorClient
from coordinator.client.errors import ClientError
from coordinator.client.transport import Answer, Request
from coordinator.config import ConfigInvalid, load
from coordinator.journal.errors import BrokenLink, KeyUnusable
from coordinator.journal.key import DataKey, JournalId, parse_wrapped
from coordinator.journal.record import Flags, first_position, genesis, open_record, seal_record
from coordinator.manifest.errors import ManifestInvalid
from coordinator.manifest.explain import explain
from coordinator.manifest.package import parse_reference
from coordinator.manifest.parse import parse
from coordinator.manifest.signature import SignatureFormatError, parse_signature
from coordinator.manifest.template.render import Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue
from coordinator.rpc.calls import Call, NotGrpc, parse_header
from coordinator.rpc.frames import FrameOutline, FrameTooLong
from coordinator.rpc.status import RpcError
from coordinator.state.events import EventFormatError, MarbleActivated, decode_event, encode_event
from coordinator.wire.secrets import decode_v1, decode_v2
from coordinator.wire.v2 import BodyInvalid, decode_manifest_set, decode_nonce
from marble.plain_lines import parse_plain_lines
from marble.protocol import (
    ActivationRequest,
    ProtocolFormatError,
    decode_request,
    decode_response,
    encode_request,
    parse_uuid,
)
from pki.certificates import CertificateFormatError, CsrInvalid, load_pem_chain, parse_csr
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

    def exchange(_request: Request, *, pin: bytes | None) -> Answer:
        return Answer(200, raw, b"")

    client = CoordinatorClient(exchange)
    for ask in (client.status, lambda: client.quote(b""), client.manifest_get, client.update_log):
        try:
            ask()
        except ClientError:
            continue


def _manifests() -> Iterable[bytes]:
    yield from vectors("manifest/*/*")()
    for path in sorted((ROOT / "manifests").glob("**/*.yaml")):
        yield path.read_bytes()


def _requests() -> Iterable[bytes]:
    yield marble_client.signing_request(ec.generate_private_key(ec.SECP384R1()))


def _records() -> Iterable[bytes]:
    event = encode_event(MarbleActivated(1, "web", marble_client.UUID, bytes(32)))
    yield seal_record(_KEY, genesis(_JOURNAL), Flags.NONE, event, bytes(12))


def _joins() -> Iterable[bytes]:
    yield encode_request(ActivationRequest(b"quote", b"csr", "web", marble_client.UUID))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


TARGETS = (
    Target("manifest", _manifest, (), _manifests),
    Target("reference", lambda raw: parse_reference(raw, name="r"), (ManifestInvalid,), _manifests),
    Target("template", _template, ()),
    Target("manifest-signature", parse_signature, (SignatureFormatError,)),
    Target("body-manifest", decode_manifest_set, (BodyInvalid,), lambda: [b'{"manifest":"e30="}']),
    Target("body-secrets-v1", decode_v1, (BodyInvalid,), lambda: [b'{"a":{"Key":"YQ==","Cert":null,"Private":[1]}}']),
    Target("body-secrets-v2", decode_v2, (BodyInvalid,), lambda: [b'{"secrets":{"a":{"key":"YQ=="}}}']),
    Target("nonce", lambda raw: decode_nonce(_text(raw)), (BodyInvalid,), lambda: [b"YWJjZA=="]),
    Target("grpc-call", _call, (RpcError,), lambda: [b"\0\0\0\0\5hello"]),
    Target("grpc-header", _header, (RpcError, NotGrpc), lambda: [b":method\0POST\ngrpc-timeout\x001S"]),
    Target("http2-outline", _outline, ()),
    Target("activation-request", _request, (ProtocolFormatError,), _joins),
    Target("activation-response", decode_response, (ProtocolFormatError,)),
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
    Target("answers", _answers, ()),
    Target("config", lambda raw: load(raw, {}), (ConfigInvalid,), lambda: [b'dns_names = ["a"]\nclient = "x:1"\n']),
    Target("plain-lines", lambda raw: parse_plain_lines(_text(raw)), (ValueError,), _manifests),
)
