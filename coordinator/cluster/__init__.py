"""The Kubernetes API server, as little of it as a Coordinator needs.  It is not trusted: what it keeps is sealed."""
