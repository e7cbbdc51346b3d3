"""More of part `kill`: the host's programs killed, the client stopped, the network frozen or cut."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from k8s_extcap.setup import launcher
from testbed.cluster.bed import API_PORT
from testbed.cluster.handle import PodInfo
from testbed.far import children
from testbed.matrix import product, search
from testbed.matrix.pods import KINDS, NODES
from testbed.matrix.proxy import Proxy
from testbed.matrix.results import Cell, Figure, Outcome
from testbed.matrix.site import Site
from testbed.wireshark import release, room
from testbed.wireshark.desk import desk
from testbed.wireshark.tshark import Tshark, end

TARGET = KINDS[0]
METHODS = ("upload", "nsenter")
HOST, ALL = ("tshark", "dumpcap", "the extcap"), "all three"
START = 40.0  # seconds for packets to flow, on a busy machine
HOST_KILLED = 10.0  # seconds: the capture looks at its parent every half second, a Job's pod has five of grace
STOPPED = 30.0  # seconds that the client is stopped
SILENCE = 27.0  # seconds: the guard's 20, its tick, and two looks on a busy machine
FROZEN = 45.0  # seconds without a network: longer than guard and client wait
BACK = 150.0  # seconds: the pauses of the reaper between two tries grow to 60


def cells(site: Site) -> Iterator[Cell]:
    for victim in (*HOST, ALL):
        for method in METHODS:
            for node in NODES:
                what = {"blow": f"SIGKILL of {victim} under tshark", "method": method, "node": node}
                yield Cell(what, partial(_host, site, method, node, victim))
    blows: dict[str, Callable[[Site, str, str], Outcome]] = {
        f"SIGSTOP of the client for {STOPPED:.0f} s": _stopped,
        "connections to the API server reset": _reset,
        f"network frozen for {FROZEN:.0f} s": _frozen,
        "network frozen, capture and reaper killed": _frozen_for_good,
    }
    for blow, deed in blows.items():
        for method in METHODS:
            for node in NODES:
                what = {"blow": blow, "method": method, "node": node}
                yield Cell(what, partial(deed, site, method, node))


def _host(site: Site, method: str, node: str, victim: str) -> Outcome:
    own = release.native()
    there = room.find(own) if own else None
    if there is None:
        return Outcome("not run", "no tshark on this machine")
    pod = site.pod(TARGET, node)
    interface = f"k8s-pod-{pod.namespace}.{pod.name}"
    preference = f"extcap.{interface.replace('-', '_').replace('.', '_')}"
    image, namespace = product.HELPER[1], product.HELPER[3]
    options = {"method": method, "helperimage": image, "helpernamespace": namespace}
    words = [w for name, value in options.items() for w in ("-o", f"{preference}.{name}:{value}")]
    with desk(there) as place:
        text = launcher.render(str(place.python), str(place.checkout / "k8s_extcap/__main__.py"), {})
        place.install(text)
        kubeconfig = place.copy(site.cluster.kubeconfig, ".kube/config")
        home = place.home / "k8s-extcap"
        env = {"KUBECONFIG": str(kubeconfig), "K8S_EXTCAP_HOME": str(home)}
        process = Tshark(place).start("-l", "-i", interface, *words, env=env)
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                assert process.stderr is not None
                raise TimeoutError(f"no packets: {process.stderr.read()[-300:]}")
            family = {process.pid: "tshark"} | {p: _name(p) for p in children(process.pid)}
            before = search.left(site, pod, home)
            wanted = HOST if victim == ALL else (victim,)
            chosen = [p for p, name in family.items() if name in wanted]
            for pid in chosen:
                os.kill(pid, signal.SIGKILL)
            found, seconds = search.watch(site, pod, home, HOST_KILLED)
        finally:
            end(process)
    figures: dict[str, Figure] = {"there": before.kinds(), "gone_after": seconds, "killed": len(chosen)}
    if not chosen:
        return Outcome("failed", f"no such process among {', '.join(family.values())}", figures)
    return verdict(found, "", {**figures, "by": "the capture" if victim in ("tshark", "dumpcap") else "guard, reaper"})


def _name(pid: int) -> str:
    line = Path(f"/proc/{pid}/cmdline").read_bytes()
    if b"dumpcap" in line.partition(b"\0")[0]:
        return "dumpcap"
    return "the extcap" if b"--capture" in line.split(b"\0") else "another"


def verdict(found: search.Left, sentence: str, figures: dict[str, Figure]) -> Outcome:
    return Outcome("failed" if found else "works", found.spoken() or sentence, figures)


class Client:
    """A capture through its command, and what it says at its end."""

    def __init__(self, site: Site, method: str, node: str, kubeconfig: Path | None = None) -> None:
        self.pod: PodInfo = site.pod(TARGET, node)
        self.home = product.home(site, "blow")
        file = self.home / "capture.pcapng"
        words = ("capture", f"{self.pod.namespace}/{self.pod.name}", *product.HELPER, "--method", method)
        log = ("--log-level", "info", "-w", str(file))
        self.process = product.start(site, self.home, *words, *log, kubeconfig=kubeconfig)
        over = time.monotonic() + START
        while not file.exists() or file.stat().st_size < 400:  # more than the headers
            if self.process.poll() is not None or time.monotonic() > over:
                product.kill(self.process)
                raise TimeoutError(f"no packets within {START:.0f} s")
            time.sleep(0.05)

    def last(self, within: float) -> str:
        """Its last sentence, and its exit code."""
        try:
            _, said = self.process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            return f"it did not end within {within:.0f} s"
        return f"{(said.strip().splitlines() or [''])[-1]} (exit {self.process.returncode})"


def _stopped(site: Site, method: str, node: str) -> Outcome:
    client = Client(site, method, node)
    try:
        there = search.left(site, client.pod, client.home)
        client.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        inside, seconds = search.inside(client.pod, SILENCE)
        time.sleep(max(0.0, STOPPED - (time.monotonic() - began)))
        client.process.send_signal(signal.SIGCONT)
        sentence = client.last(15)
        found, _ = search.watch(site, client.pod, client.home, 10)
    finally:
        product.kill(client.process)
    figures: dict[str, Figure] = {"there": there.kinds(), "gone_after": seconds, "by": "guard, then the capture"}
    if inside:
        return Outcome("failed", f"in the pod {SILENCE:.0f} s after the client was stopped: {inside.spoken()}", figures)
    return verdict(found, sentence, figures)


def _through(site: Site, proxy: Proxy, name: str) -> Path:
    folder = product.home(site, name)
    return proxy.kubeconfig(site.cluster.kubeconfig, folder)


def _proxy(site: Site) -> Proxy:
    return Proxy(site.bed.node(1).address, API_PORT)


def _reset(site: Site, method: str, node: str) -> Outcome:
    with _proxy(site) as proxy:
        client = Client(site, method, node, _through(site, proxy, "reset"))
        try:
            there = search.left(site, client.pod, client.home)
            proxy.reset()
            sentence = client.last(20)
            found, seconds = search.watch(site, client.pod, client.home, HOST_KILLED)
        finally:
            product.kill(client.process)
    return verdict(found, sentence, {"there": there.kinds(), "gone_after": seconds, "by": "guard, the capture"})


def _frozen(site: Site, method: str, node: str) -> Outcome:
    with _proxy(site) as proxy:
        client = Client(site, method, node, _through(site, proxy, "frozen"))
        try:
            there = search.left(site, client.pod, client.home)
            proxy.freeze()
            began = time.monotonic()
            inside, seconds = search.inside(client.pod, SILENCE)
            sentence = client.last(FROZEN)
            time.sleep(max(0.0, FROZEN - (time.monotonic() - began)))
            proxy.thaw()
            found, back = search.watch(site, client.pod, client.home, BACK)
        finally:
            product.kill(client.process)
    by = "guard; after the network is back: reaper" if back > 1 else "guard, the capture"
    figures: dict[str, Figure] = {"there": there.kinds(), "gone_after": seconds, "rest_after_thaw": back, "by": by}
    if inside:
        return Outcome("failed", f"in the pod {SILENCE:.0f} s after the network froze: {inside.spoken()}", figures)
    return verdict(found, sentence, figures)


def _frozen_for_good(site: Site, method: str, node: str) -> Outcome:
    """The laptop is gone: nobody is left to undo anything. The guard, then the cluster itself, clear up."""
    with _proxy(site) as proxy:
        client = Client(site, method, node, _through(site, proxy, "gone"))
        try:
            there = search.left(site, client.pod, client.home)
            proxy.freeze()
            os.killpg(client.process.pid, signal.SIGSTOP)
            for line in search.here(client.home):
                os.kill(int(line.split()[0]), signal.SIGKILL)
            client.process.wait()
            inside, seconds = search.inside(client.pod, SILENCE)
            began = time.monotonic()
            while (objects := search.objects(site)) and time.monotonic() - began < BACK + 60:
                time.sleep(1)
            later = round(time.monotonic() - began + seconds, 1)
        finally:
            product.kill(client.process)
    by = "guard, then the cluster (the Job's own end)" if there.objects else "guard"
    figures: dict[str, Figure] = {"there": there.kinds(), "gone_after": seconds, "objects_after": later, "by": by}
    if inside:
        return Outcome("failed", f"in the pod {SILENCE:.0f} s later: {inside.spoken()}", figures)
    return Outcome("failed" if objects else "works", ", ".join(objects), figures)
