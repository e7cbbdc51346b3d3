"""Install, uninstall, doctor: a plan of file operations, shown, applied, verified."""
