"""The labels and annotations by which a pod asks to become a marble.  MarbleRun's (contract 7.3), and ours."""

from typing import Final

TYPE: Final = ("enclasp/marble", "marblerun/marbletype")
"""Label: the marble's type in the manifest.  Ours first; both may stand there if they agree."""
CONTAINER: Final = ("enclasp/container", "marblerun/marblecontainer")
"""Label: the only container that is a marble; without it all are, init containers excepted."""
PLATFORM: Final = "enclasp/platform"
"""Label: what the pod's package demands, one of PLATFORMS; without it the webhook's default."""
RESOURCES: Final = ("enclasp/resource-injection", "marblerun/resource-injection")
"""Label: `disabled` leaves devices, tolerations and runtime class to the pod."""
LAUNCHER: Final = "enclasp/launcher"
"""Label: `inject` puts the launcher in front of the program, so that any image with a `command` becomes a marble."""

DISABLED: Final = "disabled"
INJECT: Final = "inject"

SGX: Final = "sgx"
NITRO: Final = "nitro"
PLATFORMS: Final = (SGX, "tdx", "sev-snp", NITRO, "none")
"""`none`: no devices and no runtime class; the nodes themselves are confidential, or nothing is."""
WITH_INIT_DATA: Final = ("tdx", "sev-snp")
"""Whose evidence holds a digest of what a virtual machine was told at launch."""
