#include "rpc/call_metrics.h"

#include <stdio.h>
#include <string.h>

#include "rpc/server.h"

enum { LABELS_BYTES_MAX = 256 };

static const char *const code_names[GRPC_CODES] = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};

void call_metrics_started(struct call_metrics *m)
{
    metric_add(&m->started, 1);
}

void call_metrics_handled(struct call_metrics *m, int grpc_code, int64_t took_us)
{
    metric_add(&m->handled[grpc_code], 1);
    histogram_observe(&m->seconds, &metric_seconds, took_us);
}

/* Paths that are no method's share one name, or a stranger could make up any number of them. */
static void labels_of(const struct server *s, int method, char labels[static LABELS_BYTES_MAX])
{
    const char *path = method < s->method_count ? s->methods[method].method->path : "/other/other";
    const char *slash = strrchr(path, '/');

    snprintf(labels, LABELS_BYTES_MAX,
             "grpc_type=\"unary\",grpc_service=\"%.*s\",grpc_method=\"%s\"",
             (int)(slash - path - 1), path + 1, slash + 1);
}

static void print_started(const struct server *s, struct http_answer *out)
{
    static const char family[] = "grpc_server_started_total";
    char labels[LABELS_BYTES_MAX];

    metric_print_family(out, family, "counter", "unary calls that arrived");
    for (int i = 0; i <= s->method_count; i++) {
        int64_t sum = 0;
        for (int j = 0; j < s->options.workers; j++)
            sum += metric_value(&s->workers[j].call_metrics[i].started);
        labels_of(s, i, labels);
        metric_print(out, family, labels, sum);
    }
}

static void print_handled(const struct server *s, struct http_answer *out)
{
    static const char family[] = "grpc_server_handled_total";
    char labels[LABELS_BYTES_MAX], with_code[LABELS_BYTES_MAX + 64];

    metric_print_family(out, family, "counter", "unary calls that are over, by their code");
    for (int i = 0; i <= s->method_count; i++) {
        labels_of(s, i, labels);
        for (int code = 0; code < GRPC_CODES; code++) {
            int64_t sum = 0;
            for (int j = 0; j < s->options.workers; j++)
                sum += metric_value(&s->workers[j].call_metrics[i].handled[code]);
            snprintf(with_code, sizeof with_code, "%s,grpc_code=\"%s\"", labels, code_names[code]);
            metric_print(out, family, with_code, sum);
        }
    }
}

static void print_seconds(const struct server *s, struct http_answer *out)
{
    static const char family[] = "grpc_server_handling_seconds";
    char labels[LABELS_BYTES_MAX];

    metric_print_family(out, family, "histogram",
                        "seconds from a unary call's arrival until its client has the answer");
    for (int i = 0; i <= s->method_count; i++) {
        struct histogram sum = {0};
        for (int j = 0; j < s->options.workers; j++)
            histogram_collect(&sum, &s->workers[j].call_metrics[i].seconds);
        labels_of(s, i, labels);
        histogram_print(out, family, labels, &metric_seconds, &sum);
    }
}

void call_metrics_print(const struct server *s, struct http_answer *out)
{
    print_started(s, out);
    print_handled(s, out);
    print_seconds(s, out);
}
