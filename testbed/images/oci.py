"""An OCI image archive (image-spec: image-layout.md) that `ctr images import` takes, in the standard library alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEDIA = "application/vnd.oci.image."
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as uname says -> as Go and OCI say
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """`name` has a host part and a tag ("localhost/web:1"): such a name is kept as written, others are completed.

    Never the tag `latest`: a kubelet would try to pull it.
    """

    name: str
    layers: tuple[bytes, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""

    @property
    def file_name(self) -> str:
        return self.name.rpartition("/")[2].partition(":")[0] + ".tar"


class _Blobs(dict[str, bytes]):
    def put(self, media: str, data: bytes) -> dict[str, Any]:
        """Store; the descriptor that points to it."""
        digest = hashlib.sha256(data).hexdigest()
        self[f"blobs/sha256/{digest}"] = data
        return {"mediaType": MEDIA + media, "digest": f"sha256:{digest}", "size": len(data)}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _run(image: Image) -> dict[str, Any]:
    run: dict[str, Any] = {"WorkingDir": "/", "Env": [SEARCH_PATH]}
    optional: dict[str, Sequence[str]] = {"Entrypoint": image.entrypoint, "Cmd": image.command, "User": image.user}
    return run | {key: value for key, value in optional.items() if value}


def archive(image: Image, machine: str = "") -> bytes:
    """The whole archive. Nothing in it depends on time or place: the same image is the same bytes."""
    system = {"os": "linux", "architecture": ARCHITECTURES[machine or platform.machine()]}
    blobs = _Blobs()
    layers = [blobs.put("layer.v1.tar+gzip", gzip.compress(raw, 1, mtime=0)) for raw in image.layers]
    digests = [f"sha256:{hashlib.sha256(raw).hexdigest()}" for raw in image.layers]
    config = {**system, "config": _run(image), "rootfs": {"type": "layers", "diff_ids": digests}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "manifest.v1+json",
        "config": blobs.put("config.v1+json", _json(config)),
        "layers": layers,
    }
    # containerd takes the image's name from this annotation; without it the import makes a nameless image.
    named = {"platform": system, "annotations": {"io.containerd.image.name": image.name}}
    index = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "index.v1+json",
        "manifests": [blobs.put("manifest.v1+json", _json(manifest)) | named],
    }
    return _tar({"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index), **blobs}.items())


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def save(image: Image, folder: Path) -> Path:
    """Written beside and renamed, so that a killed build leaves no half of an image under its name."""
    target = folder / image.file_name
    fresh = target.with_suffix(".new")
    fresh.write_bytes(archive(image))
    fresh.replace(target)
    return target
