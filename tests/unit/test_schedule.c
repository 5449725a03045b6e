/* Where an instant lies in a schedule, at and around its borders, and when that changes next
 * (domain.md B1, B7). What is cached until the next change relies on nothing changing before it, so
 * that is tested by trying every instant. */
#include "ledger_kit.h"

#include "ledger/schedule.h"

static void segment_start_is_included_and_end_excluded(void **state)
{
    (void)state;
    const struct segment s = {.starting_at = 100, .ending_before = 200};

    assert_int_equal(segment_state_at(&s, INT64_MIN), SEGMENT_UPCOMING);
    assert_int_equal(segment_state_at(&s, 99), SEGMENT_UPCOMING);
    assert_int_equal(segment_state_at(&s, 100), SEGMENT_ACTIVE);
    assert_int_equal(segment_state_at(&s, 199), SEGMENT_ACTIVE);
    assert_int_equal(segment_state_at(&s, 200), SEGMENT_EXPIRED);
    assert_int_equal(segment_state_at(&s, INT64_MAX), SEGMENT_EXPIRED);
}

static void segment_before_1970_is_like_any_other(void **state)
{
    (void)state;
    const struct segment s = {.starting_at = date(1969, 12, 1), .ending_before = 0};

    assert_int_equal(segment_state_at(&s, -1), SEGMENT_ACTIVE);
    assert_int_equal(segment_state_at(&s, 0), SEGMENT_EXPIRED);
}

static void next_change_is_later_than_now(void **state)
{
    (void)state;
    /* Out of order, overlapping, and with a gap. */
    const struct segment segments[] = {
        {.starting_at = 300, .ending_before = 400},
        {.starting_at = 100, .ending_before = 200},
        {.starting_at = 150, .ending_before = 250},
    };
    static const struct {
        instant now, next;
    } table[] = {
        {INT64_MIN, 100}, {99, 100},  {100, 150}, {149, 150}, {150, 200},           {200, 250},
        {250, 300},       {299, 300}, {300, 400}, {399, 400}, {400, INSTANT_NEVER},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(schedule_next_change(segments, 3, table[i].now), table[i].next);
}

static void next_change_of_no_segments_is_never(void **state)
{
    (void)state;
    assert_true(schedule_next_change(NULL, 0, 0) == INSTANT_NEVER);
}

static void state_is_steady_between_two_changes(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {.starting_at = 3, .ending_before = 7},
        {.starting_at = 5, .ending_before = 12},
        {.starting_at = 7, .ending_before = 9},
    };
    for (instant now = 0; now < 13; now++) {
        const instant next = schedule_next_change(segments, 3, now);
        bool changes = false;

        for (size_t i = 0; i < 3; i++) {
            const enum segment_state was = segment_state_at(&segments[i], now);
            for (instant t = now; t < 14 && t < next; t++)
                assert_int_equal(segment_state_at(&segments[i], t), was);
            changes |= next != INSTANT_NEVER && segment_state_at(&segments[i], next) != was;
        }
        assert_int_equal(changes, next != INSTANT_NEVER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_start_is_included_and_end_excluded),
        cmocka_unit_test(segment_before_1970_is_like_any_other),
        cmocka_unit_test(next_change_is_later_than_now),
        cmocka_unit_test(next_change_of_no_segments_is_never),
        cmocka_unit_test(state_is_steady_between_two_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
