"""One try to get new certificates over one connection, which shows the one that the marble has."""

from dataclasses import dataclass, replace

from marble.exchange import Exchange, Granted
from marble.join_protocol import RENEW, RenewalRequest, encode_renewal
from marble.sealing import SealingKey
from marble.trust import GivenIdentity, root_spki
from pki.certificates import der


@dataclass(frozen=True, slots=True)
class Renew:
    """given: the identity whose leaf the connection showed."""

    exchange: Exchange
    given: GivenIdentity

    async def run(self) -> Granted:
        """New certificates.  Raises RpcFailed, NoEvidence, CoordinatorNotTrusted."""
        exchange, given = self.exchange, self.given
        challenge, root = await exchange.challenge()
        key = SealingKey.generate()
        asked = RenewalRequest(challenge.nonce, b"", key.public, der(given.intermediate))
        bound = asked.bound(der(given.leaf), root_spki(root))
        request = encode_renewal(replace(asked, evidence=exchange.evidence(bound)))
        return exchange.open(await exchange.channel.call(RENEW, request), key, bound, root)
