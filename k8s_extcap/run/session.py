"""A session with a cluster, with this machine's folders: what lanes and commands call instead of `kube.connect`."""

from __future__ import annotations

from k8s_extcap.edge import folders
from k8s_extcap.kube import connect
from k8s_extcap.model.request import Connection


def open_session(connection: Connection, *, interactive: bool = True, capture: str = "") -> connect.Session:
    """ConfigError, CredentialError. Contacts nobody but a credential plugin."""
    cache = folders.state() + "/credentials"
    folders.ensure(cache)
    return connect.connect(connection, cache=cache, interactive=interactive, capture=capture)
