/* web [PORT] : an HTTP server that is the only file its image needs, as a distroless service is.
 * Its answer names the host (the pod) and the request line, so that a test sees which pod served it.
 * One request is ten packets: it lets the client close first, and never resets. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void answer(int fd, const char *host) {
    char request[4096], body[1280];
    struct timeval limit = {.tv_sec = 10};      /* a client that never speaks must not keep a process for ever */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ssize_t got = read(fd, request, sizeof request - 1);
    if (got <= 0) return;
    request[got] = 0;
    request[strcspn(request, "\r\n")] = 0;
    int length = snprintf(body, sizeof body, "hello from %s: %.900s\n", host, request);
    dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", length, body);
    shutdown(fd, SHUT_WR);
    while (read(fd, request, sizeof request) > 0) {}
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 8080, yes = 1, no = 0;
    char host[256] = "";
    signal(SIGCHLD, SIG_IGN);                   /* children reap themselves */
    signal(SIGPIPE, SIG_IGN);
    gethostname(host, sizeof host - 1);
    int server = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);   /* one socket for IPv4 and IPv6 */
    if (bind(server, (void *)&any, sizeof any) || listen(server, 64)) {
        perror("web: bind");
        return 1;
    }
    fprintf(stderr, "listening on %d as uid %d\n", port, (int)getuid());
    for (;;) {
        int fd = accept(server, NULL, NULL);
        if (fd < 0) continue;
        if (fork() == 0) {
            close(server);
            answer(fd, host);
            _exit(0);
        }
        close(fd);
    }
}
