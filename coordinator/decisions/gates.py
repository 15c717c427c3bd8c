"""Is a feature asked for by the manifest?"""

from coordinator.decisions.errors import GateClosed
from coordinator.manifest.model import FeatureGate
from coordinator.state.model import Deployment, State


def through_gate(state: State, gate: FeatureGate) -> Deployment:
    """The deployment whose manifest opens this gate.  Raises GateClosed, also where there is no manifest."""
    deployment = state.deployment
    if deployment is None or gate not in deployment.manifest.config.feature_gates:
        raise GateClosed(f"feature '{gate.value}' is not enabled")
    return deployment
