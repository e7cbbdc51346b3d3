"""A session with a cluster, with this machine's folders: what lanes and commands call instead of `kube.connect`."""

from __future__ import annotations

from k8s_extcap.edge import folders
from k8s_extcap.kube import connect
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.request import Connection
from k8s_extcap.run import keys


def open_session(connection: Connection, *, interactive: bool = True, capture: str = "") -> connect.Session:
    """ConfigError, CredentialError. Contacts nobody but a credential plugin."""
    cache = folders.state() + "/credentials"
    try:
        folders.ensure(cache)
    except OSError as error:
        raise ConfigError(
            f"The folder {cache} cannot be made ({error.strerror}). Make it writable, or set K8S_EXTCAP_HOME to a "
            "folder that is."
        ) from error
    return connect.connect(connection, cache=cache, keys=keys.own, interactive=interactive, capture=capture)
