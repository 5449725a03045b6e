/* The cache against a Redis that does as it is told: every order of answers, errors, cancels,
 * losses and closings that a test can think of, whatever nonsense may stand at the address, and a
 * long random walk through the rest. */
#include "cache_kit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cache/entry.h"
#include "fake_redis.h"

enum {
    TIMEOUT_US = 60 * 1000,             /* where a test waits for it; */
    TIMEOUT_LONG_US = 60 * 1000 * 1000, /* elsewhere nothing may depend on it */
    LONG_ENOUGH_MS = 60,
    WALK_STEPS = 20000,
};

static struct fake_redis fake;
static int64_t timeout_us;

static int setup(void **state)
{
    (void)state;
    kit_init();
    fake_open(&fake, &kit.loop);
    timeout_us = TIMEOUT_LONG_US;
    return 0;
}

static void close_cache(void)
{
    kit_close();
    FAKE_WAIT(&fake, kit.closed);
}

static int teardown(void **state)
{
    (void)state;
    if (kit.cache)
        close_cache();
    kit_done();
    fake_close(&fake);
    return 0;
}

static void open_cache(void)
{
    kit_open(fake.url, timeout_us);
}

/* Another session than `old`, which may be NULL, greeted and ready to be asked. */
static struct fake_session *next_session(const struct fake_session *old)
{
    FAKE_WAIT(&fake,
              fake_newest(&fake) && fake_newest(&fake) != old && fake_newest(&fake)->out_len == 0);
    fake_pump(&fake);
    return fake_newest(&fake);
}

static struct fake_session *open_one(void)
{
    open_cache();
    return next_session(NULL);
}

static struct fake_session *open_impatient(void)
{
    timeout_us = TIMEOUT_US;
    return open_one();
}

static void wait_done(const struct ask *a)
{
    FAKE_WAIT(&fake, a->done);
}

static void wait_raised(const struct write *w, enum err err)
{
    FAKE_WAIT(&fake, w->done);
    assert_int_equal(w->err, err);
}

static void wait_miss(const struct ask *a)
{
    wait_done(a);
    assert_false(a->l.hit);
}

static void wait_items(struct fake_session *s, int count)
{
    FAKE_WAIT(&fake, fake_items(s) == count);
}

static void assert_claim(const struct ask *a, const char *held)
{
    assert_int_equal(a->l.claim.len, strlen(held));
    assert_memory_equal(a->l.claim.held, held, strlen(held));
}

static uint8_t value_room[4096];

/* What is in Redis for a key: "answer". */
static struct bytes value_of(struct cache_key key, int64_t version, instant valid_until)
{
    const struct entry_name name = entry_name(&key.customer, key.method, key.request);
    const struct entry_value entry = {version, valid_until, bytes_text("answer")};

    entry_encode(&name, &entry, value_room);
    return bytes_of(value_room, ENTRY_HEADER_BYTES + entry.answer.len);
}

static const struct bytes nil = {NULL, 0};

/* Answers an ask with its own answer of this version. */
static void answer_hit(struct fake_session *s, const struct ask *a, const char *version)
{
    assert_true(fake_is(s, "MGET"));
    fake_answer_pair(s, bytes_text(version),
                     value_of(a->l.key, strtoll(version, NULL, 10), INSTANT_NEVER));
}

static void wait_hit(const struct ask *a, int64_t version)
{
    wait_done(a);
    assert_true(a->l.hit);
    assert_int_equal(a->l.version, version);
    assert_string_equal(a->answer, "answer");
}

/* ---- what is a hit ---- */

static void answers_belong_to_their_requests(void **state)
{
    struct fake_session *s = open_one();
    struct ask *asks[3] = {kit_ask(1), kit_ask(2), kit_ask(3)};

    (void)state;
    wait_items(s, 3);
    for (int i = 0; i < 3; i++)
        answer_hit(s, asks[i], "5");
    for (int i = 0; i < 3; i++) {
        wait_hit(asks[i], 5);
        assert_claim(asks[i], "5");
    }
    assert_int_equal(kit_count(METRIC_CACHE_HITS), 3);
}

static void answers_split_into_bytes_are_the_same(void **state)
{
    (void)state;
    fake.split = 1;
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1), *b = kit_ask(2), *c = kit_ask(3);
    wait_items(s, 3);
    answer_hit(s, a, "5");
    fake_answer(s, "-ERR as the test wants\r\n");
    answer_hit(s, c, "7");
    wait_hit(a, 5);
    wait_miss(b);
    assert_int_equal(b->l.claim.len, 0);
    wait_hit(c, 7);
    assert_int_equal(fake.session_count, 1);
}

static void answer_of_another_version_is_a_miss(void **state)
{
    static const char *const held[] = {"4", "6", "50", "9223372036854775807"};
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        struct ask *a = kit_ask(1);
        wait_items(s, 1);
        fake_answer_pair(s, bytes_text(held[i]), value_of(a->l.key, 5, INSTANT_NEVER));
        wait_miss(a);
        assert_claim(a, held[i]);
    }
    assert_int_equal(kit_count(METRIC_CACHE_REFUSED), 0);
    assert_int_equal(kit_misses(), 4);
}

static void answer_older_than_asked_for_is_a_miss(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask_key(kit_key(1), 6, NULL), *b = kit_ask_key(kit_key(1), 5, NULL);

    (void)state;
    wait_items(s, 2);
    answer_hit(s, a, "5");
    answer_hit(s, b, "5");
    wait_miss(a);
    assert_claim(a, "5");
    wait_hit(b, 5);
}

static void answer_past_its_time_is_a_miss(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1), *b = kit_ask(1);

    (void)state;
    wait_items(s, 2);
    fake_answer_pair(s, bytes_text("5"), value_of(a->l.key, 5, KIT_NOW));
    fake_answer_pair(s, bytes_text("5"), value_of(a->l.key, 5, KIT_NOW + 1));
    wait_miss(a);
    assert_claim(a, "5");
    wait_hit(b, 5);
}

static void answer_under_a_marker_is_a_miss(void **state)
{
    const char *marker = "?0123456789abcdef0123456789abcdef";
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1);

    (void)state;
    wait_items(s, 1);
    fake_answer_pair(s, bytes_text(marker), value_of(a->l.key, 5, INSTANT_NEVER));
    wait_miss(a);
    assert_claim(a, marker);
}

/* It is whole, and of a customer, a method or a request that is not the asker's. */
static void answer_to_another_question_is_refused_and_removed(void **state)
{
    struct fake_session *s = open_one();
    struct cache_key others[3] = {kit_key(1), kit_key(1), kit_key(1)};

    (void)state;
    others[0].customer.bytes[15] ^= 1;
    others[1].method[0] = 'N';
    others[2].request[15] ^= 1;
    for (int i = 0; i < 3; i++) {
        struct ask *a = kit_ask(1);
        wait_items(s, 1);
        struct bytes key = s->items[0].parts[2];
        char copy[128];
        snprintf(copy, sizeof copy, "%.*s", (int)key.len, (const char *)key.data);
        fake_answer_pair(s, bytes_text("5"), value_of(others[i], 5, INSTANT_NEVER));
        wait_miss(a);
        assert_claim(a, "5");
        wait_items(s, 1);
        assert_true(fake_is(s, "DEL"));
        assert_int_equal(s->items[0].parts[1].len, strlen(copy));
        assert_memory_equal(s->items[0].parts[1].data, copy, strlen(copy));
        fake_answer(s, ":1\r\n");
    }
    assert_int_equal(kit_count(METRIC_CACHE_REFUSED), 3);
}

static void damaged_answer_is_refused_and_removed(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ask *a = kit_ask(1);
        wait_items(s, 1);
        struct bytes value = value_of(a->l.key, 5, INSTANT_NEVER);
        if (i == 0)
            value_room[ENTRY_HEADER_BYTES] ^= 1;
        else
            value.len = i == 1 ? value.len - 1 : 0;
        fake_answer_pair(s, bytes_text("5"), value);
        wait_miss(a);
        wait_items(s, 1);
        assert_true(fake_is(s, "DEL"));
        fake_answer(s, ":1\r\n");
    }
    assert_int_equal(kit_count(METRIC_CACHE_REFUSED), 3);
}

/* The session after `old`, and a hit in it, so that nothing is skipped for what came before. */
static struct fake_session *recover(const struct fake_session *old)
{
    struct fake_session *s = next_session(old);
    struct ask *a = kit_ask(1);

    wait_items(s, 1);
    answer_hit(s, a, "5");
    wait_hit(a, 5);
    return s;
}

/* ---- claims ---- */

static void reader_who_finds_nothing_claims_by_a_marker_of_its_own(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1), *b = kit_ask(1);

    (void)state;
    wait_items(s, 2);
    fake_answer_pair(s, nil, nil);
    fake_answer_pair(s, nil, nil);
    FAKE_WAIT(&fake, fake_items(s) == 2 && fake_is(s, "SET"));
    assert_int_equal(a->done, 0);
    assert_int_equal(s->items[0].count, 7);
    assert_memory_equal(s->items[0].parts[3].data, "NX", 2);
    assert_memory_equal(s->items[0].parts[4].data, "GET", 3);
    assert_memory_equal(s->items[0].parts[5].data, "PX", 2);
    assert_memory_equal(s->items[0].parts[6].data, "60000", 5);
    fake_answer(s, "$-1\r\n");
    fake_answer(s, "$-1\r\n");
    wait_miss(a);
    wait_miss(b);
    assert_int_equal(a->l.claim.len, 33);
    assert_int_equal(a->l.claim.held[0], '?');
    assert_false(cache_same_claim(&a->l.claim, &b->l.claim));
    assert_true(cache_same_claim(&a->l.claim, &a->l.claim));
}

static void reader_who_comes_second_claims_what_is_there(void **state)
{
    static const char *const held[] = {"12", "?0123456789abcdef0123456789abcdef"};
    struct fake_session *s = open_one();
    char resp[64];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ask *a = kit_ask(1);
        wait_items(s, 1);
        fake_answer_pair(s, nil, nil);
        FAKE_WAIT(&fake, fake_is(s, "SET"));
        snprintf(resp, sizeof resp, "$%zu\r\n%s\r\n", strlen(held[i]), held[i]);
        fake_answer(s, resp);
        wait_miss(a);
        assert_claim(a, held[i]);
    }
}

static void what_is_neither_version_nor_marker_is_no_claim(void **state)
{
    static const char *const held[] = {
        "",
        "?",
        "hello",
        "-1",
        "+1",
        "1.0",
        "01",
        " 1",
        "1 ",
        "9223372036854775808",
        "99999999999999999999",
        "?0123456789abcdef0123456789abcde",
        "?0123456789abcdef0123456789abcdef0",
        "?0123456789ABCDEF0123456789ABCDEF",
        "!0123456789abcdef0123456789abcdef",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    };
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        struct ask *a = kit_ask(1);
        wait_items(s, 1);
        fake_answer_pair(s, bytes_text(held[i]), value_of(a->l.key, 1, INSTANT_NEVER));
        wait_miss(a);
        assert_int_equal(a->l.claim.len, 0);
        assert_false(cache_same_claim(&a->l.claim, &a->l.claim));
        kit_fill(a, 1, "x");
    }
    fake_idle(&fake, 5);
    assert_int_equal(s->item_count, 0);
    assert_int_equal(kit_count(METRIC_CACHE_FILLS_REFUSED), sizeof held / sizeof *held);
}

/* Asks, and answers that the version's key holds this. */
static struct ask *ask_and_claim(struct fake_session *s, const char *held)
{
    struct ask *a = kit_ask(1);

    wait_items(s, 1);
    fake_answer_pair(s, bytes_text(held), nil);
    wait_miss(a);
    assert_claim(a, held);
    return a;
}

static void fill_names_claim_version_answer_and_time(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_and_claim(s, "5");
    const struct entry_name name =
        entry_name(&a->l.key.customer, a->l.key.method, a->l.key.request);
    struct entry_value entry;

    (void)state;
    kit_fill(a, 6, "bytes");
    wait_items(s, 1);
    const struct fake_item *item = &s->items[0];
    assert_int_equal(item->count, 9);
    assert_memory_equal(item->parts[0].data, "EVALSHA", 7);
    assert_memory_equal(item->parts[1].data, "aaaaaaaa", 8); /* the first script */
    assert_memory_equal(item->parts[2].data, "2", 1);
    assert_memory_equal(item->parts[5].data, "5", 1);
    assert_memory_equal(item->parts[6].data, "6", 1);
    assert_int_equal(entry_decode(&name, item->parts[7], &entry), ERR_OK);
    assert_int_equal(entry.version, 6);
    assert_int_equal(entry.answer.len, 5);
    long ttl = strtol((const char *)item->parts[8].data, NULL, 10);
    assert_in_range(ttl, 54000, 60000);
    fake_answer(s, ":1\r\n");
    FAKE_WAIT(&fake, kit_count(METRIC_CACHE_FILLS) == 1);
    kit_fill(a, 6, "bytes");
    wait_items(s, 1);
    fake_answer(s, ":0\r\n");
    FAKE_WAIT(&fake, kit_count(METRIC_CACHE_FILLS_REFUSED) == 1);
}

static void times_of_answers_differ(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_and_claim(s, "5");
    char first[8] = "";
    int different = 0;

    (void)state;
    for (int version = 5; version < 25; version++) {
        kit_fill(a, version, "bytes");
        wait_items(s, 1);
        char ttl[8];
        snprintf(ttl, sizeof ttl, "%.5s", (const char *)s->items[0].parts[8].data);
        different += *first && strcmp(first, ttl) != 0;
        snprintf(first, sizeof first, "%s", ttl);
        fake_answer(s, ":1\r\n");
    }
    assert_true(different > 10);
}

static void assert_nothing_filled(struct fake_session *s)
{
    uint64_t fills = kit_count(METRIC_CACHE_FILLS);

    fake_idle(&fake, 5);
    assert_int_equal(s->item_count, 0);
    assert_int_equal(kit_count(METRIC_CACHE_FILLS), fills);
    assert_true(kit_count(METRIC_CACHE_FILLS_REFUSED) > 0);
}

static void fill_without_a_claim_goes_nowhere(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1);

    (void)state;
    wait_items(s, 1);
    fake_answer(s, "-ERR no\r\n");
    wait_miss(a);
    kit_fill(a, 5, "x");
    assert_nothing_filled(s);
}

static void fill_of_a_snapshot_older_than_the_claim_goes_nowhere(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_and_claim(s, "10");

    (void)state;
    kit_fill(a, 9, "x");
    assert_nothing_filled(s);
    kit_fill(a, 10, "x");
    wait_items(s, 1);
}

static void fill_of_another_database_goes_nowhere(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_and_claim(s, "5");

    (void)state;
    a->l.key.origin.bytes[0] ^= 1;
    kit_fill(a, 5, "x");
    assert_nothing_filled(s);
}

static void fill_of_too_much_goes_nowhere(void **state)
{
    static char bytes[CACHE_ANSWER_BYTES_MAX + 1];
    struct fake_session *s = open_one();
    struct ask *a = ask_and_claim(s, "5");

    (void)state;
    cache_fill(kit.cache, &a->l.key, &a->l.claim, 5, INSTANT_NEVER, bytes_of(bytes, sizeof bytes));
    assert_nothing_filled(s);
    cache_fill(kit.cache, &a->l.key, &a->l.claim, 5, INSTANT_NEVER,
               bytes_of(bytes, sizeof bytes - 1));
    wait_items(s, 1);
    struct bytes value = s->items[0].parts[7];
    uint8_t *copy = malloc(value.len);
    memcpy(copy, value.data, value.len);
    size_t len = value.len;
    fake_answer(s, ":1\r\n");
    /* And what can be filed can be read. */
    a = kit_ask(1);
    wait_items(s, 1);
    fake_answer_pair(s, bytes_text("5"), bytes_of(copy, len));
    wait_done(a);
    assert_true(a->l.hit);
    free(copy);
}

/* A claim from before is worth something only where the same process with the same history is met
 * again. */
static void claim_of_another_redis_is_worth_nothing(void **state)
{
    static const struct {
        char run_id, replid;
        bool filled;
    } rows[] = {{'1', '2', true}, {'3', '2', false}, {'1', '3', false}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (i > 0)
            setup(state);
        struct fake_session *s = open_one();
        struct ask *a = ask_and_claim(s, "5");
        fake.run_id = rows[i].run_id;
        fake.replid = rows[i].replid;
        fake_hang_up(s);
        s = next_session(s);
        struct ask *b = ask_and_claim(s, "5");
        assert_int_equal(cache_same_claim(&a->l.claim, &b->l.claim), rows[i].filled);
        kit_fill(a, 5, "x");
        if (rows[i].filled)
            wait_items(s, 1);
        else
            assert_nothing_filled(s);
        if (i + 1 < sizeof rows / sizeof *rows)
            teardown(state);
    }
}

/* Whoever does not know the keys' names of another Redis or database, does not find what is there.
 */
static void keys_name_the_format_the_database_and_the_redis(void **state)
{
    struct fake_session *s = open_one();
    char names[4][128];
    struct cache_key key = kit_key(1);

    (void)state;
    for (int i = 0; i < 4; i++) {
        if (i == 1)
            key.origin.bytes[3] ^= 1;
        if (i == 2)
            fake.run_id = '4';
        if (i == 3)
            fake.replid = '4';
        if (i >= 2) {
            fake_hang_up(s);
            s = next_session(s);
        }
        struct ask *a = kit_ask_key(key, 0, NULL);
        wait_items(s, 1);
        struct bytes name = s->items[0].parts[1];
        snprintf(names[i], sizeof names[i], "%.*s", (int)name.len, (const char *)name.data);
        assert_memory_equal(names[i], "balanced:", 9);
        if (i == 0) /* another one with each format */
            assert_memory_equal(names[i] + 9, "9b6357179581e902", 16);
        assert_non_null(strstr(names[i], ":{01000000-0000-0000-0000-000000000000}:v"));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
        fake_answer_pair(s, bytes_text("5"), nil);
        wait_miss(a);
    }
}

/* ---- raises ---- */

static void raise_is_told_what_became_of_it(void **state)
{
    struct fake_session *s = open_one();
    struct write *a = kit_raise(1, 7), *b = kit_raise(1, 8), *c = kit_raise(1, 9);

    (void)state;
    wait_items(s, 3);
    assert_int_equal(s->items[0].count, 6);
    assert_memory_equal(s->items[0].parts[1].data, "bbbbbbbb", 8); /* the second script */
    assert_memory_equal(s->items[0].parts[4].data, "7", 1);
    assert_memory_equal(s->items[0].parts[5].data, "2222222222", 10);
    fake_answer(s, ":1\r\n");
    fake_answer(s, ":0\r\n");
    fake_answer(s, "-ERR no\r\n");
    wait_raised(a, ERR_OK);
    wait_raised(b, ERR_OK);
    wait_raised(c, ERR_UNAVAILABLE);
    assert_int_equal(fake.session_count, 1);
}

static void raise_without_a_connection_is_told_at_once(void **state)
{
    (void)state;
    fake.refuse = true;
    open_cache();
    wait_raised(kit_raise(1, 7), ERR_UNAVAILABLE);
    fake_idle(&fake, 10);
    wait_raised(kit_raise(1, 7), ERR_UNAVAILABLE);
}

static void raise_on_what_is_not_the_same_master_is_no_raise(void **state)
{
    static const char *const answers[] = {":-1\r\n", "+OK\r\n", "$-1\r\n", "*0\r\n"};
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct write *w = kit_raise(1, 7);
        struct ask *a = kit_ask(1);
        wait_items(s, 2);
        fake_answer(s, answers[i]);
        wait_raised(w, ERR_UNAVAILABLE);
        wait_miss(a);
        s = recover(s);
    }
}

static void raise_cancelled_calls_back_soon(void **state)
{
    struct fake_session *s = open_one();
    struct write *a = kit_raise(1, 7), *b = kit_raise(1, 8);

    (void)state;
    wait_items(s, 2);
    kit_cancel_raise(a);
    kit_cancel_raise(a);
    wait_raised(a, ERR_CANCELLED);
    fake_answer(s, ":1\r\n");
    fake_answer(s, ":1\r\n");
    wait_raised(b, ERR_OK);
}

static void raise_that_is_lost_is_unavailable(void **state)
{
    struct fake_session *s = open_one();
    struct write *a = kit_raise(1, 7);

    (void)state;
    wait_items(s, 1);
    fake_hang_up(s);
    wait_raised(a, ERR_UNAVAILABLE);
}

/* ---- what may be wrong with a session ---- */

static void lookup_without_a_connection_is_a_miss(void **state)
{
    (void)state;
    open_cache();
    struct ask *a = kit_ask(1);
    wait_miss(a);
    assert_int_equal(a->l.claim.len, 0);
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), 1);
}

static void hang_up_with_three_in_flight_is_three_misses(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1), *b = kit_ask(2), *c = kit_ask(3);

    (void)state;
    wait_items(s, 3);
    fake_answer_pair(s, nil, nil);
    FAKE_WAIT(&fake, fake_items(s) == 3); /* the first is in its second step */
    fake_hang_up(s);
    wait_miss(a);
    wait_miss(b);
    wait_miss(c);
    assert_int_equal(a->l.claim.len, 0);
    s = next_session(s);
    a = kit_ask(1);
    wait_items(s, 1);
    answer_hit(s, a, "5");
    wait_hit(a, 5);
}

static void hang_up_after_part_of_an_answer_is_no_answer(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1);

    (void)state;
    wait_items(s, 1);
    fake_raw(s, "*2\r\n$1\r\n5\r\n$80\r\nhalf", 20);
    FAKE_WAIT(&fake, s->out_len == 0);
    fake_idle(&fake, 2);
    fake_hang_up(s);
    wait_miss(a);
}

/* Long before a heartbeat would notice. */
static void last_words_of_a_crash_do_not_hide_it(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1);

    (void)state;
    fake.ignore = true;
    fake_pump(&fake);
    fake_raw(s, "*2\r\n", 4);
    fake_crash(s);
    fake_idle(&fake, 200);
    wait_miss(a);
    assert_int_equal(fake.session_count, 2);
}

static void errors_that_end_the_session_do(void **state)
{
    static const char *const errors[] = {
        "-READONLY You can't write against a read only replica.\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-NOSCRIPT No matching script.\r\n",
        "-NOAUTH Authentication required.\r\n",
    };
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct ask *a = kit_ask(1), *b = kit_ask(2);
        wait_items(s, 2);
        fake_answer(s, errors[i]);
        wait_miss(a);
        wait_miss(b);
        s = recover(s);
        assert_int_equal(fake.session_count, i + 2);
    }
}

static void errors_that_do_not_end_the_session_are_misses(void **state)
{
    static const char *const errors[] = {
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        "-BUSY Redis is busy running a script.\r\n",
        "-ERR syntax error\r\n",
        "-\r\n",
    };
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct ask *a = kit_ask(1), *b = kit_ask(2);
        wait_items(s, 2);
        fake_answer_pair(s, nil, nil);
        answer_hit(s, b, "5");
        FAKE_WAIT(&fake, fake_is(s, "SET"));
        fake_answer(s, errors[i]); /* to the claim */
        wait_miss(a);
        wait_hit(b, 5);
        assert_int_equal(a->l.claim.len, 0);
        assert_int_equal(fake.session_count, 1);
    }
}

/* Whatever stands at the address and says such things is no Redis, or is out of step with us. */
static void nonsense_ends_the_session(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
#define ROW(text) {text, sizeof text - 1}
        ROW("HTTP/1.1 400 Bad Request\r\n\r\n"),
        ROW("\0\0\0\0\0\0\0\0"),
        ROW("\r\n"),
        ROW("+OK\r\n"),
        ROW(":1\r\n"),
        ROW("$5\r\nhello\r\n"),
        ROW("$-1\r\n"),
        ROW("*-1\r\n"),
        ROW("*0\r\n"),
        ROW("*1\r\n$1\r\n5\r\n"),
        ROW("*3\r\n$1\r\n5\r\n$-1\r\n$-1\r\n"),
        ROW("*5\r\n"),
        ROW("*1000000000\r\n"),
        ROW("*2147483647\r\n"),
        ROW("*2147483648\r\n"),
        ROW("*9223372036854775807\r\n"),
        ROW("*-7\r\n"),
        ROW("*x\r\n"),
        ROW("$-2\r\n"),
        ROW("$99999999999999999999999999\r\n"),
        ROW("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
        ROW("*2\r\n$1\r\n5\r\n*5\r\n"),
        ROW("*2\r\n$1\r\n5\r\n*100000000\r\n"),
        ROW("$3\r\nabcXY"),
        ROW("%1\r\n+a\r\n+b\r\n"),
#undef ROW
    };
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ask *a = kit_ask(1), *b = kit_ask(2);
        wait_items(s, 2);
        fake_raw(s, rows[i].bytes, rows[i].len);
        wait_miss(a);
        wait_miss(b);
        s = recover(s);
    }
}

static void nested_lists_in_place_of_texts_are_a_miss(void **state)
{
    static const char *const answers[] = {
        "*2\r\n*1\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        "*2\r\n:5\r\n:5\r\n",
        "*2\r\n-ERR\r\n-ERR\r\n",
        "*2\r\n$1\r\n5\r\n*0\r\n",
    };
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct ask *a = kit_ask(1);
        wait_items(s, 1);
        fake_answer(s, answers[i]);
        wait_miss(a);
    }
    assert_int_equal(fake.session_count, 1);
}

static void answer_without_end_is_given_up_at_the_bound(void **state)
{
    enum { CHUNK = 256 * 1024 };
    static char chunk[CHUNK];
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1);
    size_t sent = 0;

    (void)state;
    memset(chunk, 'x', sizeof chunk);
    wait_items(s, 1);
    fake_raw(s, "$100000000000\r\n", 15);
    while (!a->done) {
        if (s->out_len == 0) {
            fake_raw(s, chunk, CHUNK);
            sent += CHUNK;
        }
        fake_pump(&fake);
        assert_true(sent < 4 * REDIS_REPLY_BYTES_MAX);
    }
    assert_true(sent > REDIS_REPLY_BYTES_MAX);
    assert_false(a->l.hit);
    assert_ptr_not_equal(next_session(s), s);
}

static void answer_that_nobody_asked_for_ends_the_session(void **state)
{
    static const char *const answers[] = {"+OK\r\n", "*2\r\n$1\r\n5\r\n$-1\r\n",
                                          "-ERR max number of clients reached\r\n"};
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        fake_raw(s, answers[i], strlen(answers[i]));
        s = next_session(s);
    }
    assert_int_equal(fake.session_count, 4);
}

static void silence_is_given_up_in_time(void **state)
{
    struct fake_session *s = open_impatient();
    uint64_t start = uv_hrtime();
    struct ask *a = kit_ask(1), *b = kit_ask(2);
    struct write *w = kit_raise(1, 7);

    (void)state;
    wait_items(s, 3);
    wait_miss(a);
    uint64_t took_us = (uv_hrtime() - start) / 1000;
    assert_in_range(took_us, TIMEOUT_US, 50 * TIMEOUT_US);
    wait_miss(b);
    wait_raised(w, ERR_UNAVAILABLE);
    assert_ptr_not_equal(next_session(s), s);
}

static void slow_answers_in_time_are_answers(void **state)
{
    (void)state;
    timeout_us = 5 * TIMEOUT_US;
    struct fake_session *s = open_one();
    for (int i = 0; i < 6; i++) {
        struct ask *a = kit_ask(1), *b = kit_ask(2);
        wait_items(s, 2);
        fake_idle(&fake, TIMEOUT_US / 1000);
        answer_hit(s, a, "5");
        fake_idle(&fake, TIMEOUT_US / 1000);
        answer_hit(s, b, "5");
        wait_hit(a, 5);
        wait_hit(b, 5);
    }
    assert_int_equal(fake.session_count, 1);
}

/* The loop stood still, and the answer and its deadline are due in the same turn. */
static void answer_that_waits_for_us_is_in_time(void **state)
{
    struct fake_session *s = open_impatient();
    struct ask *a = kit_ask(1), *b = kit_ask(2);

    (void)state;
    wait_items(s, 2);
    answer_hit(s, a, "5");
    answer_hit(s, b, "5");
    ssize_t sent = write(s->fd, s->out, s->out_len);
    assert_int_equal(sent, s->out_len);
    s->out_len = 0;
    usleep(2 * TIMEOUT_US);
    wait_hit(a, 5);
    wait_hit(b, 5);
    assert_int_equal(fake.session_count, 1);
}

static void other_side_that_does_not_read_is_given_up(void **state)
{
    static char bytes[CACHE_ANSWER_BYTES_MAX];
    struct fake_session *s = open_impatient();
    struct ask *a = ask_and_claim(s, "5");

    (void)state;
    fake.ignore = true;
    for (int i = 0; i < 100; i++)
        cache_fill(kit.cache, &a->l.key, &a->l.claim, 5, INSTANT_NEVER,
                   bytes_of(bytes, sizeof bytes));
    assert_true(kit_count(METRIC_CACHE_FILLS_REFUSED) > 50); /* what waits to be sent is bounded */
    struct write *w = kit_raise(1, 7);
    wait_raised(w, ERR_UNAVAILABLE);
    fake.ignore = false;
    assert_ptr_not_equal(next_session(s), s);
}

/* ---- the greeting ---- */

static void open_with(const char *before, const char *after)
{
    static char url[300];

    snprintf(url, sizeof url, "unix://%s%s/redis.sock%s", before, fake.directory, after);
    kit_open(url, timeout_us);
    next_session(NULL);
}

static void greeting_names_user_password_and_database(void **state)
{
    static const struct {
        const char *before, *after, *words;
    } rows[] = {
        {"", "", ""},
        {":secret@", "", "AUTH secret;"},
        {"me:secret@", "?db=0", "AUTH me secret;"},
        {"m%40e:a%3Ab%2F@", "?db=12", "AUTH m@e a:b/;SELECT 12;"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (i > 0)
            setup(state);
        open_with(rows[i].before, rows[i].after);
        assert_string_equal(fake.words, rows[i].words);
        if (i + 1 < sizeof rows / sizeof *rows)
            teardown(state);
    }
}

/* None of these is used, and all are tried again. */
static void assert_not_used(void)
{
    int before = fake.session_count;

    for (int i = 0; i < 2; i++) {
        FAKE_WAIT(&fake, fake.session_count > before + i);
        wait_miss(kit_ask(1));
    }
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), kit.ask_count);
}

static void replica_is_not_used(void **state)
{
    (void)state;
    fake.role = "slave";
    open_cache();
    assert_not_used();
    fake.role = "master";
    next_session(NULL);
}

static void old_redis_is_not_used(void **state)
{
    (void)state;
    fake.version = "6.2.7";
    open_cache();
    assert_not_used();
}

static void redis_that_takes_no_scripts_is_not_used(void **state)
{
    (void)state;
    fake.greet_error = "-NOPERM this user has no permissions to run the 'script|load' command\r\n";
    open_cache();
    assert_not_used();
}

static void nonsense_in_the_greeting_is_no_redis(void **state)
{
    static const char *const answers[] = {
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*5\r\n",
        "HTTP/1.1 400\r\n\r\n",
        "-ERR go away\r\n",
        "$0\r\n\r\n",
        "-NOAUTH Authentication required.\r\n",
        "$9\r\nrun_id:1\r\r\n",
    };

    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (i > 0)
            setup(state);
        fake.greet_raw = answers[i];
        open_cache();
        assert_not_used();
        if (i + 1 < sizeof answers / sizeof *answers)
            teardown(state);
    }
}

static void refusal_is_tried_again_until_it_ends(void **state)
{
    (void)state;
    fake.refuse = true;
    open_cache();
    FAKE_WAIT(&fake, fake.session_count >= 3);
    fake.refuse = false;
    next_session(NULL);
}

static void silence_in_the_greeting_is_given_up(void **state)
{
    (void)state;
    fake.silent = true;
    open_cache();
    FAKE_WAIT(&fake, fake.session_count == 2);
    fake.silent = false;
    next_session(NULL);
}

/* ---- signs of life ---- */

static void heartbeat_notices_another_master(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    FAKE_WAIT(&fake, fake.heartbeats == 2);
    assert_int_equal(fake.session_count, 1);
    fake.replid = '9';
    s = next_session(s);
    struct ask *a = kit_ask(1);
    wait_items(s, 1);
    answer_hit(s, a, "5");
    wait_hit(a, 5);
    fake.role = "slave";
    FAKE_WAIT(&fake, s->fd < 0);
    fake.role = "master";
    next_session(s);
}

static void heartbeat_notices_silence(void **state)
{
    struct fake_session *s = open_impatient();

    (void)state;
    fake.silent = true;
    FAKE_WAIT(&fake, s->fd < 0);
    fake.silent = false;
    next_session(s);
}

/* ---- the breaker ---- */

static void failing_redis_is_skipped_for_a_while(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct ask *a = kit_ask(1);
        wait_items(s, 1);
        fake_answer(s, "-ERR no\r\n");
        wait_miss(a);
    }
    wait_miss(kit_ask(1));
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), 1);

    /* Raises are not skipped. */
    struct write *w = kit_raise(1, 7);
    wait_items(s, 1);
    fake_answer(s, ":1\r\n");
    wait_raised(w, ERR_OK);

    /* One tries, the others do not; it fails, and so on. */
    kit.clock_jump_us += 1000 * 1000;
    struct ask *probe = kit_ask(1), *other = kit_ask(2);
    wait_miss(other);
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), 2);
    wait_items(s, 1);
    fake_answer(s, "-ERR no\r\n");
    wait_miss(probe);
    wait_miss(kit_ask(1));
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), 3);

    /* One that is given up says nothing; the next one tries. */
    kit.clock_jump_us += 1000 * 1000;
    probe = kit_ask(1);
    kit_cancel(probe);
    wait_miss(probe);
    kit.clock_jump_us += 1000 * 1000;
    probe = kit_ask(1);
    wait_items(s, 2);
    fake_answer(s, "-ERR no\r\n");
    answer_hit(s, probe, "5");
    wait_hit(probe, 5);
    struct ask *a = kit_ask(1), *b = kit_ask(2);
    wait_items(s, 2);
    answer_hit(s, a, "5");
    answer_hit(s, b, "5");
    wait_hit(a, 5);
    wait_hit(b, 5);
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), 3);
}

static void loss_of_many_at_once_is_one_failure(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (int i = 0; i < 20; i++)
        kit_ask(i);
    wait_items(s, 20);
    fake_hang_up(s);
    FAKE_WAIT(&fake, kit.done_count == 20);
    recover(s);
    assert_int_equal(kit_count(METRIC_CACHE_SKIPPED), 0);
    assert_int_equal(kit_count(METRIC_CACHE_FAILURES), 20);
}

/* ---- bounds ---- */

static void lookup_beyond_the_ring_is_a_miss_and_a_raise_finds_room(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (int round = 0; round < 3; round++) {
        int first = kit.ask_count, first_raise = kit.write_count;
        for (int i = 0; i < REDIS_IN_FLIGHT_MAX; i++)
            kit_ask(i);
        wait_miss(kit_ask(1));
        for (int i = 0; i < REDIS_RAISES_MAX; i++)
            kit_raise(i, 7);
        wait_raised(kit_raise(1, 7), ERR_UNAVAILABLE);
        FAKE_WAIT(&fake, fake_items(s) >= REDIS_IN_FLIGHT_MAX + REDIS_RAISES_MAX);
        for (int i = 0; i < REDIS_IN_FLIGHT_MAX; i++)
            answer_hit(s, &kit.asks[first + i], "5");
        for (int i = 0; i < REDIS_RAISES_MAX; i++)
            fake_answer(s, ":1\r\n");
        for (int i = 0; i < REDIS_IN_FLIGHT_MAX; i++)
            wait_hit(&kit.asks[first + i], 5);
        for (int i = 0; i < REDIS_RAISES_MAX; i++)
            wait_raised(&kit.writes[first_raise + i], ERR_OK);
    }
}

/* ---- cancels ---- */

static void answer_after_a_cancel_is_nobodys(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1), *b = kit_ask(2);

    (void)state;
    wait_items(s, 2);
    kit_cancel(a);
    kit_cancel(a); /* once more does nothing */
    wait_miss(a);
    assert_int_equal(a->l.claim.len, 0);
    answer_hit(s, a, "5");
    answer_hit(s, b, "6");
    wait_hit(b, 6);
}

static void cancel_in_the_second_step_leaves_no_claim(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask(1);

    (void)state;
    wait_items(s, 1);
    fake_answer_pair(s, nil, nil);
    FAKE_WAIT(&fake, fake_is(s, "SET"));
    kit_cancel(a);
    fake_answer(s, "$-1\r\n");
    wait_miss(a);
    assert_int_equal(a->l.claim.len, 0);
}

static struct ask *victim;

static void cancel_victim(struct ask *a)
{
    (void)a;
    kit_cancel(victim);
}

static void cancel_from_a_callback_of_what_is_answered_in_the_same_breath(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask_key(kit_key(1), 0, cancel_victim);

    (void)state;
    victim = kit_ask(2);
    struct ask *c = kit_ask(3);
    wait_items(s, 3);
    answer_hit(s, a, "5");
    answer_hit(s, victim, "5");
    answer_hit(s, c, "5");
    wait_hit(c, 5);
    wait_hit(a, 5);
    wait_miss(victim);
}

static void on_same_tick(uv_timer_t *timer)
{
    struct ask *a = timer->data;

    if (!a->done)
        kit_cancel(a);
    uv_close((uv_handle_t *)timer, NULL);
}

static void cancel_and_answer_in_one_turn_call_back_once(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (int i = 0; i < 20; i++) {
        uv_timer_t timer;
        struct ask *a = kit_ask(1), *b = kit_ask(2);
        wait_items(s, 2);
        uv_timer_init(&kit.loop, &timer);
        timer.data = a;
        uv_timer_start(&timer, on_same_tick, 0, 0);
        answer_hit(s, a, "5");
        answer_hit(s, b, "5");
        FAKE_WAIT(&fake, uv_is_closing((uv_handle_t *)&timer) && a->done && b->done);
        fake_pump(&fake);
        assert_true(b->l.hit);
    }
}

/* ---- submitting and closing from callbacks ---- */

static void submit_again(struct ask *a)
{
    kit_ask_key(a->l.key, 0, NULL);
}

static void submit_from_a_callback_is_sent(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask_key(kit_key(1), 0, submit_again);

    (void)state;
    wait_items(s, 1);
    answer_hit(s, a, "5");
    wait_hit(a, 5);
    wait_items(s, 1);
    answer_hit(s, a, "6");
    wait_hit(&kit.asks[1], 6);
}

static void submit_from_the_callback_of_a_loss_is_a_miss_too(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask_key(kit_key(1), 0, submit_again);

    (void)state;
    wait_items(s, 1);
    fake.refuse = true;
    fake_hang_up(s);
    wait_miss(a);
    wait_miss(&kit.asks[1]);
}

static void close_from_callback(struct ask *a)
{
    (void)a;
    kit_close();
}

static void close_from_a_callback_ends_the_others(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask_key(kit_key(1), 0, close_from_callback), *b = kit_ask(2);
    struct write *w = kit_raise(1, 7);

    (void)state;
    wait_items(s, 3);
    answer_hit(s, a, "5");
    answer_hit(s, b, "5");
    fake_answer(s, ":1\r\n");
    FAKE_WAIT(&fake, kit.closed);
    wait_hit(a, 5);
    wait_miss(b);
    wait_raised(w, ERR_UNAVAILABLE);
}

static void close_ends_requests_in_every_place(void **state)
{
    struct fake_session *s = open_one();
    struct ask *second = kit_ask(1), *cancelled = kit_ask(2), *answered = kit_ask(3);
    struct write *w = kit_raise(1, 7), *given_up = kit_raise(1, 8);

    (void)state;
    wait_items(s, 5);
    fake_answer_pair(s, nil, nil);
    FAKE_WAIT(&fake, fake_items(s) == 5);
    fake_answer(s, "*2\r\n$-1\r\n$-1\r\n");
    kit_fill(answered, 5, "x");
    kit_cancel(cancelled);
    kit_cancel_raise(given_up);
    close_cache();
    assert_false(second->l.hit || cancelled->l.hit || answered->l.hit);
    assert_int_equal(w->err, ERR_UNAVAILABLE);
    assert_int_equal(given_up->err, ERR_CANCELLED);
}

static void close_ends_a_submit_from_its_own_callbacks(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = kit_ask_key(kit_key(1), 0, NULL);

    (void)state;
    wait_items(s, 1);
    kit_cancel(a);
    close_cache();
    assert_int_equal(a->done, 1);
}

static void close_is_possible_at_every_turn_of_a_connection(void **state)
{
    for (int turns = 0; turns < 60; turns++) {
        if (turns > 0)
            setup(state);
        fake.split = 20;
        open_cache();
        kit_ask(1);
        for (int i = 0; i < turns; i++)
            fake_pump(&fake);
        kit_cancel(kit_ask(2));
        kit_ask(3);
        kit_raise(1, 7);
        if (turns % 3 == 0 && fake_newest(&fake))
            fake_hang_up(fake_newest(&fake));
        if (turns < 59)
            teardown(state);
    }
}

/* ---- names ---- */

static void name_without_an_address_is_no_redis(void **state)
{
    (void)state;
    kit_open("redis://nobody.invalid:1", TIMEOUT_US);
    fake_idle(&fake, LONG_ENOUGH_MS);
    wait_miss(kit_ask(1));
    close_cache();
    kit_open("redis://localhost:1/3", TIMEOUT_US);
    fake_idle(&fake, LONG_ENOUGH_MS);
    wait_miss(kit_ask(1));
    close_cache();
    kit_open("redis://[::1]:1", TIMEOUT_US);
    close_cache(); /* while it looks up */
}

/* ---- everything else ---- */

/* At each step something happens to a session or to a request. */
static void random_walk_calls_each_request_back_once(void **state)
{
    static const char *const errors[] = {
        "-ERR no\r\n", "-OOM full\r\n", "-LOADING\r\n", "-READONLY You\r\n", "+OK\r\n", ":0\r\n",
        ":1\r\n",      "$-1\r\n",       ":-1\r\n"};
    const char *text = getenv("SEED");
    unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)uv_hrtime();

    (void)state;
    print_message("seed %u (again: SEED=%u)\n", seed, seed);
    srandom(seed);
    timeout_us = 5 * TIMEOUT_US;
    open_one();
    for (int step = 0; step < WALK_STEPS; step++) {
        struct fake_session *s = fake_newest(&fake);
        long what = random() % 1000;
        struct ask *a = kit.ask_count > 0 ? &kit.asks[random() % kit.ask_count] : NULL;
        struct write *w = kit.write_count > 0 ? &kit.writes[random() % kit.write_count] : NULL;
        bool waits = s && s->item_count > 0;
        bool may_lose = fake.session_count < FAKE_SESSIONS_MAX - 8;

        if (!s) {
            fake_idle(&fake, 2);
            continue;
        }
        if (what < 150 && kit.ask_count < KIT_ASKS_MAX / 2)
            kit_ask_key(kit_key((int)(random() % 3)), random() % 6,
                        random() % 8 == 0 ? submit_again : NULL);
        else if (what < 190 && kit.write_count < KIT_ASKS_MAX)
            kit_raise((int)(random() % 3), random() % 6);
        else if (what < 230 && a && a->done)
            kit_fill(a, random() % 6, "answer");
        else if (what < 260 && a && !a->done)
            kit_cancel(a);
        else if (what < 280 && w && !w->done)
            kit_cancel_raise(w);
        else if (what < 550 && waits && fake_is(s, "MGET"))
            fake_answer_pair(s, random() % 3 ? bytes_text("5") : nil,
                             random() % 2 ? value_of(kit_key((int)(random() % 3)), 5, INSTANT_NEVER)
                                          : nil);
        else if (what < 550 && waits)
            fake_answer(s, fake_is(s, "EVALSHA") ? ":1\r\n" : "$-1\r\n");
        else if (what >= 550 && what < 552 && waits && may_lose)
            fake_answer(s, errors[random() % 9]);
        else if (what == 552 && may_lose)
            fake_hang_up(s);
        else if (what >= 553 && what < 556)
            fake.run_id = (char)('0' + random() % 10);
        else if (what < 566)
            fake.split = (size_t)(random() % 4 ? 0 : 20 + random() % 400);
        else if (what < 570)
            kit.clock_jump_us += random() % TIMEOUT_US;
        else if (what < 573 && !waits)
            kit.clock_jump_us += 1000 * 1000; /* the breaker's pause is over */
        else if (what < 580)
            fake_idle(&fake, 1);
        else if (what < 582)
            fake_idle(&fake, 25); /* time for a reconnect */
        else
            fake_pump(&fake);
    }
    print_message("%d lookups, %d raises, %llu hits, %llu skipped, %d sessions\n", kit.ask_count,
                  kit.write_count, (unsigned long long)kit_count(METRIC_CACHE_HITS),
                  (unsigned long long)kit_count(METRIC_CACHE_SKIPPED), fake.session_count);
    assert_true(kit_count(METRIC_CACHE_HITS) > 0);
    for (int i = 0; i < kit.ask_count; i++) {
        if (kit.asks[i].l.hit && kit.asks[i].done)
            assert_string_equal(kit.asks[i].answer, "answer");
    }
    close_cache();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(answers_belong_to_their_requests),
        TEST(answers_split_into_bytes_are_the_same),
        TEST(answer_of_another_version_is_a_miss),
        TEST(answer_older_than_asked_for_is_a_miss),
        TEST(answer_past_its_time_is_a_miss),
        TEST(answer_under_a_marker_is_a_miss),
        TEST(answer_to_another_question_is_refused_and_removed),
        TEST(damaged_answer_is_refused_and_removed),
        TEST(reader_who_finds_nothing_claims_by_a_marker_of_its_own),
        TEST(reader_who_comes_second_claims_what_is_there),
        TEST(what_is_neither_version_nor_marker_is_no_claim),
        TEST(fill_names_claim_version_answer_and_time),
        TEST(times_of_answers_differ),
        TEST(fill_without_a_claim_goes_nowhere),
        TEST(fill_of_a_snapshot_older_than_the_claim_goes_nowhere),
        TEST(fill_of_another_database_goes_nowhere),
        TEST(fill_of_too_much_goes_nowhere),
        TEST(claim_of_another_redis_is_worth_nothing),
        TEST(keys_name_the_format_the_database_and_the_redis),
        TEST(raise_is_told_what_became_of_it),
        TEST(raise_without_a_connection_is_told_at_once),
        TEST(raise_on_what_is_not_the_same_master_is_no_raise),
        TEST(raise_cancelled_calls_back_soon),
        TEST(raise_that_is_lost_is_unavailable),
        TEST(lookup_without_a_connection_is_a_miss),
        TEST(hang_up_with_three_in_flight_is_three_misses),
        TEST(hang_up_after_part_of_an_answer_is_no_answer),
        TEST(last_words_of_a_crash_do_not_hide_it),
        TEST(errors_that_end_the_session_do),
        TEST(errors_that_do_not_end_the_session_are_misses),
        TEST(nonsense_ends_the_session),
        TEST(nested_lists_in_place_of_texts_are_a_miss),
        TEST(answer_without_end_is_given_up_at_the_bound),
        TEST(answer_that_nobody_asked_for_ends_the_session),
        TEST(silence_is_given_up_in_time),
        TEST(slow_answers_in_time_are_answers),
        TEST(answer_that_waits_for_us_is_in_time),
        TEST(other_side_that_does_not_read_is_given_up),
        TEST(greeting_names_user_password_and_database),
        TEST(replica_is_not_used),
        TEST(old_redis_is_not_used),
        TEST(redis_that_takes_no_scripts_is_not_used),
        TEST(nonsense_in_the_greeting_is_no_redis),
        TEST(refusal_is_tried_again_until_it_ends),
        TEST(silence_in_the_greeting_is_given_up),
        TEST(heartbeat_notices_another_master),
        TEST(heartbeat_notices_silence),
        TEST(failing_redis_is_skipped_for_a_while),
        TEST(loss_of_many_at_once_is_one_failure),
        TEST(lookup_beyond_the_ring_is_a_miss_and_a_raise_finds_room),
        TEST(answer_after_a_cancel_is_nobodys),
        TEST(cancel_in_the_second_step_leaves_no_claim),
        TEST(cancel_from_a_callback_of_what_is_answered_in_the_same_breath),
        TEST(cancel_and_answer_in_one_turn_call_back_once),
        TEST(submit_from_a_callback_is_sent),
        TEST(submit_from_the_callback_of_a_loss_is_a_miss_too),
        TEST(close_from_a_callback_ends_the_others),
        TEST(close_ends_requests_in_every_place),
        TEST(close_ends_a_submit_from_its_own_callbacks),
        TEST(close_is_possible_at_every_turn_of_a_connection),
        TEST(name_without_an_address_is_no_redis),
        TEST(random_walk_calls_each_request_back_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
