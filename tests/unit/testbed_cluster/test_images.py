"""Image archives against the OCI specification, and file capabilities against the kernel."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import socket
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed import compiler
from testbed.images import oci, recipes
from testbed.images.files import CAP_NET_RAW, Entry, File, Folder, Link, capability_bytes, layer
from testbed.images.oci import Image

pytestmark = pytest.mark.timeout(600)  # at its first run the compiler makes its libc, maybe beside other builds


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: (tar.extractfile(m) or io.BytesIO()).read() for m in tar if m.isfile()}


def opened(image: Image) -> tuple[dict[str, bytes], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """All files, index, manifest and configuration; each blob checked against the digest that points to it."""
    files = members(oci.archive(image, "x86_64"))

    def follow(descriptor: dict[str, Any]) -> bytes:
        data = files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert hashlib.sha256(data).hexdigest() == descriptor["digest"].partition(":")[2]
        assert len(data) == descriptor["size"]
        return data

    index = json.loads(files["index.json"])
    manifest = json.loads(follow(index["manifests"][0]))
    config = json.loads(follow(manifest["config"]))
    for descriptor, digest in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        raw = gzip.decompress(follow(descriptor))
        assert "sha256:" + hashlib.sha256(raw).hexdigest() == digest
    return files, index, manifest, config


SMALL = layer([File("bin/a", b"A", 0o755)])


def test_an_archive_is_complete() -> None:
    image = Image("localhost/x:1", (SMALL, layer([File("b", b"B")])), ("/bin/a",), ("arg",), "65532:65532")
    files, index, manifest, config = opened(image)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "localhost/x:1"}
    assert len(manifest["layers"]) == 2
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    run = config["config"]
    assert (run["Entrypoint"], run["Cmd"], run["User"]) == (["/bin/a"], ["arg"], "65532:65532")
    assert len(files) == 2 + 1 + 1 + 2  # layout and index, manifest, configuration, layers


def test_what_is_not_said_is_absent() -> None:
    *_, config = opened(Image("localhost/x:1", (SMALL,)))
    assert set(config["config"]) == {"WorkingDir", "Env"}


def test_the_same_image_is_the_same_bytes() -> None:
    entries: list[Entry] = [File("b/c", b"1"), Link("a", "b/c"), Folder("t", 0o1777)]
    first = oci.archive(Image("localhost/x:1", (layer(entries),)))
    assert first == oci.archive(Image("localhost/x:1", (layer(reversed(entries)),)))


def test_a_layer_has_every_parent_once_and_before_its_children() -> None:
    data = layer([File("a/b/c", b"x"), File("/a/b/d", b"y", 0o755), Folder("a", 0o700), Link("a/l", "b")])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = [(m.name, m.mode, m.type) for m in tar]
        owners = {(m.uid, m.gid, m.mtime) for m in tar.getmembers()}
    assert [name for name, *_ in found] == ["a", "a/b", "a/b/c", "a/b/d", "a/l"]
    assert found[0][1] == 0o700
    assert found[3][1] == 0o755
    assert owners == {(0, 0, 0)}


def test_capability_bytes_are_what_the_kernel_keeps(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"")
    try:
        os.setxattr(program, "security.capability", capability_bytes([CAP_NET_RAW]))
    except OSError as error:
        pytest.skip(f"file capabilities cannot be set here: {error}")
    said = subprocess.run(["getcap", program], capture_output=True, text=True, check=False).stdout
    assert said.split()[-1] == "cap_net_raw=ep"


def test_a_capability_survives_the_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(layer([File("p", b"x", 0o755, (CAP_NET_RAW,))]))) as tar:
        value = tar.getmember("p").pax_headers["SCHILY.xattr.security.capability"]
    assert value.encode("utf-8", "surrogateescape") == capability_bytes([CAP_NET_RAW])


def has_interpreter(program: bytes) -> bool:
    """A dynamic ELF program names its loader in a program header of type PT_INTERP, 3 (elf(5), 64 bits)."""
    offset, size, count = (*struct.unpack_from("<Q", program, 32), *struct.unpack_from("<HH", program, 54))
    return any(struct.unpack_from("<I", program, offset + number * size)[0] == 3 for number in range(count))


def compiles() -> None:
    if not compiler.at_hand():
        pytest.skip("no C compiler yet: python -m payload.build brings it")


@pytest.fixture
def built() -> Callable[[str], Path]:
    compiles()
    return recipes.compiled


@pytest.mark.parametrize("name", ["pause", "web", "traffic"])
def test_programs_are_static(name: str, built: Callable[[str], Path]) -> None:
    program = built(name)
    assert not has_interpreter(program.read_bytes())
    assert has_interpreter(Path("/bin/sh").resolve().read_bytes())
    first = program.stat().st_mtime_ns
    assert built(name).stat().st_mtime_ns == first  # not again


@contextmanager
def running(*argv: str | Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*map(str, argv)], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_web_answers_with_its_name_and_the_request(built: Callable[[str], Path], address: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(built("web"), str(port)) as server:
        assert first_line(server).startswith(f"listening on {port}")
        connection = http.client.HTTPConnection(address, port, timeout=10)
        connection.request("GET", "/one?two")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read().decode() == f"hello from {socket.gethostname()}: GET /one?two HTTP/1.1\n"
        connection.close()


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_traffic_sends_numbered_requests(built: Callable[[str], Path], family: int, address: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with socket.socket(family) as server:
        server.settimeout(10)
        server.bind((address, 0))
        server.listen()
        with running(built("traffic"), address, str(server.getsockname()[1]), "50") as client:
            requests = []
            for _ in range(3):
                connection, _ = server.accept()
                with connection:
                    requests.append(connection.recv(4096).split(b"\r\n")[0])
                    connection.sendall(answer)
            assert first_line(client) == f"request 1 to {address}: answered\n"
            client.terminate()
            assert client.wait(10) == 0  # TERM ends it at once, also as PID 1 of a container
    assert requests == [b"GET /beat/%d HTTP/1.1" % number for number in (1, 2, 3)]


def test_traffic_goes_on_when_nobody_answers(built: Callable[[str], Path]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        with running(built("traffic"), "127.0.0.1", str(unused.getsockname()[1]), "50") as client:
            assert first_line(client) == "request 1 to 127.0.0.1: no answer\n"
            assert client.poll() is None


@pytest.mark.parametrize("words", [[], ["host", "80", "5"], ["127.0.0.1", "80", "0"], ["127.0.0.1", "80", "1001"]])
def test_traffic_refuses_what_it_does_not_understand(built: Callable[[str], Path], words: list[str]) -> None:
    done = subprocess.run([built("traffic"), *words], capture_output=True, check=False, timeout=10)
    assert done.returncode == 2


def test_a_recipe_is_followed_once(tmp_path: Path) -> None:
    if not recipes.BUSYBOX.exists():
        pytest.skip("no static busybox here: apt-get install busybox-static")
    compiles()
    recipes.make(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {f"{name}.tar" for name in recipes.NAMES} <= set(before)
    recipes.make(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    (tmp_path / "web.tar").unlink()
    recipes.make(tmp_path)
    assert (tmp_path / "web.tar").exists()
