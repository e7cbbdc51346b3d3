"""What proves to the API server who asks: held while it counts, asked for again when it ends or is refused.

A capture lives longer than many a credential. Its stream goes on without; the next request (an undo, another stream)
needs a fresh one. Several threads ask at once, one of them renews.
"""

from __future__ import annotations

import base64
import logging
import ssl
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from k8s_extcap.kube.material import Material
from k8s_extcap.model.errors import ExtcapError

_log = logging.getLogger(__name__)

NEVER = float("inf")
SOON = 60.0  # seconds before its end from which a credential is renewed; of a short-lived one half its life
FLOOR = 5.0  # seconds between two renewals: a plugin may give what has ended already
REREAD = 60.0  # seconds for which a token's file is believed: kubelets renew those of pods, as client-go reads them


Forget = Callable[[], None]


class Given(NamedTuple):
    """Secrets. `until` (epoch seconds) is when it is to be renewed; `forget` drops what is kept of it elsewhere."""

    authorization: str
    material: Material
    tls: ssl.SSLContext | None
    until: float
    forget: Forget

    def __repr__(self) -> str:
        return "Given()"

    def same(self, other: Given) -> bool:
        return (self.authorization, self.material) == (other.authorization, other.material)


def until(expires: float, now: float) -> float:
    """When a credential that ends at `expires` (0: it did not say) is to be renewed."""
    return max(expires - min(SOON, (expires - now) / 2), now + FLOOR) if expires else NEVER


class Login:
    """`again` obtains the credentials anew, or None where they would be for another cluster by now. ExtcapError."""

    def __init__(self, given: Given, again: Callable[[], Given | None]) -> None:
        self._given = given
        self._again = again
        self._lock = threading.Lock()
        self.on_renewed: Callable[[Given], None] = lambda _given: None

    def __repr__(self) -> str:
        return "Login()"

    @property
    def held(self) -> Given:
        """As it is, though it may have ended."""
        return self._given

    @property
    def due(self) -> bool:
        return self._given.until <= time.time()

    def current(self) -> Given:
        """One that counts. May run a credential plugin; where that fails the old one is tried: it has a minute left, or
        the server says that it has not.
        """
        if self.due:
            with self._lock:
                if self.due:
                    self._try()
        return self._given

    def _try(self) -> None:
        try:
            self._renew()
        except ExtcapError as error:
            _log.warning("the credentials were not renewed: %s", error)
            self._given = self._given._replace(until=time.time() + FLOOR)

    def refused(self, used: Given) -> bool:
        """The server did not accept `used`: whether there is another to try. CredentialError, ConfigError."""
        used.forget()
        with self._lock:
            if self._given is used:
                self._renew()
            return not self._given.same(used)

    def hidden(self, said: bytes) -> bytes:
        """An answer without our credentials: some proxies print the request that they did not like."""
        word = self._given.authorization.partition(" ")[2]
        if not word:
            return said
        said = said.replace(word.encode(), b"***")
        try:
            password = base64.b64decode(word, validate=True).partition(b":")[2]  # of a basic one
        except ValueError:
            return said
        return said.replace(password, b"***") if len(password) > 3 else said

    def _renew(self) -> None:
        found = self._again()
        if found is None:
            _log.warning("the context leads to another cluster by now: its credentials are not used for this one")
            self._given = self._given._replace(until=NEVER)
            return
        if found.same(self._given):  # and so is its TLS context, whose connections stay open
            self._given = self._given._replace(until=found.until)
            return
        _log.info("credentials renewed")
        self._given = found
        self.on_renewed(found)
