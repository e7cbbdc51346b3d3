"""What a person set for the list: `config()/settings.toml`, which nobody needs to have.

limit = 32              # pods that are listed at most: each costs Wireshark two process starts
kinds = ["pod"]         # also: container, deploy, sts, ds, job, svc, ns, node
namespaces = ["shop"]   # beside the context's own
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from k8s_extcap.edge import folders
from k8s_extcap.model.errors import ConfigError, UsageError
from k8s_extcap.model.ids import KINDS, Name
from k8s_extcap.wireshark.target import checked

LIMIT = 32  # rows: 1.7 s of waiting in the GUI on two slow cores, 4.0's welcome window shows nine
MOST = 1000  # rows that a Wireshark can bear: a minute


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    limit: int = LIMIT
    kinds: tuple[str, ...] = ("pod",)
    namespaces: tuple[str, ...] = ()


def path() -> Path:
    return Path(folders.config()) / "settings.toml"


def load() -> Settings:
    """The settings; defaults where there is no file. ConfigError where it cannot be understood."""
    try:
        content = path().read_bytes()
    except OSError:
        return Settings()
    try:
        settings = msgspec.convert(tomllib.loads(content.decode()), Settings)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ConfigError(f"The settings in {path()} are not understood: {error}.") from error
    try:
        for namespace in settings.namespaces:
            checked(Name("ns", namespace))
    except UsageError as error:
        raise ConfigError(f"The settings in {path()} are not understood: {error.sentence}") from error
    unknown = [kind for kind in settings.kinds if kind not in KINDS or kind == "browse"]
    if unknown or not 0 <= settings.limit <= MOST:
        wrong = f"kind {unknown[0]!r}" if unknown else f"limit {settings.limit}"
        raise ConfigError(f"The settings in {path()} have the {wrong}. See its documentation for what is accepted.")
    return settings
