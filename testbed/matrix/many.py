"""Many at once: ten captures, two users on one pod, and ten thousand pods while pods come and go."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from testbed.demo.cluster import DemoCluster
from testbed.matrix import product
from testbed.matrix.churn import Churn
from testbed.matrix.pods import NODES, PLAIN
from testbed.matrix.results import ROOT, Figure, Outcome
from testbed.matrix.site import Site
from testbed.matrix.taking import PORT, Taking, stage, taking
from testbed.matrix.weigh import highest, resident
from testbed.truth.account import account

TOGETHER = ("resident", "upload", "upload", "ephemeral", "nsenter")  # on each of two pods
RATE, COUNT = 2000, 10_000
SETTLE = 1.0


def _capture(
    site: Site, home: Path, target: str, method: str, kubeconfig: Path | None = None
) -> tuple[list[str], dict[str, str]]:
    words = [sys.executable, "-m", "k8s_extcap", "capture", target, "--method", method, *product.HELPER]
    words += ["-f", f"udp port {PORT}", "--limit-rate", "none", "--log-level", "info", "-w", "-"]
    return words, product.environment(home, kubeconfig or site.cluster.kubeconfig)


def _kept(capture: Taking, sent: dict[int, int], who: str) -> tuple[int, int, list[str]]:
    """Packets in the file, reported as dropped, and what is wrong."""
    code, said = capture.end(), capture.said()
    made = account(capture.chunks, sent, said)
    faults = [f"{who}: {fault}" for fault in made.faults]
    return made.filed, made.dropped, [*faults, *([f"{who}: exit {code}, {said[-100:]}"] if code else [])]


def ten_at_once(site: Site) -> Outcome:
    """Five on each of two pods that send to each other, each in a home of its own: all see all packets."""
    places = [stage(site, node) for node in NODES]
    with ExitStack() as stack:
        running = []
        for place in places:
            for number, method in enumerate(TOGETHER):
                home = product.home(site, f"ten-{place.node}-{number}")
                words, env = _capture(site, home, place.target, method)
                running.append((place, method, stack.enter_context(taking(words, home, env))))
        for _, _, capture in running:
            capture.wait()
        senders = []
        for number, place in enumerate(places, 1):
            place.warm()
            senders.append(threading.Thread(target=place.send, args=("udp", RATE, COUNT), kwargs={"number": number}))
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        memory = sum(resident(capture.process.pid) for _, _, capture in running)
        time.sleep(SETTLE)
        sent = {1: COUNT, 2: COUNT}  # each pod is the other's peer
        ended = [_kept(capture, sent, f"{method} on {place.node}") for place, method, capture in running]
    figures: dict[str, Figure] = {
        "captures": len(ended),
        "sent, seen by all": 2 * COUNT * len(ended),
        "in the files": sum(filed for filed, _, _ in ended),
        "dropped, told": sum(dropped for _, dropped, _ in ended),
        "memory of all MB": round(memory / 1e6),
    }
    faults = [fault for _, _, faults in ended for fault in faults]
    return Outcome("failed" if faults else "works", "; ".join(faults)[:400], figures)


def two_users(site: Site, node: str) -> Outcome:
    """The admin and a developer with the least rights on one pod; the developer ends first and disturbs nothing."""
    place = stage(site, node)
    homes = {who: product.home(site, f"user-{who}") for who in ("admin", "dev")}
    with _may_exec(site), ExitStack() as stack:
        words, env = _capture(site, homes["admin"], place.target, "ephemeral")
        admin = stack.enter_context(taking(words, homes["admin"], env))
        words, env = _capture(site, homes["dev"], place.target, "upload", site.cluster.dev)
        dev = stack.enter_context(taking(words, homes["dev"], env))
        admin.wait()
        dev.wait()
        place.warm()
        place.send("udp", RATE, COUNT, number=1)
        time.sleep(SETTLE)
        ended = [_kept(dev, {1: COUNT}, "dev")]
        place.send("udp", RATE, COUNT, number=2)
        time.sleep(SETTLE)
        ended.append(_kept(admin, {1: COUNT, 2: COUNT}, "admin"))
    figures: dict[str, Figure] = {
        "sent": 3 * COUNT,
        "in the files": sum(filed for filed, _, _ in ended),
        "dropped, told": sum(dropped for _, dropped, _ in ended),
    }
    faults = [fault for _, _, faults in ended for fault in faults]
    return Outcome("failed" if faults else "works", "; ".join(faults)[:400], figures)


@contextmanager
def _may_exec(site: Site) -> Iterator[None]:
    """The bed's developer gets in our namespace what he has in his own; it goes with the namespace."""
    role = ["create", "role", "dev", "-n", PLAIN, "--verb=get,list,create", "--resource=pods,pods/exec"]
    site.cluster.kubectl("delete", "role,rolebinding", "dev", "-n", PLAIN, "--ignore-not-found")
    site.cluster.kubectl(*role)
    site.cluster.kubectl("create", "rolebinding", "dev", "-n", PLAIN, "--role=dev", "--user=dev")
    yield


def ten_thousand(site: Site, rounds: int = 8) -> Outcome:
    """The list of one namespace, renewed again and again while what it lists is deleted and other pods come."""
    home = product.home(site, "pods")
    with DemoCluster.start(scale="10000x1") as cluster:
        config = json.loads(cluster.kubeconfig.read_text())
        next(c for c in config["contexts"] if c["name"] == "demo")["context"]["namespace"] = "team-000"
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        kubeconfig.chmod(0o600)
        env = {**os.environ, **product.environment(home, kubeconfig)}
        with Churn(cluster, "team-000") as churn:
            weighed = [_refresh(env) for _ in range(rounds)]
            changes = churn.changes
        seconds, memory = [s for s, _ in weighed], [m for _, m in weighed]
        _refresh(env)  # behind the last change: now it must be right to the row
        listed, actual = _listed(env), churn.names()
    wrong = [name for name in listed if name not in actual]
    figures: dict[str, Figure] = {
        "pods": len(actual),
        "changes meanwhile": changes,
        "refreshes": rounds,
        "seconds each, at most": round(max(seconds), 1),
        "memory MB, first": round(memory[0] / 1e6),
        "memory MB, last": round(memory[-1] / 1e6),
        "rows": len(listed),
    }
    best = sorted(actual - churn.unready)[: len(listed)]
    faults = [f"listed and not there: {', '.join(wrong[:3])}"] if wrong else []
    if not wrong and sorted(listed) != best:
        faults.append(f"not the first ready pods by name: {sorted(set(listed) ^ set(best))[:4]}")
    if len(listed) != 32:  # the default of what is listed at most
        faults.append(f"{len(listed)} rows")
    if not changes:
        faults.append("nothing changed meanwhile")
    return Outcome("failed" if faults else "works", "; ".join(faults)[:400], figures)


def _refresh(env: dict[str, str]) -> tuple[float, int]:
    """`k8s-extcap refresh`: its seconds and its peak of memory in bytes."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "k8s_extcap", "refresh"], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    peak = 0
    while process.poll() is None:  # rusage would tell this process's own size: it is kept over fork and exec
        peak = max(peak, highest(process.pid))
        time.sleep(0.02)
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace")
    process.stderr.close()
    if process.returncode:
        raise AssertionError(f"refresh ended with {process.returncode}: {said[-200:]}")
    return time.monotonic() - began, peak


def _listed(env: dict[str, str]) -> list[str]:
    words = [sys.executable, "-m", "k8s_extcap", "--extcap-interfaces", "--extcap-version=4.0"]
    done = subprocess.run(
        words, cwd=ROOT, env=env, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return re.findall(r"^interface \{value=k8s-pod-team-000\.([^}]*)\}", done.stdout, re.MULTILINE)
