#include "rpc/health.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "rpc/server.h"
#include "rpc/worker.h"

typedef Grpc__Health__V1__HealthCheckResponse health_response;

enum {
    STATUS_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    STATUS_NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
    STATUS_UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
};

/* Before the services of the application. */
enum { WHOLE_SERVER, LIVENESS, READINESS, FIRST_SERVICE };

static const char *const own_names[FIRST_SERVICE] = {"", "liveness", "readiness"};

struct health {
    const char **names;
    int count;
    _Atomic(bool) ready, stopped; /* written on the loop, read by others, too */
    struct list watches;
};

struct health *health_open(struct worker *w)
{
    const struct rpc_options *options = &w->server->options;
    struct health *h = calloc(1, sizeof *h);

    assert(h);
    h->count = FIRST_SERVICE + options->service_count;
    h->names = calloc((size_t)h->count, sizeof *h->names);
    assert(h->names);
    memcpy(h->names, own_names, sizeof own_names);
    for (int i = 0; i < options->service_count; i++)
        h->names[FIRST_SERVICE + i] = options->services[i].name;
    list_init(&h->watches);
    return h;
}

void health_close(struct health *h)
{
    free(h->names);
    free(h);
}

/* Index of a service; -1 if there is none of that name. */
static int find(const struct health *h, const char *name)
{
    for (int i = 0; i < h->count; i++) {
        if (strcmp(h->names[i], name) == 0)
            return i;
    }
    return -1;
}

static int status_of(const struct health *h, int service)
{
    if (service < 0)
        return STATUS_UNKNOWN;
    if (service == LIVENESS)
        return STATUS_SERVING;
    return h->ready && !h->stopped ? STATUS_SERVING : STATUS_NOT_SERVING;
}

/* Sends what the watcher has not seen yet; while it is slow, only the latest counts. */
static void tell(struct stream *s)
{
    int status = status_of(s->worker->health, s->service);
    health_response response;

    grpc__health__v1__health_check_response__init(&response);
    if (stream_is_sending(s) || status == s->last_status)
        return;
    s->last_status = status;
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    stream_send(s, &response.base);
}

static void tell_all(struct health *h)
{
    list_each_safe (link, &h->watches)
        tell(container_of(link, struct stream, watch));
}

void health_set_ready(struct worker *w, bool ready)
{
    w->health->ready = ready;
    tell_all(w->health);
}

void health_stop(struct health *h)
{
    h->stopped = true;
    tell_all(h);
}

bool health_is_ready(const struct health *h)
{
    return h->ready;
}

bool health_is_stopped(const struct health *h)
{
    return h->stopped;
}

static void watch_on_message(struct stream *s, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;

    s->service = find(s->worker->health, request->service);
    s->last_status = -1;
    list_append(&s->worker->health->watches, &s->watch);
    tell(s);
}

static void watch_on_half_close(struct stream *s)
{
    stream_finish(s, ERR_INVALID, "a watch needs a request");
}

static void watch_on_sent(struct stream *s)
{
    tell(s);
}

static void watch_on_end(struct stream *s)
{
    list_remove(&s->watch);
}

const struct stream_kind health_watch = {
    .path = "/grpc.health.v1.Health/Watch",
    .request = &grpc__health__v1__health_check_request__descriptor,
    .on_message = watch_on_message,
    .on_half_close = watch_on_half_close,
    .on_sent = watch_on_sent,
    .on_end = watch_on_end,
};

static enum next step_check(struct call *c)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)c->request;
    const struct health *h = c->worker->health;
    health_response response;
    int service = find(h, request->service);

    grpc__health__v1__health_check_response__init(&response);
    if (service < 0)
        return call_fail_not_found(c, "service", request->service);
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status_of(h, service);
    return call_reply(c, &response.base);
}

static enum next step_list(struct call *c)
{
    typedef Grpc__Health__V1__HealthListResponse__StatusesEntry entry;
    const struct health *h = c->worker->health;
    Grpc__Health__V1__HealthListResponse response;
    entry **pointers = arena_array(&c->arena, (size_t)h->count, sizeof(entry *));
    entry *entries = arena_array(&c->arena, (size_t)h->count, sizeof *entries);
    health_response *values = arena_array(&c->arena, (size_t)h->count, sizeof *values);

    grpc__health__v1__health_list_response__init(&response);
    if (!pointers || !entries || !values)
        return call_fail_with(c, ERR_EXHAUSTED);
    for (int i = 0; i < h->count; i++) {
        grpc__health__v1__health_check_response__init(&values[i]);
        values[i].status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status_of(h, i);
        grpc__health__v1__health_list_response__statuses_entry__init(&entries[i]);
        entries[i].key = arena_text(&c->arena, bytes_text(h->names[i]));
        entries[i].value = &values[i];
        pointers[i] = &entries[i];
    }
    if (c->arena.full)
        return call_fail_with(c, ERR_EXHAUSTED);
    response.statuses = pointers;
    response.n_statuses = (size_t)h->count;
    return call_reply(c, &response.base);
}

const struct rpc_method health_methods[HEALTH_METHOD_COUNT] = {
    {"/grpc.health.v1.Health/Check", &grpc__health__v1__health_check_request__descriptor,
     step_check, SCOPE_NONE, NULL},
    {"/grpc.health.v1.Health/List", &grpc__health__v1__health_list_request__descriptor, step_list,
     SCOPE_NONE, NULL},
};
