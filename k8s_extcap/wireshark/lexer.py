"""The words of a capture filter, cut as libpcap's scanner.l (1.10.6) cuts them: the longest match, the first rule of
equal ones. On the hot lane: imports nothing.
"""

from __future__ import annotations

# Terminal -> the words that are it. A word stands in one line only.
WORDS = {
    "PROTO": "link ether ppp slip fddi tr wlan arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp radio ip6 icmp6 "
    "ah esp atalk aarp decnet lat sca moprc mopdl iso esis es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp stp ipx "
    "netbeui",
    "SRC": "src",
    "DST": "dst",
    "ADDR": "address1 addr1 address2 addr2 address3 addr3 address4 addr4 ra ta",
    "WHAT": "host net port portrange",
    "PROTOCOL": "proto protochain gateway",
    "MASK": "mask",
    "TYPE": "type",
    "SUBTYPE": "subtype",
    "DIR": "direction dir",
    "SIZE": "less greater ifindex",
    "BYTE": "byte",
    "CAST": "broadcast multicast",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "LEN": "len length",
    "ALONE": "inbound outbound pppoed lane metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic connectmsg metaconnect "
    "fisu lssu lsu msu hfisu hlssu hmsu",
    "TAG": "vlan mpls pppoes geneve vxlan",
    "LLC": "llc",
    "FIELD": "vpi vci sio opc dpc sls hsio hopc hdpc hsls",
    "PF_NAME": "on ifname rset ruleset action",
    "PF_NUM": "rnr rulenum srnr subrulenum",
    "PF_REASON": "reason",
    "NUM": "icmptype icmpcode icmp-echoreply icmp-unreach icmp-sourcequench icmp-redirect icmp-echo icmp-routeradvert "
    "icmp-routersolicit icmp-timxceed icmp-paramprob icmp-tstamp icmp-tstampreply icmp-ireq icmp-ireqreply "
    "icmp-maskreq icmp-maskreply icmp6type icmp6code icmp6-destinationunreach icmp6-packettoobig icmp6-timeexceeded "
    "icmp6-parameterproblem icmp6-echo icmp6-echoreply icmp6-multicastlistenerquery "
    "icmp6-multicastlistenerreportv1 icmp6-multicastlistenerdone icmp6-routersolicit icmp6-routeradvert "
    "icmp6-neighborsolicit icmp6-neighboradvert icmp6-redirect icmp6-routerrenum icmp6-nodeinformationquery "
    "icmp6-nodeinformationresponse icmp6-ineighbordiscoverysolicit icmp6-ineighbordiscoveryadvert "
    "icmp6-multicastlistenerreportv2 icmp6-homeagentdiscoveryrequest icmp6-homeagentdiscoveryreply "
    "icmp6-mobileprefixsolicit icmp6-mobileprefixadvert icmp6-certpathsolicit icmp6-certpathadvert "
    "icmp6-multicastrouteradvert icmp6-multicastroutersolicit icmp6-multicastrouterterm tcpflags tcp-fin tcp-syn "
    "tcp-rst tcp-push tcp-ack tcp-urg tcp-ece tcp-cwr",
}
KEYWORDS = {word: terminal for terminal, words in WORDS.items() for word in words.split()}
OPERATORS = {"&&": "AND", "||": "OR", "!": "NOT", "==": "="}
OPERATORS.update({sign: sign for sign in (">=", "<=", "!=", "<<", ">>", *"+-*/%:[]<>()&|^=")})

DIGITS = frozenset("0123456789")
HEX = frozenset("0123456789abcdefABCDEF")
WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
TAIL = WORD | frozenset(":$\\")  # what a next keystroke may still make part of the same token
SIGNS = frozenset("<>!=&|")
_BLANK = " \r\n\t"


def cut(text: str) -> list[tuple[str, str, int]]:
    """Terminal, spelling and position of each token; the terminal is empty where libpcap would understand nothing."""
    found: list[tuple[str, str, int]] = []
    at = 0
    while at < len(text):
        if text[at] in _BLANK:
            at += 1
            continue
        kind, length = _token(text, at)
        found.append((kind, text[at : at + length], at))
        at += length
    return found


def _token(text: str, at: int) -> tuple[str, int]:
    """Terminal and length of the longest token here, as flex chooses; "" where there is none."""
    first = text[at]
    if first == "\\":
        end = at + 1
        while end < len(text) and text[end] not in " !()\n\t":
            end += 1
        return ("ID", end - at) if end > at + 1 else ("", 1)
    if first == "$":
        length = 1
        while length < 3 and text[at + length : at + length + 1] in HEX:
            length += 1
        return ("AID", length) if length > 1 else ("", 1)
    kind, length = _address(text, at) if first in HEX or first == ":" else ("", 0)
    end = at
    while end < len(text) and text[end] in WORD:
        end += 1
    word = text[at:end].rstrip("-_")
    if word and word[0] not in "-_." and len(word) >= length:
        return _word(word), len(word)
    if length:
        return kind, length
    for size in (2, 1):
        if text[at : at + size] in OPERATORS:
            return OPERATORS[text[at : at + size]], size
    return "", 1


def _word(word: str) -> str:
    if word in KEYWORDS:
        return KEYWORDS[word]
    if not (set(word) - DIGITS):
        return "NUM"
    if _mac(word):
        return "EID"
    parts = word.split(".")
    if all(is_number(part) for part in parts) and len(parts) <= 4:
        return "NUM" if len(parts) == 1 else "HID"
    return "ID"


def is_number(text: str) -> bool:
    if text[:2] in ("0x", "0X"):
        return len(text) > 2 and not (set(text[2:]) - HEX)
    return bool(text) and not (set(text) - DIGITS)


def _mac(word: str) -> bool:
    if len(word) == 12 and not (set(word) - HEX):
        return True
    for sign, count, sizes in ((":", 6, (1, 2)), ("-", 6, (1, 2)), (".", 6, (1, 2)), (".", 3, (4,))):
        parts = word.split(sign)
        if len(parts) == count and all(len(part) in sizes and not (set(part) - HEX) for part in parts):
            return True
    return False


def _address(text: str, at: int) -> tuple[str, int]:
    """The longest address with colons here: an Ethernet or IPv6 address, "" for what libpcap calls bogus."""
    end = at
    while end < len(text) and (text[end] in HEX or text[end] in ":.xX") and end - at < 64:
        end += 1
    if ":" not in text[at:end]:
        return "", 0
    for stop in range(end, at + 1, -1):
        piece = text[at:stop]
        if _mac(piece) and ":" in piece:
            return "EID", len(piece)
        if _v6(piece):
            return "HID6", len(piece)
        groups = [group for group in piece.split(":") if group]
        if (
            piece[-1] == ":"
            and piece[0] != ":"
            and len(groups) > 1
            and all(len(group) <= 2 and not (set(group) - HEX) for group in groups)
        ):
            return "", len(piece)
    return "", 0


def _v6(text: str) -> bool:
    left, gap, right = text.partition("::")
    groups = (left.split(":") if left else []) + (right.split(":") if right else [])
    count = len(groups)
    if groups and "." in groups[-1] and (right or not gap):
        parts = groups.pop().split(".")
        if len(parts) != 4 or not all(is_number(part) for part in parts):
            return False
        count += 1
    if any(not 0 < len(group) <= 4 or set(group) - HEX for group in groups):
        return False
    return count <= 7 if gap else count == 8


def shown(text: str) -> str:
    return '"' + "".join(c if c.isprintable() else "?" for c in text[:60]) + '"'
