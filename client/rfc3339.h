/* Instants as text, "2025-01-31T08:00:00.5+01:00": RFC 3339 within the years that
 * google.protobuf.Timestamp knows, 0001 to 9999. Seconds since 1970, and nanoseconds on top. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rfc3339_text {
    char text[sizeof "9999-12-31T23:59:59.999999999Z"];
};

/* Wants a date, a time and an offset, and takes up to nine digits of a second. ERR_INVALID for
 * other forms and for what no calendar has (February 30th, second 60); ERR_RANGE outside the years.
 */
MUST_CHECK enum err rfc3339_parse(const char *text, int64_t *ret_seconds, int32_t *ret_nanos);

bool rfc3339_in_range(int64_t seconds, int32_t nanos);
/* In UTC, with 0, 3, 6 or 9 digits of the second. What is formatted must be in range. */
struct rfc3339_text rfc3339_format(int64_t seconds, int32_t nanos);
/* The date alone at midnight of UTC, where schedules begin and end; otherwise the same. */
struct rfc3339_text rfc3339_format_brief(int64_t seconds, int32_t nanos);
