/* What time it is. The domain never asks: whoever calls it passes the instant. */
#pragma once

#include <stdint.h>

/* Microseconds since 1970-01-01T00:00:00Z. May jump. */
int64_t clock_now_us(void);
/* Microseconds since some moment. Never goes back; for durations. */
int64_t clock_monotonic_us(void);
