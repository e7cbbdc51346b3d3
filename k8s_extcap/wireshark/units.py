"""Quantities that people write, and the only place where they are read: sizes, durations, whole numbers."""

from __future__ import annotations

from k8s_extcap.model.errors import UsageError

# Powers of 1000 for B, kB, MB …; of 1024 with an i. A bare letter counts in 1000, as `curl --limit-rate` readers guess
# wrong half the time anyway and 2.4 % do not matter for a ceiling.
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_DIGITS = frozenset("0123456789")


def size(option: str, text: str) -> int:
    """Bytes of `500`, `500 kB`, `1.5GiB`, `20M`, `20 MB/s`."""
    number, unit = _split(text.strip().removesuffix("/s"))
    unit = unit.lower().removesuffix("ytes").removesuffix("yte")
    factor = _SIZES.get(unit if unit in _SIZES else unit.removesuffix("b"))
    if number is None or factor is None:
        raise UsageError(f"{option}: {text!r} is no size. Accepted: bytes, or a number with kB, MB, GB, KiB, MiB, GiB.")
    return round(number * factor)


def seconds(option: str, text: str) -> float:
    """Seconds of `90`, `90s`, `5m`, `1h30m`, `500ms`."""
    total, rest = 0.0, text.strip()
    good = bool(rest)
    while rest and good:
        length = 0
        while length < len(rest) and rest[length] in "0123456789.":
            length += 1
        end = length
        while end < len(rest) and rest[end] not in _DIGITS:
            end += 1
        number, unit = _split(rest[:end])
        factor = _TIMES.get(unit.lower())
        good = number is not None and factor is not None
        total += (number or 0.0) * (factor or 0.0)
        rest = rest[end:]
    if not good:
        raise UsageError(f"{option}: {text!r} is no duration. Accepted: seconds, or such as 90s, 5m, 1h30m.")
    return total


def whole(option: str, text: str, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    text = text.strip()
    number = int(text) if text and not (set(text) - _DIGITS) and len(text) <= 20 else None
    if number is None or not low <= number <= high:
        raise UsageError(f"{option}: {text!r} is not accepted; a whole number from {low} to {high} is.")
    return number


def _split(text: str) -> tuple[float | None, str]:
    length = 0
    while length < len(text) and text[length] in "0123456789.":
        length += 1
    digits = text[:length]
    if not digits or digits.count(".") > 1 or digits == "." or length > 20:
        return None, ""
    return float(digits), text[length:].strip()
