"""What the operator of a cluster tells the admission webhook, once for all pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Injection:
    """coordinator: HOST:PORT of the marble door, as pods reach it.  domain: the cluster's DNS domain.

    platform: of pods that name none, one of `pod_words.PLATFORMS`.  sgx_resource: the extended resource that stands
    for SGX on this cluster's nodes.  runtime_classes: platform -> name, for those that need one.
    launcher_image: what an init container lays the launcher from; empty: pods cannot ask for it.
    simulation_secret: a Secret in each pod's namespace that holds a simulated vendor; empty: real hardware.
    init_data: further texts of the init-data that confidential virtual machines get; None: they get none.
    """

    coordinator: str
    domain: str = "cluster.local"
    platform: str = "sgx"
    sgx_resource: str = "sgx.intel.com/epc"
    runtime_classes: Mapping[str, str] = field(default_factory=dict)
    launcher_image: str = ""
    simulation_secret: str = ""
    init_data: Mapping[str, str] | None = None
