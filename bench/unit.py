"""What is this machine worth just now?  The unit U, so that runs on different machines can be compared.

U is the CPU time of one ECDSA P-384 signature plus one P-384 verification by `cryptography` (design.md, 11).
It is sampled before, after and in small doses during each measurement: a shared machine drifts by the minute, and
under load the same arithmetic costs more, for us and for what we measure.
"""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384

_PAIRS = 10
_DOSE_SECONDS = 0.05
_MESSAGE = b"enclasp bench unit"


@dataclass(slots=True)
class UnitMeter:
    """Collects samples of U, in milliseconds of CPU time of the sampling thread."""

    samples: list[float] = field(default_factory=list)
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    def sample(self, pairs: int = _PAIRS) -> None:
        """Take some samples now, about a millisecond each."""
        public = self._key.public_key()
        for _ in range(pairs):
            start = time.thread_time()
            signature = self._key.sign(_MESSAGE, ec.ECDSA(SHA384()))
            public.verify(signature, _MESSAGE, ec.ECDSA(SHA384()))
            self.samples.append((time.thread_time() - start) * 1000)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """One sample every 50 ms for as long as the block runs: about 2 % of one core."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_DOSE_SECONDS):
                self.sample(1)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def milliseconds(self, since: int = 0) -> float:
        """U: the median of the samples from number `since` on."""
        return statistics.median(self.samples[since:])
