"""Capture filters at random that libpcap accepts: `python tests/fuzz/filters.py COUNT` prints them for the golden file.

Written from the manual page pcap-filter(7), not from our grammar; `accepted` asks the real tcpdump.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

LINKS = (1, 105, 123, 140, 117)  # Ethernet, 802.11, SunATM, MTP2, PFLOG: some words are for one of them only


def accepted(text: str, folder: Path) -> bool:
    """Whether tcpdump compiles this filter for any of the link types."""
    for link in LINKS:
        file = folder / f"{link}.pcap"
        if not file.exists():
            file.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link))
        done = subprocess.run(
            ["tcpdump", "-n", "-d", "-r", file, "--", text], capture_output=True, check=False, timeout=20
        )
        if done.returncode == 0:
            return True
    return False


class Maker:
    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)

    def filter(self) -> str:
        terms = [self.term(2)]
        for _ in range(self.r.choice((0, 0, 1, 1, 2, 3))):
            terms += [self.r.choice(("and", "or", "&&", "||")), self.term(2)]
        return " ".join(terms)

    def term(self, depth: int) -> str:
        shapes = [self.plain, self.hosted, self.ported, self.sized, self.compared, self.ether, self.rare, self.listed]
        if depth and self.r.random() < 0.2:
            return self.negated(depth - 1) if self.r.random() < 0.5 else self.nested(depth - 1)
        return self.r.choice(shapes)()

    def plain(self) -> str:
        return self.r.choice(
            (
                "ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp pim vrrp "
                "ah esp stp ipx isis iso clnp es-is atalk l1 lsp csnp"
            ).split()
        )

    def negated(self, depth: int) -> str:
        return self.r.choice(("not ", "! ", "!")) + self.term(depth)

    def nested(self, depth: int) -> str:
        left, right = self.term(depth), self.term(depth)
        gap = self.r.choice(("", " "))
        return f"({gap}{left} {self.r.choice(('and', 'or'))} {right}{gap})"

    def address(self) -> str:
        return self.r.choice(("10.0.0.1", "192.168.1.77", "::1", "fe80::1", "2001:db8::1:2", "localhost", "127.0.0.1"))

    def direction(self) -> str:
        return self.r.choice(("", "src ", "dst ", "src or dst ", "src and dst ", "dst or src "))

    def hosted(self) -> str:
        kind = self.r.choice(("host", "host", "net"))
        if kind == "net":
            nets = ("10.0.0.0/8", "192.168.0.0 mask 255.255.0.0", "10", "172.16", "2001:db8::/32", "192.168.1.0/24")
            return f"{self.direction()}net {self.r.choice(nets)}"
        v4 = self.r.choice(("10.0.0.1", "192.168.1.77", "127.0.0.1"))
        return self.r.choice(
            (
                f"{self.direction()}host {self.address()}",
                f"ip {self.direction()}host {v4}",
                f"arp host {v4}",
                f"src {v4}",
            )
        )

    def ported(self) -> str:
        name = self.r.choice(("", "", "tcp ", "udp ", "sctp ")) + self.direction()
        port = self.r.choice(("80", "443", "53", "http", "domain", "ssh", "8080", "0x50"))
        return name + self.r.choice((f"port {port}", "portrange 80-90", "portrange 6000-6008"))

    def listed(self) -> str:
        joint = self.r.choice(("or", "and", "||"))
        return self.r.choice(
            (
                f"port 80 {joint} 443",
                "tcp port (80 or 443)",
                f"host (10.0.0.1 {joint} 10.0.0.2)",
                "udp port (53 or 5353)",
            )
        )

    def sized(self) -> str:
        return self.r.choice(("less 128", "greater 1000", "len <= 64", "len > 100", "length >= 0x40", "len = 60"))

    def arithmetic(self, depth: int = 2) -> str:
        leaf = self.r.choice(
            (
                "tcp[13] ip[0] udp[4:2] ip[2:2] ether[0] tcp[tcpflags] "
                "icmp[icmptype] 4 0x0f ip6[6] tcp[12:1] len tcp-syn"
            ).split()
        )
        if not depth or self.r.random() < 0.4:
            return leaf
        sign = self.r.choice(("+", "-", "*", "&", "|", "<<", ">>", "^"))
        inner = f"{self.arithmetic(depth - 1)} {sign} {self.arithmetic(depth - 1)}"
        return f"({inner})" if self.r.random() < 0.4 else inner

    def compared(self) -> str:
        sign = self.r.choice(("=", "==", "!=", ">", "<", ">=", "<="))
        classics = (
            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
            "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
            "ip[6:2] & 0x1fff = 0",
            "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
            "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
            "icmp6[icmp6type] = icmp6-echo",
        )
        return self.r.choice((*classics, *[f"{self.arithmetic()} {sign} {self.arithmetic(1)}"] * 3))

    def ether(self) -> str:
        mac = self.r.choice(("aa:bb:cc:dd:ee:ff", "00-11-22-33-44-55", "0011.2233.4455", "a:b:c:d:e:f"))
        return self.r.choice(
            (
                f"ether {self.r.choice(('host', 'src', 'dst'))} {mac}",
                "ether proto 0x88cc",
                "ether proto \\ip",
                "ip proto \\tcp",
                "ip proto 17",
                "ether broadcast",
                "ether multicast",
                "ip multicast",
                "ip6 proto 58",
                "ip6 protochain 6",
                "multicast",
                "broadcast",
                "vlan",
                "vlan 100",
                "vlan 5 and ip",
                "mpls",
                "mpls 100",
                "pppoes",
                "pppoed",
                "geneve",
                "llc",
                "proto 6",
            )
        )

    def rare(self) -> str:
        return self.r.choice(
            (
                "type mgt",
                "type mgt subtype beacon",
                "subtype probe-req",
                "wlan addr1 aa:bb:cc:dd:ee:ff",
                "dir fromds",
                "type data",
                "vpi 5",
                "vci > 6",
                "lane",
                "oamf4",
                "metac",
                "vpi (5 or 6)",
                "fisu",
                "msu",
                "sio 5",
                "opc (1 or 2)",
                "hdpc 3",
                "on eth0",
                "ifname lo",
                "rulenum 5",
                "reason match",
                "action pass",
                "llc u",
                "llc i",
                "llc rnr",
                "wlan ra a:b:c:d:e:f",
            )
        )


def main() -> None:
    wanted, seen, maker = int(sys.argv[1]), set[str](), Maker(2026)
    with tempfile.TemporaryDirectory() as folder:
        while len(seen) < wanted:
            text = maker.filter()
            if text not in seen and accepted(text, Path(folder)):
                seen.add(text)
                print(text, flush=True)


if __name__ == "__main__":
    main()
