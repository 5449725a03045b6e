/* Draws that are committed together, in the orders that never happen by luck: who comes, leaves,
 * fails, or is overtaken in which phase of a batch, and what becomes of the others. batch_kit.h
 * checks what must always hold; the tests say what each is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "batch_kit.h"

static int setup(void **state)
{
    (void)state;
    kit_open(1);
    return 0;
}

static int setup_two_connections(void **state)
{
    (void)state;
    kit_open(2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_close();
    return 0;
}

/* ---- callers ---- */

static struct caller *draw(int64_t units)
{
    return kit_call(kit_caller(units));
}

/* With a request_id. */
static struct caller *draw_once(int64_t units)
{
    struct caller *a = kit_caller(units);

    kit_with_request(a);
    return kit_call(a);
}

static struct caller *draw_again(const struct caller *as)
{
    struct caller *a = kit_caller(as->units);

    kit_same_request(a, as);
    return kit_call(a);
}

static struct caller *draw_dry(int64_t units)
{
    struct caller *a = kit_caller(units);

    a->dry_run = true;
    return kit_call(a);
}

static struct caller *draw_heavy(int weight)
{
    struct caller *a = kit_caller(1);

    a->weight = weight;
    return kit_call(a);
}

static void answer(const char *statement)
{
    kit_answer(kit_wait(statement));
}

static void fail_with(const char *statement, const char *sqlstate)
{
    fake_error(kit_wait(statement), sqlstate);
}

static void wait_spent(struct caller *a, int64_t spent)
{
    kit_wait_answer(a, ERR_OK);
    assert_int_equal(a->spent, spent);
}

/* Without any pause. */
static void answered_soon(const struct caller *a)
{
    for (int turn = 0; turn < 10 && !a->answered; turn++)
        fake_pump(&kit.fake);
    assert_int_equal(a->answered, 1);
}

static int times(const struct caller *a)
{
    return kit.fates[a->number].times;
}

/* ---- the phases of a batch ---- */

enum phase { IN_LINE, LOOKING, COMMITTING, PAUSED, TELLING, PHASES };
enum { MEMBERS = 3 };

/* Three come, and their batch is in this phase now. In line, it is behind one that looks. */
static void come_to(enum phase phase, struct caller *in[static MEMBERS])
{
    FAKE_WAIT(&kit.fake, pool_is_ready(kit.app.pool));
    if (phase == IN_LINE) {
        draw(1000);
        kit_wait("draw_state");
    }
    for (int i = 0; i < MEMBERS; i++)
        in[i] = draw_once(1 << i);
    if (phase == IN_LINE)
        return;
    kit_wait("draw_state");
    if (phase == LOOKING)
        return;
    answer("draw_state");
    struct fake_session *s = kit_wait("end_writes");
    if (phase == PAUSED) {
        kit_lose(s, LOST_UNDONE);
        FAKE_WAIT(&kit.fake, !list_empty(&kit.app.lines.paused));
    }
    if (phase == TELLING) {
        kit.raises_wait = true;
        kit_answer(s);
        FAKE_WAIT(&kit.fake, kit.raise_count == 1);
    }
}

static void draws_that_come_at_once_are_one_commit(void **state)
{
    struct caller *a = draw(1), *b = draw_once(20), *c = draw_dry(300), *d = draw(4000);

    (void)state;
    answer("draw_state");
    answer("end_writes");
    wait_spent(a, 1);
    wait_spent(b, 21);
    wait_spent(c, 321);
    wait_spent(d, 4021);
    assert_int_equal(a->version, 11);
    assert_int_equal(d->version, 11);
    assert_int_equal(kit.raises_ever, 1);
    assert_false(a->replayed || b->replayed);
    kit_wait_nothing();
}

static void who_comes_later_is_in_the_next_batch(void **state)
{
    (void)state;
    for (int phase = IN_LINE; phase < PHASES; phase++) {
        struct caller *in[MEMBERS];
        come_to(phase, in);
        struct caller *one = draw(100), *other = draw(200);
        kit_serve();
        assert_int_equal(in[0]->version, in[2]->version);
        assert_int_equal(one->version, other->version);
        assert_int_equal(one->version, in[0]->version + (phase != IN_LINE));
        assert_true(one->spent == in[2]->spent + 100 && other->spent == one->spent + 200);
        kit.raises_wait = false;
    }
}

static void other_customers_do_not_wait(void **state)
{
    struct caller *a = draw(1), *b = kit_caller(2);

    (void)state;
    answer("draw_state");
    kit_wait("end_writes");
    b->ledger = &kit.ledgers[1];
    kit_call(b);
    answer("end_writes");
    wait_spent(a, 1);
    answer("draw_state");
    answer("end_writes");
    wait_spent(b, 2);
}

static void other_methods_are_not_joined(void **state)
{
    struct caller *a = draw(1), *b = kit_caller(20), *c = kit_caller(300), *d;

    (void)state;
    b->is_other = c->is_other = true;
    kit_call(b);
    kit_call(c);
    d = draw(4000);
    kit_serve();
    assert_true(a->version == 11 && b->version == 12 && c->version == 12 && d->version == 13);
}

/* ---- bounds ---- */

static void batch_takes_so_much_weight(void **state)
{
    struct caller *a = draw_heavy(BATCH_WEIGHT_MAX - 1), *b = draw_heavy(1), *c = draw_heavy(1),
                  *d = draw_heavy(BATCH_WEIGHT_MAX + 1), *e = draw_heavy(1);

    (void)state;
    kit_serve();
    assert_int_equal(a->version, 11);
    assert_int_equal(b->version, 11);
    assert_int_equal(c->version, 12);
    assert_int_equal(d->version, 13);
    assert_int_equal(e->version, 14);
}

static void batch_takes_so_many_members(void **state)
{
    struct caller *last = NULL;

    (void)state;
    for (int i = 0; i <= BATCH_MEMBERS_MAX; i++)
        last = draw(1);
    kit_serve();
    assert_int_equal(kit.callers[BATCH_MEMBERS_MAX - 1].version, 11);
    assert_int_equal(last->version, 12);
}

static void line_that_is_too_long_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i <= WRITES_WAITING_MAX; i++)
        draw_heavy(BATCH_WEIGHT_MAX);
    struct caller *over = draw_heavy(BATCH_WEIGHT_MAX), *joins = draw_heavy(0);
    kit_wait_answer(over, ERR_EXHAUSTED);
    kit_serve();
    assert_int_equal(joins->err, ERR_OK);
    assert_int_equal(kit.ledgers[0].spent, WRITES_WAITING_MAX + 2);
}

/* Each attempt takes memory; whichever piece is the first that is not there. */
static void memory_that_runs_out_fails_and_leaks_nothing(void **state)
{
    (void)state;
    for (int members = 1; members <= 24; members++) {
        const int first = kit.caller_count;
        for (int i = 0; i < members; i++)
            draw_once(1);
        kit.worker.arenas.bytes_max = kit.worker.arenas.bytes;
        for (int turn = 0; kit.worker.arenas.bytes > 0; turn++) {
            kit_write(&kit.ledgers[0], 1);
            if (kit_running("end_writes"))
                answer("end_writes");
            if (kit_running("draw_state"))
                answer("draw_state");
            fake_turn(&kit.fake, turn, "the memory to run out");
        }
        for (int i = first; i < kit.caller_count; i++)
            assert_int_equal(kit.callers[i].err, ERR_EXHAUSTED);
        kit.worker.arenas.bytes_max = 0;
        kit_wait_answer(draw(1), ERR_EXHAUSTED);
        kit.worker.arenas.bytes_max = ARENA_POOL_BYTES_MAX;
    }
}

/* No more memory for this call. */
static void fill(struct caller *a)
{
    a->call.arena.bytes_max = a->call.arena.bytes;
    while (arena_raw(&a->call.arena, 1))
        ;
}

static void caller_without_memory_fails_alone(void **state)
{
    struct caller *old = draw_once(1);

    (void)state;
    kit_serve();
    struct caller *again = draw_again(old), *a = draw(20), *b = draw(300);
    fill(again);
    fill(a);
    answer("draw_state");
    kit_wait_answer(again, ERR_EXHAUSTED);
    kit_wait_answer(a, ERR_EXHAUSTED);
    answer("end_writes");
    wait_spent(b, 301);
}

/* ---- leaving ---- */

static const char *const late_texts[PHASES] = {
    [IN_LINE] = "",
    [LOOKING] = "",
    [COMMITTING] = "not known: send it again with the same request_id",
    [PAUSED] = "not known: send it again with the same request_id",
    [TELLING] = "but this took place",
};

static void check_late(const struct caller *a, enum phase phase)
{
    if (a->left == ERR_DEADLINE && !*late_texts[phase])
        assert_string_equal(a->late, "");
    else if (a->left == ERR_DEADLINE)
        assert_non_null(strstr(a->late, late_texts[phase]));
}

static void leave_one(enum phase phase, int who, enum err why)
{
    struct caller *in[MEMBERS];

    come_to(phase, in);
    kit_leave(in[who], why);
    kit_wait_answer(in[who], why);
    check_late(in[who], phase);
    if (phase == LOOKING || phase == COMMITTING)
        fake_idle(&kit.fake, 40); /* as long as it takes to ask for a cancel */
    kit_serve();
    for (int i = 0; i < MEMBERS; i++) {
        if (i != who)
            assert_int_equal(in[i]->err, ERR_OK);
        assert_int_equal(times(in[i]), i != who || phase == COMMITTING || phase == TELLING);
    }
    assert_int_equal(kit.fake.cancel_count, 0);
    kit.raises_wait = false;
}

static void who_leaves_fails_nobody_else(void **state)
{
    (void)state;
    for (int phase = IN_LINE; phase < PHASES; phase++) {
        for (int who = 0; who < MEMBERS; who++) {
            leave_one(phase, who, ERR_CANCELLED);
            leave_one(phase, who, ERR_DEADLINE);
        }
    }
}

static void leave_all(enum phase phase)
{
    static const enum err why[MEMBERS] = {ERR_CANCELLED, ERR_DEADLINE, ERR_DEADLINE};
    const int cancels = kit.fake.cancel_count;
    struct caller *in[MEMBERS];

    come_to(phase, in);
    struct caller *before = phase == IN_LINE ? NULL : draw(100);
    for (int i = 0; i < MEMBERS; i++)
        kit_leave(in[i], why[i]);
    struct caller *after = draw(200);
    for (int i = 0; i < MEMBERS; i++) {
        kit_wait_answer(in[i], why[i]);
        check_late(in[i], phase);
    }
    if (phase == LOOKING || phase == COMMITTING) {
        FAKE_WAIT(&kit.fake, kit.fake.cancel_count > cancels);
        fail_with(phase == LOOKING ? "draw_state" : "end_writes", "57014");
    }
    assert_int_equal(kit.raise_count, 0);
    kit_serve();
    assert_int_equal(times(in[0]), phase == TELLING);
    /* In the pause the database is away, which is no reason for the next ones to wait. */
    assert_int_equal(after->err, phase == PAUSED ? ERR_UNAVAILABLE : ERR_OK);
    assert_true(!before || before->version == after->version);
    kit.raises_wait = false;
}

static void last_to_leave_ends_what_is_under_way(void **state)
{
    (void)state;
    for (int phase = IN_LINE; phase < PHASES; phase++)
        leave_all(phase);
}

static void who_leave_before_their_turn_are_not_joined(void **state)
{
    struct caller *a = draw(1), *b = draw(2);

    (void)state;
    kit_leave(a, ERR_CANCELLED);
    kit_leave(b, ERR_CANCELLED);
    struct caller *c = draw(4);
    kit_wait_answer(a, ERR_CANCELLED);
    kit_wait_answer(b, ERR_CANCELLED);
    answer("draw_state");
    answer("end_writes");
    wait_spent(c, 4);
}

/* It has nothing that might take place. */
static void dry_run_that_is_late_leaves_no_doubt(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct caller *a = draw(1), *dry = draw_dry(20);
        answer("draw_state");
        kit_wait("end_writes");
        kit.raises_wait = told;
        if (told) {
            answer("end_writes");
            FAKE_WAIT(&kit.fake, kit.raise_count == 1);
        }
        kit_leave(dry, ERR_DEADLINE);
        kit_wait_answer(dry, ERR_DEADLINE);
        assert_string_equal(dry->late, "");
        kit_serve();
        assert_int_equal(a->err, ERR_OK);
    }
}

/* The application closes when all calls are over, whatever they were at. */
static void closing_in_any_phase(void **state)
{
    (void)state;
    for (int phase = IN_LINE; phase < PHASES; phase++) {
        struct caller *in[MEMBERS];
        come_to(phase, in);
        struct caller *behind = draw(100);
        for (int i = 0; i < kit.caller_count; i++)
            if (!kit.callers[i].answered)
                kit_leave(&kit.callers[i], ERR_CANCELLED);
        for (int i = 0; i < kit.caller_count; i++)
            FAKE_WAIT(&kit.fake, kit.callers[i].answered);
        assert_int_equal(behind->err, ERR_CANCELLED);
        kit_close();
        kit_open(1);
    }
}

/* ---- the decision ---- */

static void failure_of_one_is_its_own(void **state)
{
    struct caller *old = draw_once(1);

    (void)state;
    kit_serve();
    struct caller *a = draw(10), *much = draw(SPENT_MAX), *b = draw_once(100);
    struct caller *reused = kit_caller(0), *c = draw(1000);
    kit_same_request(reused, old);
    reused->units = 7;
    kit_call(reused);
    answer("draw_state");
    kit_wait_answer(much, ERR_PRECONDITION);
    kit_wait_answer(reused, ERR_EXISTS);
    kit_wait_nothing();
    answer("end_writes");
    wait_spent(a, 11);
    wait_spent(b, 111);
    wait_spent(c, 1111);
}

static void nothing_to_commit_is_answered_at_once(void **state)
{
    struct caller *a = draw_dry(10), *much = draw(SPENT_MAX + 1), *b = draw_dry(20);

    (void)state;
    answer("draw_state");
    wait_spent(a, 10);
    wait_spent(b, 20);
    kit_wait_answer(much, ERR_PRECONDITION);
    kit_wait_nothing();
    assert_int_equal(kit.raises_ever, 0);
}

static void customer_that_does_not_exist(void **state)
{
    struct caller *a = draw(10), *b = draw_once(20);

    (void)state;
    kit.ledgers[0].missing = true;
    answer("draw_state");
    kit_wait_answer(a, ERR_NOT_FOUND);
    kit_wait_answer(b, ERR_NOT_FOUND);
    kit_wait_nothing();
}

static void request_that_was_here_is_replayed_and_told_again(void **state)
{
    struct caller *a = draw_once(1);

    (void)state;
    kit_serve();
    struct caller *again = draw_again(a), *dry = draw_dry(10);
    kit.raises_wait = true;
    answer("draw_state");
    FAKE_WAIT(&kit.fake, kit.raise_count == 1);
    assert_int_equal(kit.raises[0]->version, 11);
    kit_wait_nothing();
    kit_told(0, ERR_OK);
    wait_spent(again, 1);
    wait_spent(dry, 11);
    assert_true(again->replayed && !dry->replayed);
}

static void replays_and_new_requests_are_answered_together(void **state)
{
    struct caller *old = draw_once(1);

    (void)state;
    kit_serve();
    struct caller *again = draw_again(old), *a = draw_once(20);
    kit_serve();
    assert_true(again->version == 11 && again->spent == 1 && again->replayed);
    assert_true(a->version == 12 && a->spent == 21 && !a->replayed);
}

static void dry_run_is_not_remembered(void **state)
{
    struct caller *a = kit_caller(1), *b = draw(20);

    (void)state;
    kit_with_request(a);
    a->dry_run = true;
    kit_call(a);
    kit_serve();
    assert_true(a->spent == 21 && b->spent == 20);
    assert_false(kit.fates[a->request].is_logged);
}

static void same_request_is_in_the_next_batch(void **state)
{
    struct caller *a = draw_once(1), *again = draw_again(a);

    (void)state;
    kit_serve();
    assert_int_equal(again->spent, a->spent);
    assert_true(again->replayed && !a->replayed);
}

/* ---- the commit ---- */

static void overtaken_batch_decides_again(void **state)
{
    struct caller *a = draw(1), *leaves = draw(20), *fits = draw(SPENT_MAX - 100), *b = draw_dry(5);

    (void)state;
    answer("draw_state");
    kit_wait("end_writes");
    kit_write(&kit.ledgers[0], 90);
    answer("end_writes");
    kit_wait("draw_state");
    kit_leave(leaves, ERR_DEADLINE);
    kit_wait_answer(leaves, ERR_DEADLINE);
    assert_string_equal(leaves->late, ""); /* it is known that it did not take place */
    answer("draw_state");
    kit_write(&kit.ledgers[0], 5);
    answer("end_writes");
    kit_write(&kit.ledgers[0], 5);
    answer("draw_state");
    kit_wait_answer(fits, ERR_PRECONDITION);
    answer("end_writes");
    wait_spent(a, 101);
    wait_spent(b, 106);
}

static void failure_of_the_commit_is_everybodys(void **state)
{
    struct caller *old = draw_once(1);

    (void)state;
    kit_serve();
    struct caller *a = draw(10), *b = draw_once(100), *c = draw_dry(1000), *again = draw_again(old);
    answer("draw_state");
    fail_with("end_writes", "XX000");
    kit_wait_answer(a, ERR_INTERNAL);
    kit_wait_answer(b, ERR_INTERNAL);
    kit_wait_answer(c, ERR_INTERNAL);
    wait_spent(again, 1); /* which has nothing to do with it */
    kit_wait_nothing();
}

static void failure_of_the_look_is_everybodys(void **state)
{
    struct caller *a = draw(10), *b = draw_once(100);

    (void)state;
    fail_with("draw_state", "XX000");
    kit_wait_answer(a, ERR_INTERNAL);
    kit_wait_answer(b, ERR_INTERNAL);
    a = draw_once(10);
    b = draw_dry(100);
    kit_lose(kit_wait("draw_state"), LOST_UNDONE);
    kit_wait_answer(a, ERR_UNAVAILABLE);
    kit_wait_answer(b, ERR_UNAVAILABLE);
}

/* ---- a commit of which nobody knows ---- */

static void lose_commit(enum lost what)
{
    const int64_t before = kit.ledgers[0].spent;
    struct caller *a = draw_once(1), *plain = draw(20), *dry = draw_dry(300), *b = draw_once(4000);

    answer("draw_state");
    kit_lose(kit_wait("end_writes"), what);
    kit_wait_answer(plain, ERR_UNKNOWN);
    assert_false(a->answered || b->answered || dry->answered);
    if (what == LOST_RUNNING) {
        answer("draw_state");
        kit_wait("end_writes"); /* waits for the lock that the other has */
        kit_end_late(0);
        answer("end_writes");
    }
    kit_serve();
    const bool done = what != LOST_UNDONE;
    assert_int_equal(times(plain), done);
    assert_int_equal(a->spent, before + 1);
    assert_int_equal(b->spent, before + 4001 + done * 20);
    assert_int_equal(dry->spent, done ? before + 4321 : before + 301);
    assert_false(a->replayed || b->replayed); /* it is the first answer that they get */
    struct caller *again = draw_again(a);
    kit_serve();
    assert_true(again->replayed && again->spent == a->spent);
}

static void unknown_outcome_is_each_ones_own(void **state)
{
    (void)state;
    lose_commit(LOST_UNDONE);
    lose_commit(LOST_DONE);
    lose_commit(LOST_RUNNING);
}

static void unknown_outcome_of_all_gives_the_turn_away(void **state)
{
    struct caller *a = draw(1), *b = draw(20);

    (void)state;
    answer("draw_state");
    kit_wait("end_writes");
    struct caller *next = draw_once(300);
    kit_lose(kit_wait("end_writes"), LOST_DONE);
    kit_wait_answer(a, ERR_UNKNOWN);
    kit_wait_answer(b, ERR_UNKNOWN);
    answered_soon(next); /* the database is away, and nothing of it was sent */
    assert_int_equal(next->err, ERR_UNAVAILABLE);
}

static void who_does_not_know_may_leave_at_once(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        struct caller *a = draw_once(1);
        answer("draw_state");
        kit_lose(kit_wait("end_writes"), LOST_UNDONE);
        kit_wait("draw_state");
        if (again)
            answer("draw_state");
        kit_wait(again ? "end_writes" : "draw_state");
        kit_leave(a, ERR_DEADLINE);
        answered_soon(a);
        check_late(a, PAUSED);
        fake_error(kit_wait(again ? "end_writes" : "draw_state"), "57014");
    }
}

/* Nothing that fails meanwhile is an answer, since the commit may have taken place. */
static void who_does_not_know_looks_until_it_does(void **state)
{
    struct caller *a = draw_once(1);

    (void)state;
    answer("draw_state");
    kit.fake.refuse = true;
    kit_lose(kit_wait("end_writes"), LOST_DONE);
    struct caller *next = draw_once(20);
    fake_idle(&kit.fake, 3 * WRITE_PAUSE_MS);
    assert_false(a->answered || next->answered);
    kit.fake.refuse = false;
    kit_lose(kit_wait("draw_state"), LOST_UNDONE);
    fail_with("draw_state", "XX000");
    kit_wait("draw_state");
    assert_false(a->answered || next->answered);
    kit_serve();
    assert_true(a->spent == 1 && next->spent == 21);
}

static void commit_that_fails_later_does_not_settle_it(void **state)
{
    struct caller *a = draw_once(1), *leaves = draw_once(20);

    (void)state;
    answer("draw_state");
    kit_lose(kit_wait("end_writes"), LOST_RUNNING);
    answer("draw_state");
    fail_with("end_writes", "XX000");
    kit_wait("draw_state");
    assert_false(a->answered || leaves->answered);
    kit_leave(leaves, ERR_DEADLINE);
    kit_wait_answer(leaves, ERR_DEADLINE);
    check_late(leaves, PAUSED);
    kit_end_late(0);
    kit_serve();
    wait_spent(a, 1);
}

/* Nor does a failure that has nothing to do with it: the commit still runs. */
static void memory_that_runs_out_does_not_settle_it(void **state)
{
    (void)state;
    for (int members = 1; members <= 8; members++) {
        const int first = kit.caller_count;
        FAKE_WAIT(&kit.fake, pool_is_ready(kit.app.pool));
        for (int i = 0; i < members; i++)
            draw_once(1);
        answer("draw_state");
        kit.worker.arenas.bytes_max = kit.worker.arenas.bytes;
        kit_lose(kit_wait("end_writes"), LOST_RUNNING);
        for (int turn = 0; kit.worker.arenas.bytes > 0; turn++) {
            if (kit_running("end_writes"))
                fail_with("end_writes", "40001");
            if (kit_running("draw_state"))
                answer("draw_state");
            fake_turn(&kit.fake, turn, "the memory to run out");
        }
        kit_end_late(0);
        for (int i = first; i < kit.caller_count; i++) {
            assert_int_equal(kit.callers[i].err, ERR_UNKNOWN);
            assert_int_equal(times(&kit.callers[i]), 1);
        }
        kit.worker.arenas.bytes_max = ARENA_POOL_BYTES_MAX;
    }
}

/* Two of a commit that still runs, of whom the second only fits in because of the first, who
 * leaves. */
static struct caller *lose_the_first_of_two(void)
{
    FAKE_WAIT(&kit.fake, pool_is_ready(kit.app.pool));
    kit_write(&kit.ledgers[0], SPENT_MAX - kit.ledgers[0].spent);
    struct caller *first = draw_once(-5), *second = draw_once(5);
    answer("draw_state");
    kit_lose(kit_wait("end_writes"), LOST_RUNNING);
    kit_wait("draw_state");
    kit_leave(first, ERR_CANCELLED);
    return second;
}

/* It is decided on anew without those who have left, and then fails: but the commit may take place.
 */
static void failure_before_it_is_known_is_no_answer(void **state)
{
    (void)state;
    struct caller *second = lose_the_first_of_two();

    answer("draw_state");
    kit_wait_answer(second, ERR_UNKNOWN);
    kit_end_late(0);
    assert_int_equal(times(second), 1);
}

/* What another has written since settles it: that commit never takes place. */
static void failure_after_others_wrote_is_one(void **state)
{
    (void)state;
    struct caller *second = lose_the_first_of_two();

    kit_write(&kit.ledgers[0], 0);
    answer("draw_state");
    kit_wait_answer(second, ERR_PRECONDITION);
    kit_end_late(0);
    assert_int_equal(times(second), 0);
}

/* It keeps the turn meanwhile. */
static void pause_lasts_a_moment(void **state)
{
    struct caller *a = draw_once(1);

    (void)state;
    answer("draw_state");
    kit_lose(kit_wait("end_writes"), LOST_UNDONE);
    struct caller *next = draw(20);
    const uint64_t start = uv_hrtime();
    fake_idle(&kit.fake, WRITE_PAUSE_MS / 2);
    assert_null(kit_running("draw_state"));
    kit_wait("draw_state");
    assert_true(uv_hrtime() - start >= (WRITE_PAUSE_MS - 2) * 1000000ull);
    kit_serve();
    assert_true(a->spent == 1 && next->spent == 21);
}

/* ---- the cache ---- */

static void nobody_hears_before_the_cache(void **state)
{
    struct caller *a = draw(1), *b = draw_dry(20);

    (void)state;
    kit.raises_wait = true;
    for (int i = 0; i < 2; i++) {
        answer("draw_state");
        answer("end_writes");
        FAKE_WAIT(&kit.fake, kit.raise_count == 1);
        struct caller *next = draw(300);
        kit_wait_nothing();
        assert_false(a->answered || b->answered);
        kit_told(0, i == 0 ? ERR_OK : ERR_UNAVAILABLE); /* then the feed tells it */
        kit_wait_answer(a, ERR_OK);
        kit_wait_answer(b, ERR_OK);
        a = b = next;
    }
    kit_serve();
}

static void without_a_cache_nobody_is_told(void **state)
{
    struct caller *a = draw(1), *b = draw_once(20);

    (void)state;
    kit.app.cache = NULL;
    kit_serve();
    assert_true(a->spent == 1 && b->spent == 21);
    assert_int_equal(kit.raises_ever, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(draws_that_come_at_once_are_one_commit),
        TEST(who_comes_later_is_in_the_next_batch),
        TEST(other_customers_do_not_wait),
        TEST(other_methods_are_not_joined),
        TEST(batch_takes_so_much_weight),
        TEST(batch_takes_so_many_members),
        TEST(line_that_is_too_long_is_refused),
        TEST(memory_that_runs_out_fails_and_leaks_nothing),
        TEST(caller_without_memory_fails_alone),
        TEST(who_leaves_fails_nobody_else),
        TEST(last_to_leave_ends_what_is_under_way),
        TEST(who_leave_before_their_turn_are_not_joined),
        TEST(dry_run_that_is_late_leaves_no_doubt),
        TEST(closing_in_any_phase),
        TEST(failure_of_one_is_its_own),
        TEST(nothing_to_commit_is_answered_at_once),
        TEST(customer_that_does_not_exist),
        TEST(request_that_was_here_is_replayed_and_told_again),
        TEST(replays_and_new_requests_are_answered_together),
        TEST(dry_run_is_not_remembered),
        TEST(same_request_is_in_the_next_batch),
        TEST(overtaken_batch_decides_again),
        TEST(failure_of_the_commit_is_everybodys),
        TEST(failure_of_the_look_is_everybodys),
        TEST(unknown_outcome_is_each_ones_own),
        TEST(unknown_outcome_of_all_gives_the_turn_away),
        TEST(who_does_not_know_may_leave_at_once),
        TEST(who_does_not_know_looks_until_it_does),
        TEST(commit_that_fails_later_does_not_settle_it),
        TEST(memory_that_runs_out_does_not_settle_it),
        TEST(failure_before_it_is_known_is_no_answer),
        TEST(failure_after_others_wrote_is_one),
        cmocka_unit_test_setup_teardown(pause_lasts_a_moment, setup_two_connections, teardown),
        TEST(nobody_hears_before_the_cache),
        TEST(without_a_cache_nobody_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
