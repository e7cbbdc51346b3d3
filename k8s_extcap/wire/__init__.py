"""Protocols as pure machines: bytes in, events out."""
