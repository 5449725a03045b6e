/* Who has the turn: one of each key, in the order of arrival, whatever leaves, gives up or pauses
 * meanwhile; and nobody is called back before the call that asked has returned. */
#include "kit.h"

#include "app/line.h"

enum { PLACES = WRITES_WAITING_MAX + 3 };

struct waiter {
    struct line_place place;
    int calls;
    enum err err;
};

static uv_loop_t loop;
static struct lines lines;
static struct metrics metrics;
static struct waiter waiters[PLACES];
static const struct id one = {{1}}, other = {{2}};
static bool closed;

static void on_done(struct line_place *place, enum err err)
{
    struct waiter *w = container_of(place, struct waiter, place);

    w->calls++;
    w->err = err;
}

static void run(void)
{
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static int open_lines(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    lines_open(&lines, &loop, &metrics);
    memset(waiters, 0, sizeof waiters);
    for (int i = 0; i < PLACES; i++)
        line_place_init(&waiters[i].place);
    closed = false;
    return 0;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static int close_lines(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES; i++) {
        if (waiters[i].place.state == LINE_HOLDING)
            line_leave(&lines, &waiters[i].place);
        run();
    }
    lines_close(&lines, on_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    return uv_loop_close(&loop);
}

static void enter(int i, const struct id *key)
{
    line_enter(&lines, &waiters[i].place, key, on_done);
    assert_int_equal(waiters[i].calls, 0);
}

static void assert_called(int i, int calls, enum err err)
{
    assert_int_equal(waiters[i].calls, calls);
    if (calls > 0)
        assert_int_equal(waiters[i].err, err);
}

static void line_lets_one_of_each_key_through(void **state)
{
    (void)state;
    enter(0, &one);
    enter(1, &one);
    enter(2, &other);
    enter(3, &one);
    run();
    assert_called(0, 1, ERR_OK);
    assert_called(1, 0, ERR_OK);
    assert_called(2, 1, ERR_OK);
    line_leave(&lines, &waiters[0].place);
    assert_called(1, 0, ERR_OK);
    run();
    assert_called(1, 1, ERR_OK);
    assert_called(3, 0, ERR_OK);
    line_leave(&lines, &waiters[1].place);
    run();
    assert_called(3, 1, ERR_OK);
}

static void line_of_keys_in_one_bucket_is_two_lines(void **state)
{
    (void)state;
    /* The hash is by 31, so these two share a bucket. */
    static const struct id a = {{[14] = 1, [15] = 0}}, b = {{[14] = 0, [15] = 31}};

    enter(0, &a);
    enter(1, &b);
    enter(2, &a);
    run();
    assert_called(0, 1, ERR_OK);
    assert_called(1, 1, ERR_OK);
    assert_called(2, 0, ERR_OK);
    line_leave(&lines, &waiters[1].place);
    run();
    assert_called(2, 0, ERR_OK);
    line_leave(&lines, &waiters[0].place);
    run();
    assert_called(2, 1, ERR_OK);
}

static void line_forgets_who_gives_up(void **state)
{
    (void)state;
    enter(0, &one);
    enter(1, &one);
    enter(2, &one);
    run();
    line_cancel(&lines, &waiters[1].place);
    assert_called(1, 0, ERR_OK);
    run();
    assert_called(1, 1, ERR_CANCELLED);
    line_leave(&lines, &waiters[1].place); /* does nothing: it is not in line */
    run();
    assert_called(2, 0, ERR_OK);
    line_leave(&lines, &waiters[0].place);
    line_cancel(&lines, &waiters[2].place); /* it is about to be called back */
    run();
    assert_called(2, 1, ERR_OK);
}

static void line_has_an_end(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES; i++)
        enter(i, &one);
    run();
    assert_called(0, 1, ERR_OK);
    assert_called(PLACES - 3, 0, ERR_OK);
    assert_called(PLACES - 2, 1, ERR_EXHAUSTED);
    assert_called(PLACES - 1, 1, ERR_EXHAUSTED);
}

static void line_keeps_the_turn_of_who_pauses(void **state)
{
    (void)state;
    enter(0, &one);
    enter(1, &one);
    run();
    line_pause(&lines, &waiters[0].place);
    run();
    assert_called(0, 1, ERR_OK);
    assert_called(1, 0, ERR_OK);
    while (waiters[0].calls < 2)
        uv_run(&loop, UV_RUN_ONCE);
    assert_called(1, 0, ERR_OK);
    line_pause(&lines, &waiters[0].place);
    line_cancel(&lines, &waiters[0].place);
    assert_called(0, 2, ERR_OK);
    run();
    assert_called(0, 3, ERR_OK);
    line_leave(&lines, &waiters[0].place);
    run();
    assert_called(1, 1, ERR_OK);
}

/* Whoever has the turn or waits, of this key and not of another in its bucket. */
static void line_tells_its_last(void **state)
{
    (void)state;
    static const struct id a = {{[14] = 1, [15] = 0}}, b = {{[14] = 0, [15] = 31}};

    assert_null(line_last(&lines, &a, on_done));
    enter(0, &a);
    assert_ptr_equal(line_last(&lines, &a, on_done), &waiters[0].place);
    enter(1, &a);
    enter(2, &b);
    assert_ptr_equal(line_last(&lines, &a, on_done), &waiters[1].place);
    assert_null(line_last(&lines, &a, NULL));
    assert_ptr_equal(line_last(&lines, &b, on_done), &waiters[2].place);
    line_cancel(&lines, &waiters[1].place);
    assert_ptr_equal(line_last(&lines, &a, on_done), &waiters[0].place);
    run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(line_lets_one_of_each_key_through, open_lines, close_lines),
        cmocka_unit_test_setup_teardown(line_of_keys_in_one_bucket_is_two_lines, open_lines,
                                        close_lines),
        cmocka_unit_test_setup_teardown(line_forgets_who_gives_up, open_lines, close_lines),
        cmocka_unit_test_setup_teardown(line_tells_its_last, open_lines, close_lines),
        cmocka_unit_test_setup_teardown(line_has_an_end, open_lines, close_lines),
        cmocka_unit_test_setup_teardown(line_keeps_the_turn_of_who_pauses, open_lines, close_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
