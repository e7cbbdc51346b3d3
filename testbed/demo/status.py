"""Failures as the API server words them: a Status object and its HTTP code."""

from __future__ import annotations

from typing import Any

from testbed.demo.users import User, Wanted


class ApiError(Exception):
    """Becomes the answer of the request: Status JSON, or plain text if `text` is set."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        kind: str = "",
        name: str = "",
        group: str = "",
        text: bool = False,
        headers: dict[str, str] | None = None,
        empty_details: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.text = code, reason, message, text
        self.headers = headers or {}
        # Errors made from a bare HTTP code carry `"details":{}`, others leave an empty one out.
        self._empty_details = empty_details
        named = {"name": name, "group": group, "kind": kind}
        self.details = {key: value for key, value in named.items() if value} | details

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details or self._empty_details:
            status["details"] = self.details
        return status | {"code": self.code}


def _qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def not_found(resource: str, name: str, group: str = "") -> ApiError:
    text = f'{_qualified(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", text, kind=resource, name=name, group=group)


def no_such_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", empty_details=True)


def method_not_allowed() -> ApiError:
    text = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", text, empty_details=True)


def no_such_path() -> ApiError:
    return ApiError(404, "", "404 page not found\n", text=True)


def already_exists(resource: str, name: str, group: str = "") -> ApiError:
    text = f'{_qualified(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", text, kind=resource, name=name, group=group)


def conflict(resource: str, name: str, why: str, group: str = "") -> ApiError:
    text = f'Operation cannot be fulfilled on {_qualified(resource, group)} "{name}": {why}'
    return ApiError(409, "Conflict", text, kind=resource, name=name, group=group)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def forbidden_text(user: User, wanted: Wanted) -> str:
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {wanted.verb} resource "{wanted.resource}" in API group "{wanted.group}" {where}'


def forbidden(user: User, wanted: Wanted) -> ApiError:
    resource = wanted.resource.partition("/")[0]
    return refused(resource, wanted.name, forbidden_text(user, wanted), wanted.group)


def refused(resource: str, name: str, why: str, group: str = "") -> ApiError:
    """403 by an admission plugin or by rights; the texts differ only in `why`."""
    quoted = f' "{name}"' if name else ""
    text = f"{_qualified(resource, group)}{quoted} is forbidden: {why}"
    return ApiError(403, "Forbidden", text, kind=resource, name=name, group=group)


def forbidden_path(user: User, path: str, verb: str) -> ApiError:
    return ApiError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {verb} path "{path}"', empty_details=True)


def invalid(kind: str, name: str, field: str, why: str, reason: str, group: str = "") -> ApiError:
    # With an empty name the server still quotes it.
    text = f'{_qualified(kind, group)} "{name}" is invalid: {field}: {why}'
    causes = [{"reason": reason, "message": why, "field": field}]
    return ApiError(422, "Invalid", text, kind=kind, name=name, group=group, causes=causes)


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)
