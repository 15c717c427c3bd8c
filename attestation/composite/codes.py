"""Message codes of composite evidence: what can be wrong between its parts."""

from collections.abc import Mapping
from typing import Final

MIXED: Final = "V290"
REPEATED: Final = "V291"
LEFT_OUT: Final = "V292"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    MIXED: (
        "one part of the evidence is simulated, another is not",
        "a simulated device beside genuine hardware proves nothing: use both genuine, or both simulated",
    ),
    REPEATED: (
        "one device stands for several",
        "each device must give evidence of its own: collect the evidence again",
    ),
    LEFT_OUT: (
        "a part of the evidence meets no demand, or a demand has no part",
        "name reference values for the processor and for its devices, and collect evidence of all of them",
    ),
}
