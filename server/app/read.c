/* A call's way through a read:
 *
 *     run --> look up --hit---------------------------------> reply
 *      |         '--miss--> join, or start a computation --> reply
 *      '--(without a cache)-----------^                '--(too old for this caller)--> start
 * another
 *
 * and a computation's:
 *
 *     prepare --> query --> compute --> fill the cache --> wake those who wait
 *
 * Joining. A caller must see every write that was acknowledged before it came. So it may join a
 * computation only if both know what the cache said of the customer's version, and it said the same
 * to both: a write in between would have ended that. A computation whose answer is older than what
 * a caller asks for is not this caller's, who then starts one of its own.
 *
 * Fully consistent callers ask the database for the version while Redis looks for the answer. */
#include "app/read.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/fields.h"
#include "app/normal.h"
#include "app/tokens.h"
#include "base/clock.h"
#include "base/later.h"
#include "base/log.h"
#include "base/utf8.h"
#include "cache/cache.h"

enum { BUCKETS = 256 };

/* The driver's part of a computation. */
struct computing {
    struct computation x;
    struct app *app;
    struct cache_key key;
    struct cache_claim claim;
    struct list link;    /* in the table of those that may be joined, while it may be */
    struct list waiters; /* of struct read */

    struct status status; /* what became of it */
    struct bytes answer;
    instant valid_until;
};

/* A call's part of a read. */
struct read {
    struct call *call;
    struct app *app;
    const struct read_method *method;
    void *request;
    struct id customer;
    struct freshness freshness;
    instant now;

    bool looking_up, asking_version; /* under way */
    struct cache_lookup lookup;
    struct bytes found; /* with a hit */
    struct sql_req version;
    enum err version_err;

    struct computing *computing; /* that it waits for, or that has ended */
    bool started_it;
    struct list link; /* among the waiters, or those that leave */
};

struct reads {
    struct list buckets[BUCKETS]; /* of computations, by key */
    struct later leaving;         /* calls that wait no longer */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* ---- computations ---- */

void computation_answer(struct computation *x, const ProtobufCMessage *answer, instant valid_until)
{
    struct computing *g = x->own;
    size_t len = protobuf_c_message_get_packed_size(answer);

    if (len > ANSWER_BYTES_MAX) {
        computation_fail(x, ERR_TOO_LARGE, "the answer has %zu bytes, more than the limit of %d",
                         len, ANSWER_BYTES_MAX);
        return;
    }
    uint8_t *packed = arena_raw(&x->arena, len);
    if (!packed) {
        computation_fail(x, ERR_EXHAUSTED, NULL);
        return;
    }
    protobuf_c_message_pack(answer, packed);
    g->status.err = ERR_OK;
    g->answer = bytes_of(packed, len);
    g->valid_until = valid_until;
}

void computation_fail(struct computation *x, enum err err, const char *format, ...)
{
    struct computing *g = x->own;
    char message[STATUS_MESSAGE_BYTES_MAX];
    va_list args;

    g->status.err = err;
    g->status.message = NULL;
    if (!format)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    g->status.message = arena_text(&x->arena, bytes_text(message));
}

void computation_fail_not_found(struct computation *x, const char *type, const char *name)
{
    struct computing *g = x->own;

    computation_fail(x, ERR_NOT_FOUND, NULL);
    g->status.resource_type = type;
    g->status.resource_name = arena_text(&x->arena, bytes_text(name));
}

void computation_fail_rows(struct computation *x)
{
    log_error("read", "%s: the database's answer is not what this program understands",
              x->method->name);
    computation_fail(x, ERR_INTERNAL, NULL);
}

static struct list *bucket_of(struct reads *reads, const struct cache_key *key)
{
    return &reads->buckets[key->request[0] % BUCKETS];
}

static bool same_key(const struct cache_key *a, const struct cache_key *b)
{
    return id_equal(&a->customer, &b->customer) && strcmp(a->method, b->method) == 0 &&
           memcmp(a->request, b->request, sizeof a->request) == 0;
}

/* One that this caller may wait for; NULL if there is none. */
static struct computing *find_joinable(const struct read *r)
{
    struct list *bucket = bucket_of(r->app->reads, &r->lookup.key);

    list_each_safe (link, bucket) {
        struct computing *g = container_of(link, struct computing, link);
        if (same_key(&g->key, &r->lookup.key) && cache_same_claim(&g->claim, &r->lookup.claim))
            return g;
    }
    return NULL;
}

static void dispose(struct computing *g)
{
    struct arena arena;

    /* It lies in its own arena. */
    arena_move(&g->x.arena, &arena);
    arena_reset(&arena);
}

static void compute(struct computing *g, const struct sql_result *result)
{
    struct sql_reader first = result_row(result, 0);

    g->x.token_key = pool_key(g->app->pool);
    g->x.version = read_int(&first);
    if (!reader_ok(&first)) {
        computation_fail_rows(&g->x);
        return;
    }
    g->x.method->compute(&g->x, result);
    if (g->status.err != ERR_OK || !g->app->cache)
        return;
    /* The claim is of the database that the cache was asked about. */
    if (id_equal(result_origin(result), &g->key.origin))
        cache_fill(g->app->cache, &g->key, &g->claim, g->x.version, g->valid_until, g->answer);
}

static void on_computed(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct computing *g = container_of(req, struct computing, x.query);
    struct list *link;

    list_remove(&g->link);
    if (err != ERR_OK) {
        computation_fail(&g->x, err, NULL);
    } else if (result_rows(result) == 0) {
        struct id_text customer = id_format(&g->x.customer);
        computation_fail_not_found(&g->x, "customer", customer.text);
    } else {
        compute(g, result);
    }
    while ((link = list_take(&g->waiters))) {
        struct read *r = container_of(link, struct read, link);
        r->call->database_us += g->x.query.took_us;
        call_resume(r->call);
    }
    dispose(g);
}

/* ---- the steps of a call ---- */

static enum next start_computation(struct read *r);

static enum next reply_fresh(struct read *r, struct bytes answer, int64_t version)
{
    if (!freshness_holds(r->call, &r->freshness, version))
        return call_fail_invalid(r->call);
    return call_reply_packed(r->call, answer);
}

static enum next fail_alike(struct call *c, const struct status *status)
{
    if (status->resource_type)
        return call_fail_not_found(c, status->resource_type,
                                   status->resource_name ? status->resource_name : "");
    if (status->message)
        return call_fail(c, status->err, "%s", status->message);
    return call_fail_with(c, status->err);
}

static enum next step_computed(struct call *c)
{
    struct read *r = c->state;
    const struct computing *g = r->computing;

    if (g->status.err == ERR_OK && g->x.version < r->freshness.at_least && !r->started_it)
        return start_computation(r);
    if (g->status.err != ERR_OK)
        return fail_alike(c, &g->status);
    return reply_fresh(r, g->answer, g->x.version);
}

static void on_left(void *arg, struct list *link)
{
    (void)arg;
    call_resume(container_of(link, struct read, link)->call);
}

static void cancel_waiting(struct call *c)
{
    struct read *r = c->state;
    struct computing *g = r->computing;

    list_remove(&r->link);
    if (list_empty(&g->waiters)) {
        list_remove(&g->link);
        pool_cancel(r->app->pool, &g->x.query);
    }
    later_add(&r->app->reads->leaving, &r->link);
}

static void wait_for(struct read *r, struct computing *g, bool started_it)
{
    r->computing = g;
    r->started_it = started_it;
    list_append(&g->waiters, &r->link);
    r->call->step = step_computed;
    r->call->cancel = cancel_waiting;
}

/* The call's arena becomes the computation's, with the request in it; the call goes on with a fresh
 * one. */
static struct computing *create(struct read *r)
{
    struct call *c = r->call;
    struct computing *g = arena_alloc(&c->arena, sizeof *g);

    if (!g)
        return NULL;
    g->x = (struct computation){
        .method = r->method,
        .request = r->request,
        .customer = r->customer,
        .now = clock_now_us(),
        .own = g,
    };
    g->app = r->app;
    g->key = r->lookup.key;
    g->claim = r->lookup.claim;
    list_init(&g->link);
    list_init(&g->waiters);
    status_init(&g->status);
    arena_move(&c->arena, &g->x.arena);
    struct read *again = arena_raw(&c->arena, sizeof *again);
    if (!again) {
        dispose(g);
        return NULL;
    }
    *again = *r;
    list_init(&again->link);
    c->state = again;
    c->request = NULL;
    return g;
}

static enum next start_computation(struct read *r)
{
    struct call *c = r->call;
    struct computing *g = create(r);

    if (!g)
        return call_fail_with(c, ERR_EXHAUSTED);
    enum err err = g->x.method->prepare(&g->x);
    if (err != ERR_OK) {
        dispose(g);
        return call_fail_with(c, err);
    }
    /* A newer computation comes first: those before it are older news. */
    if (g->claim.len > 0)
        list_push(bucket_of(g->app->reads, &g->key), &g->link);
    wait_for(c->state, g, true);
    pool_submit(g->app->pool, &g->x.query, on_computed);
    return WAIT;
}

static enum next step_compute(struct call *c)
{
    struct read *r = c->state;
    struct computing *g = find_joinable(r);

    if (!g)
        return start_computation(r);
    c->cache = "joined";
    wait_for(r, g, false);
    return WAIT;
}

static enum next step_looked_up(struct call *c)
{
    struct read *r = c->state;

    if (r->freshness.fully) {
        if (r->version_err != ERR_OK)
            return call_fail_with(c, r->version_err);
        if (r->lookup.hit && r->lookup.version != r->freshness.at_least)
            r->lookup.hit = false;
    }
    if (r->lookup.hit) {
        c->cache = "hit";
        return reply_fresh(r, r->found, r->lookup.version);
    }
    c->cache = "miss";
    c->step = step_compute;
    return NEXT;
}

static void resume_when_all_came(struct read *r)
{
    if (!r->looking_up && !r->asking_version)
        call_resume(r->call);
}

static void on_found(struct cache_lookup *lookup)
{
    struct read *r = container_of(lookup, struct read, lookup);

    r->looking_up = false;
    r->found = lookup->answer;
    if (lookup->hit && r->asking_version) { /* it dies before it is wanted */
        r->found.data =
            (const uint8_t *)arena_text(&r->call->arena, bytes_of(r->found.data, r->found.len));
        lookup->hit = r->found.data != NULL;
    }
    resume_when_all_came(r);
}

static void on_version(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct read *r = container_of(req, struct read, version);

    r->asking_version = false;
    if (err == ERR_OK && result_rows(result) == 1) {
        struct sql_reader reader = result_row(result, 0);
        r->freshness.at_least = read_int(&reader);
        if (!reader_ok(&reader))
            err = ERR_INTERNAL;
    }
    r->version_err = err;
    r->call->database_us += req->took_us;
    resume_when_all_came(r);
}

static void cancel_looking(struct call *c)
{
    struct read *r = c->state;

    if (r->looking_up)
        cache_lookup_cancel(r->app->cache, &r->lookup);
    if (r->asking_version)
        pool_cancel(r->app->pool, &r->version);
}

static enum next look_up(struct read *r)
{
    struct call *c = r->call;

    c->step = step_looked_up;
    c->cancel = cancel_looking;
    r->looking_up = true;
    r->asking_version = r->freshness.fully;
    if (r->asking_version) {
        r->version.statement = SQL_LEDGER_VERSION;
        args_id(&r->version.args, &r->customer);
        pool_submit(r->app->pool, &r->version, on_version);
    }
    r->lookup.now = clock_now_us();
    r->lookup.at_least = r->freshness.at_least;
    cache_lookup(r->app->cache, &r->lookup, on_found);
    /* Most calls end with it. */
    return r->asking_version ? WAIT : WAIT_BRIEFLY;
}

/* The request in one form, without what does not change the answer: how fresh it is to be, and what
 * this program does not know. False when the arena is full. */
static bool hash_request(struct read *r, Balances__V1__Consistency **consistency)
{
    struct call *c = r->call;
    Balances__V1__Consistency *kept = *consistency;

    *consistency = NULL;
    message_normalize(c->request);
    size_t len = protobuf_c_message_get_packed_size(c->request);
    uint8_t *packed = arena_raw(&c->arena, len);
    if (packed) {
        protobuf_c_message_pack(c->request, packed);
        cache_key_request(&r->lookup.key, pool_key(r->app->pool)->bytes, bytes_of(packed, len));
    }
    *consistency = kept;
    return packed != NULL;
}

enum next read_run(struct call *c, const struct read_method *method, void *request,
                   const struct id *customer, Balances__V1__Consistency **consistency)
{
    struct app *app = call_app(c);
    struct read *r = arena_alloc(&c->arena, sizeof *r);

    if (!r)
        return call_fail_with(c, ERR_EXHAUSTED);
    enum err err = freshness_read(c, *consistency, customer, &r->freshness);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    if (c->status.violation_count > 0)
        return call_fail_invalid(c);
    c->state = r;
    r->call = c;
    r->app = app;
    r->method = method;
    r->request = request;
    r->customer = *customer;
    list_init(&r->link);
    /* While the database is away nobody tells of writes, so what was right once may be wrong. */
    if (!app->cache || !pool_is_ready(app->pool))
        return start_computation(r);

    r->lookup.key.origin = *pool_origin(app->pool);
    r->lookup.key.customer = *customer;
    snprintf(r->lookup.key.method, sizeof r->lookup.key.method, "%s", method->name);
    if (!hash_request(r, consistency))
        return call_fail_with(c, ERR_EXHAUSTED);
    return look_up(r);
}

/* ---- life ---- */

struct reads *reads_open(uv_loop_t *loop)
{
    struct reads *reads = calloc(1, sizeof *reads);

    assert(reads);
    for (int i = 0; i < BUCKETS; i++)
        list_init(&reads->buckets[i]);
    later_open(&reads->leaving, loop, on_left, reads);
    return reads;
}

static void on_leaving_closed(void *arg)
{
    struct reads *reads = arg;
    void (*closed)(void *) = reads->closed;
    void *closed_arg = reads->closed_arg;

    free(reads);
    closed(closed_arg);
}

void reads_close(struct reads *reads, void (*closed)(void *arg), void *arg)
{
    reads->closed = closed;
    reads->closed_arg = arg;
    later_close(&reads->leaving, on_leaving_closed);
}
