/*
 * nsx: enter another network namespace, prove that it is the right one, then run a program in it.
 *
 *   nsx [-n] [-c TEXT] [-a ADDRESS]... TARGET PROGRAM [ARGUMENT...]
 *
 *   TARGET      a PID, or the absolute path of a namespace file (/proc/PID/ns/net, /run/netns/NAME)
 *   PROGRAM     a full path; it keeps standard input, output and error, and every capability
 *   -c TEXT     the process's cgroup or mount table must hold TEXT (its container id, its pod's uid); PID only
 *   -a ADDRESS  the namespace must have this IPv4 or IPv6 address; given several times, one of them is enough
 *   -n          the node's own namespace is wanted: that of process 1, or one proven by -a; else it is refused
 *
 * A PID may be reused between a look-up and its use, so the directory /proc/PID is opened once and everything is
 * read through it: after that process ended, reads fail instead of telling about its successor.
 *
 * Exit: 2 usage, 123 it is not the namespace that was asked for, 125 cannot enter it, 126 cannot run PROGRAM;
 * else PROGRAM's own.  A refusal is one line on standard error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BAD_USAGE = 2, WRONG_NAMESPACE = 123, CANNOT_ENTER = 125, CANNOT_RUN = 126 };

/* More addresses than a pod has (one per family), with room for several networks. */
#define MAX_ADDRESSES 16

struct request {
	const char *target;
	const char *identity;
	const char *addresses[MAX_ADDRESSES];
	int address_count;
	int want_node;
};

static _Noreturn void __attribute__((format(printf, 2, 3)))
refuse(int code, const char *format, ...)
{
	const int why = errno;
	va_list arguments;

	fputs("nsx: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (code == CANNOT_ENTER || code == CANNOT_RUN)
		fprintf(stderr, ": %s", strerror(why));
	fputc('\n', stderr);
	exit(code);
}

/* Lines of any length: the text may stand across two reads, so the tail of one is kept for the next. */
static int
file_holds(int directory, const char *name, const char *text)
{
	const size_t length = strlen(text);
	char buffer[2 * 4096 + 1];
	size_t kept = 0;
	ssize_t got;
	int found = 0;
	const int file = openat(directory, name, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return (0);
	while (!found && (got = read(file, buffer + kept, sizeof(buffer) - 1 - kept)) > 0) {
		const size_t filled = kept + (size_t)got;

		buffer[filled] = '\0';
		found = strstr(buffer, text) != NULL;
		kept = filled < length ? filled : length - 1;
		memmove(buffer, buffer + filled - kept, kept);
	}
	close(file);
	return (found);
}

static int
is_number(const char *text)
{
	return (*text != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 10);
}

static int
open_by_pid(const struct request *request)
{
	char path[sizeof("/proc/") + 10];
	int directory, namespace;

	snprintf(path, sizeof(path), "/proc/%s", request->target);
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		refuse(CANNOT_ENTER, "there is no process %s here", request->target);
	namespace = openat(directory, "ns/net", O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		refuse(CANNOT_ENTER, "cannot open the network namespace of process %s", request->target);
	if (request->identity != NULL && !file_holds(directory, "cgroup", request->identity) &&
	    !file_holds(directory, "mountinfo", request->identity))
		refuse(WRONG_NAMESPACE, "process %s does not belong to %s", request->target, request->identity);
	close(directory);
	return (namespace);
}

static int
open_target(const struct request *request)
{
	int namespace;

	if (is_number(request->target))
		return (open_by_pid(request));
	namespace = open(request->target, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		refuse(CANNOT_ENTER, "cannot open %s", request->target);
	return (namespace);
}

/*
 * Process 1 is the node's init where this runs with hostPID; else it is our own container's, which is wrong too.
 * Where its namespace cannot be read (nested containers), or the node wanted is itself a namespace of a larger
 * machine, only an address can tell, so there must be one.
 */
static void
compare_with_node(int namespace, const struct request *request)
{
	struct stat theirs, nodes;
	int same = -1;

	if (fstat(namespace, &theirs) == 0 && stat("/proc/1/ns/net", &nodes) == 0)
		same = theirs.st_dev == nodes.st_dev && theirs.st_ino == nodes.st_ino;
	if (!request->want_node && same == 1)
		refuse(WRONG_NAMESPACE, "this is the node's own network namespace, not a pod's");
	if (same != request->want_node && request->address_count == 0)
		refuse(WRONG_NAMESPACE, "comparing with process 1 proves nothing here: -a ADDRESS is needed");
}

static int
same_address(const struct sockaddr *have, const char *wanted)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (have == NULL || (have->sa_family != AF_INET && have->sa_family != AF_INET6))
		return (0);
	if (inet_pton(have->sa_family, wanted, bytes) != 1)
		return (0);
	return (have->sa_family == AF_INET
	    ? memcmp(&((const struct sockaddr_in *)have)->sin_addr, bytes, sizeof(struct in_addr)) == 0
	    : memcmp(&((const struct sockaddr_in6 *)have)->sin6_addr, bytes, sizeof(struct in6_addr)) == 0);
}

/* Called inside the namespace. */
static void
find_address(const struct request *request)
{
	struct ifaddrs *all = NULL;

	if (request->address_count == 0)
		return;
	if (getifaddrs(&all) != 0)
		refuse(CANNOT_ENTER, "cannot list the addresses of the namespace");
	for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next)
		for (int i = 0; i < request->address_count; i++)
			if (same_address(entry->ifa_addr, request->addresses[i])) {
				freeifaddrs(all);
				return;
			}
	refuse(WRONG_NAMESPACE, "the namespace does not have the address %s", request->addresses[0]);
}

static void
add_address(struct request *request, const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1)
		refuse(BAD_USAGE, "%s is no IP address", text);
	if (request->address_count == MAX_ADDRESSES)
		refuse(BAD_USAGE, "more than %d addresses", MAX_ADDRESSES);
	request->addresses[request->address_count++] = text;
}

/* Index of PROGRAM in argv. */
static int
parse(int argc, char **argv, struct request *request)
{
	int option;

	/* "+": options end at the first other word, PROGRAM's own are not ours */
	while ((option = getopt(argc, argv, "+na:c:")) != -1) {
		if (option == 'n')
			request->want_node = 1;
		else if (option == 'c' && *optarg != '\0' && strlen(optarg) < 4096)
			request->identity = optarg;
		else if (option == 'a')
			add_address(request, optarg);
		else
			refuse(BAD_USAGE, "usage: nsx [-n] [-c TEXT] [-a ADDRESS]... PID|/PATH PROGRAM [ARGUMENT...]");
	}
	if (argc - optind < 2)
		refuse(BAD_USAGE, "usage: nsx [-n] [-c TEXT] [-a ADDRESS]... PID|/PATH PROGRAM [ARGUMENT...]");
	request->target = argv[optind];
	if (*request->target != '/' && !is_number(request->target))
		refuse(BAD_USAGE, "%s is neither a PID nor an absolute path", request->target);
	if (*request->target == '/' && request->identity != NULL)
		refuse(BAD_USAGE, "-c needs a PID: a namespace file says nothing about containers");
	return (optind + 1);
}

int
main(int argc, char **argv)
{
	struct request request = { 0 };
	char **program = argv + parse(argc, argv, &request);
	const int namespace = open_target(&request);

	compare_with_node(namespace, &request);
	if (setns(namespace, CLONE_NEWNET) != 0)
		refuse(CANNOT_ENTER, "cannot enter the network namespace of %s", request.target);
	find_address(&request);
	execv(program[0], program);
	refuse(CANNOT_RUN, "cannot run %s", program[0]);
}
