/* traffic ADDRESS PORT RATE : RATE HTTP requests a second, each on a connection of its own, for ever.
 * A steady and modest load: a capture of the pod it runs in has packets whenever it is started.
 * ADDRESS is numeric, IPv4 or IPv6: name resolution in a static glibc binary would need the shared libraries. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int dial(const char *address, int port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int is4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        fprintf(stderr, "%s is no IPv4 or IPv6 address\n", address);
        exit(2);
    }
    int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = 2};       /* a server that is gone must not stop the beat for minutes */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int refused = is4 ? connect(fd, (void *)&v4, sizeof v4) : connect(fd, (void *)&v6, sizeof v6);
    if (refused) {
        close(fd);
        return -1;
    }
    return fd;
}

static int request(const char *address, int port, unsigned long number) {
    char text[512];
    int fd = dial(address, port);
    if (fd < 0) return 0;
    int n = snprintf(text, sizeof text, "GET /beat/%lu HTTP/1.1\r\nHost: %.64s\r\nConnection: close\r\n\r\n", number, address);
    ssize_t got = write(fd, text, (size_t)n);
    while (got > 0) got = read(fd, text, sizeof text);
    close(fd);
    return got == 0;
}

static void leave(int signal_number) {
    (void)signal_number;
    _exit(0);
}

int main(int argc, char **argv) {
    int rate = argc == 4 ? atoi(argv[3]) : 0, last = -1;
    if (rate < 1 || rate > 1000) {              /* faster than that is a benchmark's business */
        fprintf(stderr, "usage: traffic ADDRESS PORT RATE (1-1000 requests a second)\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, leave);                     /* PID 1 has no default action: deletion would wait for SIGKILL */
    struct timespec interval = {.tv_sec = rate == 1, .tv_nsec = rate == 1 ? 0 : 1000000000L / rate};
    for (unsigned long number = 1;; number++) {
        int answered = request(argv[1], atoi(argv[2]), number);
        if (answered != last)                   /* the change only: a log line per request would fill the node */
            fprintf(stderr, "request %lu to %s: %s\n", number, argv[1], answered ? "answered" : "no answer");
        last = answered;
        nanosleep(&interval, NULL);
    }
}
