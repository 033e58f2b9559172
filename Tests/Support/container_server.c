/* A small HTTP server for containers: one static binary, FROM scratch.
 *
 * Environment: ADDR (127.0.0.2:8080), NAME (what it answers), MODE and DRAIN (milliseconds):
 *   graceful  closes its listener on SIGTERM, answers what is open for DRAIN, then ends
 *   exit      ends on SIGTERM at once
 *   keep      goes on accepting for DRAIN, then ends
 *   ignore    does not heed SIGTERM
 * DELAY: milliseconds until it listens. With the argument "check" it asks the server at ADDR and
 * exits 0 when that answers: a health check without a shell.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 1024, ROOM = 4096 };

static volatile sig_atomic_t stopped;
static void stop(int signal);

static long microseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static volatile long stoppedAt, lastRequestAt;

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void stop(int signal) {
    (void)signal;
    if (!stopped) stoppedAt = microseconds();
    stopped = 1;
}

/* How long after the signal the last request came, for `docker logs`. */
static int end(void) {
    printf("last request %ld us after the signal\n",
           lastRequestAt > stoppedAt ? lastRequestAt - stoppedAt : 0);
    fflush(stdout);
    return 0;
}

static const char *text(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static struct sockaddr_in address(void) {
    char host[64];
    snprintf(host, sizeof host, "%s", text("ADDR", "127.0.0.2:8080"));
    char *colon = strrchr(host, ':');
    struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons(8080)};
    if (colon) {
        *colon = 0;
        result.sin_port = htons((unsigned short)atoi(colon + 1));
    }
    inet_pton(AF_INET, host, &result.sin_addr);
    return result;
}

static int check(void) {
    struct sockaddr_in target = address();
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&target, sizeof target)) return 1;
    const char *request = "GET / HTTP/1.1\r\nHost: check\r\nConnection: close\r\n\r\n";
    if (write(s, request, strlen(request)) < 0) return 1;
    char answer[16] = {0};
    return read(s, answer, sizeof answer - 1) > 12 && !strncmp(answer + 9, "200", 3) ? 0 : 1;
}

struct client {
    int fd;
    int count;
    char bytes[ROOM];
};
static struct client clients[CLIENTS];
static int clientCount;

static void answer(struct client *c, const char *name, int ends) {
    char out[512];
    int length = snprintf(out, sizeof out,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Server: %s\r\nContent-Length: %zu\r\n%s"
        "\r\n%s", name, strlen(name), ends ? "Connection: close\r\n" : "", name);
    if (write(c->fd, out, (size_t)length) < 0) c->count = -1;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "check")) return check();
    const char *mode = text("MODE", "graceful");
    const char *name = text("NAME", text("ADDR", "server"));
    long drain = atol(text("DRAIN", "1000"));
    struct sigaction action = {.sa_handler = strcmp(mode, "ignore") ? stop : SIG_IGN};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    usleep((useconds_t)(atol(text("DELAY", "0")) * 1000));

    struct sockaddr_in here = address();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024)) {
        perror("listen");
        return 1;
    }
    long deadline = 0;
    while (1) {
        if (stopped && !deadline) {
            if (!strcmp(mode, "exit")) return end();
            deadline = now() + drain;
            if (!strcmp(mode, "graceful")) {
                close(listener);
                listener = -1;
            }
        }
        if (deadline && now() >= deadline) return end();
        struct pollfd list[CLIENTS + 1];
        for (int i = 0; i < clientCount; i++)
            list[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        list[clientCount] = (struct pollfd){.fd = listener, .events = POLLIN};
        int polled = clientCount;
        if (poll(list, (nfds_t)polled + 1, 20) < 0 && errno != EINTR) return 1;
        for (int i = 0; i < polled; i++) {
            struct client *c = &clients[i];
            if (!(list[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
            ssize_t count = read(c->fd, c->bytes + c->count, (size_t)(ROOM - 1 - c->count));
            if (count <= 0) {
                c->count = -1;
                continue;
            }
            c->count += (int)count;
            c->bytes[c->count] = 0;
            char *head;
            while (c->count > 0 && (head = strstr(c->bytes, "\r\n\r\n"))) {
                size_t body = 0;
                char *length = strcasestr(c->bytes, "\r\ncontent-length:");
                if (length && length < head) body = (size_t)atol(length + 17);
                size_t whole = (size_t)(head + 4 - c->bytes) + body;
                if ((size_t)c->count < whole) break;
                lastRequestAt = microseconds();
                answer(c, name, stopped);
                if (c->count < 0) break;
                memmove(c->bytes, c->bytes + whole, (size_t)c->count - whole + 1);
                c->count -= (int)whole;
                if (stopped) shutdown(c->fd, SHUT_WR);
            }
            if (c->count >= ROOM - 1) c->count = -1;
        }
        for (int i = 0; i < clientCount;) {
            if (clients[i].count >= 0) {
                i++;
                continue;
            }
            close(clients[i].fd);
            clients[i] = clients[--clientCount];
        }
        int fd;
        while (listener >= 0 && clientCount < CLIENTS && (fd = accept(listener, NULL, NULL)) >= 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            clients[clientCount].fd = fd;
            clients[clientCount++].count = 0;
        }
    }
}
