/* The one file where hiredis is seen.
 *
 *            .---------------- failed, lost, not in time -------------.
 *            v                                                        |
 *     REDIS_IS_DOWN --timer--> CONNECTING --socket--> GREETING --> READY
 *
 * What is on its way stands in a ring of slots, oldest first. Answers come in that order, so the
 * head of the ring owns the next one. A command that its owner gave up leaves its slot behind,
 * empty, since the answer still comes. An answer that is due too long ends the connection: whatever
 * came after it could not be told from it.
 *
 * Commands are written when the loop is about to wait, so that those of one turn travel together
 * and sending never fails on the spot.
 *
 * Of hiredis only its blocking layer's parts are used, on a socket that does not block. Its
 * asynchronous layer asserts that nobody answers without being asked, which would leave the life
 * of this process to whatever listens at the address; and it keeps a second list of who waits. */
#include "cache/redis.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#if REDIS_TLS
#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#endif

#include "base/clock.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"

enum {
    CONNECT_TIMEOUT_MS = 2000, /* greeting included */
    BACKOFF_FIRST_MS = 20,
    BACKOFF_MAX_MS = 400, /* a returned Redis is found within a second */
    HEARTBEAT_MS = 1000,
    READ_BYTES = 16 * 1024, /* that hiredis reads at once, */
    READS_MAX = 16,         /* and how often in a turn */
    SERVER_VERSION_MIN = 7, /* SET with NX and GET */

    GREETING_COMMANDS = 4 + CACHE_SCRIPT_COUNT,
    RING_SIZE = REDIS_IN_FLIGHT_MAX + REDIS_RAISES_MAX + GREETING_COMMANDS + 1, /* a heartbeat */
    SHA_LEN = 40,
};

struct redis_slot {
    redis_done_fn *done; /* NULL when abandoned */
    void *owner, *arg;
    int64_t sent_us;
};

/* libuv wants a handle to outlive its file descriptor, which is closed with the session. */
struct poller {
    uv_poll_t poll;
    struct redis *redis; /* NULL once dropped */
    int events;
};

struct lookup {
    uv_getaddrinfo_t request;
    struct redis *redis; /* NULL once nobody waits for it */
};

struct redis {
    struct redis_options options;
    struct url url;
    enum redis_state state;
    redisContext *hi;
    redisReplyObjectFunctions functions; /* of its reader: hiredis' own, but for lists */
    const redisReplyObjectFunctions *hiredis_functions;
    struct lookup *lookup;
    unsigned attempts; /* each takes the next of a name's addresses */
    struct poller *poller;
    uv_timer_t timer;    /* by state: try again, give up connecting, heartbeat */
    uv_timer_t deadline; /* runs while something is on its way; looks at the oldest */
    uv_prepare_t flusher;
    int handles; /* still open */
    int backoff_ms;
    bool out_of_bounds;                   /* the reader refused a list */
    size_t reply_bytes;                   /* that came of an answer which is not complete */
    size_t out_bytes;                     /* queued since all was sent the last time, about */
    char last_failure[256];               /* so that the same failure is logged once */
    struct redis_server server, greeting; /* of the session, and as far as it is known */
    char shas[CACHE_SCRIPT_COUNT][SHA_LEN];
    int scripts_loaded;
    int heartbeats;    /* on their way: one at most */
    uint64_t sessions; /* that were ready */
#if REDIS_TLS
    SSL_CTX *tls;
    SSL *ssl; /* of the session; hiredis' */
#endif

    struct redis_slot ring[RING_SIZE];
    int head, count;

    void (*closed)(void *arg);
    void *closed_arg;
};

static void on_timer(uv_timer_t *timer);
static void on_deadline(uv_timer_t *timer);
static void on_prepare(uv_prepare_t *prepare);
static void work(struct redis *r);

static void set_state(struct redis *r, enum redis_state next)
{
    switch (next) {
    case REDIS_IS_DOWN:
        assert(r->state != REDIS_IS_CLOSED);
        break;
    case REDIS_IS_CONNECTING:
        assert(r->state == REDIS_IS_DOWN);
        break;
    case REDIS_IS_GREETING:
        assert(r->state == REDIS_IS_CONNECTING);
        break;
    case REDIS_IS_READY:
        assert(r->state == REDIS_IS_GREETING);
        break;
    case REDIS_IS_CLOSED:
        assert(r->state != REDIS_IS_CLOSED);
        break;
    }
    metrics_add(r->options.metrics, METRIC_CACHE_CONNECTIONS,
                (next == REDIS_IS_READY) - (r->state == REDIS_IS_READY));
    r->state = next;
}

/* ---- the ring ---- */

static struct redis_slot *ring_push(struct redis *r, redis_done_fn *done, void *owner, void *arg)
{
    assert(r->count < RING_SIZE);
    struct redis_slot *slot = &r->ring[(r->head + r->count++) % RING_SIZE];

    *slot = (struct redis_slot){done, owner, arg, clock_monotonic_us()};
    if (!uv_is_active((uv_handle_t *)&r->deadline))
        uv_timer_start(&r->deadline, on_deadline, (uint64_t)(r->options.timeout_us / 1000) + 1, 0);
    return slot;
}

static struct redis_slot ring_pop(struct redis *r)
{
    assert(r->count > 0);
    struct redis_slot slot = r->ring[r->head];

    r->head = (r->head + 1) % RING_SIZE;
    r->count--;
    return slot;
}

static void complete(const struct redis_slot *slot, enum err err, const struct redis_reply *reply)
{
    if (slot->done)
        slot->done(slot->owner, slot->arg, err, reply);
}

/* ---- the socket ---- */

static void on_poller_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct poller, poll));
}

static void poller_drop(struct redis *r)
{
    if (!r->poller)
        return;
    r->poller->redis = NULL;
    uv_poll_stop(&r->poller->poll);
    uv_close((uv_handle_t *)&r->poller->poll, on_poller_closed);
    r->poller = NULL;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct poller *p = container_of(poll, struct poller, poll);

    (void)events;
    /* What the error is shows when hiredis reads, perhaps only after what came before it. libuv has
     * stopped polling: to be started again. */
    if (status < 0)
        p->events = 0;
    if (p->redis)
        work(p->redis);
}

static void poller_want(struct redis *r, int events)
{
    if (!r->poller) {
        struct poller *p = calloc(1, sizeof *p);
        assert(p);
        p->redis = r;
        int failed = uv_poll_init(r->options.loop, &p->poll, r->hi->fd);
        assert(!failed);
        r->poller = p;
    }
    if (r->poller->events != events) {
        uv_poll_start(&r->poller->poll, events, on_poll);
        r->poller->events = events;
    }
}

/* ---- giving up, and trying again ---- */

/* Says why once, not at every attempt. */
static void log_failure(struct redis *r, const char *why)
{
    char line[sizeof r->last_failure];

    snprintf(line, sizeof line, "%s", why);
    if (strcmp(line, r->last_failure) == 0)
        return;
    memcpy(r->last_failure, line, sizeof line);
    log_warn("cache", "no Redis, doing without, trying again: %s", line);
}

/* Ends the session, if any. */
static void disconnect(struct redis *r)
{
    if (r->lookup) {
        r->lookup->redis = NULL;
        uv_cancel((uv_req_t *)&r->lookup->request);
        r->lookup = NULL;
    }
    poller_drop(r);
    uv_timer_stop(&r->timer);
    uv_timer_stop(&r->deadline);
    uv_prepare_stop(&r->flusher);
    if (r->hi)
        redisFree(r->hi);
    r->hi = NULL;
#if REDIS_TLS
    r->ssl = NULL;
#endif
    r->heartbeats = 0;
    r->reply_bytes = 0;
    r->out_bytes = 0;
    r->scripts_loaded = 0;
}

static void fail_all(struct redis *r)
{
    while (r->count > 0) {
        struct redis_slot slot = ring_pop(r);
        complete(&slot, ERR_UNAVAILABLE, NULL);
    }
}

/* What is wrong with the socket. */
static const char *trouble(const struct redis *r)
{
#if REDIS_TLS
    if (r->ssl && SSL_get_verify_result(r->ssl) != X509_V_OK)
        return X509_verify_cert_error_string(SSL_get_verify_result(r->ssl));
#endif
    return r->hi->errstr;
}

/* `why` may lie in what disconnect() frees. */
static void fail(struct redis *r, const char *why)
{
    log_failure(r, why);
    if (r->state == REDIS_IS_CONNECTING)
        r->attempts++;
    r->backoff_ms = r->state == REDIS_IS_READY ? BACKOFF_FIRST_MS : r->backoff_ms * 2;
    if (r->backoff_ms > BACKOFF_MAX_MS)
        r->backoff_ms = BACKOFF_MAX_MS;
    disconnect(r);
    set_state(r, REDIS_IS_DOWN);
    uv_timer_start(&r->timer, on_timer, (uint64_t)r->backoff_ms, 0);
    fail_all(r);
}

void redis_reset(struct redis *r, const char *why)
{
    if (r->state == REDIS_IS_READY)
        fail(r, why);
}

/* ---- sending ---- */

static bool socket_takes_more(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void flush(struct redis *r)
{
    int all_sent = 0;

    uv_prepare_stop(&r->flusher);
    if (redisBufferWrite(r->hi, &all_sent) != REDIS_OK) {
        fail(r, trouble(r));
        return;
    }
    if (all_sent)
        r->out_bytes = 0;
    /* In the middle of TLS's own handshake there may be nothing to do but to wait for the other
     * side, though the socket would take more. */
    bool wait = all_sent || (r->url.tls && socket_takes_more(r->hi->fd));
    poller_want(r, UV_READABLE | (wait ? 0 : UV_WRITABLE));
}

static void on_prepare(uv_prepare_t *prepare)
{
    flush(container_of(prepare, struct redis, flusher));
}

/* hiredis fails here where memory is short, for which this program has no answer anyway. */
static struct redis_slot *send_parts(struct redis *r, const struct bytes *parts, int count,
                                     const struct redis_slot *slot)
{
    const char *texts[REDIS_PARTS_MAX + 3];
    size_t lengths[REDIS_PARTS_MAX + 3];

    for (int i = 0; i < count; i++) {
        texts[i] = (const char *)parts[i].data;
        lengths[i] = parts[i].len;
        r->out_bytes += parts[i].len;
    }
    int failed = redisAppendCommandArgv(r->hi, count, texts, lengths);
    assert(!failed);
    uv_prepare_start(&r->flusher, on_prepare);
    return ring_push(r, slot->done, slot->owner, slot->arg);
}

struct redis_slot *redis_send(struct redis *r, const struct redis_command *command)
{
    struct bytes parts[REDIS_PARTS_MAX + 3];
    char key_count[12];
    int count = 0;

    assert(r->state == REDIS_IS_READY && command->count <= REDIS_PARTS_MAX);
    if (command->is_script) {
        snprintf(key_count, sizeof key_count, "%d", command->key_count);
        parts[count++] = bytes_text("EVALSHA");
        parts[count++] = bytes_of(r->shas[command->script], SHA_LEN);
        parts[count++] = bytes_text(key_count);
    }
    for (int i = 0; i < command->count; i++)
        parts[count++] = command->parts[i];
    return send_parts(r, parts, count,
                      &(struct redis_slot){command->done, r->options.owner, command->arg, 0});
}

void redis_abandon(struct redis_slot *slot)
{
    slot->done = NULL;
}

/* ---- receiving ---- */

/* What an error means. Some say that the session is of no use any more. */
static enum err error_of(struct bytes text, bool *ret_drop)
{
    static const struct {
        const char *code;
        enum err err;
        bool drop;
    } codes[] = {
        {"OOM ", ERR_EXHAUSTED, false},
        {"READONLY ", ERR_UNAVAILABLE, true},   /* not a master any more */
        {"MASTERDOWN ", ERR_UNAVAILABLE, true}, /* the same, and alone */
        {"LOADING ", ERR_UNAVAILABLE, true},    /* started again, or replaces its data */
        {"NOSCRIPT ", ERR_UNAVAILABLE, true},   /* somebody flushed its scripts */
        {"NOAUTH ", ERR_UNAVAILABLE, true},     /* somebody changed its users */
    };

    *ret_drop = false;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t len = strlen(codes[i].code);
        if (text.len >= len && memcmp(text.data, codes[i].code, len) == 0) {
            *ret_drop = codes[i].drop;
            return codes[i].err;
        }
    }
    return ERR_INTERNAL;
}

static struct redis_value value_of(const redisReply *in)
{
    switch (in->type) {
    case REDIS_REPLY_NIL:
        return (struct redis_value){.kind = REDIS_NOTHING};
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return (struct redis_value){.kind = REDIS_TEXT, .text = bytes_of(in->str, in->len)};
    case REDIS_REPLY_INTEGER:
        return (struct redis_value){.kind = REDIS_NUMBER, .number = in->integer};
    case REDIS_REPLY_ERROR:
        return (struct redis_value){.kind = REDIS_REFUSAL, .text = bytes_of(in->str, in->len)};
    default:
        return (struct redis_value){.kind = REDIS_STRANGE};
    }
}

static struct redis_reply reply_of(const redisReply *in)
{
    struct redis_reply out = {.self = value_of(in)};

    if (in->type != REDIS_REPLY_ARRAY)
        return out;
    assert(in->elements <= REDIS_ITEMS_MAX); /* create_list() refused more */
    out.self.kind = REDIS_LIST;
    for (size_t i = 0; i < in->elements; i++)
        out.items[out.item_count++] = value_of(in->element[i]);
    return out;
}

/* Gives an answer to whom it is for. */
static void take(struct redis *r, const redisReply *raw)
{
    struct redis_reply reply = reply_of(raw);
    enum err err = ERR_OK;
    bool drop = false;
    char why[128];

    if (r->count == 0) {
        fail(r, "Redis answers without being asked");
        return;
    }
    if (reply.self.kind == REDIS_REFUSAL) {
        err = error_of(reply.self.text, &drop);
        snprintf(why, sizeof why, "Redis says: %.*s", (int)reply.self.text.len,
                 (const char *)reply.self.text.data);
    }
    if (drop) {
        fail(r, why);
        return;
    }
    struct redis_slot slot = ring_pop(r);
    complete(&slot, err, &reply);
}

static size_t unread(const struct redis *r)
{
    return r->hi->reader->len - r->hi->reader->pos;
}

/* A list may claim any length before it has one element. */
#if HIREDIS_MAJOR < 1
static void *create_list(const redisReadTask *task, int count)
#else
static void *create_list(const redisReadTask *task, size_t count)
#endif
{
    struct redis *r = task->privdata;

    r->out_of_bounds = count > REDIS_ITEMS_MAX;
    return r->out_of_bounds ? NULL : r->hiredis_functions->createArray(task, count);
}

/* Gives away the answers that are there in whole. False: the connection is given up. */
static bool take_all(struct redis *r)
{
    /* An answer's owner may have failed or closed the connection meanwhile. */
    while (r->hi) {
        void *raw = NULL;
        if (redisReaderGetReply(r->hi->reader, &raw) != REDIS_OK) {
            fail(r, r->out_of_bounds ? "Redis answers with a list that nobody asked for"
                                     : r->hi->reader->errstr);
            return false;
        }
        if (!raw) {
            if (r->reply_bytes <= REDIS_REPLY_BYTES_MAX)
                return true;
            fail(r, "Redis answers with more than anybody asked for");
            return false;
        }
        r->reply_bytes = unread(r);
        take(r, raw);
        freeReplyObject(raw);
    }
    return false;
}

/* All that is there, so that busy times make few and large turns of the loop. */
static void receive(struct redis *r)
{
    size_t got = READ_BYTES;

    for (int i = 0; i < READS_MAX && got >= READ_BYTES; i++) {
        size_t before = unread(r);
        if (redisBufferRead(r->hi) != REDIS_OK) {
            fail(r, trouble(r));
            return;
        }
        got = unread(r) - before;
        r->reply_bytes += got;
        if (!take_all(r))
            return;
    }
}

/* ---- the greeting ---- */

/* The value of a line "name:value" of INFO. */
static struct bytes info_field(struct bytes info, const char *name)
{
    size_t name_len = strlen(name);
    const uint8_t *at = info.data, *end = info.data + info.len;

    while (at < end) {
        const uint8_t *eol = memchr(at, '\r', (size_t)(end - at));
        size_t len = (size_t)((eol ? eol : end) - at);
        if (len > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == ':')
            return bytes_of(at + name_len + 1, len - name_len - 1);
        at += len + 1;
        if (at < end && *at == '\n')
            at++;
    }
    return bytes_of(NULL, 0);
}

static bool same_text(struct bytes text, const char *other)
{
    return text.len == strlen(other) && memcmp(text.data, other, text.len) == 0;
}

/* Whether the greeting may go on after this answer, which is to be of this kind. */
static bool greeted_well(struct redis *r, enum err err, const struct redis_reply *reply,
                         enum redis_kind kind)
{
    char why[160];

    if (r->state != REDIS_IS_GREETING)
        return false;
    if (err == ERR_OK && reply->self.kind == kind)
        return true;
    if (err == ERR_OK)
        snprintf(why, sizeof why, "what answers at its address is no Redis");
    else
        snprintf(why, sizeof why, "Redis says: %.*s", (int)reply->self.text.len,
                 (const char *)reply->self.text.data);
    fail(r, why);
    return false;
}

/* Of AUTH and SELECT. */
static void on_let_in(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    (void)arg;
    greeted_well(owner, err, reply, REDIS_TEXT);
}

static void on_server(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct redis *r = owner;

    (void)arg;
    if (!greeted_well(r, err, reply, REDIS_TEXT))
        return;
    struct bytes run_id = info_field(reply->self.text, "run_id");
    struct bytes version = info_field(reply->self.text, "redis_version");
    int major = 0;
    for (size_t i = 0; i < version.len && major < 1000; i++) {
        if (version.data[i] < '0' || version.data[i] > '9')
            break;
        major = major * 10 + (version.data[i] - '0');
    }
    if (run_id.len != REDIS_ID_LEN)
        fail(r, "Redis does not say who it is");
    else if (major < SERVER_VERSION_MIN)
        fail(r, "this Redis is too old: it must be 7 or newer");
    else
        memcpy(r->greeting.run_id, run_id.data, REDIS_ID_LEN);
}

/* NULL: a master; its history goes into `ret`. */
static const char *read_replication(struct bytes info, char ret[static REDIS_ID_LEN])
{
    struct bytes role = info_field(info, "role"), replid = info_field(info, "master_replid");

    if (!same_text(role, "master"))
        return "this Redis is a replica: name the master";
    if (replid.len != REDIS_ID_LEN)
        return "Redis does not say who it is";
    memcpy(ret, replid.data, REDIS_ID_LEN);
    return NULL;
}

static void on_replication(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct redis *r = owner;

    (void)arg;
    if (!greeted_well(r, err, reply, REDIS_TEXT))
        return;
    const char *wrong = read_replication(reply->self.text, r->greeting.replid);
    if (wrong)
        fail(r, wrong);
}

/* Of each script in turn; after the last one all is known. */
static void on_script(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct redis *r = owner;

    (void)arg;
    if (!greeted_well(r, err, reply, REDIS_TEXT))
        return;
    if (reply->self.text.len != SHA_LEN) {
        fail(r, "Redis takes no scripts");
        return;
    }
    memcpy(r->shas[r->scripts_loaded++], reply->self.text.data, SHA_LEN);
    if (r->scripts_loaded < CACHE_SCRIPT_COUNT)
        return;
    r->server = r->greeting;
    r->sessions++;
    r->backoff_ms = BACKOFF_FIRST_MS / 2;
    r->last_failure[0] = '\0';
    set_state(r, REDIS_IS_READY);
    uv_timer_start(&r->timer, on_timer, HEARTBEAT_MS, HEARTBEAT_MS);
    log_info("cache", "Redis answers");
}

static void greet_with(struct redis *r, redis_done_fn *done, const char *const *words)
{
    struct bytes parts[4];
    int count = 0;

    for (; words[count]; count++)
        parts[count] = bytes_text(words[count]);
    send_parts(r, parts, count, &(struct redis_slot){done, r, NULL, 0});
}

#define GREET(r, done, ...) greet_with(r, done, (const char *const[]){__VA_ARGS__, NULL})

/* Everything that a fresh session needs, in one round trip. */
static void greet(struct redis *r)
{
    char database[12];

    set_state(r, REDIS_IS_GREETING);
    if (*r->url.user)
        GREET(r, on_let_in, "AUTH", r->url.user, r->url.password);
    else if (*r->url.password)
        GREET(r, on_let_in, "AUTH", r->url.password);
    if (r->url.database != 0) {
        snprintf(database, sizeof database, "%d", r->url.database);
        GREET(r, on_let_in, "SELECT", database);
    }
    GREET(r, on_server, "INFO", "server");
    GREET(r, on_replication, "INFO", "replication");
    for (int i = 0; i < CACHE_SCRIPT_COUNT; i++)
        GREET(r, on_script, "SCRIPT", "LOAD", cache_script_texts[i]);
    flush(r);
}

static void on_heartbeat(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct redis *r = owner;
    char replid[REDIS_ID_LEN];

    (void)arg;
    if (r->state != REDIS_IS_READY)
        return;
    r->heartbeats--;
    const char *wrong = err != ERR_OK || reply->self.kind != REDIS_TEXT
                            ? "Redis gives no sign of life"
                            : read_replication(reply->self.text, replid);
    if (!wrong && memcmp(replid, r->server.replid, REDIS_ID_LEN) != 0)
        wrong = "Redis has a new history";
    if (wrong)
        fail(r, wrong);
}

/* ---- connecting ---- */

bool redis_has_tls(void)
{
    return REDIS_TLS;
}

/* Whoever answers must show a certificate for the host in the URL, from somebody whom this system
 * trusts. NULL: it goes on as the socket does; otherwise what is wrong. */
static const char *start_tls(struct redis *r)
{
#if REDIS_TLS
    SSL *ssl = r->tls ? SSL_new(r->tls) : NULL;
    bool ready =
        ssl && (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), r->url.host) ||
                (SSL_set1_host(ssl, r->url.host) && SSL_set_tlsext_host_name(ssl, r->url.host)));

    if (ready && redisInitiateSSL(r->hi, ssl) == REDIS_OK) {
        r->ssl = ssl;
        return NULL;
    }
    long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    SSL_free(ssl);
    return verified != X509_V_OK ? X509_verify_cert_error_string(verified) : "TLS does not start";
#else
    (void)r;
    return "there is no TLS";
#endif
}

/* The socket is there, but the other side may have refused. */
static void go_on_connecting(struct redis *r)
{
    int on = 1, error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(r->hi->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        fail(r, strerror(error));
        return;
    }
    if (!*r->url.path)
        setsockopt(r->hi->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const char *wrong = r->url.tls ? start_tls(r) : NULL;
    if (wrong)
        fail(r, wrong);
    else
        greet(r);
}

static void connect_to(struct redis *r, const char *address)
{
    r->hi = address ? redisConnectNonBlock(address, r->url.port)
                    : redisConnectUnixNonBlock(r->url.path);
    if (!r->hi || r->hi->err) {
        fail(r, r->hi ? r->hi->errstr : "out of memory");
        return;
    }
    r->hiredis_functions = r->hi->reader->fn;
    r->functions = *r->hiredis_functions;
    r->functions.createArray = create_list;
    r->hi->reader->fn = &r->functions;
    r->hi->reader->privdata = r;
    poller_want(r, UV_WRITABLE);
}

static void connect_to_found(struct redis *r, const struct addrinfo *found)
{
    char address[NI_MAXHOST];
    unsigned count = 0;

    for (const struct addrinfo *a = found; a; a = a->ai_next)
        count++;
    for (unsigned skip = count ? r->attempts % count : 0; skip > 0; skip--)
        found = found->ai_next;
    if (!found || getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0,
                              NI_NUMERICHOST) != 0)
        fail(r, "the host has no address");
    else
        connect_to(r, address);
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct lookup *lookup = container_of(request, struct lookup, request);
    struct redis *r = lookup->redis;
    char why[URL_NAME_MAX + 128];

    free(lookup);
    if (r) {
        r->lookup = NULL;
        snprintf(why, sizeof why, "cannot look up %s: %s", r->url.host,
                 status ? uv_strerror(status) : "");
        if (status == 0)
            connect_to_found(r, found);
        else
            fail(r, why);
    }
    uv_freeaddrinfo(found);
}

static void start_connecting(struct redis *r)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};

    set_state(r, REDIS_IS_CONNECTING);
    uv_timer_start(&r->timer, on_timer, CONNECT_TIMEOUT_MS, 0);
    if (*r->url.path) {
        connect_to(r, NULL);
        return;
    }
    r->lookup = calloc(1, sizeof *r->lookup);
    assert(r->lookup);
    r->lookup->redis = r;
    int failed = uv_getaddrinfo(r->options.loop, &r->lookup->request, on_looked_up, r->url.host,
                                NULL, &hints);
    assert(!failed);
}

/* The socket is ready for something. */
static void work(struct redis *r)
{
    if (r->state == REDIS_IS_CONNECTING) {
        go_on_connecting(r);
        return;
    }
    receive(r);
    if (r->hi)
        flush(r);
}

static void on_timer(uv_timer_t *timer)
{
    struct redis *r = container_of(timer, struct redis, timer);

    switch (r->state) {
    case REDIS_IS_DOWN:
        start_connecting(r);
        break;
    case REDIS_IS_CONNECTING:
    case REDIS_IS_GREETING:
        fail(r, "Redis does not answer");
        break;
    case REDIS_IS_READY:
        if (r->heartbeats == 0) {
            r->heartbeats++;
            GREET(r, on_heartbeat, "INFO", "replication");
        }
        break;
    case REDIS_IS_CLOSED:
        break;
    }
}

/* How long the oldest command may still wait for its answer. */
static int64_t time_left_us(const struct redis *r)
{
    return r->ring[r->head].sent_us + r->options.timeout_us - clock_monotonic_us();
}

static void on_deadline(uv_timer_t *timer)
{
    struct redis *r = container_of(timer, struct redis, deadline);

    /* The greeting has a timer of its own. The answer may be there: then it was us who were slow.
     */
    if (r->state == REDIS_IS_READY && r->count > 0 && time_left_us(r) <= 0)
        receive(r);
    if (r->state == REDIS_IS_READY && r->count > 0 && time_left_us(r) <= 0)
        fail(r, "Redis does not answer in time");
    else if (r->state == REDIS_IS_READY && r->count > 0)
        uv_timer_start(timer, on_deadline, (uint64_t)(time_left_us(r) / 1000) + 1, 0);
}

/* ---- life ---- */

struct redis *redis_open(const struct redis_options *options)
{
    struct redis *r = calloc(1, sizeof *r);

    assert(r);
    r->options = *options;
    r->url = *options->url;
    r->backoff_ms = BACKOFF_FIRST_MS / 2;
    uv_timer_init(options->loop, &r->timer);
    uv_timer_init(options->loop, &r->deadline);
    uv_prepare_init(options->loop, &r->flusher);
    r->handles = 3;
#if REDIS_TLS
    if (r->url.tls)
        r->tls = SSL_CTX_new(TLS_client_method());
    if (r->tls) {
        SSL_CTX_set_verify(r->tls, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_default_verify_paths(r->tls);
        SSL_CTX_set_min_proto_version(r->tls, TLS1_2_VERSION);
    }
#endif
    uv_timer_start(&r->timer, on_timer, 0, 0);
    return r;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct redis *r = handle->data;
    void (*closed)(void *) = r->closed;
    void *arg = r->closed_arg;

    if (--r->handles > 0)
        return;
#if REDIS_TLS
    SSL_CTX_free(r->tls);
#endif
    free(r);
    closed(arg);
}

void redis_close(struct redis *r, void (*closed)(void *arg), void *arg)
{
    uv_handle_t *const handles[] = {(uv_handle_t *)&r->timer, (uv_handle_t *)&r->deadline,
                                    (uv_handle_t *)&r->flusher};

    disconnect(r);
    set_state(r, REDIS_IS_CLOSED);
    fail_all(r);
    r->closed = closed;
    r->closed_arg = arg;
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        handles[i]->data = r;
        uv_close(handles[i], on_handle_closed);
    }
}

const struct redis_server *redis_server(const struct redis *r)
{
    return &r->server;
}

uint64_t redis_session(const struct redis *r)
{
    return r->sessions;
}

bool redis_has_room(const struct redis *r, bool for_raise)
{
    int max = for_raise ? REDIS_IN_FLIGHT_MAX + REDIS_RAISES_MAX : REDIS_IN_FLIGHT_MAX;

    /* A heartbeat takes nobody's place. */
    return r->state == REDIS_IS_READY && r->count - r->heartbeats < max &&
           (for_raise || r->out_bytes < REDIS_OUT_BYTES_MAX);
}
