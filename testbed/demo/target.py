"""A request's path, parsed once: which resource, which object, which subresource."""

from __future__ import annotations

from typing import NamedTuple

from testbed.demo.resources import BY_PATH, RESOURCES, Resource


class Target(NamedTuple):
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def authorised_as(self) -> str:
        """The resource's name in RBAC: `pods/exec`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    @property
    def known(self) -> bool:
        return self.resource in RESOURCES


def parse(path: str) -> Target | None:
    """None for a path that is none of the API's. An unknown type of a known group is a target like others:
    it is authorised first and not found then.
    """
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace = ""
    # `/namespaces/X` is the namespace itself, `/namespaces/X/pods` something in it.
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3 or (group, version) not in _GROUPS:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    resource = BY_PATH.get((group, version, plural), Resource(plural, plural, group))
    return Target(resource, namespace, name, subresource)


_GROUPS = {(resource.group, resource.version) for resource in RESOURCES}
