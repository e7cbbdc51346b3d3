"""What the host's call asks for: its words, what is remembered for the interface, the cluster it was listed from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from k8s_extcap.edge import allowed, catalog, consent, host, recents, store, storing
from k8s_extcap.edge.allowed import OPTION
from k8s_extcap.kube import connect
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError, UsageError
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.run.allowing import confirmed
from k8s_extcap.wireshark import parent
from k8s_extcap.wireshark.argv import Invocation
from k8s_extcap.wireshark.options import BY_CALL
from k8s_extcap.wireshark.request import connection_of, to_request

_log = logging.getLogger(__name__)

UNKNOWN = "-"  # no context has this alias, and nothing is remembered for it


@dataclass(frozen=True, slots=True)
class Asked:
    """`origin` None: the name was never listed here, so it means the current context."""

    request: CaptureRequest
    origin: catalog.Origin | None
    alias: str
    dialog: str
    passed: dict[str, str]
    allowed: str = ""  # for good, in the cluster that is meant

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
            alias = _alias(target.context, self.request.connection.kubeconfig)
            owner = store.owner_of(target.pod)
            storing.remember(alias, name, owner, _harmless(self.passed), self.dialog, self.allowed)
            recents.remember(name, target.context)
        except ConfigError as error:
            _log.warning("%s", error)


def _harmless(passed: dict[str, str]) -> dict[str, str]:
    """Without a proxy's password: a file is no place for it."""
    return {name: value for name, value in passed.items() if name != "proxy" or "@" not in value}


def from_invocation(call: Invocation, words: list[str] | None = None) -> Asked:
    """What is asked by a program with this command line, that which started us. UsageError, ConfigError. No network."""
    name = ids.parse(call.interface)
    if name is None:
        raise UsageError(
            f"'{call.interface}' is no interface of k8s-extcap. Names look like k8s-pod-NAMESPACE.POD; "
            "'k8s-extcap name' makes one."
        )
    version, _ = catalog.shown_to(host.identity())
    dialog = parent.read(host.command_line() if words is None else words, host.native).dialog(version)
    origin = catalog.origin(call.interface)
    header = catalog.header() if origin is None else None
    alias = name.alias or (origin.alias if origin else header.alias if header else "") or UNKNOWN
    values = store.resolve(alias, name, call.values, dialog)
    connection = connection_of(values)
    if not connection.context and name.kind != "browse":
        connection = replace(connection, context=origin.context if origin else _context(name, connection.kubeconfig))
    else:
        origin = None  # a context was chosen, which need not be the one that it was listed from
    may = confirmed(connection.context, connection.kubeconfig)
    passed = _said(call.values, alias, name, dialog, may)
    request = consent.bounded(to_request(name, store.resolve(alias, name, passed, dialog, may), call.filter))
    return Asked(replace(request, connection=connection), origin, alias, dialog, passed, may)


def _said(passed: dict[str, str], alias: str, name: ids.Name, dialog: str, may: str) -> dict[str, str]:
    """What the host passed, without a *May use* that nobody chose: a dialog passes what it showed, and it may have
    shown what counts for another cluster.
    """
    default = BY_CALL[OPTION].default
    seen = store.load(alias, name, allowed.shown(alias) if name.kind != "browse" else "").get(OPTION, default)
    means = store.load(alias, name, may).get(OPTION, default)
    if dialog == "gui" and passed.get(OPTION) == seen != means:
        return {call: value for call, value in passed.items() if call != OPTION}
    return passed


def _alias(context: str, kubeconfig: str) -> str:
    """As the list and the dialog have it."""
    try:
        return ids.alias_of(context, [known.name for known in connect.contexts(kubeconfig).all])
    except ConfigError:
        return ids.alias_of(context)  # no kubeconfig to find a twin in


def _context(name: ids.Name, kubeconfig: str) -> str:
    """The context that a name's alias stands for, "" for the current one."""
    if not name.alias:
        return ""
    known = [context.name for context in connect.contexts(kubeconfig).all]
    found = ids.aliased(name.alias, known)
    if not found:
        have = ", ".join(known[:5]) or "none"
        raise ConfigError(
            f"No context of the kubeconfig has the short name '{name.alias}' of {ids.render(name)}. It has: {have}. "
            "Refresh the interface list (F5)."
        )
    return found
