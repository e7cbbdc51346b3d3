"""The edits that make stock tcpdump hand on whole blocks (see block_loop.h)."""

from pathlib import Path
from typing import NamedTuple

# Ends up in `tcpdump --version`: how everybody tells our build from a distribution's. Counts our edits.
SUFFIX = "+k8s-extcap.2"

# Milliseconds. Measured: at most this much delay at every rate for 1-3 % of a core; 5 costs as much, 20 doubles it.
BLOCK_TIMEOUT = 10


class Edit(NamedTuple):
    """`old` stands exactly once in tcpdump.c and becomes `new`."""

    old: str
    new: str


EDITS = (
    Edit(
        "static int timeout = 1000;		/* default timeout = 1000 ms = 1 s */",
        f"static int timeout = {BLOCK_TIMEOUT};		/* the ring's block timer in ms; --block-timeout */",
    ),
    Edit(
        "#define OPTION_TIME_T_SIZE		139\n",
        "#define OPTION_TIME_T_SIZE		139\n#define OPTION_BLOCK_TIMEOUT		140\n",
    ),
    Edit(
        '	{ "version", no_argument, NULL, OPTION_VERSION },\n',
        '	{ "version", no_argument, NULL, OPTION_VERSION },\n'
        '	{ "block-timeout", required_argument, NULL, OPTION_BLOCK_TIMEOUT },\n',
    ),
    Edit(
        "		case OPTION_COUNT:\n",
        "		case OPTION_BLOCK_TIMEOUT:\n"
        "			timeout = parse_block_timeout(optarg);\n"
        "			break;\n\n"
        "		case OPTION_COUNT:\n",
    ),
    # "-l" when printing raises stock tcpdump's hurry to 100 ms; ours is in more of a hurry already.
    Edit(
        "	if ((WFileName == NULL || print) && (isatty(1) || lflag))\n		timeout = 100;\n",
        "",
    ),
    # The functions need everything that the file declares, and main() needs them.
    Edit(
        "#ifndef _WIN32\n/* Drop root privileges and chroot if necessary */\n",
        '#include "block_loop.h"\n\n#ifndef _WIN32\n/* Drop root privileges and chroot if necessary */\n',
    ),
    Edit(
        "		if (Uflag)\n			pcap_dump_flush(pdd);\n#endif\n	} else {\n",
        "		if (Uflag)\n			pcap_dump_flush(pdd);\n"
        "		if (by_blocks())\n			begin_blocks(pdd);\n"
        "#endif\n	} else {\n",
    ),
    Edit(
        "		status = pcap_loop(pd, cnt, callback, pcap_userdata);\n",
        "		status = by_blocks() && WFileName != NULL && RFileName == NULL\n"
        "		    ? loop_by_blocks(cnt, callback, &dumpinfo)\n"
        "		    : pcap_loop(pd, cnt, callback, pcap_userdata);\n",
    ),
    # The callbacks dump_packet and dump_packet_and_trunc, in this order of uniqueness: by what stands before.
    Edit(
        "			set_dumper_capsicum_rights(dump_info->pdd);\n#endif\n		}\n	}\n\n"
        "	pcap_dump((u_char *)dump_info->pdd, h, sp);\n#ifdef HAVE_PCAP_DUMP_FLUSH\n	if (Uflag)\n",
        "			set_dumper_capsicum_rights(dump_info->pdd);\n#endif\n		}\n	}\n\n"
        "	pcap_dump((u_char *)dump_info->pdd, h, sp);\n#ifdef HAVE_PCAP_DUMP_FLUSH\n	if (Uflag && !by_blocks())\n",
    ),
    Edit(
        "	dump_info = (struct dump_info *)user;\n\n"
        "	pcap_dump((u_char *)dump_info->pdd, h, sp);\n#ifdef HAVE_PCAP_DUMP_FLUSH\n	if (Uflag)\n",
        "	dump_info = (struct dump_info *)user;\n\n"
        "	pcap_dump((u_char *)dump_info->pdd, h, sp);\n#ifdef HAVE_PCAP_DUMP_FLUSH\n	if (Uflag && !by_blocks())\n",
    ),
    # A write that a signal cuts short would make stdio throw its buffer away, in the middle of a packet.
    Edit("	if ((sig == SIGCHLD)\n", "	if (by_blocks() || (sig == SIGCHLD)\n"),
    Edit(
        "	if (pd)\n		pcap_breakloop(pd);\n#else\n",
        "	if (pd) {\n"
        "		if (by_blocks())\n			stop_intake(pd);\n"
        "		pcap_breakloop(pd);\n"
        "	}\n#else\n",
    ),
    # Statistics are printed by the loop, which is woken up for it; nothing is printed in a handler.
    Edit(
        "	if (infodelay)\n		++infoprint;\n",
        "	if (by_blocks()) {\n"
        "		infoprint = 1;\n"
        "		if (pd)\n			pcap_breakloop(pd);\n"
        "	} else if (infodelay)\n		++infoprint;\n",
    ),
    # Flushing out of a handler, between two halves of a packet, corrupts the stream (seen); here nobody needs it.
    Edit(
        "	if (pdd != NULL)\n		pcap_dump_flush(pdd);\n",
        "	if (pdd != NULL && !by_blocks())\n		pcap_dump_flush(pdd);\n",
    ),
    Edit(
        '	(void)fprintf(f, "%s version " PACKAGE_VERSION "\\n", program_name);\n',
        f'	(void)fprintf(f, "%s version " PACKAGE_VERSION "{SUFFIX}\\n", program_name);\n',
    ),
    Edit(
        '"\\t\\t[ -C file_size ] " E_FLAG_USAGE "[ -F file ] [ -G seconds ]\\n");\n',
        '"\\t\\t[ --block-timeout ms ] [ -C file_size ] " E_FLAG_USAGE "[ -F file ] [ -G seconds ]\\n");\n',
    ),
)


class SourceDiffersError(Exception):
    """tcpdump.c is not the one that the edits were written for."""


def edited(source: str) -> str:
    """The text of tcpdump.c with all edits, or `SourceDiffersError` naming the first that does not fit."""
    for edit in EDITS:
        found = source.count(edit.old)
        if found != 1:
            sentence = (
                f"tcpdump.c has {found} places like {edit.old.strip()[:80]!r}, and the edit needs exactly one: "
                "was the pinned version changed? Adapt payload/patch.py to it."
            )
            raise SourceDiffersError(sentence)
        source = source.replace(edit.old, edit.new)
    return source


def apply(tree: Path) -> None:
    """Edit an unpacked tcpdump source tree in place."""
    file = tree / "tcpdump.c"
    # Latin-1 keeps every byte as it is, whatever encoding an author's name was written in.
    file.write_text(edited(file.read_text(encoding="latin-1")), encoding="latin-1")
    header = Path(__file__).with_name("block_loop.h")
    (tree / header.name).write_bytes(header.read_bytes())
