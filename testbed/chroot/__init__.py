"""Fresh machines: minimal Debian and Ubuntu systems in chroots, thrown away after one command."""
