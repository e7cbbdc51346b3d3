"""What a pod says about itself: can it be captured now, may it be later, whose is it."""

from __future__ import annotations

from k8s_extcap.model.objects import Pod

# Kind of a controller -> kind in an interface's name. A ReplicaSet stands for its Deployment, where it has one.
OWNERS = {"ReplicaSet": "rs", "StatefulSet": "sts", "DaemonSet": "ds", "Job": "job", "Node": "static"}


MANAGED = "app.kubernetes.io/managed-by"


def ours(pod: Pod) -> bool:
    """A helper of another capture: never what somebody is looking for."""
    return pod.metadata.labels.get(MANAGED) == "k8s-extcap"


def ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def ended(pod: Pod) -> bool:
    """Nothing of it will ever run again."""
    return pod.status.phase in ("Succeeded", "Failed")


def state(pod: Pod) -> str:
    """One or a few words for people: `running`, `not ready`, `CrashLoopBackOff`, `being deleted`."""
    if pod.metadata.deletion_timestamp:
        return "being deleted"
    if ended(pod):
        return pod.status.reason or ("completed" if pod.status.phase == "Succeeded" else "failed")
    if ready(pod):
        return "running"
    for status in pod.statuses:
        if status.state.waiting and status.state.waiting.reason not in ("", "PodInitializing", "ContainerCreating"):
            return status.state.waiting.reason
    if not pod.spec.node_name:
        return "not scheduled"
    if any(s.state.running for s in pod.status.container_statuses):
        return "not ready"
    return "initializing" if pod.running else (pod.status.phase or "unknown").lower()


def unfit(pod: Pod, container: str = "", *, leaving: bool = False) -> str:
    """Why it cannot be captured at this moment, "" if it can. `container` is the one that must run, "" any.
    `leaving`: one that is being deleted will do as long as it runs; its last packets may be what is looked for.
    """
    if (pod.metadata.deletion_timestamp and not leaving) or ended(pod) or not pod.spec.node_name:
        return state(pod)
    if container and container not in containers(pod):
        return f"has no container {container}"
    if container and container not in pod.running:
        return f"container {container} does not run{_detail(pod, container)}"
    return "" if pod.running else f"none of its containers runs{_detail(pod, '')}"


def hopeful(pod: Pod, container: str = "") -> bool:
    """Whether waiting may help."""
    gone = pod.metadata.deletion_timestamp or ended(pod)
    return not gone and (not container or container in containers(pod))


def containers(pod: Pod) -> tuple[str, ...]:
    """Names as declared: main ones first, then sidecars and init containers, then ephemeral ones."""
    spec = pod.spec
    return tuple(c.name for c in (*spec.containers, *spec.init_containers, *spec.ephemeral_containers))


def workload(pod: Pod) -> tuple[str, str]:
    """Kind and name of what made it, as interface names have them (`deploy`, `web`); ("", "") for a lone pod."""
    for owner in pod.metadata.owner_references:
        kind = OWNERS.get(owner.kind, "") if owner.controller else ""
        if not kind:
            continue
        base, dash, last = owner.name.rpartition("-")
        if kind == "rs" and dash and last == pod.metadata.labels.get("pod-template-hash"):
            return "deploy", base
        return kind, owner.name
    return "", ""


def _detail(pod: Pod, container: str) -> str:
    """Why a container does not run, in the kubelet's words."""
    for status in pod.statuses:
        if container and status.name != container:
            continue
        waiting, ended_ = status.state.waiting, status.state.terminated
        if waiting and waiting.reason:
            return f" ({waiting.reason}{': ' + waiting.message[:120] if waiting.message else ''})"
        if ended_ and ended_.reason:
            return f" ({ended_.reason}, exit code {ended_.exit_code})"
    return ""
