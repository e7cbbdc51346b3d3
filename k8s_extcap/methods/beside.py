"""A container of ours beside the application: which image it runs, what its command is, when it ends itself."""

from __future__ import annotations

from typing import Any

from k8s_extcap.model.plan import Facts, Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.wireshark.options import HELPER_IMAGE

ASK_IMAGE = "an image with sh, dd and sha256sum in the option Helper image (--helper-image)"
IDLE = 300  # seconds without a capture until it ends itself: long enough to look at a capture and start the next
LAST = 86_400  # seconds until it ends itself in any case
TICK = 5  # seconds between two looks
TOOLS = ("dd", "sha256sum", "chmod", "rm", "sleep")

# A capture is another process of this very container. Its cgroup tells: neighbours that share the PID namespace have
# another one, with and without a cgroup namespace.
WAIT = r"""idle=$1 left=$2 tick=$3 proc=$4 quiet=0 nap=
trap 'kill $nap; exit 0' HUP INT TERM
read -r mine <$proc/self/cgroup
while [ $quiet -lt $idle ] && [ $left -gt 0 ]; do
  sleep $tick & nap=$!
  wait $nap
  quiet=$((quiet+tick)) left=$((left-tick))
  for d in $proc/[0-9]*; do
    case ${d##*/} in ($$|$nap) continue;; esac
    read -r its <$d/cgroup && [ "$its" = "$mine" ] && quiet=0 && break
  done
done 2>/dev/null
exit 0"""


def literal(text: str) -> str:
    """For a command or variable of a pod: the kubelet expands `$(NAME)` there, and `$$` to `$` (container API)."""
    return text.replace("$", "$$")


def image_of(request: CaptureRequest, target: Target, facts: Facts) -> tuple[str, str]:
    """(image, why there is none): the one that was named, else that of a container of the pod known to have a shell,
    which needs no registry, else the default.
    """
    if request.helper.image not in ("", HELPER_IMAGE):
        return request.helper.image, ""
    images = {c.name: c.image for c in (*target.pod.spec.containers, *target.pod.spec.init_containers)}
    reasons = []
    for name, inside in sorted(facts.containers.items(), key=lambda item: item[1].shell is not True):
        if name not in images:
            continue
        lacking = [t for t in TOOLS if t not in inside.tools] if inside.shell else []
        if inside.shell is False:
            reasons.append(f"the image of {name} has no shell")
        elif lacking:
            reasons.append(f"the image of {name} lacks {', '.join(lacking)}")
        else:
            return images[name], ""
    if request.helper.image:
        return request.helper.image, ""
    return "", "; ".join(reasons) or "no container of the pod tells what its image has"


def spoken(request: CaptureRequest, image: str) -> str:
    """Which image that is, for sentences; "" for the one that the user named."""
    if image == HELPER_IMAGE:
        return " from the default helper image"
    return "" if image == request.helper.image else " from its own image"


def entry(name: str, image: str, capabilities: tuple[str, ...]) -> dict[str, Any]:
    """The container as the API server gets it. A pod's own user and runAsNonRoot are overridden: without uid 0 the
    kernel gives a process no capability, whatever is added.
    """
    context: dict[str, Any] = {"runAsUser": 0, "runAsNonRoot": False}
    if capabilities:
        context["capabilities"] = {"add": list(capabilities)}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", literal(WAIT), "k8s-extcap", str(IDLE), str(LAST), str(TICK), "/proc"],
        "securityContext": context,
    }
