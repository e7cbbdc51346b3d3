"""What a newcomer and CI run: `script/demo` and `script/test`. Never part of the wheel."""
