"""Texts of /proc/PID/cgroup. `recorded`: read on a running node; `documented`: from the kubelet's and the runtimes'
sources and documentation (cgroup drivers, crun, kind), not seen by us.
"""

from __future__ import annotations

from typing import NamedTuple

UID = "7d0c0e5a-43d5-4b3f-9a3c-3f7b7a1c2d11"
OTHER = "0a1b2c3d-0000-4000-8000-00000000beef"
HELPER = "11111111-2222-4333-8444-555555555555"
HASH = "5f3b8f4be0c1a2d3e4f5a6b7c8d9e0f1"  # kubernetes.io/config.hash of a static pod
CID = "c" * 64
SANDBOX = "5" * 64
HCID = "e" * 64


def under(uid: str) -> str:
    return uid.replace("-", "_")


def v1(path: str) -> str:
    controllers = ("12:pids", "11:memory", "10:cpu,cpuacct", "9:cpuset", "8:blkio", "1:name=systemd")
    return "".join(f"{c}:{path}\n" for c in controllers) + "0::/\n"


def _fs(uid: str, cid: str, qos: str = "/besteffort") -> str:
    return f"/kubepods{qos}/pod{uid}/{cid}"


def _sd(uid: str, cid: str, runtime: str = "cri-containerd", qos: str = "-burstable", top: str = "") -> str:
    slices = f"/{top}kubepods.slice/{top}kubepods{qos}.slice" if qos else f"/{top}kubepods.slice"
    return f"{slices}/{top}kubepods{qos}-pod{under(uid)}.slice/{runtime}-{cid}.scope"


_KIND = "/docker/" + "d" * 64 + "/kubelet"
_OUTER = f"/kubepods/burstable/pod{OTHER}/{'9' * 64}"

# Processes that must never be taken for the pod's.
FORGED = (
    v1(_fs(OTHER, "9" * 64) + f"/kubepods/pod{UID}/{CID}"),
    v1(_fs(OTHER, "9" * 64) + f"/{CID}"),
    f"0::{_sd(OTHER, '9' * 64)}/kubepods-burstable-pod{under(UID)}.slice/cri-containerd-{CID}.scope\n",
    f"0::/../../pod{OTHER}/{'9' * 64}/pod{UID}/{CID}\n",
    f"0::/system.slice/pod-{UID}.service\n",
    f"0::/user.slice/{UID}/{CID}\n",
    v1("/"),
)


class Case(NamedTuple):
    """`helper` is the helper's own text as it sees itself, `pod` that of a process of the pod."""

    name: str
    source: str
    pod: str
    helper: str
    ids: str = UID
    forged: tuple[str, ...] = FORGED


CASES = (
    Case("v1 cgroupfs containerd besteffort", "recorded", v1("/n1" + _fs(UID, CID)), v1("/n1" + _fs(HELPER, HCID))),
    Case("v1 cgroupfs containerd guaranteed", "recorded", v1("/n1" + _fs(UID, CID, "")), v1("/n1" + _fs(HELPER, HCID))),
    Case("v1 cgroupfs burstable sandbox only", "recorded", v1(_fs(UID, SANDBOX, "/burstable")), v1(_fs(HELPER, HCID))),
    Case("v1 systemd containerd", "documented", v1(_sd(UID, CID)), v1(_sd(HELPER, HCID))),
    Case("v1 systemd containerd old form", "documented",
         v1(f"/kubepods-burstable-pod{under(UID)}.slice:cri-containerd:{CID}"), v1(_fs(HELPER, HCID))),
    Case("v2 systemd containerd, private cgroup namespace", "documented",
         f"0::/../../kubepods-burstable-pod{under(UID)}.slice/cri-containerd-{CID}.scope\n", "0::/\n"),
    Case("v2 systemd, other class of service", "documented",
         f"0::/../../../kubepods-besteffort.slice/kubepods-besteffort-pod{under(UID)}.slice/cri-containerd-{CID}.scope\n",
         "0::/\n"),
    Case("v2 cgroupfs, private cgroup namespace", "documented", f"0::/../../pod{UID}/{CID}\n", "0::/\n"),
    Case("v2 systemd CRI-O", "documented", f"0::{_sd(UID, CID, 'crio')}\n", f"0::{_sd(HELPER, HCID, 'crio')}\n"),
    Case("v2 systemd CRI-O with crun's sub-group", "documented",
         f"0::{_sd(UID, CID, 'crio')}/container\n", f"0::{_sd(HELPER, HCID, 'crio')}/container\n"),
    Case("v2 systemd docker (cri-dockerd)", "documented",
         f"0::{_sd(UID, CID, 'docker')}\n", f"0::{_sd(HELPER, HCID)}\n"),
    Case("v2 kind, kubelet below its own slice", "documented",
         f"0::/kubelet.slice{_sd(UID, CID, top='kubelet-')}\n",
         f"0::/kubelet.slice{_sd(HELPER, HCID, top='kubelet-')}\n"),
    Case("v1 kind, node in docker", "documented", v1(_KIND + _fs(UID, CID)), v1(_KIND + _fs(HELPER, HCID))),
    Case("v1 node that is itself a pod", "documented", v1(_OUTER + _fs(UID, CID)), v1(_OUTER + _fs(HELPER, HCID)),
         forged=(v1(_OUTER + _fs(HELPER, HCID) + f"/kubepods/pod{UID}/{CID}"), v1(_OUTER))),
    Case("static pod, by the digest of its file", "documented", v1(_fs(HASH, CID)), v1(_fs(HELPER, HCID)), HASH),
)  # fmt: skip
