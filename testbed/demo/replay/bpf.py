"""Classic BPF, as `tcpdump -ddd` prints it, run in Python: sixty packets a second need no more.

Semantics: McCanne and Jacobson 1993, and Linux's Documentation/networking/filter.rst.
"""

from __future__ import annotations

import subprocess
from typing import NamedTuple

_WORD = 0xFFFFFFFF


class Instruction(NamedTuple):
    code: int
    jt: int
    jf: int
    k: int


def compile_filter(tcpdump: str, expression: str) -> list[Instruction]:
    """Raises ValueError with tcpdump's own sentence for a filter that it refuses."""
    done = subprocess.run([tcpdump, "-ddd", "-y", "EN10MB", expression], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip())
    _count, *lines = done.stdout.split("\n")
    return [Instruction(*map(int, line.split())) for line in lines if line]


def accepts(program: list[Instruction], packet: bytes) -> bool:
    """Whether the filter lets the packet pass. Reading beyond the packet's end refuses it."""
    try:
        return _run(program, packet) > 0
    except IndexError:
        return False


def _load(packet: bytes, at: int, size: int) -> int:
    if at + size > len(packet):
        raise IndexError
    return int.from_bytes(packet[at : at + size], "big")


_SIZES = {0x00: 4, 0x08: 2, 0x10: 1}


def _run(program: list[Instruction], packet: bytes) -> int:
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, jt, jf, k = program[at]
        at += 1
        match code & 0x07:
            case 0x00:
                a = _value(code, k, x, memory, packet)
            case 0x01:
                x = 4 * (packet[k] & 0x0F) if code & 0xE0 == 0xA0 else _value(code, k, x, memory, packet)
            case 0x02:
                memory[k] = a
            case 0x03:
                memory[k] = x
            case 0x04:
                a = _arithmetic(code & 0xF0, a, x if code & 0x08 else k)
            case 0x05:
                at += k if code & 0xF0 == 0 else jt if _jumps(code & 0xF0, a, x if code & 0x08 else k) else jf
            case 0x06:
                return a if code & 0x18 == 0x10 else k
            case _:
                a, x = (x, x) if code & 0x80 else (a, a)


def _value(code: int, k: int, x: int, memory: list[int], packet: bytes) -> int:
    mode = code & 0xE0
    if mode == 0x00:
        return k
    if mode == 0x60:
        return memory[k]
    if mode == 0x80:
        return len(packet)
    return _load(packet, k + (x if mode == 0x40 else 0), _SIZES[code & 0x18])


def _arithmetic(operation: int, a: int, b: int) -> int:
    results = {
        0x00: lambda: a + b,
        0x10: lambda: a - b,
        0x20: lambda: a * b,
        0x30: lambda: a // b if b else 0,
        0x40: lambda: a | b,
        0x50: lambda: a & b,
        0x60: lambda: a << (b & 31),
        0x70: lambda: a >> (b & 31),
        0x80: lambda: -a,
        0x90: lambda: a % b if b else 0,
        0xA0: lambda: a ^ b,
    }
    return results[operation]() & _WORD


def _jumps(operation: int, a: int, b: int) -> bool:
    return {0x10: a == b, 0x20: a > b, 0x30: a >= b, 0x40: bool(a & b)}[operation]
