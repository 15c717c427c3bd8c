"""The marble door: workloads over gRPC, with a small server of our own that bounds what a peer can cost."""
