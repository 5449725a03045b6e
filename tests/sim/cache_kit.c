#include "cache_kit.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

struct kit kit;

int64_t clock_monotonic_us(void)
{
    return (int64_t)(uv_hrtime() / 1000) + kit.clock_jump_us;
}

int64_t clock_now_us(void)
{
    return clock_monotonic_us();
}

void kit_init(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the server does */
    log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1);
    memset(&kit, 0, sizeof kit);
    kit.asks = calloc(KIT_ASKS_MAX, sizeof *kit.asks);
    kit.writes = calloc(KIT_ASKS_MAX, sizeof *kit.writes);
    assert(kit.asks && kit.writes);
    uv_loop_init(&kit.loop);
}

void kit_done(void)
{
    for (int i = 0; i < kit.ask_count; i++)
        assert_int_equal(kit.asks[i].done, 1);
    for (int i = 0; i < kit.write_count; i++)
        assert_int_equal(kit.writes[i].done, 1);
    assert_int_equal(uv_run(&kit.loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&kit.loop), 0);
    free(kit.asks);
    free(kit.writes);
}

void kit_open(const char *url, int64_t timeout_us)
{
    char why[256];

    assert_true(cache_check_url(url, why, sizeof why));
    kit.closed = false;
    kit.cache = cache_open(&(struct cache_options){.loop = &kit.loop,
                                                   .url = url,
                                                   .ttl_us = KIT_TTL_US,
                                                   .timeout_us = timeout_us,
                                                   .metrics = &kit.metrics});
}

uint64_t kit_count(enum metric which)
{
    return (uint64_t)metric_value(&kit.metrics.numbers[which]);
}

uint64_t kit_misses(void)
{
    return kit_count(METRIC_CACHE_ABSENT) + kit_count(METRIC_CACHE_OUTDATED) +
           kit_count(METRIC_CACHE_TOO_OLD) + kit_count(METRIC_CACHE_EXPIRED) +
           kit_count(METRIC_CACHE_REFUSED) + kit_count(METRIC_CACHE_UNANSWERED);
}

static void on_closed(void *arg)
{
    assert_ptr_equal(arg, &kit);
    assert_false(kit.closed);
    kit.closed = true;
}

void kit_close(void)
{
    cache_close(kit.cache, on_closed, &kit); /* whose callbacks may still submit */
    kit.cache = NULL;
}

struct cache_key kit_key(int number)
{
    struct cache_key key = {.origin.bytes = {7}, .method = "net"};

    memcpy(key.customer.bytes, &number, sizeof number);
    memcpy(key.request, &number, sizeof number);
    return key;
}

static void on_found(struct cache_lookup *l)
{
    struct ask *a = container_of(l, struct ask, l);

    assert_false(a->submitting);
    assert_int_equal(a->done, 0);
    a->done++;
    kit.done_count++;
    if (l->hit) {
        size_t len = l->answer.len < sizeof a->answer ? l->answer.len : sizeof a->answer - 1;
        memcpy(a->answer, l->answer.data, len);
    }
    if (a->then)
        a->then(a);
}

struct ask *kit_ask_key(struct cache_key key, int64_t at_least, void (*then)(struct ask *a))
{
    assert(kit.ask_count < KIT_ASKS_MAX);
    struct ask *a = &kit.asks[kit.ask_count++];

    *a = (struct ask){.submitting = true, .then = then};
    a->l.key = key;
    a->l.now = KIT_NOW;
    a->l.at_least = at_least;
    /* What it held before is not to be taken for the outcome. */
    a->l.hit = true;
    memset(&a->l.claim, 0x7f, sizeof a->l.claim);
    cache_lookup(kit.cache, &a->l, on_found);
    a->submitting = false;
    return a;
}

struct ask *kit_ask(int number)
{
    return kit_ask_key(kit_key(number), 0, NULL);
}

static void on_raised(struct cache_raise *r, enum err err)
{
    struct write *w = container_of(r, struct write, r);

    assert_false(w->submitting);
    assert_int_equal(w->done, 0);
    w->done++;
    w->err = err;
    kit.done_count++;
}

struct write *kit_raise(int number, int64_t version)
{
    assert(kit.write_count < KIT_ASKS_MAX);
    struct write *w = &kit.writes[kit.write_count++];
    const struct cache_key key = kit_key(number);

    *w = (struct write){.submitting = true};
    w->r.origin = key.origin;
    w->r.customer = key.customer;
    w->r.version = version;
    cache_raise(kit.cache, &w->r, on_raised);
    w->submitting = false;
    return w;
}

void kit_fill(const struct ask *claimed, int64_t version, const char *answer)
{
    cache_fill(kit.cache, &claimed->l.key, &claimed->l.claim, version, INSTANT_NEVER,
               bytes_text(answer));
}

void kit_cancel(struct ask *a)
{
    int done = a->done;

    cache_lookup_cancel(kit.cache, &a->l);
    assert_int_equal(a->done, done);
}

void kit_cancel_raise(struct write *w)
{
    int done = w->done;

    cache_raise_cancel(kit.cache, &w->r);
    assert_int_equal(w->done, done);
}
