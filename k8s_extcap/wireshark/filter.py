"""The colour of Wireshark's capture filter box while a filter is typed: red only for what nothing typed behind it can
make valid. It is asked at every keystroke, so this is on the hot lane and imports nothing.

The grammar is that of libpcap's grammar.y and scanner.l (1.10.6; `vxlan` of the next one), as a language, without
precedence. Whether a prefix can go on is decided by Earley's recogniser, whose item sets are empty exactly when it
cannot. Names of hosts, services and protocols are known only to the far side: any name will do here.
"""

from __future__ import annotations

from k8s_extcap.wireshark.lexer import DIGITS, HEX, KEYWORDS, OPERATORS, SIGNS, TAIL, WORD, WORDS, cut, is_number, shown

LIMIT = 2000  # characters judged: a filter longer than that was not typed, and the far side compiles it anyway

# Terminals of the grammar that stand for several.
_CLASSES = {
    "AO": ("AND", "OR"),
    "REL": (">", ">=", "=", "<=", "<", "!="),
    "AOP": ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"),
    "BOP": ("&", "|", "<", ">", "="),
    "NI": ("NUM", "ID"),
}

# The rules that begin in lower case; `q` is the optional protocol in front, written out as two rules below.
_RULES = """
expr: term | expr AO term | expr AO id
id: nid | pnum | ( pid )
nid: ID | HID / NUM | HID MASK HID | HID | HID6 / NUM | HID6 | EID | AID | NOT id
pid: nid | qid AO id
qid: pnum | pid
term: rterm | NOT term
rterm: ( expr ) | PROTO | arth REL arth | ALONE | FIELD value | SIZE NUM | BYTE NUM BOP NUM | TAG | TAG pnum
rterm: PF_NAME ID | PF_NUM NUM | PF_REASON NI | LLC | LLC ID | LLC PF_NUM
rterm: q dqual WHAT id | q dqual id | q WHAT id | q PROTOCOL id | q CAST
rterm: q TYPE NI SUBTYPE NI | q TYPE NI | q SUBTYPE ID | q DIR NI
dqual: SRC | DST | SRC AO DST | DST AO SRC | ADDR
arth: pnum | narth
narth: PROTO [ arth ] | PROTO [ arth : NUM ] | arth AOP arth | - arth | ( narth ) | LEN
pnum: NUM | ( pnum )
value: NUM | REL NUM | ( list )
list: NUM | list OR NUM
"""


def _grammar() -> dict[str, list[tuple[str, ...]]]:
    rules: dict[str, list[tuple[str, ...]]] = {}
    for line in _RULES.strip().split("\n"):
        left, _, right = line.partition(": ")
        bodies = rules.setdefault(left, [])
        for body in right.split(" | "):
            symbols = tuple(body.split())
            if symbols[0] == "q":
                bodies.append(("PROTO", *symbols[1:]))
                symbols = symbols[1:]
            bodies.append(symbols)
    return rules


def check(text: str) -> str:
    """Why this filter cannot become valid, whatever is typed behind it; "" where it can, or is."""
    if len(text) > LIMIT:
        return ""
    tokens = cut(text)
    start = _tail(text, tokens)
    settled = [token for token in tokens if token[2] < start]
    expected, at = _follow(settled)
    if at < len(settled):
        return _sentence(text, settled[at], expected)
    if start == len(text) or _can_begin(text[start:], expected):  # the tail as a whole may become one token
        return _number(settled)
    expected, at = _follow(tokens[:-1])
    if at < len(tokens) - 1 or not _can_begin(tokens[-1][1], expected):
        return _sentence(text, tokens[at], expected)
    return _number(tokens[:-1])


def _tail(text: str, tokens: list[tuple[str, str, int]]) -> int:
    """Where that begins which the next keystroke may still change: `fe80:` an address, `80` a name, `<` a `<=`."""
    end = len(text)
    letters = SIGNS if text and text[-1] in SIGNS else TAIL
    while end and text[end - 1] in letters:
        end -= 1
    if tokens and tokens[-1][2] < end < tokens[-1][2] + len(tokens[-1][1]):
        return tokens[-1][2]
    return end


def _follow(tokens: list[tuple[str, str, int]]) -> tuple[set[str], int]:
    """Earley: which terminals may stand behind these tokens, and how many of them were read before it got stuck."""
    rules = _grammar()
    columns: list[dict[tuple[str, tuple[str, ...], int, int], None]] = []
    column: dict[tuple[str, tuple[str, ...], int, int], None] = {("", ("expr",), 0, 0): None}
    for position in range(len(tokens) + 1):
        columns.append(column)
        expected = _close(rules, columns, position)
        if position == len(tokens):
            break
        kind = tokens[position][0]
        following = {
            (left, body, dot + 1, origin): None
            for left, body, dot, origin in column
            if dot < len(body) and (body[dot] == kind or kind in _CLASSES.get(body[dot], ()))
        }
        if not following:
            return expected, position
        column = following
    return expected, len(tokens)


def _close(
    rules: dict[str, list[tuple[str, ...]]],
    columns: list[dict[tuple[str, tuple[str, ...], int, int], None]],
    position: int,
) -> set[str]:
    column = columns[position]
    work = list(column)
    predicted: set[str] = set()
    expected: set[str] = set()
    while work:
        left, body, dot, origin = work.pop()
        if dot == len(body):
            if not left:
                continue
            found = [
                (above, rule, place + 1, start)
                for above, rule, place, start in columns[origin]
                if place < len(rule) and rule[place] == left
            ]
        elif body[dot] in rules:
            if body[dot] in predicted:
                continue
            predicted.add(body[dot])
            found = [(body[dot], rule, 0, position) for rule in rules[body[dot]]]
        else:
            expected.update(_CLASSES.get(body[dot], (body[dot],)))
            continue
        for item in found:
            if item not in column:
                column[item] = None
                work.append(item)
    return expected


def _number(tokens: list[tuple[str, str, int]]) -> str:
    """A finished number that no filter may have there."""
    for index, (kind, spelled, _) in enumerate(tokens):
        if kind == "NUM" and spelled[0] in DIGITS and len(spelled) < 20:
            number = int(spelled, 16) if spelled[1:2] in ("x", "X") else int(spelled)
            if number >= 2**32:
                return f"{spelled} is larger than 32 bits."
            if index and tokens[index - 1][1] == "port" and number > 65535:
                return f"{spelled} is no port: ports end at 65535."
    return ""


def _can_begin(part: str, expected: set[str]) -> bool:
    """Whether some token that may stand here begins with `part`."""
    for terminal in expected:
        if terminal == "ID":
            good = part[0] == "\\" or (part[0] in WORD and part[0] not in "-_." and not (set(part) - WORD))
        elif terminal in ("HID", "EID", "HID6"):
            good = not (set(part) - HEX - frozenset("xX:.-"))
        elif terminal == "AID":
            good = part[0] == "$" and len(part) <= 3
        else:
            good = terminal == "NUM" and (is_number(part) or part in ("0x", "0X"))
        if good or any(word.startswith(part) for word in WORDS.get(terminal, "").split()):
            return True
    return any(sign.startswith(part) and kind in expected for sign, kind in OPERATORS.items())


_SPOKEN = {
    "ID": "a name",
    "NUM": "a number",
    "HID": "an address",
    "PROTO": "a protocol",
    "WHAT": "host, net, port or portrange",
    "AND": "and",
    "OR": "or",
    "SRC": "src",
    "DST": "dst",
    "[": "[",
    "]": "]",
    ")": ")",
    ":": ":",
    "=": "a comparison",
}


def _sentence(text: str, token: tuple[str, str, int], expected: set[str]) -> str:
    kind, spelled, position = token
    before = text[:position].strip()
    if not kind:
        return f"{shown(spelled)} is {'no address' if len(spelled) > 1 else 'not understood'} in a filter."
    if spelled.lower() in KEYWORDS and spelled not in KEYWORDS:
        return f"{shown(spelled)}: words of a filter are in lower case."
    wanted = [word for terminal, word in _SPOKEN.items() if terminal in expected]
    place = f"After {shown(before[-40:])}" if before else "A filter begins with a protocol, host, net, port …: here"
    hope = f"; expected: {', '.join(wanted[:6])}" if wanted and before else ""
    return f"{place} {shown(spelled)} cannot stand{hope}."
