/* Batches under everything at once, in an order that a seed makes: callers come, come again and
 * leave, statements are answered, fail and are lost with their connections, commits that nobody
 * waits for any more take place, others write, and the cache answers when it likes. batch_kit.h is
 * the judge. TEST_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "batch_kit.h"

enum {
    ROUNDS = 8,
    STEPS = 6000,
    UNITS_MAX = 1000,
    WEIGHT_MAX = 400,
    OPEN_MAX = 200,
    LONG_MS = 25, /* enough for a pause to end, and for a cancel to be asked for */
};

static uint64_t seed;

static int pick(int count)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (int)((seed >> 11) % (uint64_t)count);
}

static bool seldom(int once_in)
{
    return pick(once_in) == 0;
}

/* Mostly little happens between two steps; while the database is away, so much that it is not for
 * long. */
static void let_time_pass(void)
{
    if (seldom(200))
        fake_idle(&kit.fake, LONG_MS);
    else if (!pool_is_ready(kit.app.pool) && pick(2))
        fake_idle(&kit.fake, 1);
    else if (pick(2))
        fake_pump(&kit.fake);
}

/* All before this one are answered. */
static int first_open;

static struct caller *some_caller(int from)
{
    return kit.caller_count > from ? &kit.callers[from + pick(kit.caller_count - from)] : NULL;
}

static void come(void)
{
    struct caller *a = kit_caller(seldom(20) ? SPENT_MAX + 1 : 1 + pick(UNITS_MAX));

    a->ledger = &kit.ledgers[seldom(3) ? pick(CUSTOMERS) : 0];
    a->weight = 1 + pick(WEIGHT_MAX);
    a->dry_run = seldom(6);
    if (!a->dry_run && pick(2))
        kit_with_request(a);
    kit_call(a);
}

static void come_again(const struct caller *as)
{
    if (!as || as->request < 0)
        return;
    struct caller *a = kit_caller(0);
    kit_same_request(a, as);
    kit_call(a);
}

static void leave(struct caller *a)
{
    if (a && !a->answered && a->left == ERR_OK)
        kit_leave(a, pick(2) ? ERR_CANCELLED : ERR_DEADLINE);
}

static void fail_statement(struct fake_session *s)
{
    static const char *const states[] = {"40001", "XX000", "57014"};

    fake_error(s, states[pick(sizeof states / sizeof *states)]);
}

static struct fake_session *some_session(void)
{
    struct fake_session *s = kit.fake.sessions[pick(kit.fake.session_count)];

    return s->item_count > 0 ? s : NULL;
}

static void step(void)
{
    struct fake_session *s = some_session();

    switch (pick(16)) {
    case 0:
    case 1:
    case 2:
        if (kit.caller_count - first_open < OPEN_MAX)
            come();
        break;
    case 3:
        come_again(some_caller(pick(2) ? first_open : 0));
        break;
    case 4:
        leave(some_caller(first_open));
        break;
    case 5:
        if (seldom(4))
            kit_write(&kit.ledgers[pick(CUSTOMERS)], pick(UNITS_MAX));
        break;
    case 6:
    case 7:
        if (kit.raise_count > 0)
            kit_told(pick(kit.raise_count), pick(2) ? ERR_OK : ERR_UNAVAILABLE);
        break;
    case 8:
        if (s && seldom(4))
            fail_statement(s);
        break;
    case 9:
        if (s && seldom(3))
            kit_lose(s, pick(LOST_RUNNING + 1));
        break;
    case 10:
        if (kit.late_count > 0 && seldom(4))
            kit_end_late(pick(kit.late_count));
        break;
    default:
        if (s)
            kit_answer(s);
        break;
    }
}

static void random_walk_keeps_all_promises(void **state)
{
    const char *seed_text = getenv("TEST_SEED");
    int done = 0, unknown = 0, replayed = 0;

    (void)state;
    seed = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)uv_hrtime() | 1;
    for (int round = 0; round < ROUNDS; round++) {
        printf("TEST_SEED=%llu\n", (unsigned long long)seed);
        kit_open(2);
        kit.raises_wait = true;
        first_open = 0;
        for (int i = 0; i < STEPS && kit.caller_count < CALLERS_MAX - 1; i++) {
            step();
            let_time_pass();
            while (first_open < kit.caller_count && kit.callers[first_open].answered)
                first_open++;
        }
        kit_serve();
        for (int i = 0; i < kit.caller_count; i++) {
            done += kit.callers[i].err == ERR_OK;
            unknown += kit.callers[i].err == ERR_UNKNOWN;
            replayed += kit.callers[i].replayed;
        }
        kit_close();
    }
    printf("done: %d, unknown: %d, replayed: %d\n", done, unknown, replayed);
    assert_true(done > 0 && unknown > 0 && replayed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_walk_keeps_all_promises)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
