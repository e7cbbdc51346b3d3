"""Bring a bed up: the order of things. From nothing 15 minutes at most, with everything built 15 seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from testbed import compiler
from testbed.cluster import control, credentials, down, gomodule, kubelet, manifests, node, packages, runtime, state
from testbed.cluster.api import Api
from testbed.cluster.bed import MARK, Bed
from testbed.cluster.errors import BedError
from testbed.cluster.lock import only_one
from testbed.cluster.processes import run, wait_until
from testbed.cluster.state import Wanted
from testbed.images import recipes


class Progress:
    """Lines with the seconds since the begin: what a person who waits wants to know."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._begin:6.1f} s  {text}", flush=True)


def why_not() -> str:
    """The reason why this machine cannot have a bed, "" where it can."""
    if not sys.platform.startswith("linux"):
        return f"the real test cluster needs Linux, this is {sys.platform}"
    if os.geteuid() != 0:
        return "the real test cluster needs root: it makes network namespaces, mounts and control groups"
    probe = ["unshare", "--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "true"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
        return "the kernel refuses new namespaces (unshare): in a container, run it with --privileged"
    if not Path("/sys/fs/cgroup").is_dir() or not os.access("/sys/fs/cgroup", os.W_OK):
        return "the control groups in /sys/fs/cgroup are absent or read-only: in a container, run it with --privileged"
    return ""


def up(bed: Bed, wanted: Wanted, *, catalogue: bool = True) -> None:
    """Until every pod of the catalogue is as it should be. A bed that is up already is looked at and left alone."""
    wanted.check()
    reason = why_not()
    if reason:
        raise BedError(reason)
    progress = Progress()
    with only_one(down.lock_of(bed), wait=1800):  # another `up` may be building: then wait for it and be done
        running = state.read(bed)
        if running and _sound(bed, running, wanted):
            progress(f"already up: {running}")
            return
        if down.journal_of(bed).entries():
            progress(f"an earlier bed was cut short: {down.undo(bed)} processes ended")
        prepare(bed, wanted)
        progress("programs and images are there")
        # In the environment of all that starts from here: what `down` finds them by.
        os.environ[MARK] = bed.mark
        try:
            _start(bed, wanted, progress)
            if catalogue:
                _fill(bed, wanted, progress)
            else:
                state.write(bed, wanted)
        finally:
            del os.environ[MARK]
        progress(f"up: {wanted}. export KUBECONFIG={bed.kubeconfig}")


def _sound(bed: Bed, running: Wanted, wanted: Wanted) -> bool:
    """False: its daemons were killed under it, so it is begun anew. BedError where it is another one that runs."""
    if running != wanted:
        raise BedError(f"the bed is up with other parts ({running}); wanted: {wanted}. `down` first, or another --bed")
    api = Api(bed)
    return api.ready() and len(api.ready_nodes()) >= running.nodes


def prepare(bed: Bed, wanted: Wanted) -> None:
    """Everything that is built or fetched once: packages, Kubernetes, runtimes, images."""
    packages.install(packages.missing())
    for version in {wanted.version_of(number) for number in range(1, wanted.nodes + 1)}:
        gomodule.kubernetes(bed.root, version)
    for number in range(1, wanted.nodes + 1):
        packages.containerd(bed.root, number)
    packages.etcd(bed.root)
    try:
        recipes.make(bed.images)
        if wanted.dns and not (bed.images / "coredns.tar").exists():
            recipes.coredns(bed.images, gomodule.coredns(bed.root))
    except compiler.CompilerError as error:
        raise BedError(str(error)) from error


def _clean_slate(bed: Bed, wanted: Wanted) -> None:
    """A fresh cluster each time: etcd of yesterday would show pods as Running that are gone."""
    for folder in (bed.cluster / "etcd", bed.logs, *(bed.node(number).state for number in down.NODES)):
        down.remove_tree(folder)
    bed.logs.mkdir(parents=True)
    credentials.make(bed, wanted.nodes)


def _start(bed: Bed, wanted: Wanted, progress: Progress) -> None:
    _clean_slate(bed, wanted)
    nodes, journal, version = bed.nodes(wanted.nodes), down.journal_of(bed), wanted.kubernetes
    for one in nodes:
        node.make(bed, one, journal)
    if len(nodes) > 1:
        node.connect(*nodes)
    storage = control.start_storage(bed, packages.etcd(bed.root))
    runtimes = [packages.containerd(bed.root, one.number) for one in nodes]
    daemons = [runtime.start(bed, one, each) for one, each in zip(nodes, runtimes, strict=True)]
    api, server = Api(bed), storage | control.start_api(bed, version)
    images = (*recipes.NAMES, "coredns") if wanted.dns else recipes.NAMES
    for one, each, daemon in zip(nodes, runtimes, daemons, strict=True):  # while the API server starts
        runtime.load(bed, one, each, daemon, images)
    wait_until(api.ready, "the API server", 120, server)
    progress(f"the API server answers at {bed.server}")
    server |= control.start_controllers(bed, version)
    for one in nodes:
        server |= kubelet.start(bed, one, wanted.version_of(one.number))
    wait_until(lambda: {one.name for one in nodes} <= api.ready_nodes(), "Ready nodes", 120, server)
    text = ", ".join(f"{one.name} (containerd {each.version})" for one, each in zip(nodes, runtimes, strict=True))
    progress(f"nodes Ready: {text}")
    wait_until(lambda: "default" in api.accounts(), "the default service account", 60, server)
    kubectl = bed.binaries(version) / "kubectl"
    if wanted.dns:
        _start_dns(bed, kubectl, api)
        progress("cluster DNS answers")


def _fill(bed: Bed, wanted: Wanted, progress: Progress) -> None:
    """A pod that does not become Ready is told, and does not make the cluster less usable: it counts as up."""
    api = Api(bed)
    manifests.apply_catalogue(bed, api, bed.binaries(wanted.kubernetes) / "kubectl", bed.nodes(wanted.nodes))
    state.write(bed, wanted)
    manifests.wait_for_catalogue(api, 180)
    progress(f"{len(api.pods())} pods are as they should be")


def _start_dns(bed: Bed, kubectl: Path, api: Api) -> None:
    wait_until(lambda: "kube-system" in api.accounts(), "the service account of kube-system", 60)
    text = manifests.rendered(manifests.FOLDER / "optional" / "dns.yaml", bed.nodes(1))
    manifests.apply(bed, kubectl, text)
    wait_until(lambda: bool(api.pods()) and not manifests.unfinished(api), "the DNS pod", 60, every=0.2)
    question = ["busybox", "nslookup", "kubernetes.default.svc.cluster.local", "10.96.0.10"]

    def answers() -> bool:
        # Ready comes a second or two before kube-proxy has made the address work.
        try:
            run([*node.enter(bed, bed.node(1)), "timeout", "2", *question])
        except BedError:
            return False
        return True

    wait_until(answers, "an answer from cluster DNS", 30, every=0.2)
