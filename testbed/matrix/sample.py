"""A seeded sample of the struck cells for every day: what must always be in it, then pairs that are not met in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from testbed.matrix import strikes
from testbed.matrix.deeds import STREAMING, Deed, first_answered
from testbed.matrix.struck import Shot, uploading

METHODS = ("resident", "upload", "ephemeral", "nsenter")
#: While packets flow, for each of METHODS; SIGKILL behind the first deed too.
ALWAYS = (
    strikes.KILL,
    strikes.GROUP,
    strikes.READER,
    strikes.BLACK_HOLE,
    strikes.API,
    strikes.DELETED,
    strikes.RESTARTED,
)
#: Each shared blow takes the whole bed for a minute: one of them, the API server's, is always there.
LEFT_OUT = ("kubelet restarted", "containerd restarted", "everything frozen and thawed", "credentials revoked")


def mandatory(shots: Sequence[Shot], deeds: dict[str, tuple[Deed, ...]]) -> list[Shot]:
    def wanted(shot: Shot) -> bool:
        if shot.method not in METHODS or shot.reconnect:
            return False
        if shot.blow is strikes.KILL and shot.position == first_answered(deeds[shot.method]):
            return True
        return shot.position.title == STREAMING and shot.blow in ALWAYS

    return [shot for shot in shots if wanted(shot)]


def left_out(shot: Shot) -> bool:
    """What takes minutes or the whole bed. In an upload a client may be silent for a minute."""
    return shot.blow.name in LEFT_OUT or shot.blow is strikes.API or (shot.blow.silent and uploading(shot))


def pairs(shot: Shot) -> Iterator[tuple[str, str]]:
    """What two things meet in it. Positions count by their moment: deeds differ from method to method."""
    moment = shot.position.moment or STREAMING
    blow = shot.what["blow"]
    yield shot.method, blow
    yield moment, blow
    yield shot.method, moment


def choose(shots: Sequence[Shot], deeds: dict[str, tuple[Deed, ...]], more: int, seed: int) -> list[Shot]:
    """The mandatory ones, and `more` that each bring as many new pairs as one can, by the seed where several do."""
    chosen = mandatory(shots, deeds)
    met = {pair for shot in chosen for pair in pairs(shot)}
    dice = random.Random(seed)
    rest = [shot for shot in shots if shot not in chosen and not left_out(shot)]
    dice.shuffle(rest)
    for _ in range(min(more, len(rest))):
        best = max(rest, key=lambda shot: sum(pair not in met for pair in pairs(shot)))
        rest.remove(best)
        chosen.append(best)
        met.update(pairs(best))
    return chosen
