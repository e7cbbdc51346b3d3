"""Which certificates and kubeconfigs a bed has. Made once and kept by `down`, so that kubeconfigs stay valid."""

from __future__ import annotations

from testbed.cluster import pki
from testbed.cluster.bed import API_SERVICE, Bed

FORM = 2  # of the certificates: those of another one in a cache are made anew


def make(bed: Bed, nodes: int) -> None:
    done = bed.pki / f"complete-{nodes}.{FORM}"  # written last: a set that a kill cut short is made anew
    if done.exists():
        return
    authority = pki.Authority(bed.pki)
    pki.signing_keys(bed.pki)
    authority.server(
        "apiserver",
        (
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
        ),
        ("127.0.0.1", API_SERVICE, bed.node(1).address),
    )
    internal = (*pki.COMPONENTS, *(pki.node_user(node.name) for node in bed.nodes(nodes)))
    for user in (*internal, *pki.USERS):
        authority.client(user)
        config = pki.kubeconfig(bed.pki, user, bed.server, context_name(bed, user.name))
        pki.write(bed.pki / f"{user.name}.kubeconfig", config)
    for user in pki.USERS:
        name = "kubeconfig" if user.name == "admin" else f"kubeconfig-{user.name}"
        pki.write(bed.cluster / name, (bed.pki / f"{user.name}.kubeconfig").read_bytes())
    done.touch()


def context_name(bed: Bed, user: str) -> str:
    """`testbed`, `testbed-dev`, ...; with its number for another bed, so that kubeconfigs can be merged."""
    base = "testbed" if bed.number == 0 else f"testbed{bed.number}"
    return base if user == "admin" else f"{base}-{user}"
