"""Wireshark 4.0, 4.4 and 4.6, and a driver for their windows."""
