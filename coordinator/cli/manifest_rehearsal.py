"""Activations before anybody relies on them: a real authority, real secrets and real decisions, on simulated hardware.

Everything lives in memory and is thrown away.  What differs from an activation is only where things are kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.binding import of_certificate, of_root_key
from attestation.tdx.claims import TdxReferenceValues
from coordinator.authority import AuthorityKeys, RootContent, issue_authority, issue_marble_leaf
from coordinator.cli.manifest_hardware import TrialHardware, without_machines
from coordinator.decisions.activate_marble import check_evidence
from coordinator.decisions.set_manifest import Founding, set_manifest
from coordinator.manifest.model import Manifest, Marble, Parameters, Secret, SecretType
from coordinator.manifest.template.render import Template
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.generate import certify, derive_symmetric, make_key
from coordinator.secrets.parameters import AuthorityTexts, Identity, RenderFailed, render
from coordinator.state.events import StoredSecret
from coordinator.state.model import State
from coordinator.state.phase import Phase
from coordinator.state.replay import replay_all
from coordinator.state.values import secret_value
from pki.certificates import CertificateTemplate, CsrData, build, common_name, der, serial_number
from pki.keys import spki_der


@dataclass(frozen=True, slots=True)
class Value:
    """A file's or variable's content; or, where it cannot be made, why (then content is empty)."""

    content: bytes
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What one marble was given.  identity, secrets: what it was made from, for those who hide secrets."""

    files: Mapping[str, Value]
    env: Mapping[str, Value]
    argv: tuple[str, ...]
    identity: Identity
    secrets: Mapping[str, SecretValue]


class Rehearsal:
    """A manifest, set in a Coordinator that exists for this purpose only."""

    def __init__(self, manifest: Manifest, *, compatible: bool, now: datetime, entropy: Callable[[int], bytes]) -> None:
        """Make vendor, authority and shared secrets.  Raises TemplateInvalid: a secret's certificate cannot be made."""
        self._now, self._entropy = now, entropy
        self._hardware = TrialHardware(now)
        keys = AuthorityKeys(_new_key(), _new_key())
        binding = of_root_key(spki_der(keys.root.public_key()), manifest.digest)
        evidence = self._hardware.evidence(TdxReferenceValues(), binding.report_data)
        serials = (self._serial(), self._serial(), self._serial())
        content = RootContent(manifest.digest, evidence, None)
        authority = issue_authority(keys, ("localhost",), content, now=now, serials=serials)
        slow = {
            secret.name: make_key(secret)
            for secret in manifest.secrets.values()
            if secret.shared and secret.type.is_certificate and not secret.user_defined
        }
        decision = set_manifest(
            State(Phase.ACCEPTING_MANIFEST, authority),
            manifest,
            Founding(authority, slow),
            compatible=compatible,
            now=now,
            entropy=entropy,
        )
        self._state = replay_all(decision.events)
        self._texts = AuthorityTexts(self._state.authority)

    @property
    def manifest(self) -> Manifest:
        """The manifest in force here."""
        return self._state.deployed.manifest

    def prove(self, marble: Marble) -> None:
        """Show evidence of a program as the manifest wants it.

        Only the first alternative of its package is tried, and nothing that names machines.
        Raises NotAttested (with every check), NoSuchProgram: then nothing can ever be this marble.
        """
        name, key = common_name("marble"), _new_key()
        shown = build(
            CertificateTemplate(name),
            public_key=key.public_key(),
            issuer_name=name,
            issuer_key=key,
            not_before=self._now,
            serial=self._serial(),
        )
        binding = of_certificate(der(shown))
        package = self.manifest.packages[marble.package]
        values = without_machines(package.alternatives[0])
        evidence = self._hardware.evidence(values, binding.report_data)
        verification = self._hardware.verifier.verify(evidence, binding, now=self._now)
        check_evidence({marble.package: replace(package, alternatives=(values,))}, marble, verification)

    def activate(self, marble: Marble, uuid: str) -> Given:
        """What a marble gets that has proven itself.  uuid: canonical.  Raises TemplateInvalid."""
        key = _new_key()
        csr = CsrData(common_name(uuid), ("localhost",), (), key.public_key())
        leaf = issue_marble_leaf(
            self._state.authority,
            csr,
            marble.type,
            uuid,
            public_key=key.public_key(),
            now=self._now,
            serial=self._serial(),
            lifetime=marble.lifetime,
        )
        secrets = {name: self._secret(self.manifest.secrets[name], marble, uuid) for name in sorted(marble.secrets)}
        return self.render(marble, Identity(leaf, key), secrets)

    def render(self, marble: Marble, identity: Identity, secrets: Mapping[str, SecretValue]) -> Given:
        """The parameters of a marble from these secrets; each that cannot be made has its own reason."""
        wanted = marble.parameters
        files = {path: self._problem(marble, identity, secrets, {path: it}, {}) for path, it in wanted.files.items()}
        env = {name: self._problem(marble, identity, secrets, {}, {name: it}) for name, it in wanted.env.items()}
        good = Parameters(
            {path: template for path, template in wanted.files.items() if not files[path]},
            {name: template for name, template in wanted.env.items() if not env[name]},
            wanted.argv,
        )
        made = render(self.manifest, replace(marble, parameters=good), identity, self._texts.at(self._now), secrets, {})
        return Given(
            files={path: Value(made.files.get(path, b""), problem) for path, problem in files.items()},
            env={name: Value(made.env.get(name, b""), env.get(name, "")) for name in (*env, *made.env)},
            argv=made.argv,
            identity=identity,
            secrets=secrets,
        )

    def _secret(self, secret: Secret, marble: Marble, uuid: str) -> SecretValue:
        if secret.user_defined:
            return self._set_by_a_user(secret)
        if secret.shared:
            return self._state.deployed.shared_secrets[secret.name]
        if not secret.type.is_certificate:
            return derive_symmetric(secret, marble, uuid, self._state.deployed.root_secret)
        stored = certify(secret, make_key(secret), self._state.authority, now=self._now, serial=self._serial())
        return secret_value(secret, stored)

    def _set_by_a_user(self, secret: Secret) -> SecretValue:
        """A value such as a user may set; a certificate is one of ours with a P-256 key."""
        if secret.type.is_certificate:
            sample = replace(secret, type=SecretType.CERT_ECDSA, size=256)
            stored = certify(sample, make_key(sample), self._state.authority, now=self._now, serial=self._serial())
            return secret_value(secret, stored)
        is_plain = secret.type is SecretType.PLAIN
        value = f"value of {secret.name}".encode() if is_plain else self._entropy(secret.size // 8)
        return secret_value(secret, StoredSecret(b"", value, value))

    def _problem(
        self,
        marble: Marble,
        identity: Identity,
        secrets: Mapping[str, SecretValue],
        files: Mapping[str, Template],
        env: Mapping[str, Template],
    ) -> str:
        """Why one value cannot be made; empty where it can."""
        alone = replace(marble, parameters=Parameters(files, env), tls=())
        try:
            render(self.manifest, alone, identity, self._texts.at(self._now), secrets, {})
        except RenderFailed as failure:
            return str(failure)
        return ""

    def _serial(self) -> int:
        return serial_number(self._entropy(16))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())
