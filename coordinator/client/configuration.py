"""By which configuration does a verified coordinator run?  What its Evidence holds the digest of, in words.

The coordinator's program hands out no Evidence but with the digest of the document that it obeys (attestation/told.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from attestation.checks import Check, failed, passed
from attestation.init_data import InitData, InitDataInvalid, parse_init_data, told_in
from coordinator.client.verify import VerificationRefused, VerifiedDeployment
from coordinator.config import Config, ConfigInvalid, measured_settings
from coordinator.setters import Setters, SettersInvalid, parse_setters
from marble.settings import Given

_NAME: Final = "configuration.digest"
_HOSTS: Final = "the host can choose who may set the first manifest"


@dataclass(frozen=True, slots=True)
class Configuration:
    """told: what the Evidence holds, empty where it has no place for it.  settings: those that are measured; None where
    none are, or nobody showed them.  words: all of it, for people."""

    told: bytes
    settings: Mapping[str, Any] | None
    words: str

    def as_json(self) -> dict[str, Any]:
        """For scripts.  Of a file that travels with the settings: its name and SHA-256."""
        shown = None if self.settings is None else {name: _json(value) for name, value in self.settings.items()}
        digest = self.told.hex() if any(self.told) else None
        return {"measured": self.settings is not None, "digest": digest, "settings": shown, "says": self.words}


def is_told(deployment: VerifiedDeployment) -> bool:
    """Whether the coordinator's machine was told anything at launch, so that it has a document to show."""
    return any(told_in(deployment.verdict.claims) or b"")


def with_configuration(deployment: VerifiedDeployment, shown: bytes | None) -> tuple[VerifiedDeployment, Configuration]:
    """Compare what the coordinator shows with its Evidence.  shown: the document's bytes; None if it shows none.

    Raises VerificationRefused if it shows another one.
    """
    told = told_in(deployment.verdict.claims)
    if told is None:
        platform = deployment.verdict.platform
        words = f"not measured apart from its program, which is all that {platform} evidence covers; else {_HOSTS}"
        return deployment, Configuration(b"", None, words)
    if not any(told):
        return deployment, Configuration(told, None, f"not measured: {_HOSTS}")
    if shown is None:
        words = (
            "not shown: the machine was told something at launch, and a running coordinator of this version says what"
        )
        return deployment, Configuration(told, None, words)
    check, document = _compared(told, shown)
    checks = (*deployment.checks, check)
    if document is None:
        message = check.sentence
        raise VerificationRefused(check.code, message, checks, deployment.verdict)
    try:
        configuration = read_configuration(document, told)
    except ConfigInvalid as cause:
        configuration = Configuration(told, None, f"measured, and this version cannot read it: {cause}")
    return replace(deployment, checks=checks), configuration


def read_configuration(document: InitData, told: bytes) -> Configuration:
    """What a document says of a coordinator's configuration.  told: its digest, as Evidence holds it.

    Raises ConfigInvalid.
    """
    settings = measured_settings(document)
    if settings is None:
        return Configuration(told, None, f"not measured: the init-data says nothing of it, so {_HOSTS}")
    try:
        return Configuration(told, settings, f"measured: {'; '.join(_words(settings))}")
    except SettersInvalid as cause:
        raise ConfigInvalid(str(cause)) from cause


def _compared(told: bytes, shown: bytes) -> tuple[Check, InitData | None]:
    expected, source = f"init-data with the digest {told.hex()}", "the coordinator's evidence"
    try:
        document = parse_init_data(shown)
    except InitDataInvalid as cause:
        return failed(_NAME, expected, str(cause), source, code="V138"), None
    found = document.digest(len(told)).hex()
    if document.digest(len(told)) != told:
        return failed(_NAME, expected, found, source, code="V138"), None
    return passed(_NAME, expected, found, source), document


def _words(settings: Mapping[str, Any]) -> Iterator[str]:
    """What matters for trust, each setting with what it is when it is not set."""
    config = replace(Config(), **settings)
    setters = config.setters.content if isinstance(config.setters, Given) else b""
    yield f"setters: {_setters(parse_setters(setters, config.claim_token_sha256))}"
    if isinstance(config.startup_manifest, Given):
        yield f"first manifest: sha256 {sha256(config.startup_manifest.content).hexdigest()}"
    devices = [name for name, named in (("TPM", config.tpm), ("PKCS#11 token", config.pkcs11_module)) if named]
    yield f"key devices: {' and '.join(devices) or 'none'}"
    yield f"witness: {config.witness.upper() or 'none'}"
    yield f"simulated roots: {'ACCEPTED' if config.trust else 'none'}"
    if config.compatible:
        yield "manifests: read as MarbleRun reads them"


def _setters(setters: Setters) -> str:
    keys = f"{len(setters.keys)} key{'s' if len(setters.keys) > 1 else ''}" if setters.keys else ""
    token = "a claim token" if setters.token else ""
    return " or ".join(filter(None, (keys, token))) or "anyone"


def _json(value: Any) -> Any:
    if isinstance(value, Given):
        return {"file": value.name, "sha256": sha256(value.content).hexdigest()}
    if isinstance(value, str | int | bool):
        return value
    return [str(each) for each in value] if isinstance(value, tuple) else str(value)
