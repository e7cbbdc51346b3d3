"""The helper pod on a node, as an object of the API: what it may, what it runs, when it goes.

It runs the configured image only: whoever built an image that runs here owns the node, so it is never one that comes
from a workload. Everything else it needs is uploaded. Unprivileged, measured to be enough (Kubernetes 1.36, containerd
1.6 and 2.1): the capabilities below enter another pod's network namespace and capture there.
"""

from __future__ import annotations

from typing import Any

from k8s_extcap.methods import lookup
from k8s_extcap.methods.beside import literal
from k8s_extcap.model.request import CaptureRequest

FOLDER = "/k8s-extcap"  # a memory volume: the root file system is read-only
CONTAINER = "helper"
ENTER, GUARD = "K8S_EXTCAP_ENTER", "K8S_EXTCAP_GUARD"  # variables: together longer than a request line may be
CAPABILITIES = ["SYS_ADMIN", "SYS_PTRACE", "NET_RAW"]  # setns; reading other processes' /proc; the packet socket
IDLE = 60  # seconds without a capture until its process ends
LAST = 86_400  # seconds until the cluster ends it in any case
TTL = 60  # seconds after which the cluster deletes the finished Job
TICK = 5

CAPTURE_LABEL = "k8s-extcap/capture"
MANAGED = {"app.kubernetes.io/managed-by": "k8s-extcap"}
SELECTOR = ",".join(f"{key}={value}" for key, value in MANAGED.items())  # finds all that is ours

# A mesh's sidecar would keep the pod running for ever; the autoscaler may take the node away.
ANNOTATIONS = {
    "sidecar.istio.io/inject": "false",
    "linkerd.io/inject": "disabled",
    "kuma.io/sidecar-injection": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
}
LABELS = {"sidecar.istio.io/inject": "false"}

# With hostPID a look at every process of the node would cost more than the capture: each capture leaves its PID in a
# file's name, and counts as long as that process is of this container.
WAIT = r"""idle=$1 left=$2 tick=$3 folder=$4 proc=$5 quiet=0 nap=
trap 'kill $nap; exit 0' HUP INT TERM
read -r mine <$proc/self/cgroup
while [ $quiet -lt $idle ] && [ $left -gt 0 ]; do
  sleep $tick & nap=$!
  wait $nap
  quiet=$((quiet+tick)) left=$((left-tick))
  for f in $folder/busy-*; do
    read -r its <$proc/${f##*-}/cgroup && [ "$its" = "$mine" ] && quiet=0
  done
done 2>/dev/null
exit 0"""


def labels(capture: str) -> dict[str, str]:
    return {**MANAGED, CAPTURE_LABEL: capture}


def pod_spec(request: CaptureRequest, node: str, guard: str) -> dict[str, Any]:
    """`guard` is the text that the exec will run, by its variable."""
    helper = request.helper
    security: dict[str, Any] = {
        "runAsUser": 0,
        "runAsNonRoot": False,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"], "add": CAPABILITIES},
    }
    if helper.privileged:
        security = {"privileged": True, "runAsUser": 0, "runAsNonRoot": False, "readOnlyRootFilesystem": True}
    container = {
        "name": CONTAINER,
        "image": helper.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", literal(WAIT), "k8s-extcap", str(IDLE), str(LAST), str(TICK), FOLDER, "/proc"],
        "env": [{"name": ENTER, "value": literal(lookup.text())}, {"name": GUARD, "value": literal(guard)}],
        "securityContext": security,
        # Ring 16 MiB, two programs of 1.3 MB in memory, tcpdump and six shells: a third of it is used.
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
        "volumeMounts": [{"name": "programs", "mountPath": FOLDER}],
    }
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    spec: dict[str, Any] = {
        "hostPID": True,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "activeDeadlineSeconds": LAST,
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [field]}]}
            }
        },
        "tolerations": [{"operator": "Exists"}] if helper.tolerations == "all" else [],
        "containers": [container],
        "volumes": [{"name": "programs", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}],
    }
    if helper.pull_secret:
        spec["imagePullSecrets"] = [{"name": helper.pull_secret}]
    if helper.service_account:
        spec["serviceAccountName"] = helper.service_account
    return spec


def _template(request: CaptureRequest, node: str, capture: str, guard: str) -> dict[str, Any]:
    named = {**dict(request.helper.labels), **LABELS, **labels(capture)}
    return {
        "metadata": {"labels": named, "annotations": dict(ANNOTATIONS)},
        "spec": pod_spec(request, node, guard),
    }


def job(request: CaptureRequest, node: str, name: str, capture: str, guard: str) -> dict[str, Any]:
    """A Job, so that the cluster itself deletes it when its process has ended."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {**dict(request.helper.labels), **labels(capture)}},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": TTL,
            "activeDeadlineSeconds": LAST,
            "template": _template(request, node, capture, guard),
        },
    }


def pod(request: CaptureRequest, node: str, name: str, capture: str, guard: str = "") -> dict[str, Any]:
    """The bare pod, where Jobs may not be created."""
    template = _template(request, node, capture, guard)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **template["metadata"]},
        "spec": template["spec"],
    }
