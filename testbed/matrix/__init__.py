"""What is larger than `script/test`: each cell once, on the real cluster, kept as a line of JSON.

docs/compatibility.md and docs/reliability.md are made of those lines and of nothing else.
"""
