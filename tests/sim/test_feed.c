/* The change feed: that what was not told is not forgotten, whoever dies, fails or comes late. The
 * database does as it is told (fake_pg.h), and so does the cache, which is this file's own. */
#include "feed/feed.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/later.h"
#include "base/log.h"
#include "cache/cache.h"
#include "fake_pg.h"
#include "sql/statement.h"

enum { RAISES_MAX = 64 };

static struct {
    uv_loop_t loop;
    struct fake_pg fake;
    struct config config;
    struct feed *feed;
    struct metrics metrics;
    struct cache_raise *raises[RAISES_MAX]; /* that wait for the test */
    int raise_count;
    int64_t raised[RAISES_MAX]; /* versions, in order */
    int raised_count;
    struct later later;
    bool cache_open;
    bool closed;
} t;

/* ---- the cache ---- */

struct cache *cache_open(const struct cache_options *options)
{
    assert_ptr_equal(options->loop, &t.loop);
    t.cache_open = true;
    return (struct cache *)&t; /* never looked into */
}

static void end_raise(void *arg, struct list *link)
{
    struct cache_raise *r = container_of(link, struct cache_raise, link);

    (void)arg;
    r->done(r, r->err);
}

void cache_raise(struct cache *c, struct cache_raise *r, cache_raised_fn *done)
{
    (void)c;
    assert(t.raise_count < RAISES_MAX);
    r->done = done;
    list_init(&r->link);
    t.raises[t.raise_count++] = r;
}

static void end_raises(bool good)
{
    while (t.raise_count > 0) {
        struct cache_raise *r = t.raises[--t.raise_count];
        r->err = good ? ERR_OK : ERR_UNAVAILABLE;
        if (good)
            t.raised[t.raised_count++] = r->version;
        later_add(&t.later, &r->link);
    }
}

void cache_close(struct cache *c, void (*closed)(void *arg), void *arg)
{
    (void)c;
    t.cache_open = false;
    end_raises(false);
    later_flush(&t.later);
    closed(arg);
}

/* ---- the database ---- */

static struct fake_session *session(void)
{
    return fake_newest(&t.fake);
}

/* Waits until this statement is the oldest that waits for its answer. */
static void expect(const char *statement)
{
    FAKE_WAIT(&t.fake, session() && session()->item_count > 0);
    assert_string_equal(session()->names[0], statement);
}

static void give_lock(bool given)
{
    const uint8_t yes[] = {1}, no[] = {0};

    expect("feed_lock");
    fake_rows(session(), &(struct bytes){given ? yes : no, 1}, 1, 1);
}

/* Versions of as many customers, the n-th of which changed n ms ago. */
static void give_changes(int count, const int64_t *versions)
{
    uint8_t ids[8][16] = {{0}}, numbers[8][8] = {{0}}, ages[8][8] = {{0}};
    struct bytes row[24];

    expect("feed_peek");
    for (int i = 0; i < count; i++) {
        ids[i][0] = (uint8_t)(i + 1);
        numbers[i][7] = (uint8_t)versions[i];
        ages[i][6] = (uint8_t)((i + 1) * 1000 / 256);
        ages[i][7] = (uint8_t)((i + 1) * 1000 % 256);
        row[3 * i] = bytes_of(ids[i], 16);
        row[3 * i + 1] = bytes_of(numbers[i], 8);
        row[3 * i + 2] = bytes_of(ages[i], 8);
    }
    fake_rows(session(), row, count, 3);
}

static void give_change(int64_t version)
{
    give_changes(1, &version);
}

static int64_t counted(enum metric which)
{
    return metric_value(&t.metrics.numbers[which]);
}

static void wait_raises(int count)
{
    FAKE_WAIT(&t.fake, t.raise_count == count);
}

/* ---- setting up ---- */

static void on_closed(void *arg)
{
    (void)arg;
    t.closed = true;
}

static void on_later_closed(void *arg)
{
    (void)arg;
}

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    memset(&t, 0, sizeof t);
    uv_loop_init(&t.loop);
    fake_open(&t.fake, &t.loop, SQL_STATEMENT_COUNT);
    later_open(&t.later, &t.loop, end_raise, NULL);
    t.config.database_url = t.fake.url;
    t.config.redis_url = "unix:///nowhere";
    t.config.request_timeout_us = 5000000;
    t.feed = feed_open(&t.loop, &t.config, &t.metrics);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    feed_close(t.feed, on_closed, NULL);
    FAKE_WAIT(&t.fake, t.closed);
    assert_false(t.cache_open);
    later_close(&t.later, on_later_closed);
    fake_idle(&t.fake, 5);
    assert_int_equal(uv_run(&t.loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&t.loop), 0);
    fake_close(&t.fake);
    return 0;
}

/* ---- the tests ---- */

static void changes_are_told_and_then_deleted(void **state)
{
    (void)state;
    give_lock(true);
    give_changes(3, (const int64_t[]){4, 5, 6});
    wait_raises(3);
    assert_int_equal(counted(METRIC_FEED_HOLDS_LOCK), 1);
    assert_int_equal(counted(METRIC_FEED_LAG_US), 3000);
    fake_idle(&t.fake, 20);
    assert_int_equal(session()->item_count, 0); /* nothing is deleted yet */
    end_raises(true);
    expect("feed_delete");
    fake_rows(session(), NULL, 0, 0);
    give_changes(0, NULL);
    expect("feed_peek");
    assert_int_equal(t.raised_count, 3);
    assert_int_equal(counted(METRIC_FEED_LAG_US), 0);
    assert_int_equal(counted(METRIC_FEED_CHANGES), 3);
}

static void without_the_lock_nothing_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        give_lock(false);
    expect("feed_lock");
    assert_int_equal(counted(METRIC_FEED_HOLDS_LOCK), 0);
}

static void change_that_was_not_told_is_not_deleted(void **state)
{
    (void)state;
    give_lock(true);
    give_changes(2, (const int64_t[]){4, 5});
    wait_raises(2);
    struct cache_raise *one = t.raises[--t.raise_count];
    one->err = ERR_OK;
    later_add(&t.later, &one->link);
    end_raises(false);
    give_changes(2, (const int64_t[]){4, 5});
    wait_raises(2);
    end_raises(true);
    expect("feed_delete");
}

static void lock_is_given_up_when_redis_does_not_answer(void **state)
{
    (void)state;
    give_lock(true);
    for (int i = 0; i < 5; i++) {
        give_change(4);
        wait_raises(1);
        end_raises(false);
    }
    expect("feed_unlock");
    fake_answer(session());
    /* And somebody else has the time to take it. */
    fake_idle(&t.fake, 500);
    assert_int_equal(session()->item_count, 0);
    give_lock(true);
    give_change(4);
    wait_raises(1);
    end_raises(true);
    expect("feed_delete");
}

static void lost_session_has_lost_the_lock(void **state)
{
    (void)state;
    give_lock(true);
    expect("feed_peek");
    fake_hang_up(session());
    /* What is peeked in the new session may be another's by now. */
    give_change(4);
    give_lock(false);
    assert_int_equal(t.raise_count, 0);
    expect("feed_lock");
}

static void session_lost_before_the_deletion_leaves_it_to_the_next(void **state)
{
    (void)state;
    give_lock(true);
    give_change(4);
    wait_raises(1);
    end_raises(true);
    expect("feed_delete");
    fake_hang_up(session());
    give_change(4);
    give_lock(true);
    give_change(4);
    wait_raises(1);
    end_raises(true);
    expect("feed_delete");
    fake_rows(session(), NULL, 0, 0);
    expect("feed_peek");
}

static void error_is_tried_again(void **state)
{
    (void)state;
    expect("feed_lock");
    fake_error(session(), "XX000");
    give_lock(true);
    expect("feed_peek");
    fake_error(session(), "57014");
    give_change(4);
    wait_raises(1);
    end_raises(true);
    expect("feed_delete");
    fake_error(session(), "40001");
    give_change(4);
    wait_raises(1);
}

static void closes_while_it_contends(void **state)
{
    (void)state;
    expect("feed_lock");
}

static void closes_while_it_peeks(void **state)
{
    (void)state;
    give_lock(true);
    expect("feed_peek");
}

static void closes_while_it_tells(void **state)
{
    (void)state;
    give_lock(true);
    give_change(4);
    wait_raises(1);
}

static void closes_while_it_deletes(void **state)
{
    (void)state;
    give_lock(true);
    give_change(4);
    wait_raises(1);
    end_raises(true);
    expect("feed_delete");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(changes_are_told_and_then_deleted),
        TEST(without_the_lock_nothing_is_read),
        TEST(change_that_was_not_told_is_not_deleted),
        TEST(lock_is_given_up_when_redis_does_not_answer),
        TEST(lost_session_has_lost_the_lock),
        TEST(session_lost_before_the_deletion_leaves_it_to_the_next),
        TEST(error_is_tried_again),
        TEST(closes_while_it_contends),
        TEST(closes_while_it_peeks),
        TEST(closes_while_it_tells),
        TEST(closes_while_it_deletes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
