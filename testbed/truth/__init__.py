"""Numbered packets, and an oracle that counts them in a capture file."""
