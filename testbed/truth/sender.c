/*
 * sender: numbered packets at a chosen rate, and a sink that counts them.  Ground truth for captures.
 *
 *   sender udp|tcp HOST PORT [-r RATE] [-n COUNT] [-s SIZE] [-b BATCH] [-f FLOW] [-k PID]
 *   sender receive PORT
 *
 *   -r RATE   messages per second, 1 to 1000000 (default 100)
 *   -n COUNT  stop after so many; 0 (default) goes on until INT or TERM
 *   -s SIZE   bytes of one message, 32 to 65000 (default 200)
 *   -b BATCH  messages handed to the kernel at once (default 1; tcp: 40 of 1400 bytes give super-frames).
 *             udp also batches by itself when the clock says that several are due.
 *   -f FLOW   number of this flow, in each of its messages (default 1)
 *   -k PID    send INT to PID directly after the last message: how much does a stop lose?
 *
 * A message: magic "K8TX", flow (4 bytes), sequence number (8, from 0), send time (8, CLOCK_REALTIME in
 * nanoseconds), SIZE (4), CRC-32 (4), filler; integers big-endian.  The CRC runs over the filler first and then
 * over the 28 bytes before the CRC field, so that the filler's share is computed once.  Over TCP the messages
 * follow each other without anything between.
 *
 * `receive` listens for both, IPv4 and IPv6.  Both print one JSON object at their end, on standard output.
 * Exit: 0 ended by COUNT, INT or TERM; 1 a socket error; 2 usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 32, MAX_SIZE = 65000, MAX_BATCH = 64, MAX_CONNECTIONS = 64 };

static const char MAGIC[4] = { 'K', '8', 'T', 'X' };
static volatile sig_atomic_t ended;

struct flow {
	const char *protocol, *host, *port;
	long rate, count, size, batch, number, stop_pid;
};

static void
on_signal(int number)
{
	(void)number;
	ended = 1;
}

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
	exit(1);
}

static _Noreturn void
usage(void)
{
	fputs("usage: sender udp|tcp HOST PORT [-r RATE] [-n COUNT] [-s SIZE] [-b BATCH] [-f FLOW] [-k PID]\n"
	    "       sender receive PORT\n", stderr);
	exit(2);
}

static int64_t
clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
}

/* zlib's crc32(): the polynomial 0xedb88320, continued from `crc`. */
static uint32_t
crc32(uint32_t crc, const unsigned char *bytes, size_t length)
{
	static uint32_t table[256];

	if (table[1] == 0)
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t value = i;
			for (int bit = 0; bit < 8; bit++)
				value = value & 1 ? 0xedb88320 ^ value >> 1 : value >> 1;
			table[i] = value;
		}
	crc = ~crc;
	while (length-- > 0)
		crc = table[(crc ^ *bytes++) & 0xff] ^ crc >> 8;
	return (~crc);
}

static void
put(unsigned char *at, uint64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value >>= 8)
		at[i] = (unsigned char)value;
}

static uint64_t
get(const unsigned char *at, int width)
{
	uint64_t value = 0;

	for (int i = 0; i < width; i++)
		value = value << 8 | at[i];
	return (value);
}

static void
stamp(unsigned char *message, uint64_t sequence, int64_t when, uint32_t filler_crc)
{
	put(message + 8, sequence, 8);
	put(message + 16, (uint64_t)when, 8);
	put(message + 28, crc32(filler_crc, message, 28), 4);
}

static int
connected(const struct flow *flow)
{
	const int type = strcmp(flow->protocol, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	struct addrinfo hints = { .ai_socktype = type }, *found = NULL;
	const int answer = getaddrinfo(flow->host, flow->port, &hints, &found);
	const int one = 1, room = 4 << 20;
	int handle;

	if (answer != 0) {
		fprintf(stderr, "sender: %s: %s\n", flow->host, gai_strerror(answer));
		exit(1);
	}
	handle = socket(found->ai_family, type, 0);
	if (handle < 0 || connect(handle, found->ai_addr, found->ai_addrlen) != 0)
		fail(flow->host);
	(void)setsockopt(handle, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (type == SOCK_STREAM)
		(void)setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(found);
	return (handle);
}

/* Whole batches, whatever the kernel takes at a time.  An unreachable port (ECONNREFUSED) is the receiver's affair. */
static void
send_udp(int handle, unsigned char *messages, long size, int count)
{
	struct mmsghdr heads[MAX_BATCH] = { 0 };
	struct iovec parts[MAX_BATCH];

	for (int i = 0; i < count; i++) {
		parts[i] = (struct iovec){ messages + i * size, (size_t)size };
		heads[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	for (int done = 0; done < count;) {
		const int sent = sendmmsg(handle, heads + done, (unsigned)(count - done), 0);

		if (sent > 0)
			done += sent;
		else if (errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS)
			fail("send");
	}
}

static void
send_tcp(int handle, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		const ssize_t sent = send(handle, bytes, length, MSG_NOSIGNAL);

		if (sent > 0) {
			bytes += sent;
			length -= (size_t)sent;
		} else if (errno != EINTR) {
			fail("send");
		}
	}
}

static void
sleep_until(int64_t when)
{
	const struct timespec at = { .tv_sec = when / 1000000000, .tv_nsec = when % 1000000000 };

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* How many messages to send now: what the clock says, in whole batches (never one more than COUNT). */
static long
due(const struct flow *flow, int64_t begin, long sent)
{
	long wanted = (long)((clock_ns(CLOCK_MONOTONIC) - begin) / 1e9 * (double)flow->rate) + 1 - sent;

	if (wanted > MAX_BATCH)
		wanted = MAX_BATCH;
	wanted -= wanted % flow->batch;
	if (flow->count > 0 && wanted > flow->count - sent)
		wanted = flow->count - sent;
	else if (flow->count > 0 && wanted == 0 && flow->count - sent < flow->batch)
		wanted = flow->count - sent;
	return (wanted);
}

static int
send_flow(const struct flow *flow)
{
	const int handle = connected(flow), udp = strcmp(flow->protocol, "udp") == 0;
	unsigned char *messages = calloc(MAX_BATCH, (size_t)flow->size);
	const int64_t begin = clock_ns(CLOCK_MONOTONIC);
	uint32_t filler_crc = 0;
	long sent = 0;

	for (long i = 0; i < MAX_BATCH; i++) {
		unsigned char *message = messages + i * flow->size;

		memcpy(message, MAGIC, sizeof(MAGIC));
		put(message + 4, (uint64_t)flow->number, 4);
		put(message + 24, (uint64_t)flow->size, 4);
		for (long at = HEADER; at < flow->size; at++)
			message[at] = (unsigned char)(at * 31 + flow->number);
		filler_crc = crc32(0, message + HEADER, (size_t)(flow->size - HEADER));
	}
	while (!ended && (flow->count == 0 || sent < flow->count)) {
		const long now = due(flow, begin, sent);

		if (now <= 0) {
			sleep_until(begin + (int64_t)((double)(sent + flow->batch - 1) * 1e9 / (double)flow->rate) + 1000);
			continue;
		}
		const int64_t when = clock_ns(CLOCK_REALTIME);
		for (long i = 0; i < now; i++)
			stamp(messages + i * flow->size, (uint64_t)(sent + i), when, filler_crc);
		if (udp)
			send_udp(handle, messages, flow->size, (int)now);
		else
			send_tcp(handle, messages, (size_t)(now * flow->size));
		sent += now;
	}
	if (flow->stop_pid > 0)
		(void)kill((pid_t)flow->stop_pid, SIGINT);
	printf("{\"flow\": %ld, \"protocol\": \"%s\", \"sent\": %ld, \"size\": %ld, \"seconds\": %.3f}\n", flow->number,
	    flow->protocol, sent, flow->size, (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9);
	return (0);
}

static int
listening(int type, const char *port)
{
	struct sockaddr_in6 all = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
	const struct sockaddr_in all4 = { .sin_family = AF_INET, .sin_port = all.sin6_port };
	const int one = 1, none = 0, room = 8 << 20;
	int handle = socket(AF_INET6, type, 0);

	if (handle >= 0)
		(void)setsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, &none, sizeof(none));
	else if ((handle = socket(AF_INET, type, 0)) < 0) /* a kernel without IPv6 */
		fail("socket");
	(void)setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(handle, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(handle, (struct sockaddr *)&all, sizeof(all)) != 0 &&
	    bind(handle, (const struct sockaddr *)&all4, sizeof(all4)) != 0)
		fail(port);
	if (type == SOCK_STREAM && listen(handle, MAX_CONNECTIONS) != 0)
		fail("listen");
	return (handle);
}

static int
receive(const char *port)
{
	static unsigned char buffer[1 << 18];
	struct pollfd watched[2 + MAX_CONNECTIONS] = {
		{ .fd = listening(SOCK_DGRAM, port), .events = POLLIN },
		{ .fd = listening(SOCK_STREAM, port), .events = POLLIN },
	};
	unsigned long datagrams = 0, foreign = 0, bytes = 0;
	nfds_t count = 2;

	fputs("sender: listening\n", stderr);
	while (!ended) {
		if (poll(watched, count, -1) <= 0)
			continue;
		for (ssize_t got; (got = recv(watched[0].fd, buffer, sizeof(buffer), MSG_DONTWAIT)) >= 0;)
			if (got >= HEADER && memcmp(buffer, MAGIC, 4) == 0 && get(buffer + 24, 4) == (uint64_t)got)
				datagrams++;
			else
				foreign++;
		if (watched[1].revents != 0 && count < 2 + MAX_CONNECTIONS) {
			const int handle = accept(watched[1].fd, NULL, NULL);
			if (handle >= 0)
				watched[count++] = (struct pollfd){ .fd = handle, .events = POLLIN };
		}
		for (nfds_t i = 2; i < count; i++) {
			const ssize_t got = recv(watched[i].fd, buffer, sizeof(buffer), MSG_DONTWAIT);

			if (got > 0)
				bytes += (unsigned long)got;
			else if (got == 0 || errno != EAGAIN) {
				close(watched[i].fd);
				watched[i--] = watched[--count];
			}
		}
	}
	printf("{\"datagrams\": %lu, \"foreign\": %lu, \"stream_bytes\": %lu}\n", datagrams, foreign, bytes);
	return (0);
}

static long
number(const char *text, long least, long most)
{
	char *end;
	const long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < least || value > most)
		usage();
	return (value);
}

int
main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct flow flow = { .rate = 100, .size = 200, .batch = 1, .number = 1 };
	int option;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (argc == 3 && strcmp(argv[1], "receive") == 0)
		return (receive(argv[2]));
	if (argc < 4 || (strcmp(argv[1], "udp") != 0 && strcmp(argv[1], "tcp") != 0))
		usage();
	flow.protocol = argv[1];
	flow.host = argv[2];
	flow.port = argv[3];
	optind = 4;
	while ((option = getopt(argc, argv, "r:n:s:b:f:k:")) != -1)
		switch (option) {
		case 'r': flow.rate = number(optarg, 1, 1000000); break;
		case 'n': flow.count = number(optarg, 0, 1000000000); break;
		case 's': flow.size = number(optarg, HEADER, MAX_SIZE); break;
		case 'b': flow.batch = number(optarg, 1, MAX_BATCH); break;
		case 'f': flow.number = number(optarg, 0, 0x7fffffff); break;
		case 'k': flow.stop_pid = number(optarg, 2, 0x7fffffff); break;
		default: usage();
		}
	if (optind != argc)
		usage();
	return (send_flow(&flow));
}
