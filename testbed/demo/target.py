"""A request's path, parsed once: which resource, which object, which subresource."""

from __future__ import annotations

from typing import NamedTuple

from testbed.demo import status
from testbed.demo.resources import BY_PATH, Resource


class Target(NamedTuple):
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def authorised_as(self) -> str:
        """The resource's name in RBAC: `pods/exec`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


def parse(path: str) -> Target:
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise status.no_such_path()
    namespace = ""
    # `/namespaces/X` is the namespace itself, `/namespaces/X/pods` something in it.
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        raise status.no_such_path()
    plural, name, subresource = (*rest, "", "")[:3]
    resource = BY_PATH.get((group, version, plural))
    if resource is None or (namespace and not resource.namespaced):
        raise status.no_such_path()
    return Target(resource, namespace, name, subresource)
