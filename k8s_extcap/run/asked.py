"""What the host's call asks for: its words, what is remembered for the interface, the cluster it was listed from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from k8s_extcap.edge import catalog, consent, host, recents, store
from k8s_extcap.kube import connect
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError, UsageError
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.wireshark import parent
from k8s_extcap.wireshark.argv import Invocation
from k8s_extcap.wireshark.request import to_request

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """`origin` None: the name was never listed here, so it means the current context."""

    request: CaptureRequest
    origin: catalog.Origin | None
    alias: str
    dialog: str
    passed: dict[str, str]

    def verify(self, session: connect.Session) -> None:
        """A listed name means the cluster it was listed from. ConfigError where its context leads elsewhere by now."""
        origin = self.origin
        if origin is None:
            return
        same_ca = origin.ca_digest == session.ca_digest or not (origin.ca_digest and session.ca_digest)
        if origin.server == session.server and same_ca:
            return
        which = f"{session.server} with another certificate authority" if not same_ca else session.server
        raise ConfigError(
            f"{origin.interface} was listed from the cluster {origin.server}, but context '{session.context}' now "
            f"leads to {which}. Refresh the interface list (F5) and choose again."
        )

    def remember(self, target: Target) -> None:
        """Keeps a dialog's values for the next time, under the target's workload, and lists the target from now on.
        A failure costs only the memory.

        Of browse that is what was chosen there, in the context and namespace where it was found.
        """
        name = self.request.target
        if not name.namespace and not target.is_node:
            name = ids.Name(name.kind, target.namespace, name.name, name.container, name.alias, name.digest)
        try:
            alias = ids.alias_of(target.context)
            store.remember(alias, name, store.owner_of(target.pod), self.passed, self.dialog)
            recents.remember(name, target.context)
        except ConfigError as error:
            _log.warning("%s", error)


def from_invocation(call: Invocation) -> Asked:
    """UsageError, ConfigError. No network."""
    name = ids.parse(call.interface)
    if name is None:
        raise UsageError(
            f"'{call.interface}' is no interface of k8s-extcap. Names look like k8s-pod-NAMESPACE.POD; "
            "'k8s-extcap name' makes one."
        )
    dialog = parent.read(host.command_line(), host.native).dialog
    origin = catalog.origin(call.interface)
    header = catalog.header() if origin is None else None
    alias = name.alias or (origin.alias if origin else header.alias if header else "")
    values = store.resolve(alias, name, call.values, dialog)
    request = consent.bounded(to_request(name, values, call.filter))
    context = request.connection.context
    if not context and name.kind != "browse":
        context = origin.context if origin else _context(name, request.connection.kubeconfig)
        request = replace(request, connection=replace(request.connection, context=context))
        return Asked(request, origin, alias, dialog, call.values)
    return Asked(request, None, alias, dialog, call.values)


def _context(name: ids.Name, kubeconfig: str) -> str:
    """The context that a name's alias stands for, "" for the current one."""
    if not name.alias:
        return ""
    known = connect.contexts(kubeconfig).all
    found = next((c.name for c in known if ids.alias_of(c.name) == name.alias), None)
    if found is None:
        have = ", ".join(c.name for c in known[:5]) or "none"
        raise ConfigError(
            f"No context of the kubeconfig has the short name '{name.alias}' of {ids.render(name)}. It has: {have}. "
            "Refresh the interface list (F5)."
        )
    return found
