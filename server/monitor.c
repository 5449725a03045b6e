#include "server/monitor.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/http.h"
#include "base/metrics.h"
#include "base/process.h"
#include "rpc/call_metrics.h"
#include "rpc/server.h"

struct monitor {
    struct http *http; /* NULL: none */
    const struct metrics *own;
    _Atomic(const struct server *) server;
};

static const struct server *server_of(struct monitor *m)
{
    return atomic_load_explicit(&m->server, memory_order_acquire);
}

static void make_livez(void *arg, struct http_answer *answer)
{
    const struct server *s = server_of(arg);
    int workers = s ? server_worker_count(s) : 0;

    for (int i = 0; i < workers; i++) {
        int64_t quiet_ms = server_quiet_ms(s, i);
        if (quiet_ms <= LIVE_MS)
            continue;
        answer->status = 503;
        http_print(answer, "worker %d has not moved for %lld s\n", i, (long long)(quiet_ms / 1000));
    }
    if (answer->status == 200)
        http_print(answer, "ok\n");
}

static void make_readyz(void *arg, struct http_answer *answer)
{
    const struct server *s = server_of(arg);
    int workers = s ? server_worker_count(s) : 0;

    answer->status = 503;
    if (!s) {
        http_print(answer, "the server is starting\n");
        return;
    }
    if (server_is_stopping(s)) {
        http_print(answer, "the server is stopping\n");
        return;
    }
    answer->status = 200;
    for (int i = 0; i < workers; i++) {
        if (server_worker_is_ready(s, i))
            continue;
        answer->status = 503;
        http_print(answer, "worker %d: the database does not answer\n", i);
    }
    if (answer->status == 200)
        http_print(answer, "ok\n");
}

static void make_metrics(void *arg, struct http_answer *answer)
{
    struct monitor *m = arg;
    const struct server *s = server_of(m);
    const struct metrics *all[1 + WORKERS_MAX] = {m->own};
    int count = 1;

    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    metric_print_family(answer, "balanced_build_info", "gauge", "1; the label is the version");
    metric_print(answer, "balanced_build_info", "version=\"" BALANCED_VERSION "\"", 1);
    for (int i = 0; s && i < server_worker_count(s); i++)
        all[count++] = server_metrics(s, i);
    metrics_print(answer, all, count);
    if (s)
        call_metrics_print(s, answer);
    process_print(answer);
}

static const struct http_page pages[] = {
    {"/livez", make_livez},
    {"/readyz", make_readyz},
    {"/metrics", make_metrics},
};

enum err monitor_open(const char *listen, const struct metrics *own, struct monitor **ret,
                      char *why, size_t why_size)
{
    struct monitor *m = calloc(1, sizeof *m);
    enum err err = ERR_OK;

    assert(m);
    m->own = own;
    if (*listen)
        err = http_open(listen, pages, sizeof pages / sizeof *pages, m, &m->http, why, why_size);
    if (err != ERR_OK) {
        free(m);
        return err;
    }
    *ret = m;
    return ERR_OK;
}

void monitor_watch(struct monitor *m, const struct server *server)
{
    atomic_store_explicit(&m->server, server, memory_order_release);
}

void monitor_close(struct monitor *m)
{
    http_close(m->http);
    free(m);
}
