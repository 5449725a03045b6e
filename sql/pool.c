/* Which connection runs what.
 *
 *     submit --> a connection's ring --> done            (the usual way)
 *          '--> waiting ------^                          (before the first connection is there)
 *          '--> ending --> done, in the loop's next turn (refused, cancelled, lost)
 *
 * A request is in one place at a time. While the database is known to be away, requests fail at
 * once: a caller who must wait for the reconnect is better off trying again. */
#include "sql/pool.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/later.h"
#include "base/log.h"
#include "sql/conn.h"

enum {
    TICK_MS = 250,
    PING_EVERY_TICKS = 4,
    STALLED_US = 2 * 1000 * 1000, /* without an answer: no longer counted as ready */
    /* Beyond the statement timeout the server would have answered, if it were there. */
    DEAD_AFTER_TIMEOUT_US = 2 * 1000 * 1000,
};

struct pool {
    struct pool_options options;
    struct conn **conns;
    int conn_count, open_count;
    struct list waiting;
    int waiting_count;
    struct later ending;
    uv_timer_t tick;
    unsigned ticks;
    bool ready;
    bool closing;
    int handles; /* still open */
    struct seal_key key;
    struct id origin;
    bool key_known; /* and the origin */
    uint64_t sessions;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void count_done(struct pool *p, struct sql_req *req)
{
    req->took_us = clock_monotonic_us() - req->submitted_us;
    metrics_add(p->options.metrics, METRIC_DATABASE_IN_FLIGHT, -1);
}

static void end(void *arg, struct list *link)
{
    struct sql_req *req = container_of(link, struct sql_req, link);
    struct pool *p = arg;

    count_done(p, req);
    metrics_add(p->options.metrics, METRIC_DATABASE_FAILED, 1);
    req->done(req, req->err, NULL);
}

/* Calls back in the loop's next turn. */
static void end_soon(struct pool *p, struct sql_req *req, enum err err)
{
    req->err = err;
    later_add(&p->ending, &req->link);
}

static bool usable(const struct conn *c)
{
    return conn_state(c) == CONN_READY;
}

/* The connection with the least to do. */
static struct conn *choose(struct pool *p)
{
    struct conn *best = NULL;

    for (int i = 0; i < p->conn_count; i++) {
        struct conn *c = p->conns[i];
        if (usable(c) && (!best || conn_in_flight(c) < conn_in_flight(best)))
            best = c;
    }
    return best;
}

static bool first_try_is_under_way(const struct pool *p)
{
    for (int i = 0; i < p->conn_count; i++) {
        if (conn_has_tried(p->conns[i]))
            return false;
    }
    return true;
}

static void set_waiting(struct pool *p, int count)
{
    metrics_add(p->options.metrics, METRIC_DATABASE_WAITING, count - p->waiting_count);
    p->waiting_count = count;
}

static void dispatch(struct pool *p, struct sql_req *req)
{
    struct conn *c = p->closing ? NULL : choose(p);

    if (c && conn_in_flight(c) < SQL_IN_FLIGHT_MAX) {
        conn_send(c, req);
    } else if (c) {
        end_soon(p, req, ERR_EXHAUSTED);
    } else if (!p->closing && first_try_is_under_way(p) && p->waiting_count < SQL_WAITING_MAX) {
        list_append(&p->waiting, &req->link);
        set_waiting(p, p->waiting_count + 1);
    } else {
        end_soon(p, req, ERR_UNAVAILABLE);
    }
}

static void dispatch_waiting(struct pool *p)
{
    struct list again;
    struct list *link;

    list_init(&again);
    while ((link = list_take(&p->waiting)))
        list_append(&again, link);
    set_waiting(p, 0);
    while ((link = list_take(&again)))
        dispatch(p, container_of(link, struct sql_req, link));
}

static void update_ready(struct pool *p)
{
    int64_t now = clock_monotonic_us();
    bool ready = false;

    for (int i = 0; i < p->conn_count && !p->closing; i++)
        ready |= usable(p->conns[i]) && conn_oldest_us(p->conns[i], now) < STALLED_US;
    if (ready == p->ready)
        return;
    p->ready = ready;
    if (ready)
        log_info("sql", "the database answers");
    else if (!p->closing)
        log_warn("sql", "the database does not answer: calls that need it fail until it does");
    p->options.on_ready(p->options.arg, ready);
}

static void on_state(void *arg, struct conn *c)
{
    struct pool *p = arg;

    if (conn_state(c) == CONN_READY) {
        p->key = *conn_key(c);
        p->origin = *conn_origin(c);
        p->key_known = true;
    }
    update_ready(p);
    if (p->waiting_count > 0 && (p->ready || !first_try_is_under_way(p)))
        dispatch_waiting(p);
}

/* A connection that is failing completes its requests before anybody may submit new ones to it, so
 * that answering in place is safe; but done() may submit, and the ring is in use: hence end_soon.
 */
static void on_completed(void *arg, struct sql_req *req, enum err err, bool retry,
                         const struct sql_result *result)
{
    struct pool *p = arg;

    if (retry) {
        dispatch(p, req);
    } else if (result) {
        count_done(p, req);
        metrics_observe(p->options.metrics, HISTOGRAM_DATABASE_SECONDS, req->took_us);
        req->done(req, ERR_OK, result);
    } else {
        end_soon(p, req, err);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct pool *p = container_of(timer, struct pool, tick);
    int64_t now = clock_monotonic_us();
    bool ping = ++p->ticks % PING_EVERY_TICKS == 0;

    for (int i = 0; i < p->conn_count; i++) {
        struct conn *c = p->conns[i];
        if (!usable(c))
            continue;
        if (conn_oldest_us(c, now) > p->options.statement_timeout_us + DEAD_AFTER_TIMEOUT_US)
            conn_reset(c, "the database has stopped answering");
        else if (ping && conn_in_flight(c) == 0)
            conn_ping(c);
    }
    update_ready(p);
}

struct pool *pool_open(const struct pool_options *options)
{
    struct pool *p = calloc(1, sizeof *p);

    assert(p);
    const struct conn_owner owner = {on_state, on_completed, p, &p->sessions};
    p->options = *options;
    list_init(&p->waiting);
    later_open(&p->ending, options->loop, end, p);
    uv_timer_init(options->loop, &p->tick);
    uv_timer_start(&p->tick, on_tick, TICK_MS, TICK_MS);
    p->handles = 2;
    p->conns = calloc((size_t)options->connections, sizeof *p->conns);
    assert(p->conns);
    for (int i = 0; i < options->connections; i++) {
        p->conns[i] = conn_open(options, &owner);
        assert(p->conns[i]);
        p->conn_count = p->open_count = i + 1;
    }
    return p;
}

static void maybe_closed(struct pool *p)
{
    if (p->open_count > 0 || p->handles > 0)
        return;
    void (*closed)(void *) = p->closed;
    void *arg = p->closed_arg;
    free(p->conns);
    free(p);
    closed(arg);
}

static void on_ending_closed(void *arg)
{
    struct pool *p = arg;

    p->handles--;
    maybe_closed(p);
}

static void on_tick_closed(uv_handle_t *handle)
{
    on_ending_closed(container_of((uv_timer_t *)handle, struct pool, tick));
}

static void on_conn_closed(void *arg)
{
    struct pool *p = arg;

    p->open_count--;
    maybe_closed(p);
}

void pool_close(struct pool *p, void (*closed)(void *arg), void *arg)
{
    p->closing = true;
    p->closed = closed;
    p->closed_arg = arg;
    for (int i = 0; i < p->conn_count; i++)
        conn_close(p->conns[i], on_conn_closed, p);
    p->conn_count = 0;
    dispatch_waiting(p);
    later_close(&p->ending, on_ending_closed);
    uv_close((uv_handle_t *)&p->tick, on_tick_closed);
}

void pool_submit(struct pool *p, struct sql_req *req, sql_done_fn *done)
{
    req->done = done;
    req->slot = NULL;
    req->err = ERR_OK;
    req->retries = 0;
    req->may_have_run = false;
    req->submitted_us = clock_monotonic_us();
    metrics_add(p->options.metrics, METRIC_DATABASE_IN_FLIGHT, 1);
    list_init(&req->link);
    dispatch(p, req);
}

void pool_cancel(struct pool *p, struct sql_req *req)
{
    if (req->slot) {
        conn_abandon(req);
        end_soon(p, req, ERR_CANCELLED);
    } else if (req->err == ERR_OK) {
        list_remove(&req->link);
        set_waiting(p, p->waiting_count - 1);
        end_soon(p, req, ERR_CANCELLED);
    }
}

bool pool_is_ready(const struct pool *p)
{
    return p->ready;
}

const struct id *pool_origin(const struct pool *p)
{
    return p->key_known ? &p->origin : NULL;
}

const struct seal_key *pool_key(const struct pool *p)
{
    return p->key_known ? &p->key : NULL;
}
