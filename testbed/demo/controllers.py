"""What follows a write: scheduling, jobs, graceful deletion; of kube-controller-manager what clients notice."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any

from testbed.demo import defaults, podsecurity, status
from testbed.demo.kubelet import Kubelet, created_status
from testbed.demo.resources import EVENTS, JOBS, NAMESPACES, NODES, PODS, RESOURCES, Resource
from testbed.demo.store import Object, Store, now

_HOSTNAME = "kubernetes.io/hostname"
_ENDED = ("Succeeded", "Failed")


class Controllers:
    def __init__(self, store: Store, kubelet: Kubelet) -> None:
        self._store = store
        self._kubelet = kubelet
        self._tasks: set[asyncio.Task[None]] = set()

    def created(self, resource: Resource, obj: Object) -> Object:
        """Begin what follows; gives the object as the answer shows it."""
        if resource is PODS:
            self._later(self._schedule(obj))
        elif resource is JOBS:
            obj = self._label_job(obj)
            self._later(self._run_job(obj["metadata"]["namespace"], obj["metadata"]["name"]))
        return obj

    def ephemeral_added(self, pod: Object, containers: list[Object]) -> None:
        meta = pod["metadata"]
        for container in containers:
            self._kubelet.run_ephemeral_later(meta["namespace"], meta["name"], container)

    def deleted(self, resource: Resource, obj: Object, grace: int) -> Object:
        """Begin the deletion; gives the object as the answer shows it."""
        meta = obj["metadata"]
        if resource is PODS:
            return self._delete_pod(obj, grace)
        if resource is NAMESPACES:
            meta["deletionTimestamp"] = now()
            obj["status"] = {"phase": "Terminating"}
            answer = self._store.replace(NAMESPACES, obj)
            self._later(self._empty_namespace(meta["name"]))
            return answer
        self._store.remove(resource, meta.get("namespace", ""), meta["name"])
        self._later(self._collect(meta["uid"]))
        return obj

    # pods

    async def _schedule(self, pod: Object) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        fresh = self._store.find(PODS, meta["namespace"], meta["name"])
        if fresh is None:
            return
        name = spec.get("nodeName") or _wanted_node(spec) or "demo-1"
        if self._store.find(NODES, "", name) is None:
            fresh["status"] = _unschedulable()
            self._store.replace(PODS, fresh)
            return
        fresh["spec"]["nodeName"] = name
        fresh["status"] = created_status(fresh)
        self._store.replace(PODS, fresh)
        text = f"Successfully assigned {meta['namespace']}/{meta['name']} to {name}"
        self._note(fresh, "Scheduled", text, "default-scheduler")
        await self._kubelet.start(meta["namespace"], meta["name"])

    def _note(self, pod: Object, reason: str, message: str, component: str) -> None:
        meta = pod["metadata"]
        involved = {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
        event = {
            "metadata": {"name": f"{meta['name']}.{secrets.token_hex(8)}", "namespace": meta["namespace"]},
            "involvedObject": {**involved, "apiVersion": "v1", "resourceVersion": meta["resourceVersion"]},
            "reason": reason,
            "message": message,
            "source": {"component": component},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
            "type": "Normal",
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": "",
        }
        self._store.add(EVENTS, event)

    def _delete_pod(self, pod: Object, grace: int) -> Object:
        meta = pod["metadata"]
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = now()
            meta["generation"] = meta.get("generation", 1) + 1
        meta["deletionGracePeriodSeconds"] = grace
        answer = self._store.replace(PODS, pod)
        if "nodeName" not in pod["spec"] or pod["status"]["phase"] in _ENDED or grace == 0:
            # Force deletion removes the object at once and leaves the processes to the kubelet.
            self._store.remove(PODS, meta["namespace"], meta["name"])
            self._later(self._kubelet.stop(pod, 0))
        else:
            self._later(self._stop_pod(pod, grace))
        return answer

    async def _stop_pod(self, pod: Object, grace: int) -> None:
        meta = pod["metadata"]
        await self._kubelet.stop(pod, grace)
        now_there = self._store.find(PODS, meta["namespace"], meta["name"])
        if now_there is not None and now_there["metadata"]["uid"] == meta["uid"]:
            self._store.remove(PODS, meta["namespace"], meta["name"])

    async def _empty_namespace(self, name: str) -> None:
        for resource in (r for r in RESOURCES if r.namespaced):
            for (_, each), obj in self._store.rows(resource, name):
                if resource is PODS:
                    await self._kubelet.stop(obj, 0)
                self._store.remove(resource, name, each)
        self._store.remove(NAMESPACES, "", name)

    async def _collect(self, owner: str) -> None:
        """Background deletion of what the deleted object owned."""
        for _, pod in self._store.rows(PODS):
            if any(reference["uid"] == owner for reference in pod["metadata"].get("ownerReferences", [])):
                found = self._store.get(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
                self._delete_pod(found, int(found["spec"]["terminationGracePeriodSeconds"]))

    # jobs

    def _label_job(self, job: Object) -> Object:
        uid, name = job["metadata"]["uid"], job["metadata"]["name"]
        labels = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
        spec = job["spec"]
        meta = dict(spec["template"].get("metadata") or {})
        spec["template"] = {**spec["template"], "metadata": {**meta, "labels": {**meta.get("labels", {}), **labels}}}
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        job["metadata"]["labels"] = {**job["metadata"].get("labels", {}), **labels}
        return self._store.replace(JOBS, job)

    async def _run_job(self, namespace: str, name: str) -> None:
        """One pod, no retries: what a Job with backoffLimit 0 does."""
        job = self._store.get(JOBS, namespace, name)
        template = job["spec"]["template"]
        meta = {
            "name": f"{name}-{defaults.suffix()}",
            "generateName": f"{name}-",
            "namespace": namespace,
            "generation": 1,
            **template["metadata"],
            "ownerReferences": defaults.owner("Job", name, job["metadata"]["uid"], "batch/v1"),
        }
        pod: Object = {"metadata": meta, "spec": defaults.complete_pod(template["spec"])}
        pod["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        try:
            podsecurity.admit(self._store.get(NAMESPACES, "", namespace), pod)
        except status.ApiError as refusal:
            self._note(with_uid(pod), "FailedCreate", f"Error creating: {refusal.message}", "job-controller")
            return
        added = self._store.add(PODS, pod)
        self._set_job(namespace, name, {"startTime": now(), "active": 1, "terminating": 0, "ready": 1})
        await self._schedule(added)
        phase = await self._phase_at_end(namespace, meta["name"], job["spec"].get("activeDeadlineSeconds"))
        if phase is None:
            return
        done = {"type": "Complete" if phase == "Succeeded" else "Failed", "status": "True"}
        count = {"succeeded": 1, "completionTime": now()} if phase == "Succeeded" else {"failed": 1}
        self._set_job(namespace, name, {"conditions": [done], "startTime": now(), **count, "ready": 0})
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is not None:
            await asyncio.sleep(seconds)
            found = self._store.find(JOBS, namespace, name)
            if found is not None and found["metadata"]["uid"] == job["metadata"]["uid"]:
                self.deleted(JOBS, found, 0)

    def _set_job(self, namespace: str, name: str, state: Object) -> None:
        job = self._store.find(JOBS, namespace, name)
        if job is not None:
            job["status"] = state
            self._store.replace(JOBS, job)

    async def _phase_at_end(self, namespace: str, pod: str, deadline: int | None) -> str | None:
        """The phase of a pod that ended, None if it was deleted. Past its deadline it is ended."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline if deadline else None
        while (found := self._store.find(PODS, namespace, pod)) is not None:
            if found["status"]["phase"] in _ENDED:
                return str(found["status"]["phase"])
            if end is not None and loop.time() >= end:
                self._delete_pod(found, int(found["spec"]["terminationGracePeriodSeconds"]))
                return "Failed"
            await self._store.changed(1.0 if end is not None else 60.0)
        return None

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def with_uid(pod: Object) -> Object:
    """For an event about a pod that was never stored."""
    return {**pod, "metadata": {**pod["metadata"], "uid": "", "resourceVersion": ""}}


def _wanted_node(spec: Object) -> str:
    """The node that selector or affinity name; empty for any."""
    if name := (spec.get("nodeSelector") or {}).get(_HOSTNAME):
        return str(name)
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms", []):
        for rule in [*term.get("matchExpressions", []), *term.get("matchFields", [])]:
            if rule.get("key") in (_HOSTNAME, "metadata.name") and rule.get("operator") == "In":
                return str(rule["values"][0])
    return ""


def _unschedulable() -> Object:
    text = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": text}
    return {"phase": "Pending", "conditions": [condition | {"lastTransitionTime": now()}], "qosClass": "BestEffort"}
