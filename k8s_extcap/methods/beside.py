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
_WAIT = r"""idle=$1 left=$2 tick=$3 proc=$4 quiet=0 nap=
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
"""
WAIT = _WAIT + "exit 0"

# Ends the whole pod, and needs no right for it: the kubelet evicts a pod that has written beyond the limit of a volume
# of its own, at which it looks every one to two minutes. Twice the limit is written, of what no file system can
# compress. Where no control group can be read (gVisor), nothing tells a capture, and only the total time counts. A
# container that was started again finds the file, and does not wait anew.
EVICT = (
    r"""over=$5/over
read -r mine <$4/self/cgroup || set -- $2 $2 $3 $4
[ ! -e $over ] || set -- 0 $2 $3 $4
"""
    + _WAIT
    + r"""until dd if=/dev/urandom of=$over bs=64k count=32; do sleep $tick; done 2>/dev/null
while sleep $tick & nap=$!; do wait $nap; done"""
)
# On disk: one in memory cannot grow beyond its limit. And no limit on `ephemeral-storage`, which would be acted on
# sooner: the kubelet takes it for the whole pod's, and the application's own files would get a copy evicted that is in
# use (podEphemeralStorageLimitEviction in pkg/kubelet/eviction/eviction_manager.go).
VOLUME = {"name": "k8s-extcap", "emptyDir": {"sizeLimit": "1Mi"}}
FOLDER = "/k8s-extcap"


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


def _command(text: str, idle: int, last: int, *more: str) -> list[str]:
    return ["sh", "-c", literal(text), "k8s-extcap", str(idle), str(last), str(TICK), "/proc", *more]


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
        "command": _command(WAIT, IDLE, LAST),
        "securityContext": context,
    }


def evicting(spec: dict[str, Any], container: dict[str, Any], idle: int, last: int) -> dict[str, Any]:
    """The pod's `spec` with that `entry` in it, which does not end alone but with the whole pod: after `idle` seconds
    without a capture, or `last` seconds in all.
    """
    ending = {
        "command": _command(EVICT, idle, last, FOLDER),
        "volumeMounts": [{"name": VOLUME["name"], "mountPath": FOLDER}],
    }
    return {
        **spec,
        "containers": [*spec.get("containers", ()), container | ending],
        "volumes": [*spec.get("volumes", ()), VOLUME],
        "activeDeadlineSeconds": last,
    }
