"""API answers to targets and interface sentences."""
