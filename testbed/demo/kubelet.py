"""Turns pods of the API into sandboxes and containers of the node, and their ends into statuses."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
from collections.abc import Mapping
from typing import Any

from testbed.demo import defaults
from testbed.demo.agent import Agent, NodeError
from testbed.demo.host.image import REFERENCES
from testbed.demo.host.linux import DEFAULT_CAPABILITIES
from testbed.demo.host.spec import Container, Sandbox
from testbed.demo.resources import NODES, PODS
from testbed.demo.store import Object, Store, now

RUNTIME = "containerd"
HOST_IP = "10.88.0.1"
# A container's command that means one of the built-in traffic programs (host/traffic.py).
_BUILT_IN = "/demo/"
_NOT_RUNNING = "ContainerCreating"
_STOP_POLL_SECONDS = 0.05
# The kubelet's back-off for containers that end again and again: 10 s, doubled up to 5 minutes.
_BACK_OFF_SECONDS, _BACK_OFF_LIMIT = 10.0, 300.0


# In a container's command (k8s.io/kubernetes/third_party/forked/golang/expansion): a variable, or an escaped dollar.
_REFERENCE = re.compile(r"\$(?:(\$)|\(([^()]*)\))")


def _expand(word: str, given: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the variable's value and stays where there is none; `$$` becomes `$`."""
    return _REFERENCE.sub(lambda found: found[1] or given.get(found[2], found[0]), word)


@dataclasses.dataclass(frozen=True)
class Address:
    ipv4: str
    ipv6: str


class Kubelet:
    """One for all nodes of the demo: they share a kernel anyway, as the pods' statuses do not show."""

    def __init__(self, store: Store, agent: Agent, pem: str) -> None:
        self._store = store
        self._agent = agent
        self._pem = pem
        self._next_address = 100
        # Runtime id of a container -> (namespace, pod, container name).
        self._ids: dict[str, tuple[str, str, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        agent.on_ended = self._ended

    def running(self, namespace: str, pod: str, container: str) -> str | None:
        """The runtime's id of a container that runs."""
        for runtime_id, key in self._ids.items():
            if key == (namespace, pod, container):
                return runtime_id
        return None

    def is_containerd_2(self, node_name: str) -> bool:
        """2.x tells a container's user, words its errors differently, and kills what a v4 client leaves behind."""
        node = self._store.find(NODES, "", node_name)
        version = str(node["status"]["nodeInfo"]["containerRuntimeVersion"]) if node else ""
        return version.startswith("containerd://2.")

    def next_address(self) -> Address:
        number = self._next_address
        self._next_address += 1
        return Address(f"10.88.{number // 250}.{number % 250 + 1}", f"fd00:88::{number:x}")

    async def start(self, namespace: str, name: str, address: Address | None = None) -> None:
        """Bring a scheduled pod up; its status says how far it came."""
        pod = self._store.get(PODS, namespace, name)
        spec = pod["spec"]
        host_network = bool(spec.get("hostNetwork"))
        address = address or self.next_address()
        if host_network:
            address = Address(HOST_IP, address.ipv6)
        sandbox = Sandbox(pod["metadata"]["uid"], name, address.ipv4, address.ipv6, host_network)
        await self._agent.add_sandbox(sandbox)
        pod["status"] |= _addresses(address)
        self._store.replace(PODS, pod)
        for container in spec["containers"]:
            await self._run(namespace, name, container, "containerStatuses")

    def run_ephemeral_later(self, namespace: str, name: str, container: Object) -> None:
        self._spawn(self._run(namespace, name, container, "ephemeralContainerStatuses"))

    async def stop(self, pod: Object, grace: int) -> None:
        """End a pod's processes: SIGTERM, up to `grace` seconds of patience, then everything at once."""
        meta = pod["metadata"]
        mine = [i for i, key in self._ids.items() if key[:2] == (meta["namespace"], meta["name"])]
        if not self._agent.has_sandbox(meta["uid"]):
            return  # it never had one: pending, completed or a row of the listing scale
        for runtime_id in mine if grace else ():
            await self._agent.stop_container(runtime_id)
        loop = asyncio.get_running_loop()
        end = loop.time() + grace
        while loop.time() < end and any(runtime_id in self._ids for runtime_id in mine):
            await asyncio.sleep(_STOP_POLL_SECONDS)
        for runtime_id in mine:
            self._ids.pop(runtime_id, None)
        await self._agent.remove_sandbox(meta["uid"])

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(
        self, namespace: str, name: str, container: Object, field: str, before: Mapping[str, Any] | None = None
    ) -> None:
        pod = self._store.get(PODS, namespace, name)
        runtime_id = secrets.token_hex(32)
        image = REFERENCES.get(container["image"])
        if image is None:
            message = f'Back-off pulling image "{container["image"]}"'
            self._set(namespace, name, field, _waiting(container, "ImagePullBackOff", message))
            return
        key = (namespace, name, container["name"])
        self._ids[runtime_id] = key
        try:
            specified = self._specify(pod, container, image, runtime_id)
            await self._agent.start_container(specified)
        except NodeError as error:
            self._ids.pop(runtime_id, None)
            text = f"failed to create containerd task: failed to create shim task: OCI runtime create failed: {error}"
            self._set(namespace, name, field, _terminated(container, runtime_id, 128, "StartError", text))
            return
        running = running_status(container, runtime_id) | dict(before or {})
        if self.is_containerd_2(pod["spec"]["nodeName"]):
            running["user"] = {"linux": {"uid": specified.uid, "gid": 0, "supplementalGroups": [0]}}
        if field.startswith("ephemeral"):
            running |= {"ready": False}  # ready is for containers that Services may use
            running.pop("started")
        self._set(namespace, name, field, running)

    def _specify(self, pod: Object, container: Object, image: str, runtime_id: str) -> Container:
        meta, spec = pod["metadata"], pod["spec"]
        given = {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
        argv = [_expand(word, given) for word in (*container.get("command", []), *container.get("args", []))]
        program = argv[0].removeprefix(_BUILT_IN) if argv and argv[0].startswith(_BUILT_IN) else ""
        env = [(entry["name"], entry.get("value", "")) for entry in container.get("env", [])]
        if program:
            env.append(("DEMO_PEM", self._pem))
        target = container.get("targetContainerName", "")
        join = self.running(meta["namespace"], meta["name"], target) if target else None
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        return Container(
            id=runtime_id,
            sandbox=meta["uid"],
            image=image,
            program=program,
            argv=() if program else tuple(argv or ("sh",)),
            env=tuple(env),
            uid=context.get("runAsUser", 0),
            capabilities=tuple(sorted(_capabilities(context))),
            read_only=bool(context.get("readOnlyRootFilesystem")),
            cwd=container.get("workingDir", "/"),
            volumes=_volumes(spec, container),
            join_pid_of=join or "",
            host_pid=bool(spec.get("hostPID")),
            pod_uid=meta["uid"],
        )

    def _set(self, namespace: str, name: str, field: str, status: Object) -> None:
        pod = self._store.find(PODS, namespace, name)
        if pod is None:
            return  # deleted meanwhile
        statuses = [s for s in pod["status"].get(field, []) if s["name"] != status["name"]]
        pod["status"][field] = [*statuses, status]
        _summarize(pod)
        self._store.replace(PODS, pod)

    def _ended(self, runtime_id: str, code: int) -> None:
        key = self._ids.pop(runtime_id, None)
        if key is None:
            return
        namespace, name, container = key
        pod = self._store.find(PODS, namespace, name)
        if pod is None:
            return
        reason = "Completed" if code == 0 else "Error"
        for field in ("containerStatuses", "ephemeralContainerStatuses"):
            for status in pod["status"].get(field, []):
                if status["name"] == container:
                    ended = _terminated(status, runtime_id, code, reason, "")
                    self._set(namespace, name, field, ended | {"restartCount": status["restartCount"]})
                    if field == "containerStatuses":
                        self._restart(pod, container, code, ended)

    def _restart(self, pod: Object, name: str, code: int, ended: Object) -> None:
        policy = pod["spec"].get("restartPolicy", "Always")
        if policy == "Never" or (policy == "OnFailure" and code == 0) or "deletionTimestamp" in pod["metadata"]:
            return
        container = next(c for c in pod["spec"]["containers"] if c["name"] == name)
        count = next(s["restartCount"] for s in pod["status"]["containerStatuses"] if s["name"] == name)
        self._spawn(self._run_again(pod["metadata"], container, count + 1, ended["state"]))

    async def _run_again(self, meta: Object, container: Object, count: int, last: Object) -> None:
        where, name = meta["namespace"], meta["name"]
        if count > 1:
            seconds = min(_BACK_OFF_SECONDS * 2 ** (count - 2), _BACK_OFF_LIMIT)
            whose = f"container={container['name']} pod={name}_{where}({meta['uid']})"
            text = f"back-off {seconds:.0f}s restarting failed {whose}"
            waiting = _waiting(container, "CrashLoopBackOff", text)
            self._set(where, name, "containerStatuses", waiting | {"restartCount": count - 1, "lastState": last})
            await asyncio.sleep(seconds)
        pod = self._store.find(PODS, where, name)
        if pod is None or pod["metadata"]["uid"] != meta["uid"] or "deletionTimestamp" in pod["metadata"]:
            return
        await self._run(where, name, container, "containerStatuses", {"restartCount": count, "lastState": last})


def _capabilities(context: Mapping[str, Any]) -> frozenset[str]:
    """Default set, minus `drop`, plus `add`; a privileged container has the node's own (minus what could harm it)."""
    wanted = set(DEFAULT_CAPABILITIES)
    asked = context.get("capabilities", {})
    dropped = asked.get("drop", [])
    wanted = set() if "ALL" in dropped else wanted - set(dropped)
    wanted |= set(asked.get("add", []))
    if context.get("privileged"):
        wanted |= {"SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "NET_RAW", *DEFAULT_CAPABILITIES}
    return frozenset(wanted)


def _volumes(spec: Object, container: Object) -> tuple[str, ...]:
    empty = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
    return tuple(mount["mountPath"] for mount in container.get("volumeMounts", []) if mount["name"] in empty)


def _addresses(address: Address) -> Object:
    return {
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
        "podIP": address.ipv4,
        "podIPs": [{"ip": address.ipv4}, {"ip": address.ipv6}],
    }


def _status(container: Object, state: Object, *, runtime_id: str = "", running: bool = False) -> Object:
    image = container["image"]
    digest = "sha256:" + (image.encode().hex() * 64)[:64] if runtime_id else ""
    status: Object = {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": running,
        "restartCount": 0,
        "image": image,
        "imageID": digest,
    }
    if runtime_id:
        status["containerID"] = f"{RUNTIME}://{runtime_id}"
    return status | {"started": running, "resources": {}}


def running_status(container: Object, runtime_id: str) -> Object:
    return _status(container, {"running": {"startedAt": now()}}, runtime_id=runtime_id, running=True)


def _waiting(container: Object, reason: str, message: str = "") -> Object:
    return _status(container, {"waiting": {"reason": reason} | ({"message": message} if message else {})})


def _terminated(container: Object, runtime_id: str, code: int, reason: str, message: str) -> Object:
    state: Object = {"exitCode": code, "reason": reason}
    if message:
        state["message"] = message
    state |= {"startedAt": now(), "finishedAt": now(), "containerID": f"{RUNTIME}://{runtime_id}"}
    return _status(container, {"terminated": state}, runtime_id=runtime_id)


def _summarize(pod: Object) -> None:
    """Phase and conditions from the containers."""
    statuses = pod["status"].get("containerStatuses", [])
    states = [next(iter(status["state"])) for status in statuses]
    whole = len(statuses) == len(pod["spec"]["containers"])
    ready = whole and all(state == "running" for state in states)
    never = pod["spec"].get("restartPolicy") == "Never"
    if whole and never and all(state == "terminated" for state in states):
        failed = any(status["state"]["terminated"]["exitCode"] for status in statuses)
        pod["status"]["phase"] = "Failed" if failed else "Succeeded"
    elif "running" in states:
        pod["status"]["phase"] = "Running"
    generation = pod["metadata"].get("generation", 1)
    pod["status"]["conditions"] = defaults.conditions(ready, now(), generation=generation)
    pod["status"]["observedGeneration"] = generation


def created_status(pod: Object) -> Object:
    """The status of a pod that was scheduled this moment."""
    return {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": "Pending",
        "conditions": defaults.conditions(False, now()),
        "startTime": now(),
        "containerStatuses": [_waiting(container, _NOT_RUNNING) for container in pod["spec"]["containers"]],
        "qosClass": "BestEffort",
    }
