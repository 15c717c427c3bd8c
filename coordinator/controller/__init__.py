"""Kubernetes-native objects: brings `Manifest` objects to a coordinator, and says what became of them."""
