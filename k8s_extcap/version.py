"""The version, alone in a file so that the hot lane can name it without importing anything."""

VERSION = "0.1.0"
__version__ = VERSION
