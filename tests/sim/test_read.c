/* Reads that ask for the same thing at the same time: who may wait for whose computation, and who
 * must not. The database does as it is told (fake_pg.h), and so do the cache and the transport,
 * which are this file's own: a test says what a lookup finds and when, and sees what a call was
 * answered.
 *
 * A version that the database answers is the number that the test has put into `t.version` when the
 * query was made, as the snapshot of a real one would be. What must hold: each call is answered
 * once; nobody gets a version older than what was acknowledged before the call came, nor than its
 * token; whoever leaves fails nobody else. */
#include "app/read.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "app/tokens.h"
#include "base/clock.h"
#include "base/later.h"
#include "base/limits.h"
#include "base/log.h"
#include "cache/cache.h"
#include "fake_pg.h"
#include "rpc/worker.h"

enum { CALLS = 4096, TIMEOUT_US = 5 * 1000 * 1000, WALK_STEPS = 20000 };

/* ---- a clock that stands where a test puts it ---- */

static int64_t now_us;

int64_t clock_now_us(void)
{
    return now_us;
}

int64_t clock_monotonic_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

/* ---- the calls ---- */

struct ask {
    struct call call;
    bool running; /* in a step */
    bool left;
    int answered;
    enum err err;
    int64_t version;    /* of the answer */
    int64_t not_before; /* what was acknowledged when it came */
    Balances__V1__GetNetBalanceRequest request;
    Balances__V1__Consistency consistency;
    char token[SEAL_TEXT_MAX];
    struct cache_lookup *lookup; /* that waits for the test */
};

static struct {
    uv_loop_t loop;
    struct fake_pg fake;
    struct worker worker;
    struct app app;
    struct ask *asks;
    int ask_count;
    int64_t version; /* of the ledger */
    int fills;
    int64_t filled_version;
    instant filled_until;
    bool closed;
    struct later later; /* for the cache */
} t;

static void drive(struct ask *a)
{
    assert_false(a->running);
    a->running = true;
    for (;;) {
        a->call.cancel = NULL;
        if (a->left) {
            a->answered++;
            a->err = ERR_CANCELLED;
            break;
        }
        enum next next = a->call.step(&a->call);
        if (next == WAIT || next == WAIT_BRIEFLY)
            assert_non_null(a->call.cancel);
        if (next != NEXT)
            break;
    }
    a->running = false;
}

void *call_app(const struct call *c)
{
    return c->worker->app;
}

void call_resume(struct call *c)
{
    drive(container_of(c, struct ask, call));
}

static enum next answered(struct call *c, enum err err)
{
    struct ask *a = container_of(c, struct ask, call);

    assert_int_equal(a->answered, 0);
    a->answered++;
    a->err = err;
    return DONE;
}

enum next call_reply_packed(struct call *c, struct bytes packed)
{
    struct ask *a = container_of(c, struct ask, call);
    Balances__V1__GetNetBalanceResponse *answer =
        balances__v1__get_net_balance_response__unpack(NULL, packed.len, packed.data);

    assert_non_null(answer);
    a->version = strtoll(answer->balance, NULL, 10);
    balances__v1__get_net_balance_response__free_unpacked(answer, NULL);
    return answered(c, ERR_OK);
}

enum next call_fail(struct call *c, enum err err, const char *format, ...)
{
    (void)format;
    return answered(c, err);
}

enum next call_fail_with(struct call *c, enum err err)
{
    return answered(c, err);
}

enum next call_fail_invalid(struct call *c)
{
    assert_true(c->status.violation_count > 0);
    return answered(c, ERR_INVALID);
}

enum next call_fail_not_found(struct call *c, const char *type, const char *name)
{
    assert_string_equal(type, "customer");
    assert_true(strlen(name) == ID_TEXT_LEN);
    return answered(c, ERR_NOT_FOUND);
}

/* ---- the cache ---- */

bool cache_same_claim(const struct cache_claim *a, const struct cache_claim *b)
{
    return a->len > 0 && a->len == b->len && memcmp(a->held, b->held, a->len) == 0;
}

void cache_key_request(struct cache_key *key, const uint8_t secret[static 32], struct bytes request)
{
    (void)secret;
    memset(key->request, 0, sizeof key->request);
    key->request[0] = request.len > 0 ? request.data[request.len - 1] : 0;
    key->request[1] = (uint8_t)request.len;
}

static struct ask *asking(const struct cache_lookup *l)
{
    for (int i = 0; i < t.ask_count; i++) {
        if (t.asks[i].lookup == l)
            return &t.asks[i];
    }
    return NULL;
}

void cache_lookup(struct cache *c, struct cache_lookup *l, cache_found_fn *done)
{
    (void)c;
    l->done = done;
    l->hit = false;
    l->claim.len = 0;
    for (int i = 0; i < t.ask_count; i++) {
        if (t.asks[i].running) {
            t.asks[i].lookup = l;
            return;
        }
    }
    fail_msg("nobody asks");
}

/* Calls back as the lookup stands. */
static void end_lookup(void *arg, struct list *link)
{
    struct cache_lookup *l = container_of(link, struct cache_lookup, link);
    struct ask *a = asking(l);

    (void)arg;
    assert_non_null(a);
    a->lookup = NULL;
    l->done(l);
}

void cache_lookup_cancel(struct cache *c, struct cache_lookup *l)
{
    (void)c;
    assert_non_null(asking(l));
    list_init(&l->link);
    later_add(&t.later, &l->link);
}

void cache_fill(struct cache *c, const struct cache_key *key, const struct cache_claim *claim,
                int64_t version, instant valid_until, struct bytes answer)
{
    (void)c;
    (void)key;
    (void)claim;
    assert_true(answer.len > 0);
    t.fills++;
    t.filled_version = version;
    t.filled_until = valid_until;
}

static void claim(struct cache_claim *ret, const char *held)
{
    ret->len = (uint8_t)strlen(held);
    memcpy(ret->held, held, ret->len);
}

/* The lookup of a call finds nothing; the version's key held this. */
static void miss(struct ask *a, const char *held)
{
    struct cache_lookup *l = a->lookup;

    assert_non_null(l);
    claim(&l->claim, held);
    end_lookup(NULL, &l->link);
}

static size_t pack(int64_t version, uint8_t out[static 64])
{
    Balances__V1__GetNetBalanceResponse answer;
    char text[24];

    balances__v1__get_net_balance_response__init(&answer);
    snprintf(text, sizeof text, "%lld", (long long)version);
    answer.balance = text;
    return balances__v1__get_net_balance_response__pack(&answer, out);
}

static void hit(struct ask *a, int64_t version)
{
    struct cache_lookup *l = a->lookup;
    uint8_t packed[64];
    char held[24];

    assert_non_null(l);
    l->hit = version >= l->at_least;
    l->version = version;
    l->answer = bytes_of(packed, pack(version, packed));
    snprintf(held, sizeof held, "%lld", (long long)version);
    claim(&l->claim, held);
    end_lookup(NULL, &l->link);
    memset(packed, 0xff, sizeof packed); /* it died */
}

/* ---- the method ---- */

static enum err prepare(struct computation *x)
{
    x->query.statement = SQL_NET_BALANCE;
    args_int(&x->query.args, t.version);
    return ERR_OK;
}

static void compute(struct computation *x, const struct sql_result *result)
{
    Balances__V1__GetNetBalanceResponse answer;
    char text[24];

    assert_int_equal(result_rows(result), 1);
    balances__v1__get_net_balance_response__init(&answer);
    snprintf(text, sizeof text, "%lld", (long long)x->version);
    answer.balance = text;
    computation_answer(x, &answer.base, x->now + 77);
}

static const struct read_method method = {"test", prepare, compute};
static const struct id customer = {{1}};

static enum next first_step(struct call *c)
{
    Balances__V1__GetNetBalanceRequest *in = (Balances__V1__GetNetBalanceRequest *)c->request;

    return read_run(c, &method, NULL, &customer, &in->consistency);
}

/* `what` tells requests apart that are not the same. */
static struct ask *prepare_ask(const char *what)
{
    assert(t.ask_count < CALLS);
    struct ask *a = &t.asks[t.ask_count++];

    balances__v1__get_net_balance_request__init(&a->request);
    a->request.customer_id = text_borrow(what);
    a->call.worker = &t.worker;
    a->call.request = &a->request.base;
    a->call.step = first_step;
    a->not_before = t.version;
    status_init(&a->call.status);
    arena_init(&a->call.arena, &t.worker.arenas, ARENA_BYTES_MAX);
    balances__v1__consistency__init(&a->consistency);
    return a;
}

static struct ask *ask(void)
{
    struct ask *a = prepare_ask("a");

    drive(a);
    return a;
}

static struct ask *ask_at_least(int64_t version)
{
    struct ask *a = prepare_ask("a");
    char *token = consistency_token(pool_key(t.app.pool), &a->call.arena, &customer, version);

    a->request.consistency = &a->consistency;
    a->consistency.requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_AT_LEAST_AS_FRESH;
    a->consistency.at_least_as_fresh = token;
    drive(a);
    return a;
}

static struct ask *ask_fully(void)
{
    struct ask *a = prepare_ask("a");

    a->request.consistency = &a->consistency;
    a->consistency.requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_FULLY_CONSISTENT;
    a->consistency.fully_consistent = 1;
    drive(a);
    return a;
}

/* The caller has left; it hears so soon. */
static void leave(struct ask *a)
{
    assert_int_equal(a->answered, 0);
    a->left = true;
    assert_non_null(a->call.cancel);
    a->call.cancel(&a->call);
    assert_int_equal(a->answered, 0);
}

static struct fake_session *session(void)
{
    return fake_newest(&t.fake);
}

static void wait_answer(struct ask *a, enum err err)
{
    FAKE_WAIT(&t.fake, a->answered);
    assert_int_equal(a->err, err);
}

static void wait_queries(int count)
{
    FAKE_WAIT(&t.fake, session()->item_count == count);
    fake_idle(&t.fake, 5);
    assert_int_equal(session()->item_count, count);
}

/* ---- setting up ---- */

static void on_ready(void *arg, bool ready)
{
    (void)arg;
    (void)ready;
}

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    memset(&t, 0, sizeof t);
    now_us = 1000000;
    t.version = 10;
    t.asks = calloc(CALLS, sizeof *t.asks);
    uv_loop_init(&t.loop);
    fake_open(&t.fake, &t.loop, SQL_STATEMENT_COUNT);
    arena_pool_init(&t.worker.arenas, ARENA_POOL_BYTES_MAX);
    later_open(&t.later, &t.loop, end_lookup, NULL);
    const struct pool_options options = {
        .loop = &t.loop,
        .url = t.fake.url,
        .name = "balanced",
        .connections = 1,
        .statement_timeout_us = TIMEOUT_US,
        .metrics = &t.worker.metrics,
        .on_ready = on_ready,
    };
    t.app.worker = &t.worker;
    t.app.pool = pool_open(&options);
    t.app.cache = (struct cache *)&t; /* never looked into */
    t.worker.app = &t.app;
    t.app.reads = reads_open(&t.loop);
    FAKE_WAIT(&t.fake, pool_is_ready(t.app.pool));
    return 0;
}

static int closed;

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
}

static int teardown(void **state)
{
    (void)state;
    closed = 0;
    pool_close(t.app.pool, on_closed, NULL);
    FAKE_WAIT(&t.fake, closed == 1);
    reads_close(t.app.reads, on_closed, NULL);
    later_close(&t.later, on_closed);
    FAKE_WAIT(&t.fake, closed == 3);
    for (int i = 0; i < t.ask_count; i++) {
        assert_int_equal(t.asks[i].answered, 1);
        arena_reset(&t.asks[i].call.arena);
    }
    assert_int_equal(t.worker.arenas.bytes, 0);
    arena_pool_done(&t.worker.arenas);
    assert_int_equal(uv_run(&t.loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&t.loop), 0);
    fake_close(&t.fake);
    free(t.asks);
    return 0;
}

/* ---- one caller ---- */

static void hit_is_answered_without_the_database(void **state)
{
    struct ask *a = ask();

    (void)state;
    hit(a, 10);
    wait_answer(a, ERR_OK);
    assert_int_equal(a->version, 10);
    assert_int_equal(session()->item_count, 0);
    assert_int_equal(t.fills, 0);
}

static void miss_is_computed_and_filled(void **state)
{
    struct ask *a = ask();

    (void)state;
    miss(a, "?1");
    wait_queries(1);
    fake_answer(session());
    wait_answer(a, ERR_OK);
    assert_int_equal(a->version, 10);
    assert_int_equal(t.fills, 1);
    assert_int_equal(t.filled_version, 10);
    assert_int_equal(t.filled_until, now_us + 77);
}

static void answer_of_another_database_is_not_filled(void **state)
{
    struct ask *a = ask();

    (void)state;
    /* It was looked up as one database's, and is computed by another. */
    a->lookup->key.origin.bytes[15] ^= 1;
    miss(a, "?1");
    wait_queries(1);
    fake_answer(session());
    wait_answer(a, ERR_OK);
    assert_int_equal(t.fills, 0);
}

static void cache_is_not_asked_while_the_database_is_away(void **state)
{
    (void)state;
    t.fake.refuse = true;
    fake_hang_up(session());
    FAKE_WAIT(&t.fake, !pool_is_ready(t.app.pool));
    struct ask *a = ask();
    assert_null(a->lookup);
    wait_answer(a, ERR_UNAVAILABLE);
    t.fake.refuse = false;
    FAKE_WAIT(&t.fake, pool_is_ready(t.app.pool));
}

static void failure_is_not_filled(void **state)
{
    struct ask *a = ask();

    (void)state;
    miss(a, "?1");
    wait_queries(1);
    fake_error(session(), "XX000");
    wait_answer(a, ERR_INTERNAL);
    assert_int_equal(t.fills, 0);
}

static void caller_that_leaves_while_looking_hears_of_it(void **state)
{
    struct ask *a = ask();

    (void)state;
    leave(a);
    wait_answer(a, ERR_CANCELLED);
    wait_queries(0);
}

/* ---- several callers ---- */

static void callers_with_the_same_claim_share_a_computation(void **state)
{
    struct ask *a = ask(), *b = ask(), *c = ask();

    (void)state;
    miss(a, "?1");
    miss(b, "?1");
    wait_queries(1);
    miss(c, "?1");
    wait_queries(1);
    fake_answer(session());
    wait_answer(a, ERR_OK);
    wait_answer(b, ERR_OK);
    wait_answer(c, ERR_OK);
    assert_int_equal(t.fills, 1);
}

/* The guard that a raise in between takes effect: the second caller came after the write. */
static void caller_with_another_claim_computes_by_itself(void **state)
{
    struct ask *a = ask();

    (void)state;
    miss(a, "?1");
    wait_queries(1);
    t.version = 11;
    struct ask *b = ask();
    miss(b, "?2");
    wait_queries(2);
    fake_answer(session());
    fake_answer(session());
    wait_answer(a, ERR_OK);
    wait_answer(b, ERR_OK);
    assert_int_equal(a->version, 10);
    assert_int_equal(b->version, 11);
}

static void callers_without_a_claim_never_share(void **state)
{
    struct ask *a = ask(), *b = ask();

    (void)state;
    miss(a, "");
    miss(b, "");
    wait_queries(2);
    fake_answer(session());
    fake_answer(session());
    wait_answer(a, ERR_OK);
    wait_answer(b, ERR_OK);
}

static void other_requests_are_not_joined(void **state)
{
    struct ask *a = ask(), *b = prepare_ask("aa"); /* of the same bucket */

    (void)state;
    drive(b);
    miss(a, "?1");
    miss(b, "?1");
    wait_queries(2);
    fake_answer(session());
    fake_answer(session());
    wait_answer(a, ERR_OK);
    wait_answer(b, ERR_OK);
}

static void leaving_of_the_first_fails_nobody(void **state)
{
    struct ask *a = ask(), *b = ask();

    (void)state;
    miss(a, "?1");
    miss(b, "?1");
    wait_queries(1);
    leave(a);
    wait_answer(a, ERR_CANCELLED);
    fake_idle(&t.fake, 60); /* as long as it takes to ask for a cancel */
    assert_int_equal(t.fake.cancel_count, 0);
    fake_answer(session());
    wait_answer(b, ERR_OK);
    assert_int_equal(t.fills, 1);
}

static void leaving_of_all_ends_the_statement(void **state)
{
    struct ask *a = ask(), *b = ask();

    (void)state;
    miss(a, "?1");
    miss(b, "?1");
    wait_queries(1);
    leave(b);
    leave(a);
    /* Nobody joins what is being ended. */
    struct ask *c = ask();
    miss(c, "?1");
    wait_answer(a, ERR_CANCELLED);
    wait_answer(b, ERR_CANCELLED);
    FAKE_WAIT(&t.fake, t.fake.cancel_count > 0);
    wait_queries(2);
    fake_error(session(), "57014");
    fake_answer(session());
    wait_answer(c, ERR_OK);
}

static void failure_is_everybodys(void **state)
{
    struct ask *a = ask(), *b = ask();

    (void)state;
    miss(a, "?1");
    miss(b, "?1");
    wait_queries(1);
    t.fake.refuse = true;
    fake_hang_up(session());
    wait_answer(a, ERR_UNAVAILABLE);
    wait_answer(b, ERR_UNAVAILABLE);
    t.fake.refuse = false;
    FAKE_WAIT(&t.fake, pool_is_ready(t.app.pool));
}

/* ---- tokens ---- */

static void joined_answer_that_is_too_old_is_computed_anew(void **state)
{
    struct ask *a = ask();

    (void)state;
    miss(a, "?1");
    wait_queries(1);
    t.version = 11; /* committed, and not raised yet */
    struct ask *b = ask_at_least(11);
    miss(b, "?1");
    wait_queries(1);
    fake_answer(session());
    wait_answer(a, ERR_OK);
    assert_int_equal(a->version, 10);
    wait_queries(1);
    assert_int_equal(b->answered, 0);
    fake_answer(session());
    wait_answer(b, ERR_OK);
    assert_int_equal(b->version, 11);
}

static void token_from_the_future_is_refused(void **state)
{
    struct ask *a = ask_at_least(12);

    (void)state;
    hit(a, 10);
    wait_queries(1);
    fake_answer(session());
    wait_answer(a, ERR_INVALID);
}

/* ---- fully consistent ---- */

static void hit_of_the_database_s_version_is_served(void **state)
{
    for (int order = 0; order < 2; order++) {
        struct ask *a = ask_fully();
        wait_queries(1);
        t.fake.version = 10;
        if (order == 0) {
            hit(a, 10);
            assert_int_equal(a->answered, 0);
            fake_answer(session());
        } else {
            fake_answer(session());
            fake_idle(&t.fake, 5);
            assert_int_equal(a->answered, 0);
            hit(a, 10);
        }
        wait_answer(a, ERR_OK);
        assert_int_equal(a->version, 10);
    }
    (void)state;
}

static void hit_of_another_version_is_computed(void **state)
{
    struct ask *a = ask_fully();

    (void)state;
    wait_queries(1);
    t.version = t.fake.version = 11;
    fake_answer(session());
    hit(a, 10);
    wait_queries(1);
    fake_answer(session());
    wait_answer(a, ERR_OK);
    assert_int_equal(a->version, 11);
}

static void fully_consistent_caller_is_not_served_by_an_older_snapshot(void **state)
{
    struct ask *a = ask();

    (void)state;
    miss(a, "?1");
    wait_queries(1);
    t.version = t.fake.version = 11; /* committed, and not raised yet */
    struct ask *b = ask_fully();
    miss(b, "?1");
    wait_queries(2);
    /* The older snapshot's answer comes when the version is known. */
    struct fake_session *s = session();
    fake_answer(s);
    wait_answer(a, ERR_OK);
    fake_answer(s);
    wait_queries(1);
    assert_int_equal(b->answered, 0);
    fake_answer(s);
    wait_answer(b, ERR_OK);
    assert_int_equal(b->version, 11);
}

static void unknown_version_fails_the_call(void **state)
{
    struct ask *a = ask_fully();

    (void)state;
    wait_queries(1);
    hit(a, 10);
    fake_error(session(), "XX000");
    wait_answer(a, ERR_INTERNAL);
}

static void fully_consistent_caller_may_leave_at_any_time(void **state)
{
    (void)state;
    for (int when = 0; when < 3; when++) {
        struct ask *a = ask_fully();
        wait_queries(1);
        if (when == 1)
            hit(a, 10);
        if (when == 2) {
            fake_answer(session());
            fake_idle(&t.fake, 5);
        }
        leave(a);
        wait_answer(a, ERR_CANCELLED);
        if (when != 2)
            fake_answer(session());
    }
}

/* ---- everything at once ---- */

/* Writes come, some raised late; callers come, ask, leave; answers come. */
static void random_walk_serves_nobody_too_old_an_answer(void **state)
{
    const char *seed_text = getenv("TEST_SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)uv_hrtime() | 1;
    int64_t raised = t.version;
    char held[24] = "?0";
    int nonce = 0, first = 0;

    (void)state;
    printf("TEST_SEED=%llu\n", (unsigned long long)seed);
    for (int step = 0; step < WALK_STEPS && t.ask_count < CALLS - 4; step++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        struct ask *old =
            t.ask_count > first ? &t.asks[first + (int)(seed >> 40) % (t.ask_count - first)] : NULL;
        switch (seed >> 8 & 7) {
        case 0: /* a write, of which callers hear once it is raised */
            t.version++;
            break;
        case 1:
            raised = t.version;
            snprintf(held, sizeof held, "?%d", ++nonce);
            break;
        case 2:
            ask()->not_before = raised;
            break;
        case 3:
            ask_at_least(t.version)->not_before = t.version;
            break;
        case 4:
        case 5:
            if (old && old->lookup)
                miss(old, held);
            break;
        case 6:
            if (session()->item_count > 0)
                fake_answer(session());
            break;
        case 7:
            if (old && !old->answered && !old->left && (seed >> 20 & 3) == 0)
                leave(old);
            break;
        }
        fake_pump(&t.fake);
        while (first < t.ask_count && t.asks[first].answered)
            first++;
    }
    for (int i = 0; i < t.ask_count; i++) {
        while (!t.asks[i].answered) {
            if (t.asks[i].lookup)
                miss(&t.asks[i], held);
            if (session()->item_count > 0)
                fake_answer(session());
            fake_pump(&t.fake);
        }
        assert_true(t.asks[i].err == ERR_OK || t.asks[i].left);
        if (t.asks[i].err == ERR_OK)
            assert_true(t.asks[i].version >= t.asks[i].not_before);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(hit_is_answered_without_the_database),
        TEST(miss_is_computed_and_filled),
        TEST(answer_of_another_database_is_not_filled),
        TEST(cache_is_not_asked_while_the_database_is_away),
        TEST(failure_is_not_filled),
        TEST(caller_that_leaves_while_looking_hears_of_it),
        TEST(callers_with_the_same_claim_share_a_computation),
        TEST(caller_with_another_claim_computes_by_itself),
        TEST(callers_without_a_claim_never_share),
        TEST(other_requests_are_not_joined),
        TEST(leaving_of_the_first_fails_nobody),
        TEST(leaving_of_all_ends_the_statement),
        TEST(failure_is_everybodys),
        TEST(joined_answer_that_is_too_old_is_computed_anew),
        TEST(token_from_the_future_is_refused),
        TEST(hit_of_the_database_s_version_is_served),
        TEST(hit_of_another_version_is_computed),
        TEST(fully_consistent_caller_is_not_served_by_an_older_snapshot),
        TEST(unknown_version_fails_the_call),
        TEST(fully_consistent_caller_may_leave_at_any_time),
        TEST(random_walk_serves_nobody_too_old_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
