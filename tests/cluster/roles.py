"""Service accounts that may exactly what a Role of docs/roles grants, or one verb less."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from k8s_extcap.setup import roles
from testbed.cluster.handle import Cluster

LIFE = 3600  # seconds of a token: the tests take minutes


class Cell(NamedTuple):
    """One account. `without` is the right that is taken away, None: the whole Role."""

    method: str
    without: roles.Right | None = None
    place: roles.Place = "target"

    @property
    def name(self) -> str:
        if self.without is None:
            return self.method
        right = self.without
        where = "-there" if self.place == "helper" and self.method == "nsenter-elsewhere" else ""
        return f"{self.method}.{right.verb}-{right.resource}{'-' + right.sub if right.sub else ''}{where}"


def cells() -> Iterator[Cell]:
    for method, parts in roles.METHODS.items():
        yield Cell(method)
        for part in parts:
            for right in part.rights:
                yield Cell(method, right, part.place)


def objects(cell: Cell, target: str, helper: str) -> Iterator[dict[str, Any]]:
    """The account (in the target's namespace), its Roles and bindings."""
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": cell.name, "namespace": target}}
    for part in roles.METHODS[cell.method]:
        less = tuple(r for r in part.rights if (r, part.place) != (cell.without, cell.place))
        if not less:
            continue
        cluster = part.place == "cluster"
        namespace = helper if part.place == "helper" else target
        name = f"{target}.{cell.name}" if cluster else cell.name
        meta = {"name": name, "labels": {"testbed/roles": target}, **({} if cluster else {"namespace": namespace})}
        rules = [
            {"apiGroups": [r.group], "resources": [f"{r.resource}/{r.sub}" if r.sub else r.resource], "verbs": [r.verb]}
            for r in less
        ]
        kind = "rbac.authorization.k8s.io/v1"
        yield {"apiVersion": kind, "kind": "ClusterRole" if cluster else "Role", "metadata": meta, "rules": rules}
        yield {
            "apiVersion": kind, "kind": "ClusterRoleBinding" if cluster else "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole" if cluster else "Role",
                        "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": cell.name, "namespace": target}],
        }  # fmt: skip


def kubeconfig(cluster: Cluster, folder: Path, account: str, namespace: str, token: str) -> Path:
    """As an administrator would hand it out: with a token, and nothing else."""
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    server = config["clusters"][0]["cluster"]
    authority = (
        server.get("certificate-authority-data")
        or base64.b64encode(Path(server["certificate-authority"]).read_bytes()).decode()
    )
    tree = {
        "clusters": [{"name": "c", "cluster": {"server": server["server"], "certificate-authority-data": authority}}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": account, "namespace": namespace}}],
        "current-context": "x",
    }
    file = folder / f"{account}.kubeconfig"
    file.write_text(json.dumps(tree))
    file.chmod(0o600)
    return file
