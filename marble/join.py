"""One try to join over one connection: with a nonce where the coordinator gives one, else as MarbleRun's marbles do.

With a nonce, the coordinator is verified before anything is shown to it, and its answer can be read only with a key
that the Evidence binds.  A marble that expects a certain coordinator joins in no other way.
"""

from dataclasses import dataclass, replace

from cryptography import x509

from attestation.binding import of_certificate
from marble import rpc
from marble.errors import CoordinatorNotTrusted
from marble.exchange import Exchange, Granted, read
from marble.identity import Identity
from marble.join_protocol import CHALLENGE, JOIN, Challenge, JoinRequest, encode_join
from marble.protocol import METHOD, ActivationRequest, decode_response, encode_request
from marble.sealing import SealingKey
from marble.trust import root_spki


@dataclass(frozen=True, slots=True)
class Join:
    """identity: that the connection showed."""

    exchange: Exchange
    identity: Identity

    async def run(self) -> Granted:
        """What the coordinator gave.  Raises RpcFailed, NoEvidence, CoordinatorNotTrusted."""
        try:
            challenge, root = await self.exchange.challenge()
        except rpc.RpcFailed as failure:
            if failure.status is not rpc.Status.UNIMPLEMENTED:
                raise
            self._check_may_show()
            return await self._compatible()
        return await self._native(challenge, root)

    def _check_may_show(self) -> None:
        """Whoever stands between may deny that there are challenges, to have Evidence and answer in MarbleRun's way.

        Raises CoordinatorNotTrusted where a certain coordinator is expected.
        """
        if self.exchange.expected is not None or self.exchange.pinned is not None:
            raise CoordinatorNotTrusted(
                "A262",
                "it gives no challenge, so nothing is shown to it",
                [f"expected the call {CHALLENGE}, which every coordinator knows that has evidence, got UNIMPLEMENTED"],
                "a coordinator of MarbleRun has none: unset the reference values to join it unverified",
            )

    async def _compatible(self) -> Granted:
        """The coordinator knows no join with a nonce, as MarbleRun's."""
        exchange = self.exchange
        quote = exchange.evidence(of_certificate(self.identity.certificate_der))
        request = ActivationRequest(quote, self.identity.csr_der, exchange.marble_type, exchange.uuid)
        parameters = read(decode_response, await exchange.channel.call(METHOD, encode_request(request)))
        return Granted(parameters, exchange.judge(parameters, None), None)

    async def _native(self, challenge: Challenge, root: x509.Certificate) -> Granted:
        exchange, identity, key = self.exchange, self.identity, SealingKey.generate()
        asked = JoinRequest(challenge.nonce, b"", identity.csr_der, key.public, exchange.marble_type, exchange.uuid)
        bound = asked.bound(identity.certificate_der, root_spki(root))
        request = encode_join(replace(asked, evidence=exchange.evidence(bound)))
        return exchange.open(await exchange.channel.call(JOIN, request), key, bound, root)
