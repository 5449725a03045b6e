/* Where an instant lies in a schedule, and when that changes next. Starts are included and ends
 * excluded, everywhere (domain.md B1). Pure: `now` is always the caller's, so that one answer has
 * one. */
#pragma once

#include <stddef.h>

#include "ledger/model.h"

enum segment_state {
    SEGMENT_UPCOMING,
    SEGMENT_ACTIVE,
    SEGMENT_EXPIRED,
};

enum segment_state segment_state_at(const struct segment *s, instant now);

/* The next instant > now at which one of the segments starts or ends, so the first at which what is
 * computed at `now` may change by itself; INSTANT_NEVER if none. */
instant schedule_next_change(const struct segment *segments, size_t count, instant now);
