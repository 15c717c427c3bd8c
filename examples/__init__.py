"""Examples that run: each folder is a deployment of its own, with its manifest, programs and demo."""
