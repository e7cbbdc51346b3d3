"""Pod Security admission: the profiles baseline and restricted, with the server's own words and their order.

Source of the checks: k8s.io/pod-security-admission/policy, version 1.36; the texts were compared with a real server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from testbed.demo import status
from testbed.demo.store import Object

LABEL = "pod-security.kubernetes.io/enforce"

# What a container may add under baseline (check_capabilities_baseline.go): NET_RAW is not among them.
_BASELINE_ADD = frozenset(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID"
    " SYS_CHROOT".split()
)
_RESTRICTED_ADD = frozenset({"NET_BIND_SERVICE"})
_RESTRICTED_VOLUMES = frozenset(
    "configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret image".split()
)
_PROFILES = ("RuntimeDefault", "Localhost")


def admit(namespace: Object, pod: Object) -> None:
    """Raise the refusal if the namespace enforces a profile that the pod violates."""
    level = namespace["metadata"].get("labels", {}).get(LABEL, "")
    checks = {"baseline": _BASELINE, "restricted": _RESTRICTED}.get(level, ())
    found = [text for check in checks if (text := check(pod["spec"]))]
    if found:
        why = f'violates PodSecurity "{level}:latest": {", ".join(found)}'
        raise status.refused("pods", pod["metadata"]["name"], why)


def _containers(spec: Object) -> Iterable[tuple[str, dict[str, Any]]]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key, []):
            yield container["name"], container.get("securityContext") or {}


def _quote(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _plural(names: list[str], prefix: str = "") -> str:
    return f"{prefix}container{'s' if len(names) > 1 else ''} {_quote(names)}"


def _host_namespaces(spec: Object) -> str:
    used = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return f"host namespaces ({', '.join(used)})" if used else ""


def _host_path(spec: Object) -> str:
    names = [volume["name"] for volume in spec.get("volumes", []) if "hostPath" in volume]
    return f"hostPath volumes (volume{'s' if len(names) > 1 else ''} {_quote(names)})" if names else ""


def _privileged(spec: Object) -> str:
    names = [name for name, context in _containers(spec) if context.get("privileged")]
    return f"privileged ({_plural(names)} must not set securityContext.privileged=true)" if names else ""


def _added(spec: Object, allowed: frozenset[str]) -> str:
    names, added = [], set()
    for name, context in _containers(spec):
        if more := set((context.get("capabilities") or {}).get("add", [])) - allowed:
            names.append(name)
            added |= more
    return (
        f"{_plural(names)} must not include {_quote(sorted(added))} in securityContext.capabilities.add"
        if names
        else ""
    )


def _capabilities_baseline(spec: Object) -> str:
    text = _added(spec, _BASELINE_ADD)
    return f"non-default capabilities ({text})" if text else ""


def _escalation(spec: Object) -> str:
    names = [name for name, context in _containers(spec) if context.get("allowPrivilegeEscalation") is not False]
    text = f"{_plural(names)} must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({text})" if names else ""


def _capabilities_restricted(spec: Object) -> str:
    names = [
        name for name, context in _containers(spec) if "ALL" not in (context.get("capabilities") or {}).get("drop", [])
    ]
    texts = [f'{_plural(names)} must set securityContext.capabilities.drop=["ALL"]'] if names else []
    if more := _added(spec, _RESTRICTED_ADD):
        texts.append(more)
    return f"unrestricted capabilities ({'; '.join(texts)})" if texts else ""


def _volumes(spec: Object) -> str:
    for volume in spec.get("volumes", []):
        kinds = sorted(set(volume) - {"name"} - _RESTRICTED_VOLUMES)
        if kinds:
            text = f'volume "{volume["name"]}" uses restricted volume type "{kinds[0]}"'
            return f"restricted volume types ({text})"
    return ""


def _non_root(spec: Object) -> str:
    of_pod = (spec.get("securityContext") or {}).get("runAsNonRoot")
    wrong = [name for name, context in _containers(spec) if context.get("runAsNonRoot") is False]
    if wrong:
        return f"runAsNonRoot != true ({_plural(wrong)} must not set securityContext.runAsNonRoot=false)"
    unset = [name for name, context in _containers(spec) if context.get("runAsNonRoot") is None]
    if of_pod or not unset:
        return ""
    return f"runAsNonRoot != true ({_plural(unset, 'pod or ')} must set securityContext.runAsNonRoot=true)"


def _user(spec: Object) -> str:
    bad = ["pod"] if (spec.get("securityContext") or {}).get("runAsUser") == 0 else []
    names = [name for name, context in _containers(spec) if context.get("runAsUser") == 0]
    bad += [_plural(names)] if names else []
    return f"runAsUser=0 ({' and '.join(bad)} must not set runAsUser=0)" if bad else ""


def _seccomp(spec: Object) -> str:
    def profile(context: dict[str, Any]) -> str:
        return str((context.get("seccompProfile") or {}).get("type", ""))

    if profile(spec.get("securityContext") or {}) in _PROFILES:
        return ""
    names = [name for name, context in _containers(spec) if profile(context) not in _PROFILES]
    text = (
        f'{_plural(names, "pod or ")} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    )
    return f"seccompProfile ({text})" if names else ""


_Check = Callable[[Object], str]
_BASELINE: tuple[_Check, ...] = (_capabilities_baseline, _host_namespaces, _host_path, _privileged)
_RESTRICTED: tuple[_Check, ...] = (
    _host_namespaces,
    _privileged,
    _escalation,
    _capabilities_restricted,
    _volumes,
    _non_root,
    _user,
    _seccomp,
)
