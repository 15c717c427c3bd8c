"""NVIDIA's GPUs: measurements signed by the device, and the vendor's reference manifests (RIMs) for them."""
