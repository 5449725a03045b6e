/* Asks a gRPC server as often as it answers, and prints one line of JSON about that.
 *
 *     load [--connections N] [--streams N] [--seconds S] [--requests N] HOST PORT PATH BODIES
 *
 * BODIES is a file of requests, each with gRPC's prefix of five bytes; every call takes one of them
 * at random. Each connection keeps N calls in flight until time is up or the number is reached.
 *
 * This speaks just as much HTTP/2 as that takes, on one thread: the generator shares the machine
 * with what it measures, so each microsecond that it takes is missing there. It does not decode
 * headers: of gRPC's answers those and only those that are OK carry a message, and that it looks
 * at. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 256,
    STREAMS_MAX = 1024,
    BODY_BYTES_MAX = 16384, /* one frame; nobody has to allow more */
    PATH_BYTES_MAX = 127,   /* a length of one byte in HPACK */

    FRAME_HEADER_BYTES = 9,
    GRPC_PREFIX_BYTES = 5,
    IN_BYTES = 256 * 1024,
    HEADERS_BYTES_MAX = 512,
    CONTROL_BYTES_MAX = 64 * 1024, /* answers to pings and settings that wait to be written */

    WINDOW_START = 65535,
    WINDOW_MAX = 0x7fffffff,
    DRAIN_SECONDS = 10,
};

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
};

enum { FLAG_ACK = 1, FLAG_END_STREAM = 1, FLAG_END_HEADERS = 4 };

struct frame {
    uint32_t len;
    enum frame_type type;
    uint8_t flags;
    uint32_t stream;
    const uint8_t *body; /* what has arrived of it: all, but for the parts of FRAME_DATA */
};

struct stream {
    uint32_t id; /* 0: free */
    int64_t started_ns;
    size_t answer_bytes; /* with the prefix */
};

struct connection {
    int fd;
    uint32_t next_id;
    struct stream *streams;
    int open_count;
    int64_t send_window; /* of the whole connection; our bodies are small beside a stream's own */
    int64_t received;    /* of which the server has not been told yet */
    uint8_t *out;
    size_t out_len;
    bool out_waits; /* for the socket */
    uint8_t *in;
    size_t in_len;
    uint32_t data_left; /* of a FRAME_DATA whose beginning has been seen */
    struct stream *data_of;
};

static struct {
    int connections, streams;
    double seconds;
    int64_t requests;
    char path[PATH_BYTES_MAX + 1];
} options = {.connections = 8, .streams = 50, .seconds = 5, .requests = INT64_MAX};

static struct {
    uint8_t *all;
    size_t *starts; /* count + 1 of them */
    size_t count, longest;
} bodies;

static struct {
    int64_t begun, good, failed;
    int64_t good_in_time; /* before the time was up */
    size_t answer_bytes;  /* of the last message */
    uint32_t *took_us;
    size_t took_count, took_room;
} sums;

static bool stopping;
static uint64_t random_state = 0x9e3779b97f4a7c15; /* the same in each run */
static size_t out_room;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- writing ---- */

static void put(struct connection *c, const void *data, size_t len)
{
    assert(len <= out_room - c->out_len);
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

static void put_frame(struct connection *c, enum frame_type type, int flags, uint32_t stream,
                      const void *body, size_t len)
{
    const uint8_t header[FRAME_HEADER_BYTES] = {
        (uint8_t)(len >> 16),    (uint8_t)(len >> 8),    (uint8_t)len,
        (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

    put(c, header, sizeof header);
    put(c, body, len);
}

static void put_window_update(struct connection *c, uint32_t more)
{
    const uint8_t body[] = {(uint8_t)(more >> 24), (uint8_t)(more >> 16), (uint8_t)(more >> 8),
                            (uint8_t)more};

    put_frame(c, FRAME_WINDOW_UPDATE, 0, 0, body, sizeof body);
}

static size_t put_text(uint8_t *to, const char *text)
{
    size_t len = strlen(text);

    assert(len <= PATH_BYTES_MAX);
    *to = (uint8_t)len;
    memcpy(to + 1, text, len);
    return len + 1;
}

/* The first call of a connection spells its headers out and has the server remember them; all
 * others name them by their number, as any client would. */
static size_t encode_headers(uint8_t *to, bool first)
{
    static const uint8_t known[] = {0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62};
    uint8_t *at = to;

    if (!first) {
        memcpy(to, known, sizeof known);
        return sizeof known;
    }
    *at++ = 0x83; /* :method POST */
    *at++ = 0x86; /* :scheme http */
    *at++ = 0x44; /* :path, will be 65 */
    at += put_text(at, options.path);
    *at++ = 0x41; /* :authority, will be 64 */
    at += put_text(at, "bench");
    *at++ = 0x5f; /* content-type, will be 63 */
    at += put_text(at, "application/grpc");
    *at++ = 0x40; /* a name of our own, will be 62 */
    at += put_text(at, "te");
    at += put_text(at, "trailers");
    return (size_t)(at - to);
}

static bool may_begin(const struct connection *c)
{
    return !stopping && sums.begun < options.requests && c->open_count < options.streams &&
           c->send_window >= BODY_BYTES_MAX;
}

static void begin_call(struct connection *c)
{
    uint8_t headers[HEADERS_BYTES_MAX];
    size_t which = random_next() % bodies.count;
    size_t len = bodies.starts[which + 1] - bodies.starts[which];
    struct stream *s = c->streams;

    while (s->id != 0)
        s++;
    *s = (struct stream){.id = c->next_id, .started_ns = now_ns()};
    size_t headers_len = encode_headers(headers, c->next_id == 1);
    put_frame(c, FRAME_HEADERS, FLAG_END_HEADERS, s->id, headers, headers_len);
    put_frame(c, FRAME_DATA, FLAG_END_STREAM, s->id, bodies.all + bodies.starts[which], len);
    c->next_id += 2;
    c->open_count++;
    c->send_window -= (int64_t)len;
    sums.begun++;
}

static void flush(struct connection *c, int poller)
{
    ssize_t written = 0;

    if (c->out_len > 0)
        written = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN)
        die("the connection broke while writing");
    if (written > 0) {
        c->out_len -= (size_t)written;
        memmove(c->out, c->out + written, c->out_len);
    }
    if (c->out_waits != (c->out_len > 0)) {
        c->out_waits = c->out_len > 0;
        struct epoll_event event = {.events = EPOLLIN | (c->out_waits ? (uint32_t)EPOLLOUT : 0),
                                    .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    }
}

/* ---- reading ---- */

static struct stream *find(struct connection *c, uint32_t id)
{
    for (int i = 0; i < options.streams; i++) {
        if (c->streams[i].id == id)
            return &c->streams[i];
    }
    errno = 0;
    die("an answer to a call that was not made");
}

static void note_time(int64_t took_ns)
{
    if (sums.took_count == sums.took_room) {
        sums.took_room = sums.took_room * 2 + 4096;
        sums.took_us = realloc(sums.took_us, sums.took_room * sizeof *sums.took_us);
        assert(sums.took_us);
    }
    sums.took_us[sums.took_count++] = (uint32_t)(took_ns / 1000);
}

static void end_call(struct connection *c, struct stream *s, bool good)
{
    if (good && s->answer_bytes >= GRPC_PREFIX_BYTES) {
        sums.good++;
        sums.good_in_time += !stopping;
        sums.answer_bytes = s->answer_bytes - GRPC_PREFIX_BYTES;
        note_time(now_ns() - s->started_ns);
    } else {
        sums.failed++;
    }
    s->id = 0;
    c->open_count--;
}

static void on_frame(struct connection *c, const struct frame *f)
{
    switch (f->type) {
    case FRAME_HEADERS:
        if (f->flags & FLAG_END_STREAM)
            end_call(c, find(c, f->stream), true);
        break;
    case FRAME_RST_STREAM:
        end_call(c, find(c, f->stream), false);
        break;
    case FRAME_SETTINGS:
        if (!(f->flags & FLAG_ACK))
            put_frame(c, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
        break;
    case FRAME_PING:
        if (!(f->flags & FLAG_ACK))
            put_frame(c, FRAME_PING, FLAG_ACK, 0, f->body, f->len);
        break;
    case FRAME_WINDOW_UPDATE:
        if (f->stream == 0)
            c->send_window +=
                (f->body[0] & 0x7f) << 24 | f->body[1] << 16 | f->body[2] << 8 | f->body[3];
        break;
    case FRAME_GOAWAY:
        errno = 0;
        die("the server closes the connection");
    default: /* nothing that a call waits for */
        break;
    }
}

/* Data is counted as it comes; every other frame waits until it is whole. Returns the bytes used.
 */
static size_t take_frames(struct connection *c)
{
    size_t at = 0;

    for (;;) {
        const uint8_t *in = c->in + at;
        size_t left = c->in_len - at;
        if (c->data_left > 0) {
            uint32_t part = left < c->data_left ? (uint32_t)left : c->data_left;
            c->data_of->answer_bytes += part;
            c->data_left -= part;
            at += part;
            if (c->data_left > 0)
                return at;
            continue;
        }
        if (left < FRAME_HEADER_BYTES)
            return at;
        struct frame f = {
            .len = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2],
            .type = (enum frame_type)in[3],
            .flags = in[4],
            .stream = ((uint32_t)in[5] & 0x7f) << 24 | (uint32_t)in[6] << 16 |
                      (uint32_t)in[7] << 8 | in[8],
            .body = in + FRAME_HEADER_BYTES,
        };
        if (f.type == FRAME_DATA) {
            c->data_left = f.len;
            c->data_of = find(c, f.stream);
            c->received += f.len;
            at += FRAME_HEADER_BYTES;
            continue;
        }
        if (left - FRAME_HEADER_BYTES < f.len)
            return at;
        on_frame(c, &f);
        at += FRAME_HEADER_BYTES + f.len;
    }
}

static void receive(struct connection *c)
{
    ssize_t got = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, 0);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got == 0)
        errno = 0;
    if (got <= 0)
        die("the connection broke while reading");
    c->in_len += (size_t)got;
    size_t used = take_frames(c);
    c->in_len -= used;
    memmove(c->in, c->in + used, c->in_len);
    if (c->received > WINDOW_MAX / 2) {
        put_window_update(c, (uint32_t)c->received);
        c->received = 0;
    }
}

/* ---- the beginning and the end ---- */

static void open_connection(struct connection *c, const struct addrinfo *address, int poller)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /* No push; answers of any size without asking. */
    static const uint8_t settings[] = {0, 2, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff};
    int on = 1;

    c->fd = socket(address->ai_family, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, address->ai_addr, address->ai_addrlen) != 0)
        die("cannot connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        die("cannot make the socket non-blocking");
    c->next_id = 1;
    c->send_window = WINDOW_START;
    c->streams = calloc((size_t)options.streams, sizeof *c->streams);
    c->in = malloc(IN_BYTES);
    c->out = malloc(out_room);
    assert(c->streams && c->in && c->out);
    put(c, preface, sizeof preface - 1);
    put_frame(c, FRAME_SETTINGS, 0, 0, settings, sizeof settings);
    put_window_update(c, WINDOW_MAX - WINDOW_START);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void read_bodies(const char *name)
{
    FILE *file = fopen(name, "rb");
    size_t size, room = 0, at = 0;

    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(name);
    size = (size_t)ftell(file);
    rewind(file);
    bodies.all = malloc(size + 1);
    assert(bodies.all);
    if (fread(bodies.all, 1, size, file) != size)
        die(name);
    fclose(file);
    errno = 0;
    while (at < size) {
        if (bodies.count + 2 > room) {
            room = room * 2 + 1024;
            bodies.starts = realloc(bodies.starts, room * sizeof *bodies.starts);
            assert(bodies.starts);
        }
        const uint8_t *prefix = bodies.all + at;
        if (size - at < GRPC_PREFIX_BYTES)
            die("the file of requests ends within one");
        size_t len = GRPC_PREFIX_BYTES + ((size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 |
                                          (size_t)prefix[3] << 8 | prefix[4]);
        if (len > size - at || len > BODY_BYTES_MAX)
            die("a request is cut short, or longer than a frame");
        bodies.starts[bodies.count++] = at;
        at += len;
        if (len > bodies.longest)
            bodies.longest = len;
    }
    if (bodies.count == 0)
        die("the file of requests has none");
    bodies.starts[bodies.count] = size;
}

static int compare_times(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint32_t percentile(int percent)
{
    return sums.took_count > 0 ? sums.took_us[(sums.took_count - 1) * (size_t)percent / 100] : 0;
}

static void report(double seconds)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    qsort(sums.took_us, sums.took_count, sizeof *sums.took_us, compare_times);
    printf("{\"requests\": %lld, \"failed\": %lld, \"seconds\": %.6f, \"per_second\": %.1f, "
           "\"p50_us\": %u, \"p99_us\": %u, \"answer_bytes\": %zu, \"cpu_seconds\": %.3f}\n",
           (long long)sums.good, (long long)sums.failed, seconds,
           (double)sums.good_in_time / seconds, percentile(50), percentile(99), sums.answer_bytes,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

/* Returns for how long calls were begun. What is still on its way then is waited for, uncounted. */
static double run(struct connection *all, int poller)
{
    int64_t start = now_ns();
    int64_t end = start + (int64_t)(options.seconds * 1e9);
    int64_t stopped = 0;
    struct epoll_event events[CONNECTIONS_MAX];

    for (int i = 0; i < options.connections; i++) {
        while (may_begin(&all[i]))
            begin_call(&all[i]);
        flush(&all[i], poller);
    }
    while (sums.good + sums.failed < sums.begun || !stopping) {
        int ready = epoll_wait(poller, events, CONNECTIONS_MAX, 100);
        int64_t now = now_ns();
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(c);
            while (may_begin(c))
                begin_call(c);
            flush(c, poller);
        }
        if (!stopping && (now >= end || sums.good + sums.failed >= options.requests)) {
            stopping = true;
            stopped = now;
        }
        errno = 0;
        if (stopping && now > stopped + DRAIN_SECONDS * INT64_C(1000000000))
            die("answers are missing");
    }
    return (double)(stopped - start) / 1e9;
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {{"connections", required_argument, NULL, 'c'},
                                          {"streams", required_argument, NULL, 's'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {"requests", required_argument, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.connections = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            options.streams = (int)strtol(optarg, NULL, 10);
            break;
        case 't':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'n':
            options.requests = strtoll(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 4 || options.connections < 1 || options.connections > CONNECTIONS_MAX ||
        options.streams < 1 || options.streams > STREAMS_MAX || options.seconds <= 0 ||
        options.requests < 1 || strlen(argv[optind + 2]) > PATH_BYTES_MAX) {
        fprintf(stderr, "usage: load [--connections N] [--streams N] [--seconds S]"
                        " [--requests N] HOST PORT PATH BODIES\n");
        exit(2);
    }
    snprintf(options.path, sizeof options.path, "%s", argv[optind + 2]);
}

int main(int argc, char **argv)
{
    static struct connection all[CONNECTIONS_MAX];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *address;

    read_options(argc, argv);
    read_bodies(argv[optind + 3]);
    out_room =
        (size_t)options.streams * (2 * FRAME_HEADER_BYTES + HEADERS_BYTES_MAX + bodies.longest) +
        CONTROL_BYTES_MAX;
    if (getaddrinfo(argv[optind], argv[optind + 1], &hints, &address) != 0)
        die("the address is not a number");
    int poller = epoll_create1(0);
    if (poller < 0)
        die("no epoll");
    for (int i = 0; i < options.connections; i++)
        open_connection(&all[i], address, poller);
    freeaddrinfo(address);
    report(run(all, poller));
    for (int i = 0; i < options.connections; i++) {
        close(all[i].fd);
        free(all[i].streams);
        free(all[i].in);
        free(all[i].out);
    }
    close(poller);
    free(bodies.all);
    free(bodies.starts);
    free(sums.took_us);
    return sums.failed > 0;
}
