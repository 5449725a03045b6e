/* One process of all that share a cache drains the table; the others stand by.
 *
 *     FEED_CONTENDING --has the lock--> FEED_HOLDING
 *          ^                                | the session is another one, or Redis does not answer:
 *          '--------------------------------' gives the lock up, for somebody whom it answers
 *
 *     holding:  peek --> raise each --> delete what was raised --> after a moment, again
 *
 * What was peeked is deleted only after it was raised, so whoever dies in between leaves it to the
 * next; and a raise may come twice. So it does not matter for what is right that there is only one:
 * the lock, which ends with its session, saves the others the work. The server ends a session that
 * says nothing for a while, since its process may stand still.
 *
 * A version ends whatever an older one would have ended, and a customer's versions follow the order
 * of commits: the newest of a customer stands for all before.
 *
 * Without a cache there is nobody to tell; what is older than any answer may be is deleted by
 * everyone, now and then, as are answers kept for retries. */
#include "feed/feed.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "cache/cache.h"
#include "sql/pool.h"

enum {
    PEEK_EVERY_MS = 10,
    CONTEND_EVERY_MS = 250,
    AFTER_FAILURE_MS = 50,
    FAILURES_MAX = 5, /* in a row, before somebody else may try */
    STAND_BACK_MS = 1000,
    TRIM_EVERY_MS = 60 * 1000,
};

enum feed_state { FEED_CONTENDING, FEED_HOLDING, FEED_CLOSING };

struct feed {
    enum feed_state state;
    struct metrics *metrics;
    struct pool *pool;
    struct cache *cache; /* NULL: none */
    uv_timer_t timer;    /* the next step of the feed */
    uv_timer_t trimmer;
    uint64_t session; /* that has the lock */
    int failures;     /* in a row */

    struct arena_pool arenas;
    struct arena arena; /* of the statement under way */
    struct sql_req query;
    struct feed_raise {
        struct cache_raise raise;
        struct feed *feed;
    } raises[FEED_BATCH_MAX];
    int raise_count, raising, raised;

    struct sql_req trim;
    struct sql_step trim_changes;
    bool trimming;

    int handles; /* still open */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void on_timer(uv_timer_t *timer);

static void set_state(struct feed *f, enum feed_state next)
{
    assert(f->state != FEED_CLOSING && f->state != next);
    f->state = next;
    metrics_set(f->metrics, METRIC_FEED_HOLDS_LOCK, next == FEED_HOLDING);
    if (next == FEED_HOLDING)
        log_info("feed", "this process tells the cache of changes");
    f->failures = 0;
}

static void go_on_after(struct feed *f, uint64_t ms)
{
    if (f->state != FEED_CLOSING)
        uv_timer_start(&f->timer, on_timer, ms, 0);
}

static void submit(struct feed *f, enum sql_statement statement, sql_done_fn *done)
{
    f->query.statement = statement;
    pool_submit(f->pool, &f->query, done);
}

/* ---- the lock ---- */

static void on_contended(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct feed *f = container_of(req, struct feed, query);

    if (err == ERR_OK && result_rows(result) == 1 && f->state == FEED_CONTENDING) {
        struct sql_reader r = result_row(result, 0);
        if (read_bool(&r) && reader_ok(&r)) {
            f->session = result_session(result);
            set_state(f, FEED_HOLDING);
            go_on_after(f, 0);
            return;
        }
        metrics_set(f->metrics, METRIC_FEED_LAG_US, 0); /* it is another's */
    }
    go_on_after(f, CONTEND_EVERY_MS);
}

static void on_stood_back(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct feed *f = container_of(req, struct feed, query);

    (void)err; /* a session that is gone has no lock either */
    (void)result;
    go_on_after(f, STAND_BACK_MS);
}

static void stand_back(struct feed *f)
{
    log_warn("feed",
             "Redis does not answer: leaving the telling to another process, if there is one");
    set_state(f, FEED_CONTENDING);
    f->query.args.count = 0;
    submit(f, SQL_FEED_UNLOCK, on_stood_back);
}

/* ---- the feed ---- */

static void fail(struct feed *f)
{
    metrics_add(f->metrics, METRIC_FEED_FAILURES, 1);
    if (f->state == FEED_HOLDING && ++f->failures >= FAILURES_MAX)
        stand_back(f);
    else
        go_on_after(f, AFTER_FAILURE_MS);
}

static void on_deleted(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct feed *f = container_of(req, struct feed, query);

    (void)err; /* then they are raised once more */
    (void)result;
    arena_reset(&f->arena);
    go_on_after(f, f->raise_count == FEED_BATCH_MAX ? 0 : PEEK_EVERY_MS);
}

static void delete_raised(struct feed *f)
{
    const char *customers[FEED_BATCH_MAX], *versions[FEED_BATCH_MAX];
    size_t count = (size_t)f->raise_count;

    for (size_t i = 0; i < count; i++) {
        const struct cache_raise *raise = &f->raises[i].raise;
        struct id_text text = id_format(&raise->customer);
        customers[i] = arena_text(&f->arena, bytes_text(text.text));
        versions[i] = arena_printf(&f->arena, "%lld", (long long)raise->version);
        assert(customers[i] && versions[i]);
    }
    f->query.args.count = 0;
    enum err err = args_texts(&f->query.args, &f->arena, customers, count);
    assert(err == ERR_OK);
    err = args_texts(&f->query.args, &f->arena, versions, count);
    assert(err == ERR_OK);
    submit(f, SQL_FEED_DELETE, on_deleted);
}

static void on_raised(struct cache_raise *raise, enum err err)
{
    struct feed *f = container_of(raise, struct feed_raise, raise)->feed;

    f->raised += err == ERR_OK;
    if (--f->raising > 0 || f->state == FEED_CLOSING)
        return;
    if (f->raised < f->raise_count) {
        fail(f);
        return;
    }
    f->failures = 0;
    metrics_add(f->metrics, METRIC_FEED_CHANGES, f->raise_count);
    delete_raised(f);
}

static void raise_all(struct feed *f, const struct sql_result *result)
{
    bool ok = true;
    int64_t oldest_us = 0;

    f->raise_count = result_rows(result);
    assert(f->raise_count <= FEED_BATCH_MAX);
    for (int i = 0; i < f->raise_count; i++) {
        struct sql_reader r = result_row(result, i);
        struct cache_raise *raise = &f->raises[i].raise;
        raise->customer = read_id(&r);
        raise->version = read_int(&r);
        int64_t age_us = read_int(&r);
        oldest_us = age_us > oldest_us ? age_us : oldest_us;
        raise->origin = *result_origin(result);
        ok &= reader_ok(&r);
    }
    assert(ok);
    metrics_set(f->metrics, METRIC_FEED_LAG_US, oldest_us);
    f->raised = 0;
    f->raising = f->raise_count;
    for (int i = 0; i < f->raise_count; i++) {
        f->raises[i].feed = f;
        cache_raise(f->cache, &f->raises[i].raise, on_raised);
    }
}

static void on_peeked(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct feed *f = container_of(req, struct feed, query);

    if (f->state == FEED_CLOSING)
        return;
    if (err != ERR_OK) {
        metrics_add(f->metrics, METRIC_FEED_FAILURES, 1);
        go_on_after(f, AFTER_FAILURE_MS);
    } else if (result_session(result) != f->session) {
        set_state(f, FEED_CONTENDING);
        go_on_after(f, 0);
    } else if (result_rows(result) == 0) {
        metrics_set(f->metrics, METRIC_FEED_LAG_US, 0);
        go_on_after(f, PEEK_EVERY_MS);
    } else {
        raise_all(f, result);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct feed *f = container_of(timer, struct feed, timer);

    f->query.args.count = 0;
    if (f->state == FEED_CONTENDING) {
        submit(f, SQL_FEED_LOCK, on_contended);
    } else if (f->state == FEED_HOLDING) {
        args_int(&f->query.args, FEED_BATCH_MAX);
        submit(f, SQL_FEED_PEEK, on_peeked);
    }
}

/* ---- what nobody needs any more ---- */

static void on_trimmed(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct feed *f = container_of(req, struct feed, trim);

    (void)err; /* the next time, then */
    (void)result;
    f->trimming = false;
}

static void on_trimmer(uv_timer_t *timer)
{
    struct feed *f = container_of(timer, struct feed, trimmer);

    if (f->trimming)
        return;
    f->trimming = true;
    f->trim = (struct sql_req){
        .before = &f->trim_changes,
        .before_count = 1,
        .statement = SQL_REQUEST_LOG_TRIM,
    };
    pool_submit(f->pool, &f->trim, on_trimmed);
}

/* ---- life ---- */

static void on_ready(void *arg, bool ready)
{
    (void)arg;
    (void)ready;
}

struct feed *feed_open(uv_loop_t *loop, const struct config *config, struct metrics *metrics)
{
    struct feed *f = calloc(1, sizeof *f);

    assert(f);
    f->metrics = metrics;
    const struct pool_options pool = {
        .loop = loop,
        .url = config->database_url,
        .name = "balanced feed",
        .connections = 1,
        .statement_timeout_us = config->request_timeout_us,
        .metrics = metrics,
        .on_ready = on_ready,
    };
    f->pool = pool_open(&pool);
    f->trim_changes.statement = SQL_FEED_TRIM;
    arena_pool_init(&f->arenas, FEED_ARENA_BYTES);
    arena_init(&f->arena, &f->arenas, FEED_ARENA_BYTES);
    uv_timer_init(loop, &f->timer);
    uv_timer_init(loop, &f->trimmer);
    uv_timer_start(&f->trimmer, on_trimmer, TRIM_EVERY_MS, TRIM_EVERY_MS);
    if (*config->redis_url) {
        const struct cache_options cache = {
            .loop = loop,
            .url = config->redis_url,
            .ttl_us = config->cache_ttl_us,
            .timeout_us = config->redis_timeout_us,
            .metrics = metrics,
        };
        f->cache = cache_open(&cache);
        go_on_after(f, 0);
    }
    return f;
}

static void maybe_closed(struct feed *f)
{
    void (*closed)(void *) = f->closed;
    void *arg = f->closed_arg;

    if (f->handles > 0)
        return;
    arena_reset(&f->arena);
    arena_pool_done(&f->arenas);
    free(f);
    closed(arg);
}

static void on_part_closed(void *arg)
{
    struct feed *f = arg;

    f->handles--;
    maybe_closed(f);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(container_of((uv_timer_t *)handle, struct feed, timer));
}

static void on_trimmer_closed(uv_handle_t *handle)
{
    on_part_closed(container_of((uv_timer_t *)handle, struct feed, trimmer));
}

void feed_close(struct feed *f, void (*closed)(void *arg), void *arg)
{
    f->closed = closed;
    f->closed_arg = arg;
    set_state(f, FEED_CLOSING);
    f->handles = f->cache ? 4 : 3;
    if (f->cache)
        cache_close(f->cache, on_part_closed, f);
    pool_close(f->pool, on_part_closed, f);
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
    uv_close((uv_handle_t *)&f->trimmer, on_trimmer_closed);
}
