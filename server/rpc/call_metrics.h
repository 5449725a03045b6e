/* Unary calls, counted by method and code, under the names that dashboards of gRPC know. Written on
 * the worker's loop, read by whoever watches; see base/metrics.h. */
#pragma once

#include "base/metrics.h"

struct server;

enum { GRPC_CODES = 17 };

struct call_metrics {
    metric_number started;
    metric_number handled[GRPC_CODES];
    struct histogram seconds;
};

void call_metrics_started(struct call_metrics *m);
void call_metrics_handled(struct call_metrics *m, int grpc_code, int64_t took_us);

/* Of all methods and workers, between server_start() and server_free(). */
void call_metrics_print(const struct server *s, struct http_answer *out);
