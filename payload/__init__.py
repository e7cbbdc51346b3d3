"""Recipes for what is uploaded into pods: a static tcpdump with millisecond blocks, and nsx."""
