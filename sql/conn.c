/* The one file where libpq's non-blocking side is seen.
 *
 *            .----------------- failed, lost, reset ------------------.
 *            v                                                        |
 *     CONN_DOWN --timer--> CONN_CONNECTING --in--> CONN_PREPARING --> CONN_READY
 *
 * What is on its way stands in a ring of slots, oldest first. Answers come in that order, so the
 * head of the ring owns the next one; each slot ends with a synchronisation point of its own, so
 * that one statement's error is nobody else's. A request that its owner gave up leaves its slot
 * behind, empty, since the answer still comes.
 *
 * Cancelling. PostgreSQL cancels what a connection runs at the moment, whatever that is, and some
 * time after it was asked. So only an abandoned statement that stays at the head for a while is
 * cancelled, and a stranger whom the cancel hits instead is run again: the server says that it was
 * rolled back. Asking needs a second connection and blocks, for as long as the database may hang;
 * so a thread does it that nobody waits for, at most one for each connection. */
#include "sql/conn.h"

#include <assert.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "sql/sqlstate.h"

enum {
    HOST_MAX = 256,
    ADDRESSES_MAX = 8, /* of one host that are tried */
    CONNECT_TIMEOUT_MS = 2000,
    BACKOFF_FIRST_MS = 20,
    BACKOFF_MAX_MS = 400, /* a returned database is found within a second */
    CANCEL_AFTER_MS = 20, /* most statements end sooner by themselves, */
    CANCEL_NEXT_MS = 2,   /* but not those that wait behind one which did not */
    RETRIES_MAX = 3,

    /* And a handshake, and a ping. */
    RING_SIZE = SQL_IN_FLIGHT_MAX + SQL_STATEMENT_COUNT + 2 + 1,
};

struct sql_result {
    PGresult *pg;
    const struct conn *conn;
};

enum slot_kind {
    SLOT_REQUEST,
    SLOT_PREPARATION, /* of a handshake: every part but its last */
    SLOT_HANDSHAKE,
    SLOT_PING,
};

struct slot {
    struct conn *conn;
    enum slot_kind kind;
    struct sql_req *req; /* of a request; NULL when abandoned */
    enum err err;        /* the first error of its statements */
    bool cancelled;      /* that error is a cancel, and not by the statement timeout */
    PGresult *result;    /* the last good answer */
    int64_t sent_us;
};

/* libuv wants a handle to outlive its file descriptor, which libpq changes while it connects. */
struct poller {
    uv_poll_t poll;
    struct conn *conn; /* NULL once dropped */
    int fd;
    int events;
};

/* A name's addresses being looked up; libpq would do it too, but the loop would stand still. */
struct lookup {
    uv_getaddrinfo_t request;
    struct conn *conn; /* NULL once nobody waits for it */
};

/* Shared with the thread that asks; whoever lets go of it last frees it. */
struct cancel {
    PGcancel *pg;
    atomic_bool asked; /* the thread is through with it */
    atomic_int owners;
};

struct conn {
    struct pool_options options;
    struct conn_owner owner;
    enum conn_state state;
    bool tried;
    PGconn *pg;
    char host[HOST_MAX]; /* a name to look up; empty where libpq needs no help */
    struct lookup *lookup;
    struct poller *poller;
    uv_timer_t timer; /* by state: try again, give up connecting, cancel an abandoned statement */
    int backoff_ms;
    struct cancel *cancel; /* the last one, perhaps still under way, perhaps of a session before */
    bool outdated;         /* the session's statements are not those of today's schema */
    struct seal_key key;
    struct id origin;
    bool key_known; /* and the origin */
    uint64_t session;
    char last_failure[256]; /* so that the same failure is logged once */

    struct slot ring[RING_SIZE];
    int head, count;

    void (*closed)(void *arg);
    void *closed_arg;
};

static void on_timer(uv_timer_t *timer);
static void work(struct conn *c);

static void set_state(struct conn *c, enum conn_state next)
{
    switch (next) {
    case CONN_DOWN:
        assert(c->state != CONN_CLOSED);
        break;
    case CONN_CONNECTING:
        assert(c->state == CONN_DOWN);
        break;
    case CONN_PREPARING:
        assert(c->state == CONN_CONNECTING);
        break;
    case CONN_READY:
        assert(c->state == CONN_PREPARING);
        break;
    case CONN_CLOSED:
        assert(c->state != CONN_CLOSED);
        break;
    }
    metrics_add(c->options.metrics, METRIC_DATABASE_CONNECTIONS,
                (next == CONN_READY) - (c->state == CONN_READY));
    c->state = next;
    c->owner.state_changed(c->owner.arg, c);
}

/* ---- the ring ---- */

static struct slot *ring_head(struct conn *c)
{
    return c->count > 0 ? &c->ring[c->head] : NULL;
}

static struct slot *ring_push(struct conn *c, enum slot_kind kind, struct sql_req *req)
{
    assert(c->count < RING_SIZE);
    struct slot *slot = &c->ring[(c->head + c->count++) % RING_SIZE];

    *slot = (struct slot){.conn = c, .kind = kind, .req = req, .sent_us = clock_monotonic_us()};
    if (req)
        req->slot = slot;
    return slot;
}

static struct slot ring_pop(struct conn *c)
{
    assert(c->count > 0);
    struct slot slot = c->ring[c->head];

    c->head = (c->head + 1) % RING_SIZE;
    c->count--;
    if (slot.req)
        slot.req->slot = NULL;
    return slot;
}

/* ---- the socket ---- */

static void on_poller_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct poller, poll));
}

static void poller_drop(struct conn *c)
{
    if (!c->poller)
        return;
    c->poller->conn = NULL;
    uv_poll_stop(&c->poller->poll);
    uv_close((uv_handle_t *)&c->poller->poll, on_poller_closed);
    c->poller = NULL;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct poller *p = container_of(poll, struct poller, poll);

    (void)events;
    /* What the error is shows when libpq reads, perhaps only after what came before it. libuv has
     * stopped polling: to be started again. */
    if (status < 0)
        p->events = 0;
    if (p->conn)
        work(p->conn);
}

static void poller_want(struct conn *c, int events)
{
    int fd = PQsocket(c->pg);

    if (c->poller && c->poller->fd != fd)
        poller_drop(c);
    if (!c->poller) {
        struct poller *p = calloc(1, sizeof *p);
        assert(p);
        p->conn = c;
        p->fd = fd;
        int failed = uv_poll_init(c->options.loop, &p->poll, fd);
        assert(!failed);
        c->poller = p;
    }
    if (c->poller->events != events) {
        uv_poll_start(&c->poller->poll, events, on_poll);
        c->poller->events = events;
    }
}

/* ---- giving up, and trying again ---- */

/* Says why once, not at every attempt. */
static void log_failure(struct conn *c, const char *why)
{
    char line[sizeof c->last_failure];

    snprintf(line, sizeof line, "%.*s", (int)strcspn(why, "\n"), why);
    if (strcmp(line, c->last_failure) == 0)
        return;
    memcpy(c->last_failure, line, sizeof line);
    log_warn("sql", "no connection, trying again: %s", line);
}

/* Ends the session, if any, and everything that was on its way in it. */
static void disconnect(struct conn *c)
{
    if (c->lookup) {
        c->lookup->conn = NULL;
        uv_cancel((uv_req_t *)&c->lookup->request);
        c->lookup = NULL;
    }
    poller_drop(c);
    uv_timer_stop(&c->timer);
    PQfinish(c->pg);
    c->pg = NULL;
    c->outdated = false;
}

static void fail_all(struct conn *c)
{
    while (c->count > 0) {
        struct slot slot = ring_pop(c);
        PQclear(slot.result);
        if (slot.req)
            c->owner.completed(c->owner.arg, slot.req, ERR_UNAVAILABLE, false, NULL);
    }
}

static void fail(struct conn *c, const char *why)
{
    log_failure(c, why);
    bool was_ready = c->state == CONN_READY;
    disconnect(c);
    c->tried = true;
    c->backoff_ms = was_ready ? BACKOFF_FIRST_MS : c->backoff_ms * 2;
    if (c->backoff_ms > BACKOFF_MAX_MS)
        c->backoff_ms = BACKOFF_MAX_MS;
    set_state(c, CONN_DOWN);
    uv_timer_start(&c->timer, on_timer, (uint64_t)c->backoff_ms, 0);
    fail_all(c);
}

void conn_reset(struct conn *c, const char *why)
{
    if (c->state == CONN_READY || c->state == CONN_PREPARING)
        fail(c, why);
}

/* ---- sending ---- */

static void flush(struct conn *c)
{
    int more = PQflush(c->pg);

    if (more < 0)
        fail(c, PQerrorMessage(c->pg));
    else
        poller_want(c, UV_READABLE | (more ? UV_WRITABLE : 0));
}

static bool send_statement(struct conn *c, enum sql_statement statement,
                           const struct sql_args *args)
{
    int formats[SQL_PARAMS_MAX];

    for (int i = 0; i < args->count; i++)
        formats[i] = 1;
    return PQsendQueryPrepared(c->pg, sql_statement_texts[statement].name, args->count,
                               args->values, args->lengths, formats, 1);
}

void conn_send(struct conn *c, struct sql_req *req)
{
    bool sent = true;

    assert(c->state == CONN_READY && req->before_count < SQL_STEPS_MAX);
    ring_push(c, SLOT_REQUEST, req);
    req->may_have_run = true;
    /* What lies between two synchronisation points is one transaction. */
    for (int i = 0; sent && i < req->before_count; i++)
        sent = send_statement(c, req->before[i].statement, &req->before[i].args);
    if (!sent || !send_statement(c, req->statement, &req->args) || !PQpipelineSync(c->pg)) {
        fail(c, PQerrorMessage(c->pg));
        return;
    }
    flush(c);
}

void conn_ping(struct conn *c)
{
    assert(c->state == CONN_READY);
    ring_push(c, SLOT_PING, NULL);
    if (!PQpipelineSync(c->pg)) {
        fail(c, PQerrorMessage(c->pg));
        return;
    }
    flush(c);
}

static bool end_of_transaction(struct conn *c, enum slot_kind kind)
{
    ring_push(c, kind, NULL);
    return PQpipelineSync(c->pg);
}

/* Everything that a fresh session needs, in one round trip. The plans are made once: each statement
 * finds its rows by the customer's index, whoever the customer is. Each part is a transaction of
 * its own, so that no locks on tables pile up in the way of a migration. */
static void handshake(struct conn *c)
{
    char timeout[32];
    const char *const values[] = {timeout};
    bool sent;

    snprintf(timeout, sizeof timeout, "%lldms",
             (long long)(c->options.statement_timeout_us / 1000));
    set_state(c, CONN_PREPARING);
    sent = PQsetnonblocking(c->pg, 1) == 0 && PQenterPipelineMode(c->pg) &&
           PQsendQueryParams(c->pg,
                             "SELECT set_config('search_path', 'balances', false),"
                             " set_config('plan_cache_mode', 'force_generic_plan', false),"
                             " set_config('jit', 'off', false),"
                             /* What waits when we are gone, for a lock perhaps, is to end too. */
                             " set_config('client_connection_check_interval', '1s', false),"
                             " set_config('statement_timeout', $1, false)",
                             1, NULL, values, NULL, NULL, 1) &&
           end_of_transaction(c, SLOT_PREPARATION);
    for (int i = 0; sent && i < SQL_STATEMENT_COUNT; i++)
        sent = PQsendPrepare(c->pg, sql_statement_texts[i].name, sql_statement_texts[i].text, 0,
                             NULL) &&
               end_of_transaction(c, SLOT_PREPARATION);
    sent = sent &&
           PQsendQueryParams(c->pg, "SELECT token_key, database_origin() FROM installation", 0,
                             NULL, NULL, NULL, NULL, 1) &&
           end_of_transaction(c, SLOT_HANDSHAKE);
    if (!sent) {
        fail(c, PQerrorMessage(c->pg));
        return;
    }
    flush(c);
}

static void handshake_done(struct conn *c, struct slot *slot)
{
    if (slot->err == ERR_OK && slot->result && PQntuples(slot->result) == 1 &&
        PQgetlength(slot->result, 0, 0) == SEAL_KEY_BYTES &&
        PQgetlength(slot->result, 0, 1) == sizeof c->origin.bytes) { /* null: a standby */
        memcpy(c->key.bytes, PQgetvalue(slot->result, 0, 0), SEAL_KEY_BYTES);
        memcpy(c->origin.bytes, PQgetvalue(slot->result, 0, 1), sizeof c->origin.bytes);
        PQclear(slot->result);
        c->key_known = true;
        c->session = ++*c->owner.sessions;
        metrics_add(c->options.metrics, METRIC_DATABASE_SESSIONS, 1);
        c->tried = true;
        c->backoff_ms = BACKOFF_FIRST_MS / 2;
        c->last_failure[0] = '\0';
        uv_timer_stop(&c->timer);
        set_state(c, CONN_READY);
        return;
    }
    bool refused = slot->err == ERR_UNAVAILABLE && !c->outdated;
    bool standby = slot->err == ERR_OK && slot->result && PQntuples(slot->result) == 1 &&
                   PQgetisnull(slot->result, 0, 1);
    PQclear(slot->result);
    fail(c, refused   ? "the database ended the session"
            : standby ? "the database is a standby, whose answers may be old: name the primary"
                      : "the database's schema is missing or too old: run 'balanced migrate'");
}

/* ---- cancelling ---- */

static void cancel_release(struct cancel *cancel)
{
    if (!cancel || atomic_fetch_sub(&cancel->owners, 1) > 1)
        return;
    PQfreeCancel(cancel->pg);
    free(cancel);
}

static void *cancel_run(void *arg)
{
    struct cancel *cancel = arg;
    char why[256];

    /* If it fails, the statement goes on until statement_timeout ends it. */
    PQcancel(cancel->pg, why, sizeof why);
    atomic_store(&cancel->asked, true);
    cancel_release(cancel);
    return NULL;
}

/* False: the last time we asked is not over yet. */
static bool cancel_ask(struct conn *c)
{
    pthread_t thread;

    if (c->cancel && !atomic_load(&c->cancel->asked))
        return false;
    cancel_release(c->cancel);
    c->cancel = calloc(1, sizeof *c->cancel);
    assert(c->cancel);
    c->cancel->pg = PQgetCancel(c->pg);
    atomic_init(&c->cancel->owners, 2);
    if (pthread_create(&thread, NULL, cancel_run, c->cancel) == 0) {
        pthread_detach(thread);
        return true;
    }
    cancel_release(c->cancel);
    cancel_release(c->cancel);
    c->cancel = NULL;
    return false;
}

static bool head_is_abandoned(struct conn *c)
{
    struct slot *head = ring_head(c);

    return head && head->kind == SLOT_REQUEST && !head->req;
}

/* Whenever the head becomes another or is abandoned: gives it so much time. */
static void cancel_watch(struct conn *c, uint64_t time_ms)
{
    if (c->state == CONN_READY && head_is_abandoned(c))
        uv_timer_start(&c->timer, on_timer, time_ms, 0);
}

static void cancel_head(struct conn *c)
{
    if (head_is_abandoned(c))
        cancel_watch(c, cancel_ask(c) ? CANCEL_AFTER_MS : CANCEL_NEXT_MS);
}

void conn_abandon(struct sql_req *req)
{
    struct slot *slot = req->slot;

    assert(slot && slot->req == req);
    slot->req = NULL;
    req->slot = NULL;
    if (slot == ring_head(slot->conn))
        cancel_watch(slot->conn, CANCEL_AFTER_MS);
}

/* ---- receiving ---- */

static void note_error(struct conn *c, struct slot *slot, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (slot->err != ERR_OK)
        return;
    slot->err = sqlstate_err(state);
    /* Before its time is up it was a cancel: of ours, for another, or an administrator's. */
    slot->cancelled = state && strcmp(state, SQLSTATE_QUERY_CANCELED) == 0 &&
                      clock_monotonic_us() - slot->sent_us < c->options.statement_timeout_us;
    if (slot->cancelled)
        slot->err = ERR_UNAVAILABLE;
    c->outdated |= sqlstate_is_outdated(state);
    if (slot->kind == SLOT_HANDSHAKE || slot->kind == SLOT_PREPARATION)
        log_failure(c, message ? message : PQerrorMessage(c->pg));
    else if (slot->err == ERR_INTERNAL)
        log_error("sql", "statement %s failed: %s %s",
                  slot->req ? sql_statement_texts[slot->req->statement].name : "(abandoned)",
                  state ? state : "", message ? message : "");
}

static void complete_head(struct conn *c)
{
    struct slot slot = ring_pop(c);

    if (slot.kind == SLOT_PREPARATION && slot.err == ERR_OK) {
        PQclear(slot.result);
        return;
    }
    if (slot.kind == SLOT_HANDSHAKE || slot.kind == SLOT_PREPARATION) {
        handshake_done(c, &slot);
        return;
    }
    if (slot.req) {
        struct sql_result result = {slot.result, c};
        bool retry = slot.cancelled && slot.req->retries < RETRIES_MAX;
        enum err err = slot.err == ERR_OK && !slot.result ? ERR_INTERNAL : slot.err;
        slot.req->retries += retry;
        /* The server has answered for the whole transaction. */
        slot.req->may_have_run = false;
        c->owner.completed(c->owner.arg, slot.req, err, retry, err == ERR_OK ? &result : NULL);
    }
    PQclear(slot.result);
    if (c->outdated)
        fail(c, "the schema has changed");
    cancel_watch(c, slot.cancelled ? CANCEL_NEXT_MS : CANCEL_AFTER_MS);
}

static void receive(struct conn *c)
{
    bool after_null = false;

    if (!PQconsumeInput(c->pg)) {
        fail(c, PQerrorMessage(c->pg));
        return;
    }
    /* An answer's owner may have failed or closed the connection meanwhile. */
    while (c->pg && c->count > 0 && !PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);
        struct slot *head = ring_head(c);
        if (!result) {
            /* The end of one statement; twice, and nothing more is there yet. */
            if (after_null)
                break;
            after_null = true;
            continue;
        }
        after_null = false;
        switch (PQresultStatus(result)) {
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            PQclear(head->result);
            head->result = result;
            break;
        case PGRES_PIPELINE_SYNC:
            PQclear(result);
            complete_head(c);
            break;
        case PGRES_PIPELINE_ABORTED:
            PQclear(result);
            break;
        default:
            note_error(c, head, result);
            PQclear(result);
            break;
        }
    }
    if (c->pg && PQstatus(c->pg) == CONNECTION_BAD)
        fail(c, PQerrorMessage(c->pg));
}

/* ---- connecting ---- */

/* What the server mentions in passing, libpq would print. */
static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* `hosts` and `addresses` are lists of the same length, or both NULL: as the URL says. */
static void connect_to(struct conn *c, const char *hosts, const char *addresses)
{
    const char *const names[] = {"dbname", "fallback_application_name", hosts ? "host" : NULL,
                                 "hostaddr", NULL};
    const char *const values[] = {c->options.url, c->options.name, hosts, addresses, NULL};

    c->pg = PQconnectStartParams(names, values, 1);
    PQsetNoticeProcessor(c->pg, ignore_notice, NULL);
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        fail(c, c->pg ? PQerrorMessage(c->pg) : "out of memory");
        return;
    }
    poller_want(c, UV_WRITABLE);
}

static void append(char *list, size_t size, const char *item)
{
    size_t len = strlen(list);

    snprintf(list + len, size - len, "%s%s", len ? "," : "", item);
}

static void connect_to_found(struct conn *c, const struct addrinfo *found)
{
    char hosts[ADDRESSES_MAX * HOST_MAX] = "", addresses[ADDRESSES_MAX * INET6_ADDRSTRLEN] = "";
    char address[INET6_ADDRSTRLEN];
    int count = 0;

    for (; found && count < ADDRESSES_MAX; found = found->ai_next) {
        if (getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        append(hosts, sizeof hosts, c->host);
        append(addresses, sizeof addresses, address);
        count++;
    }
    connect_to(c, hosts, addresses);
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct lookup *lookup = container_of(request, struct lookup, request);
    struct conn *c = lookup->conn;
    char why[HOST_MAX + 128];

    free(lookup);
    if (c) {
        c->lookup = NULL;
        snprintf(why, sizeof why, "cannot look up %s: %s", c->host,
                 status ? uv_strerror(status) : "");
        if (status == 0)
            connect_to_found(c, found);
        else
            fail(c, why);
    }
    uv_freeaddrinfo(found);
}

static void start_connecting(struct conn *c)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};

    set_state(c, CONN_CONNECTING);
    uv_timer_start(&c->timer, on_timer, CONNECT_TIMEOUT_MS, 0);
    if (!*c->host) {
        connect_to(c, NULL, NULL);
        return;
    }
    c->lookup = calloc(1, sizeof *c->lookup);
    assert(c->lookup);
    c->lookup->conn = c;
    int failed =
        uv_getaddrinfo(c->options.loop, &c->lookup->request, on_looked_up, c->host, NULL, &hints);
    assert(!failed);
}

/* The one host name of a URL. A socket's directory needs no look-up, and neither does a URL that
 * brings the address; one with several hosts is left to libpq, which stops the loop meanwhile. */
static void host_of(const char *url, char ret[static HOST_MAX])
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    const char *host = NULL;

    ret[0] = '\0';
    for (PQconninfoOption *o = options; o && o->keyword; o++) {
        if (strcmp(o->keyword, "hostaddr") == 0 && o->val) {
            host = NULL;
            break;
        }
        if (strcmp(o->keyword, "host") == 0)
            host = o->val;
    }
    if (host && *host != '/' && *host != '@' && !strchr(host, ',') && strlen(host) < HOST_MAX)
        memcpy(ret, host, strlen(host) + 1);
    PQconninfoFree(options);
}

static void go_on_connecting(struct conn *c)
{
    /* libpq may close its socket and open another of the same number. */
    uv_poll_stop(&c->poller->poll);
    c->poller->events = 0;
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        poller_want(c, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        poller_want(c, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        handshake(c);
        break;
    default:
        fail(c, PQerrorMessage(c->pg));
        break;
    }
}

/* The socket is ready for something. */
static void work(struct conn *c)
{
    if (c->state == CONN_CONNECTING) {
        go_on_connecting(c);
        return;
    }
    receive(c);
    if (c->pg && c->state != CONN_CONNECTING)
        flush(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct conn *c = container_of(timer, struct conn, timer);

    switch (c->state) {
    case CONN_DOWN:
        start_connecting(c);
        break;
    case CONN_CONNECTING:
    case CONN_PREPARING:
        fail(c, "the database does not answer");
        break;
    case CONN_READY:
        cancel_head(c);
        break;
    case CONN_CLOSED:
        break;
    }
}

/* ---- life ---- */

struct conn *conn_open(const struct pool_options *options, const struct conn_owner *owner)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->options = *options;
    c->owner = *owner;
    c->backoff_ms = BACKOFF_FIRST_MS / 2;
    host_of(options->url, c->host);
    uv_timer_init(options->loop, &c->timer);
    uv_timer_start(&c->timer, on_timer, 0, 0);
    return c;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct conn *c = container_of((uv_timer_t *)handle, struct conn, timer);
    void (*closed)(void *) = c->closed;
    void *arg = c->closed_arg;

    cancel_release(c->cancel);
    free(c);
    closed(arg);
}

void conn_close(struct conn *c, void (*closed)(void *arg), void *arg)
{
    disconnect(c);
    set_state(c, CONN_CLOSED);
    fail_all(c);
    c->closed = closed;
    c->closed_arg = arg;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

enum conn_state conn_state(const struct conn *c)
{
    return c->state;
}

bool conn_has_tried(const struct conn *c)
{
    return c->tried;
}

int conn_in_flight(const struct conn *c)
{
    return c->count;
}

int64_t conn_oldest_us(const struct conn *c, int64_t monotonic_us)
{
    return c->count > 0 ? monotonic_us - c->ring[c->head].sent_us : 0;
}

const struct seal_key *conn_key(const struct conn *c)
{
    return c->key_known ? &c->key : NULL;
}

const struct id *conn_origin(const struct conn *c)
{
    return c->key_known ? &c->origin : NULL;
}

/* ---- results ---- */

static struct sql_cell cell_of(const void *result, int row, int column)
{
    const PGresult *pg = result;

    if (PQgetisnull(pg, row, column))
        return (struct sql_cell){NULL, -1};
    return (struct sql_cell){(const uint8_t *)PQgetvalue(pg, row, column),
                             PQgetlength(pg, row, column)};
}

int result_rows(const struct sql_result *result)
{
    return PQntuples(result->pg);
}

const struct id *result_origin(const struct sql_result *result)
{
    return conn_origin(result->conn);
}

uint64_t result_session(const struct sql_result *result)
{
    return result->conn->session;
}

struct sql_reader result_row(const struct sql_result *result, int row)
{
    return reader_of_row(cell_of, result->pg, row, PQnfields(result->pg));
}
