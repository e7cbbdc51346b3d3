"""The images of the bed, each as a list of files."""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from testbed import compiler
from testbed.images import oci
from testbed.images.files import CAP_NET_RAW, Entry, File, Folder, Link, layer, program
from testbed.images.oci import Image

BUSYBOX = Path("/bin/busybox")
SOURCES = Path(__file__).parent / "src"
NAMES = ("pause", "web", "busybox", "tcpdump", "filecaps", "helper", "traffic")
SHELL = ("/bin/sh",)
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"


def _busybox() -> bytes:
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    entries: list[Entry] = [
        program("bin/busybox", BUSYBOX),
        *(Link(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox"),
        *(Folder(name) for name in ("proc", "sys", "dev", "home", "var/log")),
        Folder("root", 0o700),
        Folder("tmp", 0o1777),
        # No user `tcpdump`, on purpose: Debian's tcpdump then refuses to start without -Z root, as it does in many
        # images of the wild.
        File("etc/passwd", PASSWD),
        File("etc/group", b"root:x:0:\nnobody:x:65534:\n"),
    ]
    return layer(entries)


def _found() -> str:
    path = shutil.which("tcpdump", path="/usr/bin:/usr/sbin:/bin:/sbin")
    if not path:
        raise compiler.CompilerError("no tcpdump on this machine: install the package tcpdump")
    return path


@functools.cache
def stays_root() -> tuple[str, ...]:
    """What keeps the distribution's tcpdump root: without it, it looks for its own user, which most images have not.
    Ubuntu 24.04's dies of it; its images have the user.
    """
    said = subprocess.run([_found(), "--version"], capture_output=True, text=True, check=False).stdout
    return () if "tcpdump version 4.99.4" in said else ("-Z", "root")


def _tcpdump(capabilities: tuple[int, ...] = ()) -> bytes:
    """The distribution's tcpdump with its shared libraries, under the names that the loader looks for."""
    path = _found()
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    libraries = sorted(set(re.findall(r"(/\S+\.so\S*)", said)))
    entries = [program("usr/bin/tcpdump", Path(path), capabilities), *(program(x, Path(x)) for x in libraries)]
    if not stays_root():
        entries.append(File("etc/passwd", PASSWD + b"tcpdump:x:65533:65533::/nonexistent:/bin/false\n"))
    return layer(entries)


def compiled(name: str) -> Path:
    """The static program made of SOURCES/NAME.c; `pause` is PID 1 of each node as well. CompilerError."""
    return compiler.static(SOURCES / f"{name}.c")


def _web() -> bytes:
    """One static binary and a passwd file: no shell, nothing to exec."""
    passwd = b"root:x:0:0:root:/:/\nnonroot:x:65532:65532:nonroot:/home/nonroot:/\n"
    web = program("web", compiled("web"))
    return layer([web, File("etc/passwd", passwd), Folder("tmp", 0o1777)])


def images() -> tuple[Image, ...]:
    """All of them."""
    shell = _busybox()
    traffic = layer([program("bin/traffic", compiled("traffic"))])
    pause = layer([program("pause", compiled("pause"))])
    return (
        Image("localhost/pause:1", (pause,), entrypoint=("/pause",)),
        Image("localhost/web:1", (_web(),), entrypoint=("/web",), user="65532:65532"),
        Image("localhost/busybox:1", (shell,), command=SHELL),
        Image("localhost/tcpdump:1", (shell, traffic, _tcpdump()), command=SHELL),
        Image("localhost/filecaps:1", (shell, traffic, _tcpdump((CAP_NET_RAW,))), command=SHELL),
        # The same content under the name that the nsenter method's helper pod is given: busybox has nsenter.
        Image("localhost/helper:1", (shell,), command=SHELL),
        Image("localhost/traffic:1", (shell, traffic), command=SHELL),
    )


def coredns(folder: Path, binary: Path) -> Path:
    """Apart from the others: it exists only where DNS was asked for."""
    root = layer([program("coredns", binary)])
    return oci.save(Image("localhost/coredns:1", (root,), entrypoint=("/coredns",)), folder)


def _recipe_digest() -> str:
    """Of everything that decides what the images contain: our own text and the machine's programs in them."""
    inputs = [
        *sorted(Path(__file__).parent.glob("*.py")),
        *sorted(SOURCES.glob("*.c")),
        Path(compiler.__file__),
        BUSYBOX,
        Path(_found()),
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in inputs)).hexdigest()


def make(folder: Path) -> None:
    """Write the archives that are absent or older than their recipe; two seconds, else nothing."""
    stamp, digest = folder / "recipe", _recipe_digest()
    if stamp.exists() and stamp.read_text() == digest and all((folder / f"{name}.tar").exists() for name in NAMES):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for image in images():
        oci.save(image, folder)
    stamp.write_text(digest)
