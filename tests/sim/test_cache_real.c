/* The cache against the real server: what the scripts do there, and what becomes of answers, claims
 * and raises when it is full, restarted, demoted, stopped, flushed, or holds what it should not. */
#include "cache_kit.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "real_redis.h"

enum {
    TIMEOUT_US = 60 * 1000,             /* where a test waits for it; */
    TIMEOUT_LONG_US = 60 * 1000 * 1000, /* elsewhere nothing may depend on it */
    TURN_US = 300,
    TURNS_MAX = 60 * 1000,
};

static struct real_redis redis;

/* ---- waiting ---- */

#define WAIT(expression)                            \
    do {                                            \
        for (int turn_ = 0; !(expression); turn_++) \
            turn(turn_, #expression);               \
    } while (0)

static void turn(int number, const char *waited_for)
{
    if (number == TURNS_MAX) {
        fprintf(stderr, "waited in vain for: %s\n", waited_for);
        abort();
    }
    uv_run(&kit.loop, UV_RUN_NOWAIT);
    if (number > 20)
        usleep(TURN_US);
}

static struct ask *ask_of(struct cache_key key, int64_t at_least)
{
    struct ask *a = kit_ask_key(key, at_least, NULL);

    WAIT(a->done);
    return a;
}

static struct ask *ask(int number)
{
    return ask_of(kit_key(number), 0);
}

static struct ask *ask_hit(int number, int64_t version, const char *answer)
{
    struct ask *a = ask(number);

    assert_true(a->l.hit);
    assert_int_equal(a->l.version, version);
    assert_string_equal(a->answer, answer);
    return a;
}

static struct ask *ask_miss(int number)
{
    struct ask *a = ask(number);

    assert_false(a->l.hit);
    return a;
}

static enum err raise_to(int number, int64_t version)
{
    struct write *w = kit_raise(number, version);

    WAIT(w->done);
    return w->err;
}

static uint64_t fills_settled(void)
{
    return kit_count(METRIC_CACHE_FILLS) + kit_count(METRIC_CACHE_FILLS_REFUSED) +
           kit_count(METRIC_CACHE_FAILURES);
}

/* Files an answer. Returns whether it was taken. */
static bool fill(const struct ask *claimed, int64_t version, const char *answer)
{
    uint64_t fills = kit_count(METRIC_CACHE_FILLS), settled = fills_settled();

    kit_fill(claimed, version, answer);
    WAIT(fills_settled() > settled);
    return kit_count(METRIC_CACHE_FILLS) > fills;
}

/* A lookup that reaches Redis. */
static void wait_connected(void)
{
    uint64_t asked = kit_count(METRIC_CACHE_HITS) + kit_misses();

    WAIT(ask(999) && kit_count(METRIC_CACHE_HITS) + kit_misses() > asked &&
         kit.asks[kit.ask_count - 1].l.claim.len > 0);
}

static void open_cache(int64_t timeout_us)
{
    kit_open(redis.url, timeout_us);
    wait_connected();
}

static void close_cache(void)
{
    kit_close();
    WAIT(kit.closed);
}

static void start(const char *const *settings)
{
    kit_init();
    real_open(&redis, settings);
}

static int setup(void **state)
{
    (void)state;
    start(NULL);
    open_cache(TIMEOUT_LONG_US);
    return 0;
}

static int setup_impatient(void **state)
{
    (void)state;
    start(NULL);
    open_cache(TIMEOUT_US);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (kit.cache)
        close_cache();
    kit_done();
    real_close(&redis);
    return 0;
}

static void command(const char *words)
{
    redisReply *reply = real_command(&redis, words);

    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}

/* The name of the one key that matches. */
static void key_like(const char *pattern, char ret[static 128])
{
    redisReply *reply = real_command(&redis, "KEYS %s", pattern);

    assert_int_equal(reply->elements, 1);
    snprintf(ret, 128, "%s", reply->element[0]->str);
    freeReplyObject(reply);
}

static const char version_1[] = "*{01000000-*}:v", answer_1[] = "*{01000000-*}:net:*";

/* ---- the protocol ---- */

static void answer_filed_is_served_until_a_raise(void **state)
{
    (void)state;
    struct ask *a = ask_miss(1);
    assert_true(fill(a, 5, "five"));
    a = ask_hit(1, 5, "five");
    assert_int_equal(a->l.claim.len, 1);

    /* Old news change nothing. */
    assert_int_equal(raise_to(1, 4), ERR_OK);
    assert_int_equal(raise_to(1, 5), ERR_OK);
    ask_hit(1, 5, "five");

    assert_int_equal(raise_to(1, 6), ERR_OK);
    a = ask_miss(1);
    assert_int_equal(a->l.claim.held[0], '?');
    assert_true(fill(a, 6, "six"));
    ask_hit(1, 6, "six");
    ask_miss(2);
}

static void two_readers_with_one_claim_file_both(void **state)
{
    struct cache_key other = kit_key(1);

    (void)state;
    strcpy(other.method, "list");
    struct ask *a = ask_miss(1), *b = ask_of(other, 0);
    assert_true(cache_same_claim(&a->l.claim, &b->l.claim));
    assert_true(fill(a, 5, "five"));
    assert_true(fill(b, 5, "list of five"));
    ask_hit(1, 5, "five");
    assert_string_equal(ask_of(other, 0)->answer, "list of five");

    /* A reader of a newer snapshot moves the version, which ends the other answer. */
    assert_true(fill(a, 6, "six") == false);
    a = ask_of(kit_key(1), 6);
    assert_false(a->l.hit);
    assert_true(fill(a, 6, "six"));
    ask_hit(1, 6, "six");
    assert_false(ask_of(other, 0)->l.hit);
}

static void fill_after_a_raise_is_refused(void **state)
{
    (void)state;
    struct ask *marked = ask_miss(1);
    assert_int_equal(raise_to(1, 6), ERR_OK);
    assert_false(fill(marked, 5, "five"));
    struct ask *other = ask_miss(1);
    assert_false(cache_same_claim(&marked->l.claim, &other->l.claim));
    assert_false(fill(marked, 5, "five"));
    assert_true(fill(other, 6, "six"));
    assert_false(fill(marked, 5, "five"));
    ask_hit(1, 6, "six");

    /* The same where the claim is a version. */
    struct ask *versioned = ask_hit(1, 6, "six");
    assert_int_equal(raise_to(1, 7), ERR_OK);
    assert_false(fill(versioned, 6, "six"));
    ask_miss(1);
}

static void fill_after_an_eviction_is_refused(void **state)
{
    char key[128];

    (void)state;
    struct ask *a = ask_miss(1);
    key_like(version_1, key);
    freeReplyObject(real_command(&redis, "DEL %s", key));
    assert_false(fill(a, 5, "five"));
    a = ask_miss(1);
    assert_true(fill(a, 5, "five"));
    key_like(answer_1, key);
    freeReplyObject(real_command(&redis, "DEL %s", key));
    a = ask_miss(1);
    assert_true(fill(a, 5, "five"));
    ask_hit(1, 5, "five");
}

/* As doubles, some of these would be the same. */
static void versions_are_compared_exactly(void **state)
{
    static const struct {
        int64_t held, raised;
        bool stays;
    } rows[] = {
        {9, 10, false},
        {10, 9, true},
        {99, 100, false},
        {1, 1, true},
        {INT64_C(9007199254740992), INT64_C(9007199254740993), false},
        {INT64_C(9007199254740993), INT64_C(9007199254740992), true},
        {INT64_MAX - 1, INT64_MAX, false},
        {INT64_MAX, INT64_MAX - 1, true},
        {INT64_MAX, 9, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        command("FLUSHALL");
        assert_true(fill(ask_miss(1), rows[i].held, "answer"));
        assert_int_equal(raise_to(1, rows[i].raised), ERR_OK);
        assert_int_equal(ask(1)->l.hit, rows[i].stays);
    }
}

static void keys_end_in_time_and_are_one_slots(void **state)
{
    static const char *const patterns[] = {version_1, answer_1};
    char key[128];

    (void)state;
    struct ask *a = ask_miss(1);
    key_like(version_1, key);
    redisReply *reply = real_command(&redis, "PTTL %s", key);
    assert_in_range(reply->integer, KIT_TTL_US / 1000 - 5000, KIT_TTL_US / 1000);
    freeReplyObject(reply);
    assert_true(fill(a, 5, "five"));
    for (int i = 0; i < 2; i++) {
        key_like(patterns[i], key);
        reply = real_command(&redis, "PTTL %s", key);
        assert_in_range(reply->integer, KIT_TTL_US / 1000 * 9 / 10 - 5000, KIT_TTL_US / 1000);
        freeReplyObject(reply);
        /* What a Redis Cluster hashes is the customer. */
        assert_memory_equal(strchr(key, '{'), "{01000000-0000-0000-0000-000000000000}", 38);
    }
}

static void other_process_is_served_the_same_answer(void **state)
{
    (void)state;
    assert_true(fill(ask_miss(1), 5, "five"));
    close_cache();
    open_cache(TIMEOUT_LONG_US);
    ask_hit(1, 5, "five");
}

static void large_answers_come_back_whole(void **state)
{
    static uint8_t bytes[CACHE_ANSWER_BYTES_MAX];

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    for (size_t len = 1; len <= sizeof bytes; len *= 8) {
        struct ask *a = ask(1);
        cache_fill(kit.cache, &a->l.key, &a->l.claim, 5, INSTANT_NEVER, bytes_of(bytes, len));
        a = ask(1);
        assert_true(a->l.hit);
        assert_int_equal(a->l.answer.len, len);
    }
}

/* ---- a Redis that changes ---- */

static void restarted_redis_starts_empty(void **state)
{
    (void)state;
    struct ask *a = ask_miss(1);
    assert_true(fill(a, 5, "five"));
    struct ask *late = ask_miss(2);
    real_restart(&redis);
    wait_connected();
    ask_miss(1);
    assert_false(fill(late, 5, "five"));
    assert_false(fill(a, 5, "five"));
    assert_true(fill(ask_miss(1), 6, "six"));
    ask_hit(1, 6, "six");
}

static void flushed_scripts_are_brought_again(void **state)
{
    (void)state;
    struct ask *a = ask_miss(1);
    command("SCRIPT FLUSH");
    assert_int_equal(raise_to(1, 5), ERR_UNAVAILABLE);
    wait_connected();
    assert_int_equal(raise_to(1, 5), ERR_OK);
    assert_false(fill(a, 5, "five"));
    assert_true(fill(ask_miss(1), 5, "five"));
}

/* Between this and the next heartbeat. */
static void demoted_redis_takes_no_raise(void **state)
{
    (void)state;
    assert_true(fill(ask_miss(1), 5, "five"));
    command("REPLICAOF 127.0.0.1 1");
    assert_int_equal(raise_to(1, 5), ERR_UNAVAILABLE);
    uint64_t skipped = kit_count(METRIC_CACHE_SKIPPED);
    ask_miss(1);
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), skipped + 1);
    assert_int_equal(raise_to(1, 6), ERR_UNAVAILABLE);

    /* And after its time as a replica, in which it was told nothing, it starts empty. */
    command("REPLICAOF NO ONE");
    wait_connected();
    ask_miss(1);
    assert_int_equal(raise_to(1, 6), ERR_OK);
}

static void heartbeat_notices_a_demotion(void **state)
{
    (void)state;
    command("REPLICAOF 127.0.0.1 1");
    uint64_t skipped = kit_count(METRIC_CACHE_SKIPPED);
    WAIT(ask(1) && kit_count(METRIC_CACHE_SKIPPED) > skipped);
}

/* It has been a replica and is a master again, in less time than a heartbeat takes. */
static void redis_with_a_new_history_takes_no_raise_for_the_old(void **state)
{
    (void)state;
    assert_true(fill(ask_miss(1), 5, "five"));
    command("REPLICAOF 127.0.0.1 1");
    command("REPLICAOF NO ONE");
    assert_int_equal(raise_to(1, 6), ERR_UNAVAILABLE);
    wait_connected();
    ask_miss(1);
    assert_int_equal(raise_to(1, 6), ERR_OK);
}

static void stopped_redis_costs_its_timeout_once_and_comes_back(void **state)
{
    (void)state;
    assert_true(fill(ask_miss(1), 5, "five"));
    kill(redis.pid, SIGSTOP);
    uint64_t start = uv_hrtime();
    ask_miss(1);
    ask_miss(1);
    ask_miss(1);
    assert_int_equal(raise_to(1, 5), ERR_UNAVAILABLE);
    uint64_t took_us = (uv_hrtime() - start) / 1000;
    assert_in_range(took_us, TIMEOUT_US, TIMEOUT_US * 50);
    kill(redis.pid, SIGCONT);
    wait_connected();
    ask_hit(1, 5, "five");
}

static void killed_clients_come_back(void **state)
{
    (void)state;
    assert_true(fill(ask_miss(1), 5, "five"));
    command("CLIENT KILL TYPE normal SKIPME yes");
    WAIT(ask(1)->l.hit);
}

static void full_redis_takes_raises_but_no_answers(void **state)
{
    (void)state;
    assert_true(fill(ask_miss(1), 5, "five"));
    struct ask *a = ask_miss(2);
    command("CONFIG SET maxmemory 1");
    assert_false(fill(a, 5, "five"));
    ask_hit(1, 5, "five");
    assert_int_equal(ask_miss(3)->l.claim.len, 0);
    assert_int_equal(raise_to(1, 6), ERR_OK);
    ask_miss(1);
    command("CONFIG SET maxmemory 0");
    assert_true(fill(ask_miss(1), 6, "six"));
}

/* ---- what should not be there ---- */

static void foreign_keys_are_misses_and_a_raise_removes_them(void **state)
{
    static const char *const commands[] = {"SET %s hello", "LPUSH %s hello", "SET %s 05",
                                           "SET %s 99999999999999999999"};
    char key[128];

    (void)state;
    ask_miss(1);
    key_like(version_1, key);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        freeReplyObject(real_command(&redis, "DEL %s", key));
        freeReplyObject(real_command(&redis, commands[i], key));
        struct ask *a = ask_miss(1);
        assert_int_equal(a->l.claim.len, 0);
        assert_false(fill(a, 5, "five"));
        assert_int_equal(raise_to(1, 5), ERR_OK);
        a = ask_miss(1);
        assert_int_equal(a->l.claim.held[0], '?');
    }
}

static void foreign_answers_are_misses_and_the_next_fill_replaces_them(void **state)
{
    char key[128];

    (void)state;
    assert_true(fill(ask_miss(1), 5, "five"));
    key_like(answer_1, key);
    freeReplyObject(real_command(&redis, "SETRANGE %s 70 x", key));
    struct ask *a = ask_miss(1);
    assert_int_equal(kit_count(METRIC_CACHE_REFUSED), 1);
    redisReply *reply = NULL;
    for (long long there = 1; there;) { /* it is removed */
        reply = real_command(&redis, "EXISTS %s", key);
        there = reply->integer;
        freeReplyObject(reply);
        turn(0, "removal");
    }
    assert_true(fill(a, 5, "five"));
    ask_hit(1, 5, "five");

    freeReplyObject(real_command(&redis, "DEL %s", key));
    freeReplyObject(real_command(&redis, "LPUSH %s hello", key));
    a = ask_miss(1);
    assert_true(fill(a, 5, "five"));
    ask_hit(1, 5, "five");
}

/* ---- being let in ---- */

static void open_url(const char *credentials, const char *database)
{
    static char url[256];

    snprintf(url, sizeof url, "unix://%s%s/redis.sock%s", credentials, redis.directory, database);
    kit_open(url, TIMEOUT_LONG_US);
}

static bool gets_in(const char *credentials, const char *database)
{
    open_url(credentials, database);
    bool in = false;
    for (int i = 0; i < 100 && !in; i++) {
        turn(100, "a session");
        in = ask(1)->l.claim.len > 0;
    }
    close_cache();
    return in;
}

static void password_user_and_database_are_used(void **state)
{
    static const char *const settings[] = {"--requirepass", "secret", NULL};

    (void)state;
    start(settings);
    freeReplyObject(real_command(&redis, "AUTH secret"));
    command("ACL SETUSER me on >mine ~balanced:* +@all");
    assert_false(gets_in("", ""));
    assert_false(gets_in(":wrong@", ""));
    assert_false(gets_in("you:secret@", ""));
    assert_false(gets_in(":secret@", "?db=99"));
    assert_true(gets_in(":secret@", ""));
    assert_true(gets_in("default:secret@", "?db=3"));
    command("SELECT 3");
    redisReply *reply = real_command(&redis, "DBSIZE");
    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
    assert_true(gets_in("me:mine@", ""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(answer_filed_is_served_until_a_raise),
        TEST(two_readers_with_one_claim_file_both),
        TEST(fill_after_a_raise_is_refused),
        TEST(fill_after_an_eviction_is_refused),
        TEST(versions_are_compared_exactly),
        TEST(keys_end_in_time_and_are_one_slots),
        TEST(other_process_is_served_the_same_answer),
        TEST(large_answers_come_back_whole),
        TEST(restarted_redis_starts_empty),
        TEST(flushed_scripts_are_brought_again),
        TEST(demoted_redis_takes_no_raise),
        TEST(heartbeat_notices_a_demotion),
        TEST(redis_with_a_new_history_takes_no_raise_for_the_old),
        cmocka_unit_test_setup_teardown(stopped_redis_costs_its_timeout_once_and_comes_back,
                                        setup_impatient, teardown),
        TEST(killed_clients_come_back),
        TEST(full_redis_takes_raises_but_no_answers),
        TEST(foreign_keys_are_misses_and_a_raise_removes_them),
        TEST(foreign_answers_are_misses_and_the_next_fill_replaces_them),
        cmocka_unit_test_teardown(password_user_and_database_are_used, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
