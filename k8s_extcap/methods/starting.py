"""Whether a container that was asked for has started, told by its pod's status; what cannot succeed is said at once."""

from __future__ import annotations

import re

from k8s_extcap.model.errors import LIMIT, MethodError, clip
from k8s_extcap.model.objects import ContainerStatus, Pod

# Reasons of the kubelet after which waiting does not help (pkg/kubelet/images/types.go, container/sync_result.go).
_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_CREATE = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
    "ContainerCannotRun",
)
# The kubelet's own folder of the pod, which it has yet to make: seen of 1.33 beneath an API server of 1.36, on a busy
# machine. It tries again by itself.
_PASSING = re.compile(r"/pods/[0-9a-f-]{36}/etc-hosts: no such file or directory")
_NO_SHELL = re.compile(r'"sh"[^"]*(?:executable file )?not found|exec: "sh"|no such file or directory.*\bsh\b')


def _status(pod: Pod, container: str) -> ContainerStatus | None:
    return next((s for s in pod.statuses if s.name == container), None)


def _image(pod: Pod, container: str) -> str:
    spec = pod.spec
    every = (*spec.containers, *spec.init_containers, *spec.ephemeral_containers)
    return next((c.image for c in every if c.name == container), "")


def started(pod: Pod, container: str) -> bool:
    """False: not yet. MethodError where it never will, with the kubelet's or scheduler's words."""
    status = _status(pod, container)
    if status and status.state.running is not None:
        return True
    image = _image(pod, container)
    if status and status.state.waiting:
        reason, said = status.state.waiting.reason, clip(status.state.waiting.message, 200)
        if reason in _PULL:
            head = f"The image {image} of container {container} cannot be pulled ({reason}): "
            tail = " Set the option Helper image (--helper-image) to one that the nodes can pull."
            raise MethodError(head + clip(said.rstrip("."), max(60, LIMIT - len(head) - len(tail) - 1)) + "." + tail)
        if reason in _CREATE and not _PASSING.search(said):
            raise _dead(container, image, reason, said)
    if status and status.state.terminated:
        ended = status.state.terminated
        raise _dead(container, image, ended.reason or f"exit code {ended.exit_code}", clip(ended.message, 200))
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason == "Unschedulable":
            raise MethodError(f"The helper pod {pod.metadata.name} finds no node: {clip(condition.message, 250)}")
    if pod.status.phase == "Failed":
        raise MethodError(
            f"The pod {pod.metadata.name} was refused by its node ({pod.status.reason}): {clip(pod.status.message)}"
        )
    return False


def _dead(container: str, image: str, reason: str, said: str) -> MethodError:
    if _NO_SHELL.search(said):
        return MethodError(
            f"The image {image} has no sh, so container {container} cannot run from it. Set the option Helper image to "
            "one that has sh, dd and sha256sum, such as busybox from your registry."
        )
    return MethodError(
        f"Container {container} from image {image} does not start ({reason}): {said or 'no reason given'}"
    )


def late(pod: Pod, container: str, seconds: float) -> MethodError:
    """For the end of the waiting time: what it was waiting for."""
    status = _status(pod, container)
    waiting = status.state.waiting.reason if status and status.state.waiting else ""
    state = waiting or pod.status.phase or "unknown"
    return MethodError(
        f"Container {container} of pod {pod.metadata.namespace}/{pod.metadata.name} did not run within {seconds:.0f} s "
        f"(state: {state}). 'kubectl describe pod' tells more; the option Wait for a pod waits longer."
    )
