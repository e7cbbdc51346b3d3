"""Immutable values that every room speaks in; imports nothing of ours."""
