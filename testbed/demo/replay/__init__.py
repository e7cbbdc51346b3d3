"""Pods where no namespace may be made: commands run as an ordinary process, and tcpdump replays generated packets."""
