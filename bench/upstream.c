/*
 * upstream: a stub model server that costs next to nothing, so that what a benchmark measures is the proxy.
 *
 *     upstream PORT          listens on 127.0.0.1:PORT until it is killed; one thread, epoll
 *
 * It speaks just enough HTTP/1.1 for proxies and model clients (keep-alive, Content-Length, chunked requests):
 *
 *     GET anything                        200, a chat completion of about 1 KB, its id the answer's number
 *     POST without "stream":true          the same
 *     POST with "stream":true             server-sent events, one HTTP chunk and one send(2) for each event:
 *                                         N content chunks, a finish chunk, a usage chunk, [DONE]
 *
 * Two fields of the request body steer a stream (a proxy must pass both on unchanged):
 *
 *     "max_tokens": N                     content chunks to send (also "max_completion_tokens"); 10 unless given
 *     "seed": S                           microseconds between chunks, also before the finish chunk, which usage and
 *                                         [DONE] follow at once; 0 or absent = as fast as the socket takes them
 *
 * A paced chunk carries the CLOCK_MONOTONIC time of its sending (" t=<nanoseconds, 19 digits>"), from which `load`
 * computes how long it was under way; an unpaced chunk carries its number there, so that bodies can be compared.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_INPUT_BYTES = 4096,
    MAX_INPUT_BYTES = 16 << 20,
    OUTPUT_BYTES = 2048,
    MAX_CONNECTIONS = 20000,
    EVENTS_A_ROUND = 512,
    NOT_QUEUED = -1,
    NUMBER_DIGITS = 29,
};

typedef enum { KEEP, DROP } Fate;

typedef struct {
    int fd;
    char *in; /* grows from FIRST_INPUT_BYTES to MAX_INPUT_BYTES, always ends in a NUL */
    size_t in_used, in_size;
    char out[OUTPUT_BYTES]; /* what the socket has not taken yet */
    size_t out_used, out_sent;
    bool streaming, close_after;
    long total, sent; /* content chunks asked for; events sent so far, of total + 3 */
    long pace_us;
    long long due_ns; /* when the next event is to be sent */
    int queue_index;
} Connection;

static int poller;
static char completion[4096];
static size_t completion_bytes;
static char *completion_number; /* the number's place within it */
static unsigned long long answers;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- the queue: streams with something to send, the earliest first (a binary heap) ---- */

static Connection *queue[MAX_CONNECTIONS];
static int queued;

static void queue_put(int i, Connection *c) {
    queue[i] = c;
    c->queue_index = i;
}

static void queue_rise(int i) {
    Connection *c = queue[i];
    for (; i > 0 && queue[(i - 1) / 2]->due_ns > c->due_ns; i = (i - 1) / 2)
        queue_put(i, queue[(i - 1) / 2]);
    queue_put(i, c);
}

static void queue_sink(int i) {
    Connection *c = queue[i];
    for (;;) {
        int child = 2 * i + 1;
        if (child >= queued)
            break;
        if (child + 1 < queued && queue[child + 1]->due_ns < queue[child]->due_ns)
            child++;
        if (queue[child]->due_ns >= c->due_ns)
            break;
        queue_put(i, queue[child]);
        i = child;
    }
    queue_put(i, c);
}

static void enqueue(Connection *c) {
    if (c->queue_index != NOT_QUEUED)
        return;
    queue_put(queued++, c);
    queue_rise(c->queue_index);
}

static void dequeue(Connection *c) {
    int i = c->queue_index;
    if (i == NOT_QUEUED)
        return;
    c->queue_index = NOT_QUEUED;
    Connection *last = queue[--queued];
    if (last == c)
        return;
    queue_put(i, last);
    queue_rise(i);
    queue_sink(last->queue_index);
}

/* ---- what is sent ---- */

static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\n"
                                  "server: stub\r\n"
                                  "date: Mon, 23 Nov 2026 17:00:00 GMT\r\n"
                                  "content-type: text/event-stream; charset=utf-8\r\n"
                                  "x-request-id: req_0123456789abcdef0123456789\r\n"
                                  "transfer-encoding: chunked\r\n\r\n";

#define CHUNK_START                                                                                                    \
    "data: {\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\","                   \
    "\"created\":1741569952,\"model\":\"gpt-4o-mini\","

static void compose_completion(void) {
    static const char words[] = "lorem ipsum dolor sit amet ";
    char content[640 + 1] = {0};
    for (size_t i = 0; i < sizeof content - 1; i++)
        content[i] = words[i % (sizeof words - 1)];
    char body[2048];
    int n = snprintf(body, sizeof body,
                     "{\"id\":\"chatcmpl-00000000000000000000000000000\",\"object\":\"chat.completion\","
                     "\"created\":1741569952,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"message\":"
                     "{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},\"logprobs\":null,"
                     "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":211,\"completion_tokens\":128,"
                     "\"total_tokens\":339},\"service_tier\":\"default\"}",
                     content);
    completion_bytes = snprintf(completion, sizeof completion,
                                "HTTP/1.1 200 OK\r\n"
                                "server: stub\r\n"
                                "date: Mon, 23 Nov 2026 17:00:00 GMT\r\n"
                                "content-type: application/json\r\n"
                                "x-request-id: req_0123456789abcdef0123456789\r\n"
                                "content-length: %d\r\n\r\n%s",
                                n, body);
    completion_number = strstr(completion, "chatcmpl-") + sizeof "chatcmpl-" - 1;
}

/* No two answers are the same, so that nothing that stores bodies by their digest has an easy time. */
static void number_completion(void) {
    char digits[2 * NUMBER_DIGITS + 4];
    snprintf(digits, sizeof digits, "%0*llu", NUMBER_DIGITS, ++answers);
    memcpy(completion_number, digits, NUMBER_DIGITS);
}

/* Writes event number `i` of a stream to `o` as one HTTP chunk and returns its length. */
static size_t compose_event(const Connection *c, char *o, long i) {
    char event[512];
    const char *end = "";
    int n;
    if (i < c->total) {
        n = snprintf(event, sizeof event,
                     CHUNK_START "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" t=%019lld\"},"
                                 "\"finish_reason\":null}]}\n\n",
                     c->pace_us ? now_ns() : (long long)i);
    } else if (i == c->total) {
        n = snprintf(event, sizeof event,
                     CHUNK_START "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    } else if (i == c->total + 1) {
        n = snprintf(event, sizeof event,
                     CHUNK_START "\"choices\":[],\"usage\":{\"prompt_tokens\":211,\"completion_tokens\":%ld,"
                                 "\"total_tokens\":%ld}}\n\n",
                     c->total, 211 + c->total);
    } else {
        n = snprintf(event, sizeof event, "data: [DONE]\n\n");
        end = "0\r\n\r\n";
    }
    return (size_t)sprintf(o, "%x\r\n%s\r\n%s", n, event, end);
}

static bool last_event_sent(const Connection *c) { return c->sent > c->total + 2; }

/* Sends what is left in `out`. KEEP with out_used > 0 means that the socket is full for now. */
static Fate flush_output(Connection *c) {
    while (c->out_sent < c->out_used) {
        ssize_t r = send(c->fd, c->out + c->out_sent, c->out_used - c->out_sent, MSG_NOSIGNAL);
        if (r < 0)
            return errno == EAGAIN ? KEEP : DROP;
        c->out_sent += (size_t)r;
    }
    c->out_sent = c->out_used = 0;
    return KEEP;
}

/* ---- what is read ---- */

static bool header(const char *start, const char *end, const char *name, char *value, size_t size) {
    size_t name_bytes = strlen(name);
    for (const char *line = start; line < end;) {
        const char *stop = memmem(line, end - line, "\r\n", 2);
        if (!stop)
            return false;
        if ((size_t)(stop - line) > name_bytes && !strncasecmp(line, name, name_bytes) && line[name_bytes] == ':') {
            const char *v = line + name_bytes + 1;
            while (*v == ' ')
                v++;
            size_t n = (size_t)(stop - v) < size - 1 ? (size_t)(stop - v) : size - 1;
            memcpy(value, v, n);
            value[n] = 0;
            return true;
        }
        line = stop + 2;
    }
    return false;
}

/* The text after `"key":` and blanks, or NULL. */
static const char *json_value(const char *body, size_t n, const char *key) {
    const char *p = memmem(body, n, key, strlen(key));
    if (!p)
        return NULL;
    for (p += strlen(key); *p == ' ' || *p == ':'; p++)
        ;
    return p;
}

static long json_number(const char *body, size_t n, const char *key) {
    const char *p = json_value(body, n, key);
    return p ? atol(p) : 0;
}

static Fate start_stream(Connection *c) {
    c->out_used = sizeof STREAM_HEAD - 1;
    memcpy(c->out, STREAM_HEAD, c->out_used);
    c->sent = 0;
    c->streaming = true;
    c->due_ns = now_ns();
    if (c->pace_us) { /* a real engine's head comes with its first token */
        c->out_used += compose_event(c, c->out + c->out_used, c->sent++);
        c->due_ns += c->pace_us * 1000;
    }
    Fate fate = flush_output(c);
    if (fate == KEEP && !c->out_used)
        enqueue(c);
    return fate;
}

static Fate answer(Connection *c, const char *body, size_t body_bytes) {
    const char *stream = json_value(body, body_bytes, "\"stream\"");
    if (stream && !strncmp(stream, "true", 4)) {
        c->total = json_number(body, body_bytes, "\"max_tokens\"");
        if (c->total < 1)
            c->total = json_number(body, body_bytes, "\"max_completion_tokens\"");
        if (c->total < 1)
            c->total = 10;
        c->pace_us = json_number(body, body_bytes, "\"seed\"");
        return start_stream(c);
    }
    number_completion();
    if (send(c->fd, completion, completion_bytes, MSG_NOSIGNAL) != (ssize_t)completion_bytes)
        return DROP;
    return c->close_after ? DROP : KEEP;
}

/* Answers the requests that have come in whole, up to the first that asks for a stream. */
static Fate handle_input(Connection *c) {
    while (!c->streaming && c->in_used) {
        char *blank = memmem(c->in, c->in_used, "\r\n\r\n", 4);
        if (!blank)
            return KEEP;
        char *body = blank + 4, value[32];
        size_t head = body - c->in, have = c->in_used - head, length = 0;
        c->close_after = header(c->in, blank + 2, "connection", value, sizeof value) && !strcasecmp(value, "close");
        if (header(c->in, blank + 2, "content-length", value, sizeof value)) {
            length = strtoul(value, NULL, 10);
            if (have < length)
                return KEEP;
        } else if (header(c->in, blank + 2, "transfer-encoding", value, sizeof value)) {
            char *last = memmem(body, have, "0\r\n\r\n", 5);
            if (!last)
                return KEEP;
            length = last + 5 - body;
        }
        Fate fate = answer(c, body, length);
        if (fate == DROP)
            return DROP;
        c->in_used -= head + length;
        memmove(c->in, c->in + head + length, c->in_used + 1);
    }
    return KEEP;
}

static bool grow_input(Connection *c) {
    if (c->in_used + 1 < c->in_size)
        return true;
    if (c->in_size >= MAX_INPUT_BYTES)
        return false;
    c->in_size *= 4;
    c->in = realloc(c->in, c->in_size);
    return c->in != NULL;
}

static Fate read_input(Connection *c) {
    for (;;) {
        if (!grow_input(c))
            return DROP;
        ssize_t r = recv(c->fd, c->in + c->in_used, c->in_size - 1 - c->in_used, 0);
        if (r < 0)
            return errno == EAGAIN ? KEEP : DROP;
        if (r == 0)
            return DROP;
        c->in_used += (size_t)r;
        c->in[c->in_used] = 0;
        if (handle_input(c) == DROP)
            return DROP;
    }
}

/* ---- a stream's life ---- */

/* After an event has left: wait for the next one's time, or end the stream and look at what came in meanwhile. */
static Fate after_event(Connection *c) {
    if (!last_event_sent(c)) {
        enqueue(c);
        return KEEP;
    }
    c->streaming = false;
    if (c->close_after)
        return DROP;
    return handle_input(c);
}

static Fate send_next_event(Connection *c) {
    dequeue(c);
    c->out_used = compose_event(c, c->out, c->sent++);
    bool paced = c->pace_us && c->sent <= c->total; /* usage and [DONE] follow the finish chunk at once */
    c->due_ns = paced ? c->due_ns + c->pace_us * 1000 : now_ns();
    if (flush_output(c) == DROP)
        return DROP;
    return c->out_used ? KEEP : after_event(c); /* if the socket is full, EPOLLOUT goes on */
}

static Fate on_writable(Connection *c) {
    if (!c->out_used)
        return KEEP;
    if (flush_output(c) == DROP)
        return DROP;
    return c->out_used ? KEEP : after_event(c);
}

static void close_connection(Connection *c) {
    dequeue(c);
    close(c->fd);
    free(c->in);
    free(c);
}

/* ---- the loop ---- */

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
        if (fd < 0)
            return;
        if (fd >= MAX_CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        c->queue_index = NOT_QUEUED;
        c->in_size = FIRST_INPUT_BYTES;
        c->in = malloc(c->in_size);
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static void serve_socket(Connection *c, unsigned events) {
    Fate fate = KEEP;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        fate = read_input(c);
    if (fate == KEEP && (events & EPOLLOUT))
        fate = on_writable(c);
    if (fate == DROP)
        close_connection(c);
}

static void send_what_is_due(void) {
    long long t = now_ns();
    while (queued && queue[0]->due_ns <= t) {
        Connection *c = queue[0];
        if (send_next_event(c) == DROP)
            close_connection(c);
    }
}

static int wait_for_events(struct epoll_event *events) {
    struct timespec timeout, *wait = NULL;
    if (queued) {
        long long left = queue[0]->due_ns - now_ns();
        if (left < 0)
            left = 0;
        timeout = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        wait = &timeout;
    }
    return epoll_pwait2(poller, events, EVENTS_A_ROUND, wait, NULL);
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (void *)&address, sizeof address) || listen(fd, 4096)) {
        perror("upstream: cannot listen");
        exit(1);
    }
    return fd;
}

static void raise_file_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: upstream PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    compose_completion();
    poller = epoll_create1(0);
    int listener = listen_on(atoi(argv[1]));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    static struct epoll_event events[EVENTS_A_ROUND];
    for (;;) {
        int n = wait_for_events(events);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                serve_socket(events[i].data.ptr, events[i].events);
            else
                accept_all(listener);
        }
        send_what_is_due();
    }
}
