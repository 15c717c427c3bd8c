"""Everything that can be asked of a Coordinator.  The doors translate, the clerks decide, the desk remembers.

A clerk is a file of questions that belong together; what changes the State goes over the one desk (desk.py).
"""

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.evidence import with_open_enclave_header
from attestation.kinds import Kind
from coordinator.clerks.activation import Activation
from coordinator.clerks.clockwork import Clockwork
from coordinator.clerks.features import Features
from coordinator.clerks.manifests import Manifests
from coordinator.clerks.people import People
from coordinator.clerks.proofs import Proofs
from coordinator.clerks.quotes import Quotes
from coordinator.clerks.readings import Readings
from coordinator.clerks.recovery import Recovery
from coordinator.clerks.renewals import Renewals
from coordinator.clerks.replicas import Replicas
from coordinator.clerks.updates import Updates
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import NoSetter
from coordinator.decisions.hierarchy import Hierarchy, hierarchy
from coordinator.decisions.instances import alive_by_type, instances
from coordinator.desk import Desk, Environment
from coordinator.journal.errors import JournalError
from coordinator.meters import Scene
from coordinator.state.events import LogEntry
from coordinator.state.kept_evidence import KeptEvidence
from coordinator.state.model import Authority, Deployment, History
from coordinator.state.phase import Ask, Phase
from coordinator.wire.marbles import Marbles
from coordinator.wire.standing import Standing, signed_bytes
from marble.join_protocol import Challenge, JoinRequest, RenewalRequest, Sealed
from marble.protocol import ActivationRequest, Parameters
from pki.certificates import pem


class Coordinator:
    """Everything that can be asked of a Coordinator; users ask `people` and `updates`, owners of shares `recovery`."""

    def __init__(self, environment: Environment) -> None:
        """Open the sealed state, or begin anew.  Raises JournalError, EventFormatError, ReplayFailed."""
        self._desk = Desk(environment)
        self._proofs = Proofs(self._desk)
        self._activation = Activation(self._desk, self._proofs)
        self._renewals = Renewals(self._desk, self._proofs)
        self._manifests = Manifests(self._desk)
        self._quotes = Quotes(self._desk)
        self.people = People(self._desk)
        self.readings = Readings(self._desk)
        self.recovery = Recovery(self._desk)
        self.replicas = Replicas(self._desk)
        self.features = Features(self._desk)
        self.updates = Updates(self._desk, self._manifests)
        self.clockwork = Clockwork(self._desk, self.updates, self._renewals)

    @property
    def authority(self) -> Authority:
        """The hierarchy in force; a new object after every change."""
        return self._desk.state.authority

    @property
    def phase(self) -> Phase:
        """The phase, for `status`.  Raises NotServing."""
        self._desk.check_serving()
        return self._desk.state.phase

    @property
    def message(self) -> str:
        """What the phase means, for `status`."""
        return self._desk.message

    @property
    def shares(self) -> bool:
        """Whether other replicas share the state."""
        return self._desk.env.replicas

    @property
    def known(self) -> int | None:
        """The last record that this process knew of when it began with the state; None: it would not have noticed an
        older one."""
        return self._desk.known

    @property
    def serving(self) -> bool:
        """True while requests are answered from a state that is whole: not stopped, not waiting for recovery."""
        return self._desk.serving

    @property
    def told(self) -> bytes | None:
        """The init-data that this machine was started with, or None.  Not secret.  Raises NotServing."""
        self._desk.check_serving()
        return None if self._desk.env.told is None else self._desk.env.told.document

    def manifest(self) -> Deployment:
        """The deployment in force.  Raises WrongPhase, NotServing."""
        return self._deployment(Ask.READ_MANIFEST)

    def update_log(self) -> tuple[LogEntry, ...]:
        """What was changed, oldest first.  Raises WrongPhase, NotServing."""
        return tuple(self._deployment(Ask.READ_LOG).log)

    def history(self) -> History:
        """Every manifest and package update until now.  Raises WrongPhase, NotServing."""
        return self._deployment(Ask.READ_MANIFEST).history

    def hierarchy(self) -> Hierarchy:
        """Intermediates that are trusted, and who uses them.  Raises WrongPhase, NotServing."""
        desk = self._desk
        deployment = self._deployment(Ask.READ_MANIFEST)
        return hierarchy(deployment, desk.state.authority, desk.roll, desk.env.clock())

    def marbles(self, most: int, marble: str) -> Marbles:
        """The newest instances of a type, or of all where it is empty.  Raises WrongPhase, NotServing."""
        desk = self._desk
        deployment = self._deployment(Ask.READ_MANIFEST)
        return instances(deployment, desk.state.authority, desk.roll, desk.env.clock(), most=most, marble=marble)

    def scene(self) -> Scene:
        """What the metrics show of it: nothing while there is no deployment."""
        deployment = self._desk.state.deployment
        if deployment is None:
            return Scene()
        now_ms = self._desk.env.clock().timestamp() * 1000
        types = alive_by_type(self._desk.roll, deployment.manifest.marbles, now_ms)
        return Scene(deployment.pending is not None, types)

    def known_type(self, marble_type: str) -> str:
        """A marble type as a label: itself if the manifest has it, else "unknown"."""
        deployment = self._desk.state.deployment
        return marble_type if deployment and marble_type in deployment.manifest.marbles else "unknown"

    async def quote(self, nonce: bytes) -> tuple[str, bytes]:
        """Certificate chain (PEM: intermediate, root) and Evidence over the root and the nonce (contract 1.7).

        Raises WrongPhase, TryAgain, NotServing.
        """
        self._desk.check_serving()
        authority = self._desk.state.authority
        evidence = await self._quotes.over(nonce)
        chain = pem(authority.intermediate, authority.root).decode()
        raw = with_open_enclave_header(evidence.raw) if evidence.kind is Kind.SGX else evidence.raw
        return chain, raw

    def check_setter(self, leaf: bytes | None, token: str) -> None:
        """Whether this caller may set a manifest.  Raises NoSetter, NotServing."""
        self._desk.check_serving()
        if not self._desk.env.setters.include(leaf, token):
            raise NoSetter("this coordinator takes its first manifest from those only whom its configuration names")

    async def set_manifest(self, raw: bytes) -> Mapping[str, bytes]:
        """Set the first manifest; its recovery secrets by owner, each encrypted for that owner.

        Raises WrongPhase, ManifestRefused, TryAgain, NotServing.
        """
        return await self._manifests.set(raw)

    async def activate(self, request: ActivationRequest, leaf: bytes | None) -> Parameters:
        """Admit one marble.  leaf: the certificate that its TLS connection proved, DER.

        Raises Refused (every kind of it), NotServing.
        """
        return await self._activation.activate(request, leaf)

    def challenge(self, leaf: bytes | None) -> Challenge:
        """What a marble needs to join or to renew.  leaf: as for `activate`.  Raises Refused, NotServing."""
        return self._proofs.challenge(leaf)

    async def join(self, request: JoinRequest, leaf: bytes | None) -> Sealed:
        """Admit a marble whose Evidence binds a nonce; the answer is sealed for it.

        Raises Refused, NotServing, ProtocolFormatError.
        """
        return await self._activation.join(request, leaf)

    async def renew(self, request: RenewalRequest, leaf: bytes | None) -> Sealed:
        """New certificates for a marble that runs; the answer is sealed for it.  leaf: the one that it has of us.

        Raises Refused, NotServing, ProtocolFormatError.
        """
        return await self._renewals.renew(request, leaf)

    def journal_standing(self, nonce: bytes, sequence: int | None) -> tuple[Standing, bytes]:
        """Where the journal stands, and its link at an earlier record, signed together with the nonce by the root key.

        Raises WrongPhase, NotServing.
        """
        self._deployment(Ask.READ_LOG)
        standing = self._desk.standing(sequence)
        assert standing is not None, "a deployment has a journal"
        signature = self.authority.root_key.sign(signed_bytes(standing, nonce), ec.ECDSA(hashes.SHA256()))
        return standing, signature

    async def recent_activations(self) -> Sequence[KeptEvidence]:
        """The newest that are kept, oldest first; none without a manifest.  Raises NotServing, JournalError."""
        self._desk.check_serving()
        return await self._desk.recent()

    async def failure(self) -> JournalError:
        """Wait until the journal of this Coordinator fails, perhaps for ever; the process should then stop."""
        return await self._desk.failure()

    async def close(self) -> None:
        """Finish what is being written, then let go of the state."""
        self.clockwork.close()
        self._quotes.close()
        await self._renewals.write()
        await self._desk.close()

    def _deployment(self, ask: Ask) -> Deployment:
        self._desk.check_serving()
        admit(self._desk.state, ask)
        return self._desk.state.deployed
