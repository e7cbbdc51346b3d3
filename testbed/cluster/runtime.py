"""containerd of a node: its configuration for 1.x and 2.x, its start, and the images that are loaded into it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster import cgroups
from testbed.cluster.bed import Bed, Node, has_ipv6
from testbed.cluster.errors import BedError
from testbed.cluster.node import enter
from testbed.cluster.processes import run, spawn, wait_until

PAUSE = "localhost/pause:1"


@dataclass(frozen=True, slots=True)
class Containerd:
    """A containerd with the shim and `ctr` of the same version beside it; runc is the machine's."""

    program: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def ctr(self) -> Path:
        return self.program.with_name("ctr")


def inspect(program: Path) -> Containerd:
    """Ask a containerd for its version: `containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1`."""
    said = run([program, "--version"])
    match = re.search(r"\sv?(\d+\.\d+\.\d+)", said)
    if not match:
        raise BedError(f"{program} does not tell its version: {said[:100]!r}; is it containerd?")
    return Containerd(program, match[1])


def snapshotter(folder: Path) -> str:
    """overlayfs, but not on an overlay: its layers do not stack (a container's own file system is one)."""
    kind = run(["stat", "-f", "-c", "%T", folder]).strip()
    return "native" if kind == "overlayfs" else "overlayfs"


def configuration(node: Node, major: int, cni_programs: Path, store: str = "overlayfs") -> str:
    """Version 1.x reads version 2 with one CRI plugin, 2.x version 3 with two (docs/cri/config.md of each)."""
    if major < 2:
        cri = runtime = '"io.containerd.grpc.v1.cri"'
        lines = ["version = 2"]
        images = [f"[plugins.{cri}]", f'sandbox_image = "{PAUSE}"', 'stream_server_address = "127.0.0.1"']
        snapshots = [f'snapshotter = "{store}"']
        programs = f'bin_dir = "{cni_programs}"'
    else:
        cri, runtime = '"io.containerd.cri.v1.images"', '"io.containerd.cri.v1.runtime"'
        lines = ["version = 3"]
        images = [
            f"[plugins.{cri}]", f'snapshotter = "{store}"',
            f"[plugins.{cri}.pinned_images]", f'sandbox = "{PAUSE}"', f"[plugins.{runtime}]",
        ]  # fmt: skip
        snapshots = []
        programs = f'bin_dirs = ["{cni_programs}"]'
    lines += ['[plugins."io.containerd.internal.v1.opt"]', 'path = "/var/lib/containerd/opt"']  # /opt is the machine's
    lines += images
    lines += [
        "disable_apparmor = true",  # there may be no apparmor_parser to load profiles
        "restrict_oom_score_adj = true",  # without CAP_SYS_RESOURCE the kernel refuses a sandbox's -998
        f"[plugins.{runtime}.containerd]", *snapshots, 'default_runtime_name = "runc"',
        f"[plugins.{runtime}.containerd.runtimes.runc]", 'runtime_type = "io.containerd.runc.v2"',
        f"[plugins.{runtime}.containerd.runtimes.runc.options]", "SystemdCgroup = false",  # there may be no systemd
        f"[plugins.{runtime}.cni]", programs, f'conf_dir = "{node.state / "net.d"}"',
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def network(node: Node, *, ipv6: bool) -> str:
    """A bridge per node, routed and without masquerading: pods keep their addresses between nodes."""
    ranges, routes = [[{"subnet": node.pods}]], [{"dst": "0.0.0.0/0"}]
    if ipv6:
        ranges.append([{"subnet": node.pods6}])
        routes.append({"dst": "::/0"})
    bridge = {
        "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
    }  # fmt: skip
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}, indent=1)


def cni_programs() -> Path:
    """Debian and Ubuntu put the plugins into /usr/lib/cni, others into /opt/cni/bin."""
    for folder in (Path("/usr/lib/cni"), Path("/opt/cni/bin")):
        if (folder / "bridge").exists():
            return folder
    raise BedError("no CNI plugin `bridge` in /usr/lib/cni: install the package containernetworking-plugins")


def start(bed: Bed, node: Node, containerd: Containerd) -> tuple[subprocess.Popen[bytes], Path]:
    (node.state / "net.d").mkdir(parents=True, exist_ok=True)
    text = configuration(node, containerd.major, cni_programs(), snapshotter(node.state))
    (node.state / "containerd.toml").write_text(text)
    (node.state / "net.d" / "10-bridge.conflist").write_text(network(node, ipv6=has_ipv6()))
    log = bed.logs / f"{node.name}-containerd.log"
    process = spawn(
        bed,
        [*enter(bed, node), containerd.program, "-c", node.state / "containerd.toml"],
        log,
        path_first=containerd.program.parent,
        join=cgroups.joins(node.host_name),
    )
    return process, log


def load(
    bed: Bed, node: Node, containerd: Containerd, daemon: tuple[subprocess.Popen[bytes], Path], images: tuple[str, ...]
) -> None:
    """Wait until it answers, then give it the named images of the bed."""
    ctr = [*enter(bed, node), str(containerd.ctr)]

    def answers() -> bool:
        return subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0

    wait_until(answers, f"containerd on {node.name}", 30, {f"containerd of {node.name}": daemon})
    for name in images:
        archive = bed.images / f"{name}.tar"
        run([*ctr, "-n", "k8s.io", "images", "import", archive], what=f"loading {archive.name} into {node.name}")
