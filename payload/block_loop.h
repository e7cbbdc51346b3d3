/*
 * Live capture that hands on whole blocks: included into tcpdump.c by payload/patch.py.
 *
 * Stock tcpdump lets the kernel fill a block of its ring for up to a second, or (with --immediate-mode) wakes up
 * for each packet.  Given -U twice this loop does neither: the kernel hands over a block after --block-timeout
 * milliseconds at the latest, all its packets go through one large stdio buffer, and one flush follows.
 *
 * Given -U three times it also writes the packets as pcapng does, after the ordinary 24 bytes of a pcap header: what
 * puts them into a pcapng file then need not look at each of them.
 *
 * INT and TERM lose nothing: the handler makes the socket refuse new packets, and the loop then writes what the
 * ring still holds.  Handlers only set flags; statistics (USR1) are printed by the loop between two packets.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

/* Enough for a pipe's 64 KiB four times over, so that a full block costs a handful of writes. */
#define BLOCK_BUFFER_SIZE (256 * 1024)

/*
 * The kernel's block timer may be late by a tick of 10 ms (HZ=100) or by softirq work on a busy node.  This is
 * the longest a stop waits beyond the timer; it ends earlier as soon as every packet is accounted for.
 */
#define DRAIN_MARGIN_MS 100

static char block_buffer[BLOCK_BUFFER_SIZE];
static volatile sig_atomic_t stopping;
static struct timespec filtered_since;
static int hole_passed;
static u_int packets_skipped;

/* Whom the packets are for. */
struct block_taker {
	pcap_handler callback;
	struct dump_info *dump;
};

static int
by_blocks(void)
{
	return (Uflag > 1);
}

/* The argument of --block-timeout.  0 means "wait for ever" to libpcap, so it is refused like any nonsense. */
static int
parse_block_timeout(const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 1 || value > 60000)
		error("invalid block timeout %s (1 to 60000 milliseconds)", text);
	return ((int)value);
}

/*
 * Once the filter is in place.  The stream keeps its 24-byte header flushed; only then may its buffer be exchanged
 * (musl's setvbuf needs ours).
 */
static void
begin_blocks(pcap_dumper_t *dumper)
{
	(void)pcap_dump_flush(dumper);
	(void)setvbuf(pcap_dump_file(dumper), block_buffer, _IOFBF, sizeof(block_buffer));
	(void)clock_gettime(CLOCK_REALTIME, &filtered_since);
}

/*
 * The ring fills from the moment it is activated; pcap_setfilter() then refuses all packets for some microseconds
 * before it lets through those of the filter.  What is older than the filter would so be an island with a hole
 * behind it: a capture begins after the hole.  (Older by a second is no such packet but a clock that was set.)
 */
static int
older_than_filter(const struct timeval *stamp)
{
	const int nano = pcap_get_tstamp_precision(pd) == PCAP_TSTAMP_PRECISION_NANO;
	const int64_t fraction = nano ? filtered_since.tv_nsec : filtered_since.tv_nsec / 1000;
	const int64_t second = nano ? 1000000000 : 1000000;
	const int64_t age = ((int64_t)filtered_since.tv_sec - stamp->tv_sec) * second + fraction - stamp->tv_usec;

	return (age > 0 && age < second);
}

/*
 * An enhanced packet block of interface 0 (draft-ietf-opsawg-pcapng, 4.3), little-endian whatever the machine: that
 * is what every Wireshark reads.
 */
static void
write_enhanced_block(FILE *file, const struct pcap_pkthdr *head, const u_char *bytes)
{
	static const u_char padding[4];
	const int nano = pcap_get_tstamp_precision(pd) == PCAP_TSTAMP_PRECISION_NANO;
	const uint64_t ticks = (uint64_t)head->ts.tv_sec * (nano ? 1000000000 : 1000000) + (uint64_t)head->ts.tv_usec;
	const uint32_t pad = -head->caplen & 3;
	const uint32_t total = htole32(32 + head->caplen + pad);
	const uint32_t fields[] = { htole32(6), total, 0, htole32((uint32_t)(ticks >> 32)), htole32((uint32_t)ticks),
	    htole32(head->caplen), htole32(head->len) };

	(void)fwrite(fields, sizeof(fields), 1, file);
	(void)fwrite(bytes, 1, head->caplen, file);
	(void)fwrite(padding, 1, pad, file);
	(void)fwrite(&total, sizeof(total), 1, file); /* errors are looked at once per flush */
}

static void
take_packet(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
	const struct block_taker *taker = (const struct block_taker *)user;

	if (!hole_passed && older_than_filter(&head->ts)) {
		packets_skipped++;
		return;
	}
	hole_passed = 1;
	if (Uflag > 2) {
		++packets_captured;
		write_enhanced_block(pcap_dump_file(taker->dump->pdd), head, bytes);
		return;
	}
	taker->callback((u_char *)taker->dump, head, bytes);
}

/*
 * In the signal handler: from here on the kernel puts nothing more into the ring.  pcap_setfilter() would also
 * apply "refuse all" to the packets that are in the ring already, hence the bare socket option.
 */
static void
stop_intake(pcap_t *live)
{
	static const struct bpf_insn refuse_all = { BPF_RET | BPF_K, 0, 0, 0 };
	const struct { unsigned short length; const struct bpf_insn *code; } program = { 1, &refuse_all };
	const int saved_errno = errno;

	stopping = 1;
	(void)setsockopt(pcap_fileno(live), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	errno = saved_errno;
}

static int
count_reached(int count)
{
	return (count > 0 && packets_captured >= (u_int)count);
}

/* One pass over what the kernel has handed over, one flush; what pcap_dispatch() returned. */
static int
pass_blocks(int count, struct block_taker *taker)
{
	const int left = count > 0 ? count - (int)packets_captured : -1;
	const int status = pcap_dispatch(pd, left, take_packet, (u_char *)taker);
	FILE *file = pcap_dump_file(taker->dump->pdd);

	if (fflush(file) != 0 || ferror(file)) {
		if (errno == EPIPE) {
			/* The reader went away, which is one of the ways to end a capture. */
			return (PCAP_ERROR_BREAK);
		}
		error("cannot write the capture: %s", pcap_strerror(errno));
	}
	if (infoprint)
		info(0);
	return (status);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Has each packet that the kernel put into the ring come out?  (Never said where libpcap drops some itself: lo.) */
static int
ring_is_empty(void)
{
	struct pcap_stat stats;

	return (pcap_stats(pd, &stats) == 0 && stats.ps_recv - stats.ps_drop == packets_captured + packets_skipped);
}

/* After stop_intake(): the ring's last block is handed over by its timer; wait for it, and write all there is. */
static int
drain_ring(int count, struct block_taker *taker)
{
	const int64_t deadline = now_ms() + timeout + DRAIN_MARGIN_MS;
	struct pollfd ring = { .fd = pcap_fileno(pd), .events = POLLIN };
	char ebuf[PCAP_ERRBUF_SIZE];

	if (pcap_setnonblock(pd, 1, ebuf) == -1)
		error("%s", ebuf);
	while (!count_reached(count)) {
		const int status = pass_blocks(count, taker);
		const int64_t left = deadline - now_ms();

		if (status == PCAP_ERROR)
			return (status);
		if (ferror(pcap_dump_file(taker->dump->pdd)))
			break;
		if (status != 0)
			continue; /* packets, or one more signal: neither says that the ring is empty */
		if (left <= 0 || ring_is_empty())
			break;
		(void)poll(&ring, 1, (int)left);
	}
	return (PCAP_ERROR_BREAK);
}

/* In the place of pcap_loop(), with the same answers: 0 by count, -1 error, -2 ended by a signal. */
static int
loop_by_blocks(int count, pcap_handler callback, struct dump_info *dump)
{
	struct block_taker taker = { callback, dump };

	while (!stopping) {
		if (count_reached(count))
			return (0);
		if (pass_blocks(count, &taker) == PCAP_ERROR)
			return (PCAP_ERROR);
		if (ferror(pcap_dump_file(dump->pdd)))
			return (PCAP_ERROR_BREAK);
	}
	return (drain_ring(count, &taker));
}
