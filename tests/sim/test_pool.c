/* The pool and its connections against a PostgreSQL that does as it is told: every order of
 * answers, errors, cancels, losses and closings that a test can think of, and a long random walk
 * through the rest. What must hold in all of them: each request calls back exactly once, never
 * before its submit returned, with its own answer; and at the end nothing is left in the loop. */
#include "sql/pool.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "fake_pg.h"

enum {
    ASKS_MAX = 16384,
    TIMEOUT_US = 5 * 1000 * 1000,
    LONG_ENOUGH_MS = 120, /* for a cancel to be asked for, if it is going to be */
    WALK_STEPS = 20000,
};

/* ---- a clock of our own: it jumps when a test says so ---- */

static int64_t clock_jump_us;

int64_t clock_monotonic_us(void)
{
    return (int64_t)(uv_hrtime() / 1000) + clock_jump_us;
}

int64_t clock_now_us(void)
{
    return clock_monotonic_us();
}

/* ---- what is tested, and what it calls back ---- */

struct ask {
    struct sql_req req;
    int64_t number;
    int done;
    enum err err;
    void (*then)(struct ask *a); /* in the callback */
    bool submitting;
};

static struct {
    uv_loop_t loop;
    struct fake_pg fake;
    struct pool *pool;
    struct metrics metrics;
    struct ask *asks;
    int64_t ask_count;
    int done_count;
    bool ready;
    bool closed;
} t;

static void on_ready(void *arg, bool ready)
{
    (void)arg;
    t.ready = ready;
}

static void on_closed(void *arg)
{
    (void)arg;
    assert_false(t.closed);
    t.closed = true;
}

static void on_done(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct ask *a = container_of(req, struct ask, req);

    assert_false(a->submitting);
    assert_int_equal(a->done, 0);
    assert_int_equal(err == ERR_OK, result != NULL);
    a->done++;
    a->err = err;
    t.done_count++;
    if (result) {
        assert_int_equal(result_rows(result), 1);
        struct sql_reader r = result_row(result, 0);
        assert_int_equal(read_int(&r), a->number);
        assert_true(reader_ok(&r));
    }
    if (a->then)
        a->then(a);
}

static struct ask *ask_then(void (*then)(struct ask *a))
{
    assert(t.ask_count < ASKS_MAX);
    struct ask *a = &t.asks[t.ask_count];

    *a = (struct ask){.number = t.ask_count++, .then = then, .submitting = true};
    args_int(&a->req.args, a->number);
    pool_submit(t.pool, &a->req, on_done);
    a->submitting = false;
    return a;
}

static struct ask *ask(void)
{
    return ask_then(NULL);
}

static void cancel(struct ask *a)
{
    int done = a->done;

    pool_cancel(t.pool, &a->req);
    assert_int_equal(a->done, done);
}

static void wait_done(const struct ask *a, enum err err)
{
    FAKE_WAIT(&t.fake, a->done);
    assert_int_equal(a->err, err);
}

static void open_pool(int connections)
{
    const struct pool_options options = {
        .loop = &t.loop,
        .url = t.fake.url,
        .name = "balanced",
        .connections = connections,
        .statement_timeout_us = TIMEOUT_US,
        .metrics = &t.metrics,
        .on_ready = on_ready,
    };

    t.pool = pool_open(&options);
}

/* A pool of one connection, and the session at its other end. */
static struct fake_session *open_one(void)
{
    open_pool(1);
    FAKE_WAIT(&t.fake, t.ready);
    return fake_newest(&t.fake);
}

static void close_pool(void)
{
    pool_close(t.pool, on_closed, NULL);
    t.pool = NULL;
    FAKE_WAIT(&t.fake, t.closed);
}

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    memset(&t, 0, sizeof t);
    clock_jump_us = 0;
    t.asks = calloc(ASKS_MAX, sizeof *t.asks);
    uv_loop_init(&t.loop);
    fake_open(&t.fake, &t.loop, SQL_STATEMENT_COUNT);
    return t.asks ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    if (t.pool)
        close_pool();
    for (int64_t i = 0; i < t.ask_count; i++)
        assert_int_equal(t.asks[i].done, 1);
    /* The loop has nothing left to wait for, cancels under way included. */
    assert_int_equal(uv_run(&t.loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&t.loop), 0);
    fake_close(&t.fake);
    free(t.asks);
    return 0;
}

/* ---- answers ---- */

static void answers_belong_to_their_requests(void **state)
{
    struct fake_session *s = open_one();
    struct ask *asks[3] = {ask(), ask(), ask()};

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fake_answer(s), asks[i]->number);
    for (int i = 0; i < 3; i++)
        wait_done(asks[i], ERR_OK);
}

static void answers_split_into_bytes_are_the_same(void **state)
{
    t.fake.split = 1;
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask(), *c = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 3);
    fake_answer(s);
    fake_notice(s);
    fake_error(s, "22003");
    fake_answer(s);
    wait_done(a, ERR_OK);
    wait_done(b, ERR_RANGE);
    wait_done(c, ERR_OK);
}

static void error_in_the_middle_is_one_requests_alone(void **state)
{
    static const struct {
        const char *sqlstate;
        enum err err;
    } cases[] = {{"22003", ERR_RANGE},
                 {"40001", ERR_ABORTED},
                 {"XX000", ERR_INTERNAL},
                 {"53100", ERR_UNAVAILABLE}};
    struct fake_session *s = open_one();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ask *a = ask(), *b = ask(), *c = ask();
        FAKE_WAIT(&t.fake, s->item_count == 3);
        fake_answer(s);
        fake_error(s, cases[i].sqlstate);
        fake_answer(s);
        wait_done(c, ERR_OK);
        wait_done(b, cases[i].err);
        wait_done(a, ERR_OK);
    }
    assert_int_equal(t.fake.accepted, 1);
}

static void submit_again(struct ask *a)
{
    (void)a;
    ask();
}

static void submit_from_a_callback_is_sent(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_then(submit_again);

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_answer(s);
    wait_done(a, ERR_OK);
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_answer(s);
    wait_done(&t.asks[1], ERR_OK);
}

static void submit_from_a_refusals_callback_is_refused_too(void **state)
{
    t.fake.refuse = true;
    open_pool(1);
    struct ask *a = ask_then(submit_again);

    (void)state;
    wait_done(a, ERR_UNAVAILABLE);
    wait_done(&t.asks[1], ERR_UNAVAILABLE);
}

static struct ask *victim;

static void cancel_victim(struct ask *a)
{
    (void)a;
    cancel(victim);
}

static void cancel_from_a_callback_of_what_is_answered_in_the_same_breath(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_then(cancel_victim);

    (void)state;
    victim = ask();
    struct ask *c = ask();
    FAKE_WAIT(&t.fake, s->item_count == 3);
    fake_answer(s);
    fake_answer(s);
    fake_answer(s);
    wait_done(c, ERR_OK);
    wait_done(a, ERR_OK);
    wait_done(victim, ERR_CANCELLED);
}

static void close_from_callback(struct ask *a)
{
    (void)a;
    pool_close(t.pool, on_closed, NULL);
    t.pool = NULL;
}

static void close_from_a_callback_ends_the_others(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_then(close_from_callback), *b = ask(), *c = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 3);
    fake_answer(s);
    fake_answer(s);
    fake_answer(s);
    FAKE_WAIT(&t.fake, t.closed);
    wait_done(a, ERR_OK);
    wait_done(b, ERR_UNAVAILABLE);
    wait_done(c, ERR_UNAVAILABLE);
}

/* ---- several steps as one transaction ---- */

static struct ask *ask_in_steps(void)
{
    static struct sql_step steps[2];
    struct ask *a = &t.asks[t.ask_count];

    *a = (struct ask){.number = t.ask_count++};
    for (int i = 0; i < 2; i++) {
        steps[i] = (struct sql_step){.statement = 0};
        args_int(&steps[i].args, -1);
    }
    a->req.before = steps;
    a->req.before_count = 2;
    args_int(&a->req.args, a->number);
    pool_submit(t.pool, &a->req, on_done);
    return a;
}

static void steps_are_one_transaction_whose_last_answer_counts(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_in_steps(), *b = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 2);
    assert_int_equal(s->steps[0], 3);
    assert_int_equal(fake_answer(s), a->number);
    wait_done(a, ERR_OK);
    fake_answer(s);
    wait_done(b, ERR_OK);
}

static void failed_step_says_that_nothing_has_run(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_in_steps();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    assert_true(a->req.may_have_run);
    fake_error(s, "40001");
    wait_done(a, ERR_ABORTED);
    assert_false(a->req.may_have_run);
}

static void lost_connection_leaves_open_what_has_run(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_in_steps();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    t.fake.refuse = true;
    fake_hang_up(s);
    wait_done(a, ERR_UNAVAILABLE);
    assert_true(a->req.may_have_run);

    /* What was never sent has not run. */
    a = ask_in_steps();
    wait_done(a, ERR_UNAVAILABLE);
    assert_false(a->req.may_have_run);
}

static void last_words_before_the_end_leave_open_what_has_run(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_in_steps();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_fatal(s, "57P01");
    FAKE_WAIT(&t.fake, s->out_len == 0);
    fake_hang_up(s);
    wait_done(a, ERR_UNAVAILABLE);
    assert_true(a->req.may_have_run);
}

/* Long before the silence would be noticed. */
static void last_words_of_a_crash_do_not_hide_it(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask();

    (void)state;
    fake_notice(s);
    fake_crash(s);
    fake_idle(&t.fake, 200);
    assert_int_equal(a->done, 1);
    assert_int_equal(a->err, ERR_UNAVAILABLE);
}

/* ---- which database it is ---- */

static struct id last_origin;
static uint64_t last_session;

static void note_origin(struct sql_req *req, enum err err, const struct sql_result *result)
{
    if (result) {
        last_origin = *result_origin(result);
        last_session = result_session(result);
    }
    on_done(req, err, result);
}

static struct ask *ask_for_origin(void)
{
    struct ask *a = &t.asks[t.ask_count];

    *a = (struct ask){.number = t.ask_count++};
    args_int(&a->req.args, a->number);
    pool_submit(t.pool, &a->req, note_origin);
    return a;
}

static void answer_names_the_database_and_the_session_it_came_from(void **state)
{
    (void)state;
    open_pool(1);
    assert_null(pool_origin(t.pool));
    FAKE_WAIT(&t.fake, t.ready);
    struct fake_session *s = fake_newest(&t.fake);
    struct ask *a = ask_for_origin();
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_answer(s);
    wait_done(a, ERR_OK);
    struct id origin = last_origin;
    uint64_t session = last_session;
    assert_true(id_equal(pool_origin(t.pool), &origin));

    /* Another database has taken its place. */
    t.fake.origin = 7;
    fake_hang_up(s);
    FAKE_WAIT(&t.fake, !t.ready);
    FAKE_WAIT(&t.fake, t.ready);
    s = fake_newest(&t.fake);
    a = ask_for_origin();
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_answer(s);
    wait_done(a, ERR_OK);
    assert_false(id_equal(&last_origin, &origin));
    assert_true(id_equal(pool_origin(t.pool), &last_origin));
    assert_true(last_session != session);
}

static void standby_is_not_used(void **state)
{
    (void)state;
    t.fake.standby = true;
    open_pool(1);
    FAKE_WAIT(&t.fake, t.fake.accepted == 2);
    assert_false(t.ready);
    t.fake.standby = false;
    FAKE_WAIT(&t.fake, t.ready);
}

/* ---- losses ---- */

static void disconnect_fails_all_that_is_in_flight_and_is_mended(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask(), *c = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 3);
    fake_hang_up(s);
    wait_done(a, ERR_UNAVAILABLE);
    wait_done(b, ERR_UNAVAILABLE);
    wait_done(c, ERR_UNAVAILABLE);
    FAKE_WAIT(&t.fake, !t.ready);
    wait_done(ask(), ERR_UNAVAILABLE); /* at once: nobody is made to wait for the reconnect */
    FAKE_WAIT(&t.fake, t.ready);
    struct ask *d = ask();
    FAKE_WAIT(&t.fake, fake_newest(&t.fake)->item_count == 1);
    fake_answer(fake_newest(&t.fake));
    wait_done(d, ERR_OK);
}

static void disconnect_after_part_of_an_answer_is_no_answer(void **state)
{
    static const uint8_t part[] = {'2', 0, 0, 0, 4, 'T', 0, 0};
    struct fake_session *s = open_one();
    struct ask *a = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_raw(s, part, sizeof part);
    fake_pump(&t.fake);
    fake_hang_up(s);
    wait_done(a, ERR_UNAVAILABLE);
}

static void fatal_error_ends_the_session_and_what_was_answered_before_counts(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask(), *c = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 3);
    fake_answer(s);
    fake_fatal(s, "57P01");
    FAKE_WAIT(&t.fake, s->out_len == 0);
    fake_hang_up(s);
    wait_done(a, ERR_OK);
    wait_done(b, ERR_UNAVAILABLE);
    wait_done(c, ERR_UNAVAILABLE);
    FAKE_WAIT(&t.fake, t.fake.accepted == 2 && t.ready);
}

static void fatal_error_while_idle_is_noticed(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    fake_fatal(s, "57P01");
    FAKE_WAIT(&t.fake, s->out_len == 0);
    fake_hang_up(s);
    FAKE_WAIT(&t.fake, t.fake.accepted == 2 && t.ready);
}

static void garbage_is_a_lost_connection(void **state)
{
    static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct fake_session *s = open_one();
    struct ask *a = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_raw(s, garbage, sizeof garbage);
    wait_done(a, ERR_UNAVAILABLE);
    FAKE_WAIT(&t.fake, t.fake.accepted == 2 && t.ready);
}

static void statements_that_the_schema_outgrew_are_prepared_anew(void **state)
{
    static const char *const sqlstates[] = {"0A000", "26000", "42P01"};

    (void)state;
    open_pool(1);
    for (int i = 0; i < 3; i++) {
        FAKE_WAIT(&t.fake, t.fake.accepted == i + 1 && t.ready);
        struct fake_session *s = fake_newest(&t.fake);
        struct ask *a = ask(), *b = ask();
        FAKE_WAIT(&t.fake, s->item_count == 2);
        fake_error(s, sqlstates[i]);
        fake_answer(s); /* too late: the session is given up at once */
        wait_done(a, ERR_UNAVAILABLE);
        wait_done(b, ERR_UNAVAILABLE);
    }
    FAKE_WAIT(&t.fake, t.fake.accepted == 4 && t.ready);
}

static void stalled_database_is_not_ready_until_it_answers(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    clock_jump_us += 3 * 1000 * 1000;
    FAKE_WAIT(&t.fake, !t.ready);
    assert_int_equal(a->done, 0);
    fake_answer(s);
    wait_done(a, ERR_OK);
    FAKE_WAIT(&t.fake, t.ready);
    assert_int_equal(t.fake.accepted, 1);
}

static void database_silent_for_too_long_is_given_up(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    clock_jump_us += TIMEOUT_US + 3 * 1000 * 1000;
    wait_done(a, ERR_UNAVAILABLE);
    FAKE_WAIT(&t.fake, t.fake.accepted == 2 && t.ready);
}

/* ---- connecting ---- */

static void requests_wait_for_the_first_connection(void **state)
{
    (void)state;
    open_pool(1);
    struct ask *a = ask(), *b = ask();
    FAKE_WAIT(&t.fake, t.ready);
    struct fake_session *s = fake_newest(&t.fake);
    FAKE_WAIT(&t.fake, s->item_count == 2);
    fake_answer(s);
    fake_answer(s);
    wait_done(a, ERR_OK);
    wait_done(b, ERR_OK);
}

static void connection_refused_fails_those_who_wait(void **state)
{
    (void)state;
    t.fake.refuse = true;
    open_pool(2);
    struct ask *a = ask(), *b = ask();
    wait_done(a, ERR_UNAVAILABLE);
    wait_done(b, ERR_UNAVAILABLE);
    t.fake.refuse = false;
    FAKE_WAIT(&t.fake, t.ready);
}

static void connection_lost_in_its_handshake_fails_those_who_wait(void **state)
{
    (void)state;
    t.fake.stop_prepare = true;
    open_pool(1);
    struct ask *a = ask();
    FAKE_WAIT(&t.fake, t.fake.session_count == 1 && t.fake.sessions[0]->state == FAKE_GREETED);
    fake_idle(&t.fake, 20);
    assert_int_equal(a->done, 0);
    fake_hang_up(t.fake.sessions[0]);
    wait_done(a, ERR_UNAVAILABLE);
    t.fake.stop_prepare = false;
    FAKE_WAIT(&t.fake, t.ready);
}

static void handshake_refused_is_tried_again(void **state)
{
    (void)state;
    t.fake.stop_prepare = true;
    open_pool(1);
    struct ask *a = ask();
    FAKE_WAIT(&t.fake, t.fake.session_count == 1 && t.fake.sessions[0]->state == FAKE_GREETED);
    fake_raw(t.fake.sessions[0], "1\0\0\0\4", 5);
    fake_fatal(t.fake.sessions[0], "42P01");
    wait_done(a, ERR_UNAVAILABLE);
    t.fake.stop_prepare = false;
    FAKE_WAIT(&t.fake, t.ready);
}

static void request_cancelled_while_it_waits_is_never_sent(void **state)
{
    (void)state;
    open_pool(1);
    struct ask *a = ask(), *b = ask(), *c = ask();
    cancel(b);
    cancel(b); /* once more does nothing */
    wait_done(b, ERR_CANCELLED);
    FAKE_WAIT(&t.fake, t.ready);
    struct fake_session *s = fake_newest(&t.fake);
    FAKE_WAIT(&t.fake, s->item_count == 2);
    assert_int_equal(fake_answer(s), a->number);
    assert_int_equal(fake_answer(s), c->number);
    wait_done(a, ERR_OK);
    wait_done(c, ERR_OK);
}

/* ---- bounds ---- */

static void request_beyond_the_ring_is_refused_and_the_others_served(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (int round = 0; round < 3; round++) {
        int64_t first = t.ask_count;
        for (int i = 0; i < SQL_IN_FLIGHT_MAX; i++)
            ask();
        wait_done(ask(), ERR_EXHAUSTED);
        FAKE_WAIT(&t.fake, s->item_count == SQL_IN_FLIGHT_MAX);
        for (int i = 0; i < SQL_IN_FLIGHT_MAX; i++)
            fake_answer(s);
        for (int i = 0; i < SQL_IN_FLIGHT_MAX; i++)
            wait_done(&t.asks[first + i], ERR_OK);
    }
}

static void request_beyond_the_waiting_room_is_refused(void **state)
{
    (void)state;
    t.fake.silent = true;
    open_pool(1);
    for (int i = 0; i < SQL_WAITING_MAX; i++)
        ask();
    wait_done(ask(), ERR_UNAVAILABLE);
    assert_int_equal(t.done_count, 1);
}

/* ---- cancels ---- */

static void answer_after_a_cancel_is_nobodys(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 2);
    cancel(a);
    wait_done(a, ERR_CANCELLED);
    fake_answer(s);
    fake_answer(s);
    wait_done(b, ERR_OK);
}

static void cancel_of_the_head_is_asked_of_the_database(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 2);
    cancel(a);
    wait_done(a, ERR_CANCELLED);
    FAKE_WAIT(&t.fake, t.fake.cancel_count > 0);
    assert_int_equal(t.fake.cancels[0], s->pid);
    fake_error(s, "57014");
    fake_answer(s);
    wait_done(b, ERR_OK);
}

static void cancel_of_a_later_one_waits_for_its_turn(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 2);
    cancel(b);
    wait_done(b, ERR_CANCELLED);
    fake_idle(&t.fake, LONG_ENOUGH_MS);
    assert_int_equal(t.fake.cancel_count, 0);
    fake_answer(s);
    wait_done(a, ERR_OK);
    FAKE_WAIT(&t.fake, t.fake.cancel_count > 0);
    fake_error(s, "57014");
}

static void statement_that_ends_by_itself_is_not_cancelled(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct ask *a = ask();
        FAKE_WAIT(&t.fake, s->item_count == 1);
        cancel(a);
        fake_answer(s);
        wait_done(a, ERR_CANCELLED);
        FAKE_WAIT(&t.fake, s->out_len == 0);
    }
    fake_idle(&t.fake, LONG_ENOUGH_MS);
    assert_int_equal(t.fake.cancel_count, 0);
}

static void stranger_hit_by_a_cancel_is_run_again(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask(), *c = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 3);
    cancel(a);
    FAKE_WAIT(&t.fake, t.fake.cancel_count > 0);
    /* It comes too late for the first, and hits the second. */
    fake_answer(s);
    assert_int_equal(fake_error(s, "57014"), b->number);
    assert_int_equal(fake_answer(s), c->number);
    wait_done(c, ERR_OK);
    assert_int_equal(b->done, 0);
    FAKE_WAIT(&t.fake, s->item_count == 1);
    assert_int_equal(fake_answer(s), b->number);
    wait_done(b, ERR_OK);
}

static void stranger_hit_again_and_again_is_told_to_come_back(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask();
    int hits = 0;

    (void)state;
    while (!a->done) {
        FAKE_WAIT(&t.fake, s->item_count == 1 || a->done);
        if (a->done)
            break;
        fake_error(s, "57014");
        assert_true(++hits < 10);
    }
    assert_true(hits > 1);
    assert_int_equal(a->err, ERR_UNAVAILABLE);
}

static void statement_timeout_is_a_deadline_and_not_run_again(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    clock_jump_us += TIMEOUT_US + 1;
    fake_error(s, "57014");
    wait_done(a, ERR_DEADLINE);
}

static void abandoned_statements_are_cancelled_one_after_the_other(void **state)
{
    enum { COUNT = 20 };
    struct fake_session *s = open_one();

    (void)state;
    for (int i = 0; i < COUNT; i++)
        ask();
    FAKE_WAIT(&t.fake, s->item_count == COUNT);
    for (int i = 0; i < COUNT; i++)
        cancel(&t.asks[i]);
    for (int i = 1; i <= COUNT; i++) {
        FAKE_WAIT(&t.fake, t.fake.cancel_count >= i);
        fake_error(s, "57014");
    }
    struct ask *last = ask();
    FAKE_WAIT(&t.fake, s->item_count == 1);
    fake_answer(s);
    wait_done(last, ERR_OK);
}

static void cancel_that_hangs_holds_up_nothing(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    t.fake.hold_cancels = true;
    cancel(ask());
    FAKE_WAIT(&t.fake, t.fake.held_count == 1);
    /* One at a time, though another statement would be worth a cancel, in this session and the
     * next. */
    fake_answer(s);
    cancel(ask());
    fake_idle(&t.fake, LONG_ENOUGH_MS);
    fake_hang_up(s);
    FAKE_WAIT(&t.fake, t.fake.accepted == 2 && t.ready);
    cancel(ask());
    fake_idle(&t.fake, LONG_ENOUGH_MS);
    assert_int_equal(t.fake.cancel_count, 1);
    /* And the pool can close meanwhile. */
    close_pool();
    assert_int_equal(t.fake.held_count, 1);
}

static void connection_lost_while_a_cancel_is_under_way(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask(), *b = ask();

    (void)state;
    t.fake.hold_cancels = true;
    cancel(a);
    FAKE_WAIT(&t.fake, t.fake.held_count == 1);
    fake_hang_up(s);
    wait_done(a, ERR_CANCELLED);
    wait_done(b, ERR_UNAVAILABLE);
    fake_release_cancels(&t.fake);
    FAKE_WAIT(&t.fake, t.ready);
}

/* The cancel's timer and the answer are due in the same turn of the loop, in which timers come
 * first. */
static void on_same_tick(uv_timer_t *timer)
{
    struct ask *a = timer->data;

    if (!a->done)
        cancel(a);
    uv_close((uv_handle_t *)timer, NULL);
}

static void cancel_and_answer_in_one_turn_call_back_once(void **state)
{
    struct fake_session *s = open_one();

    (void)state;
    for (int i = 0; i < 20; i++) {
        uv_timer_t timer;
        struct ask *a = ask(), *b = ask();
        FAKE_WAIT(&t.fake, s->item_count == 2);
        uv_timer_init(&t.loop, &timer);
        timer.data = a;
        uv_timer_start(&timer, on_same_tick, 0, 0);
        fake_answer(s);
        fake_answer(s);
        FAKE_WAIT(&t.fake, uv_is_closing((uv_handle_t *)&timer) && a->done && b->done);
        assert_true(a->err == ERR_CANCELLED || a->err == ERR_OK);
        assert_int_equal(b->err, ERR_OK);
        fake_pump(&t.fake);
    }
}

/* ---- closing ---- */

static void close_ends_requests_in_every_place(void **state)
{
    struct fake_session *s = open_one();
    struct ask *flying = ask(), *abandoned = ask(), *answered = ask();

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 3);
    fake_answer(s);
    fake_answer(s);
    cancel(abandoned); /* is about to be called back */
    close_pool();
    assert_int_equal(flying->err, ERR_UNAVAILABLE);
    assert_int_equal(abandoned->err, ERR_CANCELLED);
    assert_int_equal(answered->err, ERR_UNAVAILABLE);
}

static void close_ends_requests_that_wait(void **state)
{
    (void)state;
    t.fake.silent = true;
    open_pool(3);
    struct ask *a = ask(), *b = ask();
    FAKE_WAIT(&t.fake, t.fake.accepted == 3);
    cancel(b);
    close_pool();
    assert_int_equal(a->err, ERR_UNAVAILABLE);
    assert_int_equal(b->err, ERR_CANCELLED);
}

static void close_ends_a_submit_from_its_own_callbacks(void **state)
{
    struct fake_session *s = open_one();
    struct ask *a = ask_then(submit_again);

    (void)state;
    FAKE_WAIT(&t.fake, s->item_count == 1);
    close_pool();
    assert_int_equal(a->err, ERR_UNAVAILABLE);
    assert_int_equal(t.asks[1].err, ERR_UNAVAILABLE);
}

static void close_is_possible_at_every_turn_of_a_connection(void **state)
{
    for (int turns = 0; turns < 60; turns++) {
        if (turns > 0)
            setup(state);
        t.fake.split = 20;
        open_pool(2);
        ask();
        for (int i = 0; i < turns; i++)
            fake_pump(&t.fake);
        cancel(ask());
        ask();
        if (turns % 3 == 0 && fake_newest(&t.fake))
            fake_hang_up(fake_newest(&t.fake));
        if (turns < 59)
            teardown(state);
    }
}

/* ---- everything else ---- */

/* A few sessions, and at each step something happens to one of them or to a request. */
static void random_walk_calls_each_request_back_once_with_its_own_answer(void **state)
{
    const char *text = getenv("SEED");
    unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)uv_hrtime();
    int answered = 0;

    (void)state;
    print_message("seed %u (again: SEED=%u)\n", seed, seed);
    srandom(seed);
    open_pool(3);
    FAKE_WAIT(&t.fake, t.ready);
    for (int step = 0; step < WALK_STEPS; step++) {
        struct fake_session *s = NULL;
        long what = random() % 1000;
        struct ask *a = t.ask_count > 0 ? &t.asks[random() % t.ask_count] : NULL;

        if (t.fake.session_count > 0)
            s = t.fake.sessions[t.fake.session_count - 1 - random() % t.fake.session_count % 4];
        bool serves = s && s->fd >= 0 && s->state == FAKE_SERVING && s->item_count > 0;
        if (serves && s->items[0] == FAKE_PING)
            serves = false;
        if (what < 200 && t.ask_count < ASKS_MAX / 2 && (t.ready || what == 0))
            ask_then(random() % 8 == 0 ? submit_again : NULL);
        else if (what < 260 && a && !a->done)
            cancel(a);
        else if (what < 600 && serves)
            fake_answer(s);
        else if (what < 630 && serves)
            fake_error(s, random() % 2 ? "57014" : "22003");
        else if (what < 640 && s && s->fd >= 0 && s->state == FAKE_SERVING)
            fake_notice(s);
        else if (what < 642 && s && t.fake.session_count < FAKE_SESSIONS_MAX / 2)
            fake_hang_up(s);
        else if (what < 650)
            t.fake.split = (size_t)(random() % 3 ? 0 : random() % 40);
        else if (what < 654 && t.fake.cancel_count < FAKE_SESSIONS_MAX / 4)
            t.fake.hold_cancels = !t.fake.hold_cancels;
        else if (what < 658)
            fake_release_cancels(&t.fake);
        else if (what < 670)
            fake_idle(&t.fake, 1); /* time for a reconnect */
        else if (what < 673)
            fake_idle(&t.fake, 25); /* and for a statement to be worth a cancel */
        else
            fake_pump(&t.fake);
    }
    close_pool();
    for (int64_t i = 0; i < t.ask_count; i++)
        answered += t.asks[i].err == ERR_OK;
    print_message("%d requests, %d answered, %d sessions, %d cancels\n", (int)t.ask_count, answered,
                  t.fake.accepted, t.fake.cancel_count);
    assert_true(answered > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(answers_belong_to_their_requests),
        TEST(answers_split_into_bytes_are_the_same),
        TEST(error_in_the_middle_is_one_requests_alone),
        TEST(submit_from_a_callback_is_sent),
        TEST(submit_from_a_refusals_callback_is_refused_too),
        TEST(cancel_from_a_callback_of_what_is_answered_in_the_same_breath),
        TEST(close_from_a_callback_ends_the_others),
        TEST(disconnect_fails_all_that_is_in_flight_and_is_mended),
        TEST(disconnect_after_part_of_an_answer_is_no_answer),
        TEST(fatal_error_ends_the_session_and_what_was_answered_before_counts),
        TEST(fatal_error_while_idle_is_noticed),
        TEST(steps_are_one_transaction_whose_last_answer_counts),
        TEST(failed_step_says_that_nothing_has_run),
        TEST(lost_connection_leaves_open_what_has_run),
        TEST(last_words_before_the_end_leave_open_what_has_run),
        TEST(last_words_of_a_crash_do_not_hide_it),
        TEST(answer_names_the_database_and_the_session_it_came_from),
        TEST(standby_is_not_used),
        TEST(garbage_is_a_lost_connection),
        TEST(statements_that_the_schema_outgrew_are_prepared_anew),
        TEST(stalled_database_is_not_ready_until_it_answers),
        TEST(database_silent_for_too_long_is_given_up),
        TEST(requests_wait_for_the_first_connection),
        TEST(connection_refused_fails_those_who_wait),
        TEST(connection_lost_in_its_handshake_fails_those_who_wait),
        TEST(handshake_refused_is_tried_again),
        TEST(request_cancelled_while_it_waits_is_never_sent),
        TEST(request_beyond_the_ring_is_refused_and_the_others_served),
        TEST(request_beyond_the_waiting_room_is_refused),
        TEST(answer_after_a_cancel_is_nobodys),
        TEST(cancel_of_the_head_is_asked_of_the_database),
        TEST(cancel_of_a_later_one_waits_for_its_turn),
        TEST(statement_that_ends_by_itself_is_not_cancelled),
        TEST(stranger_hit_by_a_cancel_is_run_again),
        TEST(stranger_hit_again_and_again_is_told_to_come_back),
        TEST(statement_timeout_is_a_deadline_and_not_run_again),
        TEST(abandoned_statements_are_cancelled_one_after_the_other),
        TEST(cancel_that_hangs_holds_up_nothing),
        TEST(connection_lost_while_a_cancel_is_under_way),
        TEST(cancel_and_answer_in_one_turn_call_back_once),
        TEST(close_ends_requests_in_every_place),
        TEST(close_ends_requests_that_wait),
        TEST(close_ends_a_submit_from_its_own_callbacks),
        TEST(close_is_possible_at_every_turn_of_a_connection),
        TEST(random_walk_calls_each_request_back_once_with_its_own_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
