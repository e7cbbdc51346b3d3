"""Ratios against kubectl, a bare interpreter and Wireshark's own floor."""
