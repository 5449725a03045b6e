/* grpc.health.v1: what of this server is fit to be called. Each worker has a view of its own.
 *
 *   ""            the whole server: like readiness
 *   each service  like readiness
 *   readiness     whether what a call needs (the database) answers, and the server is not stopping
 *   liveness      SERVING as long as the process can answer at all, so that a database that is
 * away, or a stop that takes its time, never gets it killed
 */
#pragma once

#include <stdbool.h>

#include "rpc/call.h"
#include "rpc/stream.h"

struct health;

enum { HEALTH_METHOD_COUNT = 2 };
extern const struct rpc_method health_methods[HEALTH_METHOD_COUNT]; /* Check, List */
extern const struct stream_kind health_watch;

struct health *health_open(struct worker *w);
void health_close(struct health *h);

/* By the application, on the worker's loop, at every change; not ready at first. */
void health_set_ready(struct worker *w, bool ready);
/* Not ready any more, for good. */
void health_stop(struct health *h);

/* From any thread: what the two above last said. */
bool health_is_ready(const struct health *h);
bool health_is_stopped(const struct health *h);
