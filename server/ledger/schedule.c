/* Comparisons of instants, kept in one place so that nobody writes `<=` for an end again: a segment
 * is active from its start up to, but not at, its end; and a change is later than `now`, never at
 * it. */
#include "ledger/schedule.h"

enum segment_state segment_state_at(const struct segment *s, instant now)
{
    if (now < s->starting_at)
        return SEGMENT_UPCOMING;
    return now < s->ending_before ? SEGMENT_ACTIVE : SEGMENT_EXPIRED;
}

instant schedule_next_change(const struct segment *segments, size_t count, instant now)
{
    instant next = INSTANT_NEVER;

    for (size_t i = 0; i < count; i++) {
        const struct segment *s = &segments[i];
        if (now < s->starting_at && s->starting_at < next)
            next = s->starting_at;
        if (now < s->ending_before && s->ending_before < next)
            next = s->ending_before;
    }
    return next;
}
