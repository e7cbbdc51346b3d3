"""One file per way to capture: what it needs, what it does, what it leaves."""
