/* The change feed: tells the cache of every write, whoever made it. The triggers that count a
 * customer's version append it to the table ledger_change, in the writer's own transaction; the
 * feed takes it from there. Each process has one, on the main thread's loop. */
#pragma once

#include <uv.h>

#include "base/config.h"
#include "base/metrics.h"

struct feed;

/* All outlive it; the metrics are this thread's. */
struct feed *feed_open(uv_loop_t *loop, const struct config *config, struct metrics *metrics);
/* Closes its handles, then calls `closed`. */
void feed_close(struct feed *f, void (*closed)(void *arg), void *arg);
