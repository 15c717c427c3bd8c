"""What is this machine worth just now?  The unit U, so that runs on different machines can be compared.

U is the CPU time of one ECDSA P-384 signature plus one P-384 verification by `cryptography` (design.md, 11).
It is sampled again and again between the measurements, since shared machines drift by the minute.
"""

import statistics
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384

_PAIRS = 25
_MESSAGE = b"enclasp bench unit"


@dataclass(slots=True)
class UnitMeter:
    """Collects samples of U, in milliseconds of CPU time of the calling thread."""

    samples: list[float] = field(default_factory=list)
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    def sample(self) -> None:
        """Take one sample: the median of some sign + verify pairs (about 30 ms in all)."""
        public = self._key.public_key()
        pairs = []
        for _ in range(_PAIRS):
            start = time.thread_time()
            signature = self._key.sign(_MESSAGE, ec.ECDSA(SHA384()))
            public.verify(signature, _MESSAGE, ec.ECDSA(SHA384()))
            pairs.append((time.thread_time() - start) * 1000)
        self.samples.append(statistics.median(pairs))

    def milliseconds(self, since: int = 0) -> float:
        """U: the median of the samples from number `since` on."""
        return statistics.median(self.samples[since:])
