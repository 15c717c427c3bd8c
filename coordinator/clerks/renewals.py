"""A marble that runs asks for new certificates.

Its answer waits for no record of its own, since no decision rests on one, but for those of before: what it rests on, as
a new manifest, must not be forgotten by a crash.  What people see of it (`marble list`, `status`) is kept in one record
for all renewals of a while, so that the journal does not grow with every marble's every hour.
"""

from coordinator.clerks.proofs import Proof, Proofs
from coordinator.decisions.activate_marble import find_marble
from coordinator.decisions.errors import EvidenceReused, RequestInvalid
from coordinator.decisions.grant import Keys, certificate_secrets
from coordinator.decisions.marble_name import find_bearer
from coordinator.decisions.renew_marble import Renewal, of_certificates, renew_marble, renewable
from coordinator.desk import Desk, NotServing
from coordinator.state.events import MarblesRenewed, RenewedMarble
from coordinator.state.single_use import SingleUse
from coordinator.wire.marbles import moment
from marble.join_protocol import RenewalRequest, Sealed
from marble.protocol import encode_response
from marble.sealing import Recipient, SealingFailed
from pki.keys import generate_p384


class Renewals:
    """Requests of marbles that run."""

    def __init__(self, desk: Desk, proofs: Proofs) -> None:
        self._desk = desk
        self._proofs = proofs
        self._shown = SingleUse()  # of this process is enough: so are the nonces
        self._unwritten: dict[tuple[str, str], RenewedMarble] = {}

    async def renew(self, request: RenewalRequest, leaf: bytes | None) -> Sealed:
        """New certificates for a marble that has one of ours; sealed for the key that its Evidence binds.

        leaf: the certificate that its TLS connection proved, DER.
        Raises Refused (every kind of it), NotServing, ProtocolFormatError.
        """
        desk = self._desk
        certificate, now = self._proofs.begin(leaf)
        self._proofs.check_nonce(certificate, request.nonce, now)
        bearer = find_bearer(desk.state, certificate, request.intermediate, now=now)
        deployment, marble = find_marble(desk.state, bearer.name.type)
        bound = request.bound(certificate, self._proofs.root_spki)
        proof = self._proofs.verify(deployment, marble, request.evidence, bound, now)
        wanted = certificate_secrets(deployment.manifest, of_certificates(marble))
        keys = Keys(generate_p384(), {secret.name: await desk.key_for(secret) for secret in wanted})
        if bound.digest in self._shown:
            raise EvidenceReused(f"marble '{marble.type}': evidence for this nonce was admitted before")
        renewal = Renewal(bearer, marble, deployment.packages[marble.package], proof.attested)
        renewed = renew_marble(desk.state, renewal, keys, desk.texts, now=now, entropy=desk.env.entropy)
        try:
            sealed = Recipient(request.sealing_key).seal(encode_response(renewed.parameters), bound)
        except SealingFailed as cause:
            raise RequestInvalid(f"renewal: {cause}") from cause
        self._shown.add(bound.digest)
        await desk.durable(desk.enact(()))
        self._remember(renewed.entry, proof)
        return Sealed(sealed, renewable(marble))

    async def write(self) -> None:
        """Put down what was renewed since the last time, in one record."""
        desk = self._desk
        unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        try:
            desk.check_serving()
            await desk.durable(desk.enact((MarblesRenewed(tuple(unwritten.values())),)))
        except NotServing as stopped:
            desk.env.observer.error("renewals are not written down", marbles=len(unwritten), reason=str(stopped))

    def _remember(self, entry: RenewedMarble, proof: Proof) -> None:
        self._desk.roll.renewed(entry)
        self._desk.env.observer.renewed(
            entry.marble,
            entry.uuid,
            simulated=proof.attested.simulated,
            evidence=proof.digest.hex(),
            until=moment(entry.until_ms) or "",
            waived=proof.waived,
        )
        self._unwritten[entry.marble, entry.uuid] = entry
