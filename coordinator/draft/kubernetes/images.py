"""Images, and whether they are pinned: a tag is whatever its registry says today."""

import re
from typing import Final

from coordinator.draft.kubernetes.objects import Application
from coordinator.draft.kubernetes.tree import Field
from coordinator.draft.model import question


class Images:
    """What is known of images: digests that stand in references, and those that pods run."""

    def __init__(self, application: Application) -> None:
        self._running: dict[str, set[str]] = {}
        for pod in application.of("Pod"):
            for status in pod.body.at("status", "containerStatuses").items():
                digest = _DIGEST.search(status.at("imageID").text)
                if digest:
                    self._running.setdefault(status.at("image").text, set()).add(digest.group())

    def about(self, container: Field) -> tuple[str, ...]:
        """What to say of a container's image, beside the measurement that has to be of exactly this image."""
        image = container.at("image").text
        if _DIGEST.search(image):
            return (f"Image {image}",)
        running = self._running.get(image, set()) | self._running.get(f"docker.io/library/{image}", set())
        if len(running) == 1:
            return (
                f"Image {image}, of which {next(iter(running))} runs: measure that one, and name it in Kubernetes too",
            )
        if not image:
            return (question("no image is named"),)
        return (
            question(f"image {image} has no digest, so it may be another one tomorrow: pin it, and measure that one"),
        )


_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
