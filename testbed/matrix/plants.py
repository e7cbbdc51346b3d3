"""One leftover of each kind, planted by hand: whoever searches must find every one, and nothing when they are gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from testbed.cluster import cgroups
from testbed.matrix.berth import CONTAINER, POD, Berth, environment
from testbed.matrix.remains import Left, Search

APPEAR = 30.0  # seconds: an ephemeral container or a Job's pod has to start
KEY = "-----BEGIN EC PRIVATE KEY-----\nplanted\n-----END EC PRIVATE KEY-----\n"


class Garden:
    """A berth on which things are planted; `home` is a client's."""

    def __init__(self, berth: Berth) -> None:
        self.berth = berth
        self.home = berth.folder / "home-planted"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.env = environment(self.home, berth.folder / "kubeconfig")
        self.search = Search(berth, self.home)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return self.berth.ground.cluster.kubectl(*words, stdin=stdin, check=False, timeout=60)

    def inside(self, script: str) -> str:
        return self.kubectl("exec", "-n", self.berth.namespace, POD, "-c", CONTAINER, "--", "sh", "-c", script)

    def pull(self, words: str) -> None:
        """Ends what was planted with that command line, from outside."""
        for process in self.berth.ground.census.fresh():
            if process.line.endswith(words) and self.berth.pod.uid in process.group:
                os.kill(process.pid, signal.SIGKILL)

    def create(self, body: dict[str, object]) -> None:
        self.kubectl("create", "-n", self.berth.namespace, "-f", "-", stdin=json.dumps(body))


@contextmanager
def _process(garden: Garden) -> Iterator[None]:
    # By its path: as a builtin, which busybox 1.36 has, it keeps what was redirected, and the exec never ends.
    garden.inside("/bin/sleep 3001 </dev/null >/dev/null 2>&1 &")
    yield
    garden.pull("sleep 3001")


@contextmanager
def _network(garden: Garden) -> Iterator[None]:
    """From the node, as a helper enters: another control group, the pod's network."""
    own = next(p for p in garden.berth.ground.census.fresh() if garden.berth.pod.uid in p.group)
    with subprocess.Popen(["nsenter", f"--net=/proc/{own.pid}/ns/net", "sleep", "3002"]) as process:
        yield
        process.kill()


@contextmanager
def _file(garden: Garden) -> Iterator[None]:
    garden.inside("echo planted >/root/.anything")
    yield
    garden.inside("rm /root/.anything")


@contextmanager
def _mapped(garden: Garden) -> Iterator[None]:
    copied = "cp /bin/busybox /tmp/sleep; /tmp/sleep 3003 </dev/null >/dev/null 2>&1 & sleep 0.5; rm /tmp/sleep"
    garden.inside(copied)
    yield
    garden.pull("sleep 3003")


@contextmanager
def _job(garden: Garden) -> Iterator[None]:
    container = {"name": "c", "image": garden.berth.ground.cluster.image("pause"), "imagePullPolicy": "IfNotPresent"}
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    garden.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "planted"}, "spec": spec})
    yield
    garden.kubectl("delete", "job", "planted", "-n", garden.berth.namespace, "--cascade=foreground", "--wait=true")


@contextmanager
def _pod(garden: Garden) -> Iterator[None]:
    container = {"name": "c", "image": garden.berth.ground.cluster.image("pause"), "imagePullPolicy": "IfNotPresent"}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    garden.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "planted"}, "spec": spec})
    yield
    garden.kubectl("delete", "pod", "planted", "-n", garden.berth.namespace, "--wait=true")


@contextmanager
def _finished(garden: Garden) -> Iterator[str]:
    """Its uid."""
    cluster, space = garden.berth.ground.cluster, garden.berth.namespace
    container = {"name": "c", "image": cluster.image("helper"), "imagePullPolicy": "IfNotPresent", "command": ["true"]}
    spec = {"restartPolicy": "Never", "containers": [container]}
    garden.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "planted"}, "spec": spec})
    garden.kubectl("wait", "pod/planted", "-n", space, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    yield str(cluster.get("pod", "planted", "-n", space)["metadata"]["uid"])
    garden.kubectl("delete", "pod", "planted", "-n", space, "--wait=true")


@contextmanager
def _forgotten(garden: Garden) -> Iterator[None]:
    """Of a pod that has ended says its object; it is called as the target's own program is."""
    with _finished(garden) as uid, subprocess.Popen(["/bin/traffic", "3005"], executable="/bin/sleep") as process:
        group = cgroups.ROOT / ("" if cgroups.is_v2() else "pids") / f"planted-pod{uid}"
        group.mkdir()
        (group / "cgroup.procs").write_text(str(process.pid))
        yield
        process.kill()
        process.wait()
        group.rmdir()


@contextmanager
def _container(garden: Garden) -> Iterator[None]:
    """Its entry can never be removed; terminated, it is announced and no leftover."""
    image = garden.berth.ground.cluster.image("helper")
    entry = {"name": "planted", "image": image, "imagePullPolicy": "IfNotPresent"}
    entry["command"] = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"]  # type: ignore[assignment]
    path = f"/api/v1/namespaces/{garden.berth.namespace}/pods/{POD}/ephemeralcontainers"
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": {"ephemeralContainers": [entry]}}
    garden.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(body))
    yield
    garden.kubectl("exec", "-n", garden.berth.namespace, POD, "-c", "planted", "--", "kill", "1")


@contextmanager
def _here(name: str, content: str, garden: Garden) -> Iterator[None]:
    path = garden.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    yield
    path.unlink()


@contextmanager
def _folder(garden: Garden) -> Iterator[None]:
    path = garden.home / "tmp/planted"
    path.mkdir()
    yield
    path.rmdir()


@contextmanager
def _fifo(garden: Garden) -> Iterator[None]:
    path = garden.home / "tmp/planted.fifo"
    os.mkfifo(path)
    yield
    path.unlink()


@contextmanager
def _client(garden: Garden) -> Iterator[None]:
    with subprocess.Popen(["sleep", "3004"], env=garden.env, start_new_session=True) as process:
        yield
        process.kill()


def _journal(garden: Garden) -> object:
    return _here("own/state/journal/0123456789.jsonl", "{}\n", garden)


def _key(garden: Garden) -> object:
    return _here("own/cache/key.pem", KEY, garden)


#: Kind -> (the field of Left that must tell it, the planting).
PLANTS: dict[str, tuple[str, Callable[[Garden], object]]] = {
    "process in the pod": ("processes", _process),
    "process in its network, from the node": ("processes", _network),
    "file in the pod": ("files", _file),
    "deleted program at work": ("mapped", _mapped),
    "Job": ("objects", _job),
    "pod": ("objects", _pod),
    "finished pod": ("ended", _finished),
    "process of a finished pod": ("processes", _forgotten),
    "ephemeral container at work": ("containers", _container),
    "journal": ("journals", _journal),
    "client's process": ("here", _client),
    "FIFO": ("fifos", _fifo),
    "temporary folder": ("temporary", _folder),
    "decoded client key": ("keys", _key),
}


def find(garden: Garden, kind: str) -> tuple[bool, Left]:
    """Whether the search tells that plant where it belongs, and what it finds after it is gone."""
    place, plant = PLANTS[kind]
    found = False
    with ExitStack() as stack:
        stack.enter_context(plant(garden))  # type: ignore[arg-type]
        over = time.monotonic() + APPEAR
        while not found and time.monotonic() < over:
            with suppress(FileNotFoundError):
                found = bool(getattr(garden.search.look(), place))
    left, _ = garden.search.until_gone(APPEAR)
    return found, left


def grow(berth: Berth) -> dict[str, str]:
    """Kind -> what went wrong, "" where it was found and then gone."""
    garden = Garden(berth)
    said = {}
    for kind in PLANTS:
        found, left = find(garden, kind)
        said[kind] = "" if found and not left else ("not found" if not found else f"still found: {left.spoken()}")
    berth.spoil()
    return said
