/* What this process tells those who watch it over HTTP:
 *
 *   /livez   200 while every worker's loop turns: nothing else, so that a database that is away
 *            never gets the process killed
 *   /readyz  200 exactly when gRPC's health is SERVING; the body names what is missing
 *   /metrics what base/metrics.h lists, calls by method and code, and the process, for Prometheus
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct metrics;
struct monitor;
struct server;

/* Listens; until monitor_watch() nothing is ready. With an empty `listen` it does nothing. `own` is
 * what the main thread counts. On failure `why` has one line for a person. */
MUST_CHECK enum err monitor_open(const char *listen, const struct metrics *own,
                                 struct monitor **ret, char *why, size_t why_size);
/* From now on it tells of this server. */
void monitor_watch(struct monitor *m, const struct server *server);
/* Before the server is freed. */
void monitor_close(struct monitor *m);
