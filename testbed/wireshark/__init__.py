"""Real Wiresharks of several versions, each used by an ordinary person with a home folder of their own."""
