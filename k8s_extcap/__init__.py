"""See the packets of Kubernetes pods in Wireshark."""
