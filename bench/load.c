/*
 * load: a streaming HTTP/1.1 load client that costs little, and looks closely at what comes back.
 *
 *     load -p PORT -b BODYFILE -c CONNECTIONS -n REQUESTS [options]
 *
 *     -p PORT      of the server, on 127.0.0.1
 *     -u PATH      request path; /v1/chat/completions unless given
 *     -b FILE      request body (JSON); "@@@@@@@@@@" in it is replaced by the request's number in ten digits, so that no
 *                  two bodies are the same and nothing that stores bodies by their digest has an easy time
 *     -k KEY       sent as "Authorization: Bearer KEY"
 *     -H HEADER    one more header line, "name: value"; may be repeated
 *     -c N         connections, each kept alive and used for one request at a time (at most 20,000)
 *     -n N         requests in all
 *     -r MS        spread the first requests of the connections over this long
 *     -t SECONDS   give up after this long (600)
 *     -1           a new connection for each request ("Connection: close")
 *
 * On SIGTERM no further request is sent, those under way are finished, and `requests` is what was sent.
 *
 * One thread, epoll. Connections are opened before the clock starts (except with -1), so times are of requests alone.
 * It ends by printing one JSON object:
 *
 *     requests, answered, unfinished, secs, rps
 *     errors           broken answers, by cause: "refused" (connect failed), "reset" (RST), "cut" (closed in mid-answer),
 *                      "framing" (not HTTP); a request so broken is not sent again
 *     stale            kept-alive connections closed by the server before the first byte of an answer; sent again
 *     not_200          answers with another status;  "statuses": {"200": n, ...}
 *     no_done          event streams that ended cleanly without "data: [DONE]"
 *     events, bytes    events (blank-line terminated) and body bytes;  events_min, events_max of an answer
 *     completion_tokens   sum over answers of the last "completion_tokens": n
 *     ttft_us, total_us   before the request is sent to first body byte / to the end: {"p50", "p99", "max"}
 *     chunk_us            time under way of each chunk stamped " t=<ns>" by `upstream`: {"n", "p50", "p99", "max"}
 *     bodies              how many different bodies (64-bit FNV-1a), and the three first with their counts
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
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
    MAX_CONNECTIONS = 20000,
    HEAD_BYTES = 16384,
    LINE_BYTES = 64,
    READ_BYTES = 256 << 10,
    EVENTS_A_ROUND = 512,
    MAX_CHUNK_TIMES = 8000000,
    MAX_BODIES = 64,
    MAX_STATUS = 600,
    STAMP_DIGITS = 19,
    MAX_FAILURES = 20000,
    NUMBER_DIGITS = 10,
};

typedef enum { IN_HEAD, IN_LENGTH, IN_CHUNK_SIZE, IN_CHUNK, AFTER_CHUNK, IN_TRAILER, UNTIL_CLOSE } State;

/* Finds a word in a body that arrives in pieces, and the number that follows it. */
typedef struct {
    const char *word;
    int matched;
    char digits[STAMP_DIGITS + 1];
    int digits_used;
} Finder;

typedef struct {
    int fd;
    bool busy, closing;
    size_t sent; /* bytes of the request */
    long long start_ns, first_ns;
    State state;
    char head[HEAD_BYTES];
    size_t head_used;
    char line[LINE_BYTES];
    size_t line_used;
    long left; /* of the body or of the chunk */
    int status;
    bool event_stream, done_marker;
    uint64_t hash;
    long events, bytes, tokens;
    char last;
    Finder stamp, usage, done;
} Connection;

typedef struct {
    long requests, issued, answered, stale, not_200, no_done;
    long refused, reset, cut, framing;
    long statuses[MAX_STATUS];
    long events, events_min, events_max, completion_tokens;
    long long bytes;
    double *ttft_us, *total_us;
    float *chunk_us;
    long chunks;
    uint64_t hashes[MAX_BODIES];
    long hash_counts[MAX_BODIES];
    int bodies;
} Tally;

static Tally tally;
static char *request, *request_number; /* the number's place within the request, or NULL */
static size_t request_bytes;
static int port, poller, connections;
static bool connection_each;
static volatile sig_atomic_t stop_asked;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long failures(void) { return tally.refused + tally.reset + tally.cut + tally.framing; }

/* ---- connections ---- */

static void start_request(Connection *c);

static bool open_connection(Connection *c) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (void *)&address, sizeof address)) {
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
        return false;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
    return true;
}

static void close_connection(Connection *c) {
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void watch(Connection *c, unsigned events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

/* The request failed for good: count it under its cause and go on with the next. */
static void fail(Connection *c, long *cause) {
    (*cause)++;
    c->busy = false;
    close_connection(c);
    start_request(c);
}

static void broken_connection(Connection *c, int error) {
    bool unanswered = c->state == IN_HEAD && c->head_used == 0;
    if (!c->busy) {
        close_connection(c);
    } else if (unanswered && !connection_each && error != ECONNREFUSED) {
        tally.stale++;
        tally.issued--;
        c->busy = false;
        close_connection(c);
        start_request(c);
    } else {
        fail(c, error == ECONNRESET || error == EPIPE ? &tally.reset : &tally.cut);
    }
}

/* ---- sending ---- */

static void write_number(void) {
    char digits[2 * NUMBER_DIGITS + 4];
    if (request_number) {
        snprintf(digits, sizeof digits, "%0*ld", NUMBER_DIGITS, tally.issued % 10000000000L);
        memcpy(request_number, digits, NUMBER_DIGITS);
    }
}

static void send_request(Connection *c) {
    while (c->sent < request_bytes) {
        ssize_t r = send(c->fd, request + c->sent, request_bytes - c->sent, MSG_NOSIGNAL);
        if (r < 0 && errno == EAGAIN) {
            watch(c, EPOLLIN | EPOLLOUT);
            return;
        }
        if (r < 0) {
            broken_connection(c, errno);
            return;
        }
        c->sent += (size_t)r;
        if (c->sent == request_bytes && request_bytes > (size_t)r)
            watch(c, EPOLLIN);
    }
}

static void start_request(Connection *c) {
    if (tally.issued >= tally.requests)
        return;
    if (c->fd < 0 && !open_connection(c)) {
        tally.issued++;
        tally.refused++;
        return; /* the main loop tries this connection again */
    }
    tally.issued++;
    c->busy = true;
    c->closing = c->event_stream = c->done_marker = false;
    c->state = IN_HEAD;
    c->head_used = c->line_used = c->sent = 0;
    c->hash = 14695981039346656037ULL;
    c->events = c->bytes = c->tokens = 0;
    c->first_ns = 0;
    c->last = 0;
    c->stamp = (Finder){.word = " t="};
    c->usage = (Finder){.word = "\"completion_tokens\":"};
    c->done = (Finder){.word = "data: [DONE]"};
    write_number();
    c->start_ns = now_ns();
    send_request(c);
}

/* ---- reading an answer's body ---- */

/* Feeds one byte; true when the word has just been completed or while its number is being read. */
static bool find_word(Finder *f, char b) {
    if (f->word[f->matched] == 0)
        return true;
    f->matched = f->word[f->matched] == b ? f->matched + 1 : f->word[0] == b;
    return false;
}

static bool digit(char b) { return b >= '0' && b <= '9'; }

static void look_for_stamp(Connection *c, char b, long long t) {
    Finder *f = &c->stamp;
    if (!find_word(f, b))
        return;
    if (digit(b) && f->digits_used < STAMP_DIGITS) {
        f->digits[f->digits_used++] = b;
        if (f->digits_used < STAMP_DIGITS)
            return;
        long long sent = atoll(f->digits);
        if (sent > 1000000000LL && tally.chunks < MAX_CHUNK_TIMES)
            tally.chunk_us[tally.chunks++] = (t - sent) / 1000.0;
    }
    *f = (Finder){.word = f->word};
}

static void look_for_usage(Connection *c, char b) {
    Finder *f = &c->usage;
    if (!find_word(f, b))
        return;
    if (b == ' ' && !f->digits_used)
        return;
    if (digit(b) && f->digits_used < STAMP_DIGITS) {
        f->digits[f->digits_used++] = b;
        return;
    }
    if (f->digits_used)
        c->tokens = atol(f->digits);
    *f = (Finder){.word = f->word};
}

static void read_body(Connection *c, const char *p, long n, long long t) {
    if (!c->first_ns)
        c->first_ns = t;
    c->bytes += n;
    for (long i = 0; i < n; i++) {
        char b = p[i];
        c->hash = (c->hash ^ (unsigned char)b) * 1099511628211ULL;
        c->events += b == '\n' && c->last == '\n';
        c->last = b;
        look_for_stamp(c, b, t);
        look_for_usage(c, b);
        if (c->event_stream && !c->done_marker) {
            find_word(&c->done, b);
            c->done_marker = c->done.word[c->done.matched] == 0;
        }
    }
}

/* ---- reading an answer's frame ---- */

static void count_body(uint64_t hash) {
    for (int i = 0; i < tally.bodies; i++)
        if (tally.hashes[i] == hash) {
            tally.hash_counts[i]++;
            return;
        }
    if (tally.bodies < MAX_BODIES) {
        tally.hashes[tally.bodies] = hash;
        tally.hash_counts[tally.bodies++] = 1;
    }
}

static void finish(Connection *c, long long t) {
    long long first = c->first_ns ? c->first_ns : t;
    tally.ttft_us[tally.answered] = (first - c->start_ns) / 1000.0;
    tally.total_us[tally.answered] = (t - c->start_ns) / 1000.0;
    if (!tally.answered || c->events < tally.events_min)
        tally.events_min = c->events;
    if (c->events > tally.events_max)
        tally.events_max = c->events;
    tally.answered++;
    tally.events += c->events;
    tally.bytes += c->bytes;
    tally.completion_tokens += c->tokens;
    tally.statuses[c->status >= 0 && c->status < MAX_STATUS ? c->status : 0]++;
    tally.not_200 += c->status != 200;
    tally.no_done += c->event_stream && !c->done_marker;
    count_body(c->hash);
    c->busy = false;
    if (c->closing || connection_each)
        close_connection(c);
    start_request(c);
}

/* Reads what it needs of the head that ends at `end`; false if the answer has no body. */
static bool read_head(Connection *c, char *end) {
    *end = 0;
    c->status = atoi(c->head + sizeof "HTTP/1.1");
    for (char *q = c->head; *q; q++)
        if (*q >= 'A' && *q <= 'Z')
            *q += 'a' - 'A';
    c->closing = strstr(c->head, "\r\nconnection: close") != NULL;
    c->event_stream = strstr(c->head, "\r\ncontent-type: text/event-stream") != NULL;
    char *length = strstr(c->head, "\r\ncontent-length:");
    if (strstr(c->head, "\r\ntransfer-encoding: chunked")) {
        c->state = IN_CHUNK_SIZE;
    } else if (length) {
        c->left = atol(length + sizeof "\r\ncontent-length:" - 1);
        c->state = IN_LENGTH;
        return c->left > 0;
    } else {
        c->state = UNTIL_CLOSE;
    }
    return true;
}

typedef enum { MORE, FINISHED, BROKEN } Progress;

static Progress feed_head(Connection *c, const char **p, long *n) {
    size_t before = c->head_used, room = HEAD_BYTES - 1 - before;
    size_t take = (size_t)*n < room ? (size_t)*n : room;
    memcpy(c->head + before, *p, take);
    c->head_used += take;
    char *blank = memmem(c->head, c->head_used, "\r\n\r\n", 4);
    if (!blank) {
        *p += take;
        *n -= take;
        return c->head_used >= HEAD_BYTES - 1 ? BROKEN : MORE;
    }
    long used = blank + 4 - c->head - before;
    *p += used;
    *n -= used;
    if (memcmp(c->head, "HTTP/1.", 7))
        return BROKEN;
    if (!memcmp(c->head + 9, "100", 3)) {
        c->head_used = 0;
        return MORE;
    }
    return read_head(c, blank + 2) ? MORE : FINISHED;
}

/* Collects a line; true when it is whole. */
static bool feed_line(Connection *c, const char **p, long *n) {
    while (*n > 0) {
        char b = *(*p)++;
        (*n)--;
        if (b == '\n') {
            c->line[c->line_used] = 0;
            return true;
        }
        if (b != '\r' && c->line_used < LINE_BYTES - 1)
            c->line[c->line_used++] = b;
    }
    return false;
}

static Progress feed_chunk_size(Connection *c, const char **p, long *n) {
    if (!feed_line(c, p, n))
        return MORE;
    char *end;
    c->left = strtol(c->line, &end, 16);
    bool broken = end == c->line;
    c->line_used = 0;
    c->state = c->left ? IN_CHUNK : IN_TRAILER;
    return broken ? BROKEN : MORE;
}

static Progress feed_trailer(Connection *c, const char **p, long *n) {
    if (!feed_line(c, p, n))
        return MORE;
    bool blank = c->line_used == 0;
    c->line_used = 0;
    return blank ? FINISHED : MORE;
}

static Progress feed_counted(Connection *c, const char **p, long *n, long long t) {
    long take = *n < c->left ? *n : c->left;
    if (c->state != AFTER_CHUNK)
        read_body(c, *p, take, t);
    c->left -= take;
    *p += take;
    *n -= take;
    if (c->left)
        return MORE;
    if (c->state == IN_LENGTH)
        return FINISHED;
    c->left = sizeof "\r\n" - 1;
    c->state = c->state == IN_CHUNK ? AFTER_CHUNK : IN_CHUNK_SIZE;
    return MORE;
}

static Progress feed(Connection *c, const char **p, long *n, long long t) {
    switch (c->state) {
    case IN_HEAD:
        return feed_head(c, p, n);
    case IN_CHUNK_SIZE:
        return feed_chunk_size(c, p, n);
    case IN_TRAILER:
        return feed_trailer(c, p, n);
    case UNTIL_CLOSE:
        read_body(c, *p, *n, t);
        *n = 0;
        return MORE;
    default:
        return feed_counted(c, p, n, t);
    }
}

static void on_readable(Connection *c) {
    static char buffer[READ_BYTES];
    ssize_t r = recv(c->fd, buffer, sizeof buffer, 0);
    if (r < 0 && errno == EAGAIN)
        return;
    long long t = now_ns();
    if (r == 0 && c->busy && c->state == UNTIL_CLOSE) {
        c->closing = true;
        finish(c, t);
        return;
    }
    if (r <= 0) {
        broken_connection(c, r < 0 ? errno : 0);
        return;
    }
    if (!c->busy) {
        fail(c, &tally.framing); /* bytes that nobody asked for */
        return;
    }
    const char *p = buffer;
    long n = r;
    while (n > 0) {
        Progress progress = feed(c, &p, &n, t);
        if (progress == FINISHED && n > 0)
            progress = BROKEN; /* one request, one answer */
        if (progress == BROKEN)
            fail(c, &tally.framing);
        else if (progress == FINISHED)
            finish(c, t);
        if (progress != MORE)
            return;
    }
}

/* ---- the result ---- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

#define AT(values, n, q) ((n) ? (double)(values)[(long)(((n)-1) * (q))] : 0.0)

static void print_result(double secs) {
    const Tally *r = &tally;
    qsort(r->ttft_us, r->answered, sizeof *r->ttft_us, compare_doubles);
    qsort(r->total_us, r->answered, sizeof *r->total_us, compare_doubles);
    qsort(r->chunk_us, r->chunks, sizeof *r->chunk_us, compare_floats);
    printf("{\"requests\":%ld,\"answered\":%ld,\"unfinished\":%ld,\"secs\":%.3f,\"rps\":%.1f,", r->requests,
           r->answered, r->requests - r->answered - failures(), secs, r->answered / secs);
    printf("\"errors\":{\"refused\":%ld,\"reset\":%ld,\"cut\":%ld,\"framing\":%ld},", r->refused, r->reset, r->cut,
           r->framing);
    printf("\"stale\":%ld,\"not_200\":%ld,\"statuses\":{", r->stale, r->not_200);
    const char *comma = "";
    for (int i = 0; i < MAX_STATUS; i++)
        if (r->statuses[i]) {
            printf("%s\"%d\":%ld", comma, i, r->statuses[i]);
            comma = ",";
        }
    printf("},\"no_done\":%ld,\"events\":%ld,\"events_min\":%ld,\"events_max\":%ld,\"bytes\":%lld,", r->no_done,
           r->events, r->events_min, r->events_max, r->bytes);
    printf("\"completion_tokens\":%ld,", r->completion_tokens);
    printf("\"ttft_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},", AT(r->ttft_us, r->answered, .5),
           AT(r->ttft_us, r->answered, .99), AT(r->ttft_us, r->answered, 1));
    printf("\"total_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},", AT(r->total_us, r->answered, .5),
           AT(r->total_us, r->answered, .99), AT(r->total_us, r->answered, 1));
    printf("\"chunk_us\":{\"n\":%ld,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},", r->chunks, AT(r->chunk_us, r->chunks, .5),
           AT(r->chunk_us, r->chunks, .99), AT(r->chunk_us, r->chunks, 1));
    printf("\"bodies\":{\"different\":%d,\"first\":[", r->bodies);
    for (int i = 0; i < r->bodies && i < 3; i++)
        printf("%s[\"%016llx\",%ld]", i ? "," : "", (unsigned long long)r->hashes[i], r->hash_counts[i]);
    printf("]}}\n");
}

/* ---- the run ---- */

static void usage(void) {
    fprintf(stderr, "usage: load -p PORT -b BODYFILE -c CONNECTIONS -n REQUESTS"
                    " [-u PATH] [-k KEY] [-H HEADER]... [-r RAMP_MS] [-t SECONDS] [-1]\n");
    exit(2);
}

static char *read_file(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*bytes + 1);
    if (fread(text, 1, *bytes, f) != *bytes) {
        perror(path);
        exit(2);
    }
    fclose(f);
    return text;
}

static void compose_request(const char *path, const char *key, const char *headers, const char *body_file) {
    size_t body_bytes;
    char *body = read_file(body_file, &body_bytes), *head;
    int n = asprintf(&head,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: OpenAI/Python 2.25.0\r\n"
                     "Accept: application/json\r\nContent-Type: application/json\r\n%s%s%s%s%s"
                     "Content-Length: %zu\r\n\r\n",
                     path, port, key ? "Authorization: Bearer " : "", key ? key : "", key ? "\r\n" : "", headers,
                     connection_each ? "Connection: close\r\n" : "", body_bytes);
    request_bytes = (size_t)n + body_bytes;
    request = malloc(request_bytes);
    memcpy(request, head, (size_t)n);
    memcpy(request + n, body, body_bytes);
    request_number = memmem(request + n, body_bytes, "@@@@@@@@@@", NUMBER_DIGITS);
    free(head);
    free(body);
}

static void raise_file_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Runs until every request is answered or has failed, or the time is up; returns the seconds it took. */
static double run(Connection *all, long ramp_ms, double max_s) {
    static struct epoll_event events[EVENTS_A_ROUND];
    long long begin = now_ns();
    int started = 0;
    while (tally.answered + failures() < tally.requests && failures() < MAX_FAILURES) {
        long long t = now_ns();
        if ((t - begin) / 1e9 > max_s)
            break;
        if (stop_asked) {
            tally.requests = tally.issued;
            if (tally.answered + failures() >= tally.requests)
                break;
        }
        while (started < connections && begin + ramp_ms * 1000000LL * started / connections <= t)
            start_request(&all[started++]);
        int n = epoll_wait(poller, events, EVENTS_A_ROUND, started < connections ? 1 : 100);
        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;
            if (c->busy && (events[i].events & EPOLLOUT))
                send_request(c);
            if (c->fd >= 0 && (events[i].events & ~EPOLLOUT))
                on_readable(c);
        }
        if (tally.refused)
            for (int i = 0; i < started; i++)
                if (all[i].fd < 0 && !all[i].busy)
                    start_request(&all[i]);
    }
    return (now_ns() - begin) / 1e9;
}

static void ask_to_stop(int signal_number) {
    (void)signal_number;
    stop_asked = 1;
}

int main(int argc, char **argv) {
    const char *path = "/v1/chat/completions", *key = NULL, *body_file = NULL;
    char headers[4096] = "";
    size_t headers_used = 0;
    long ramp_ms = 0;
    double max_s = 600;
    for (int option; (option = getopt(argc, argv, "p:u:b:k:H:c:n:r:t:1")) != -1;) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 'b': body_file = optarg; break;
        case 'k': key = optarg; break;
        case 'H':
            headers_used += snprintf(headers + headers_used, sizeof headers - headers_used, "%s\r\n", optarg);
            if (headers_used >= sizeof headers)
                usage();
            break;
        case 'c': connections = atoi(optarg); break;
        case 'n': tally.requests = atol(optarg); break;
        case 'r': ramp_ms = atol(optarg); break;
        case 't': max_s = atof(optarg); break;
        case '1': connection_each = true; break;
        default: usage();
        }
    }
    if (!port || !body_file || connections < 1 || connections > MAX_CONNECTIONS || tally.requests < 1)
        usage();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, ask_to_stop);
    raise_file_limit();
    compose_request(path, key, headers, body_file);
    tally.ttft_us = malloc(sizeof *tally.ttft_us * tally.requests);
    tally.total_us = malloc(sizeof *tally.total_us * tally.requests);
    tally.chunk_us = malloc(sizeof *tally.chunk_us * MAX_CHUNK_TIMES);
    poller = epoll_create1(0);
    Connection *all = calloc(connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        all[i].fd = -1;
        if (!connection_each && !open_connection(&all[i])) {
            perror("load: cannot connect");
            return 1;
        }
    }
    print_result(run(all, ramp_ms, max_s));
    return 0;
}
