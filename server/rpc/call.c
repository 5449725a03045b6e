#include "rpc/call.h"

#include <assert.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"
#include "rpc/auth.h"
#include "rpc/call_metrics.h"
#include "rpc/call_priv.h"
#include "rpc/health.h"
#include "rpc/server.h"
#include "rpc/tsan.h"
#include "rpc/wire.h"
#include "rpc/worker.h"

enum {
    RETRY_AFTER_MS = 200,
    PUSHBACK_TEXT_MAX = 12,
    RESOURCE_NAME_MAX = 64,
    MULTIBYTE_MAX = 5, /* room for one more character, so that a cut falls between two */
};

static void drive(struct server_call *c);
static void end(struct server_call *c, enum err why);
static void drop(struct server_call *c);
static void arm_missing(struct worker *w);

static struct server_call *home(struct call *c)
{
    return container_of(c, struct server_call, call);
}

static void set_state(struct server_call *c, enum call_state next)
{
    switch (next) {
    case CALL_IDLE:
        break;
    case CALL_ARMED:
        assert(c->state == CALL_IDLE);
        break;
    case CALL_RUNNING:
        assert(c->state == CALL_ARMED);
        break;
    case CALL_ENDING:
        assert(c->state == CALL_RUNNING);
        break;
    }
    c->state = next;
}

void *call_app(const struct call *c)
{
    return c->worker->app;
}

ProtobufCAllocator call_allocator(struct call *c)
{
    return wire_allocator(&c->arena);
}

/* ---- the end ---- */

static struct call_metrics *metrics_of(const struct server_call *c)
{
    return &c->call.worker->call_metrics[c->method_index];
}

static void log_call(struct server_call *c, enum err err, int64_t took_us)
{
    /* What the caller did wrong is the caller's to know; what we failed at is ours. */
    bool ours = err == ERR_INTERNAL || err == ERR_UNKNOWN;
    if (!ours && !log_wants(LOG_DEBUG))
        return;
    log_line(ours ? LOG_ERROR : LOG_DEBUG, "call", "%s %s took=%lldus database=%lldus%s%s%s%s%s%s",
             c->call.method ? c->call.method->path : "(unknown method)",
             err_grpc_name(err_grpc_code(err)), (long long)took_us, (long long)c->call.database_us,
             c->call.cache ? " cache=" : "", c->call.cache ? c->call.cache : "",
             *c->caller ? " caller=" : "", c->caller, c->call.status.message ? " " : "",
             c->call.status.message ? c->call.status.message : "");
}

static void account(struct server_call *c)
{
    const enum err err = c->ended != ERR_OK ? c->ended : c->call.status.err;
    const int64_t took_us = clock_monotonic_us() - c->arrived_us;

    call_metrics_handled(metrics_of(c), err_grpc_code(err), took_us);
    log_call(c, err, took_us);
}

static void maybe_drop(struct server_call *c)
{
    if (c->pending == 0)
        drop(c);
}

static void drop(struct server_call *c)
{
    struct worker *w = c->call.worker;
    grpc_call *grpc = c->grpc;

    if (grpc)
        account(c);
    c->grpc = NULL;
    uv_timer_stop(&c->timer);
    if (c->payload)
        grpc_byte_buffer_destroy(c->payload);
    c->payload = NULL;
    if (c->answer)
        grpc_byte_buffer_destroy(c->answer);
    c->answer = NULL;
    grpc_slice_unref(c->message);
    c->message = grpc_empty_slice();
    while (c->trailer_count > 0)
        grpc_slice_unref(c->trailers[--c->trailer_count].value);
    grpc_metadata_array_destroy(&c->metadata);
    if (!c->call.method)
        grpc_call_details_destroy(&c->details);
    arena_reset(&c->call.arena);
    if (c->admitted)
        metrics_set(&w->metrics, METRIC_CALLS_IN_FLIGHT, --w->calls);
    c->admitted = false;
    set_state(c, CALL_IDLE);
    list_append(&w->idle_calls, &c->link);
    arm_missing(w);
    /* Last, since the server that calls are armed at lives at least as long as its last call. */
    if (grpc)
        grpc_call_unref(grpc);
}

static void on_sent(struct tag *tag, bool success)
{
    struct server_call *c = container_of(tag, struct server_call, sent);

    (void)success; /* where the client has left, closed says so */
    c->pending--;
    maybe_drop(c);
}

/* No step runs any more. */
static void leave(struct server_call *c)
{
    set_state(c, CALL_ENDING);
    if (c->call.release)
        c->call.release(&c->call);
}

void call_add_metadata(struct call *call, const char *key, const char *value)
{
    struct server_call *c = home(call);

    assert(c->initial_count < CALL_METADATA_MAX);
    grpc_metadata *m = &c->initial[c->initial_count++];
    m->key = grpc_slice_from_static_string(key);
    m->value = grpc_slice_from_static_string(value);
}

/* One batch: headers, the message if there is one, status, and the close if nobody waits for it. */
static enum next send_answer(struct server_call *c, int code)
{
    grpc_op ops[4];
    int count = 0;

    memset(ops, 0, sizeof ops);
    ops[count].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[count].data.send_initial_metadata.metadata = c->initial;
    ops[count++].data.send_initial_metadata.count = c->initial_count;
    if (c->answer) {
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = c->answer;
    }
    ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[count].data.send_status_from_server.status = (grpc_status_code)code;
    ops[count].data.send_status_from_server.status_details = &c->message;
    ops[count].data.send_status_from_server.trailing_metadata = c->trailers;
    ops[count++].data.send_status_from_server.trailing_metadata_count = c->trailer_count;

    if (!c->watched) {
        ops[count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        ops[count++].data.recv_close_on_server.cancelled = &c->was_cancelled;
    }

    leave(c);
    uv_timer_stop(&c->timer);
    c->pending++;
    TSAN_RELEASE(&c->sent);
    grpc_call_error error = grpc_call_start_batch(c->grpc, ops, (size_t)count, &c->sent, NULL);
    assert(error == GRPC_CALL_OK);
    return DONE;
}

static enum next reply(struct server_call *c, grpc_slice message)
{
    c->answer = grpc_raw_byte_buffer_create(&message, 1);
    grpc_slice_unref(message);
    return send_answer(c, GRPC_STATUS_OK);
}

enum next call_reply(struct call *call, const ProtobufCMessage *answer)
{
    struct server_call *c = home(call);
    size_t len = protobuf_c_message_get_packed_size(answer);

    if (len > ANSWER_BYTES_MAX)
        return call_fail(call, ERR_TOO_LARGE, "the answer has %zu bytes, more than the limit of %d",
                         len, ANSWER_BYTES_MAX);
    grpc_slice slice = grpc_slice_malloc(len);
    protobuf_c_message_pack(answer, GRPC_SLICE_START_PTR(slice));
    return reply(c, slice);
}

enum next call_reply_packed(struct call *call, struct bytes answer)
{
    assert(answer.len <= ANSWER_BYTES_MAX);
    return reply(home(call), grpc_slice_from_copied_buffer((const char *)answer.data, answer.len));
}

static void add_trailer(struct server_call *c, const char *key, struct bytes value)
{
    grpc_metadata *trailer = &c->trailers[c->trailer_count++];

    trailer->key = grpc_slice_from_static_string(key);
    trailer->value = grpc_slice_from_copied_buffer((const char *)value.data, value.len);
}

static enum next fail(struct server_call *c)
{
    struct status *s = &c->call.status;
    if (c->call.doubt) {
        status_init(s);
        s->err = ERR_UNKNOWN;
        s->message = c->call.doubt;
    }
    struct bytes details =
        status_details(s, &c->call.arena, c->call.worker->server->options.error_domain);
    char pushback[PUSHBACK_TEXT_MAX];

    if (details.len > 0)
        add_trailer(c, "grpc-status-details-bin", details);
    if (s->retry_after_ms >= 0) {
        snprintf(pushback, sizeof pushback, "%d", s->retry_after_ms);
        add_trailer(c, "grpc-retry-pushback-ms", bytes_text(pushback));
    }
    c->message = grpc_slice_from_copied_string(s->message);
    return send_answer(c, err_grpc_code(s->err));
}

__attribute__((format(printf, 3, 0))) static void set_message(struct call *call, enum err err,
                                                              const char *format, va_list args)
{
    char message[STATUS_MESSAGE_BYTES_MAX + MULTIBYTE_MAX];

    vsnprintf(message, sizeof message, format, args);
    utf8_cut(message, STATUS_MESSAGE_BYTES_MAX);
    char *kept = arena_text(&call->arena, bytes_text(message));
    call->status.err = err;
    call->status.message = kept ? kept : err_text(err);
}

enum next call_fail(struct call *call, enum err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_message(call, err, format, args);
    va_end(args);
    return fail(home(call));
}

enum next call_fail_with(struct call *call, enum err err)
{
    if (err == ERR_UNAVAILABLE || err == ERR_EXHAUSTED)
        call->status.retry_after_ms = RETRY_AFTER_MS;
    return call_fail(call, err, "%s", err_text(err));
}

enum next call_fail_invalid(struct call *call)
{
    const struct violation *first = &call->status.violations[0];

    if (call->status.violation_count == 0) /* no memory for one */
        return call_fail_with(call, ERR_EXHAUSTED);
    if (call->status.violation_count == 1)
        return call_fail(call, ERR_INVALID, "%s %s", first->field, first->description);
    return call_fail(call, ERR_INVALID, "%s %s (fields in error: %d)", first->field,
                     first->description, call->status.violation_count);
}

enum next call_fail_not_found(struct call *call, const char *type, const char *name)
{
    char shown[RESOURCE_NAME_MAX + MULTIBYTE_MAX];

    /* Callers may have sent a name of any length. */
    snprintf(shown, sizeof shown, "%s", name);
    utf8_cut(shown, RESOURCE_NAME_MAX);
    call->status.resource_type = type;
    call->status.resource_name = arena_text(&call->arena, bytes_text(shown));
    return call_fail(call, ERR_NOT_FOUND, "%s %s does not exist", type, shown);
}

enum next call_fail_precondition(struct call *call, const char *type, const char *subject,
                                 const char *format, ...)
{
    va_list args;

    call->status.reason = call->status.precondition_type = type;
    call->status.precondition_subject = subject;
    va_start(args, format);
    set_message(call, ERR_PRECONDITION, format, args);
    va_end(args);
    return fail(home(call));
}

/* ---- the steps ---- */

/* The client has left, or time is up: nothing more is computed. A client that has left hears
 * nothing. */
static void end_early(struct server_call *c)
{
    if (c->ended == ERR_CANCELLED) {
        leave(c);
        maybe_drop(c);
        return;
    }
    c->call.doubt = NULL;
    if (c->call.late)
        call_fail(&c->call, c->ended, "%s", c->call.late);
    else
        call_fail_with(&c->call, c->ended);
}

static void on_deadline(uv_timer_t *timer)
{
    end(container_of(timer, struct server_call, timer), ERR_DEADLINE);
}

/* From now on it is heard when time is up, and when the client leaves. */
static void watch(struct server_call *c)
{
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

    if (c->watched)
        return;
    c->watched = true;
    int64_t left_us = c->deadline_us - clock_monotonic_us();
    uv_timer_start(&c->timer, on_deadline, left_us > 0 ? (uint64_t)(left_us + 999) / 1000 : 0, 0);
    close.data.recv_close_on_server.cancelled = &c->was_cancelled;
    c->pending++;
    TSAN_RELEASE(&c->closed);
    grpc_call_error error = grpc_call_start_batch(c->grpc, &close, 1, &c->closed, NULL);
    assert(error == GRPC_CALL_OK);
}

static void drive(struct server_call *c)
{
    c->driving = true;
    for (;;) {
        assert(c->state == CALL_RUNNING);
        c->call.cancel = NULL;
        if (!c->watched && clock_monotonic_us() >= c->deadline_us)
            c->ended = ERR_DEADLINE;
        if (c->ended != ERR_OK) {
            end_early(c);
            return;
        }
        switch (c->call.step(&c->call)) {
        case NEXT:
            continue;
        case WAIT:
            watch(c);
            c->driving = false;
            return;
        case WAIT_BRIEFLY:
            c->driving = false;
            return;
        case DONE:
            return;
        }
    }
}

void call_resume(struct call *call)
{
    struct server_call *c = home(call);

    assert(c->state == CALL_RUNNING && !c->driving);
    drive(c);
}

static void end(struct server_call *c, enum err why)
{
    if (c->state != CALL_RUNNING || c->ended != ERR_OK)
        return;
    c->ended = why;
    /* The step's operation calls back soon, and the driver then sees why. */
    assert(c->call.cancel && !c->driving);
    c->call.cancel(&c->call);
}

static void on_closed(struct tag *tag, bool success)
{
    struct server_call *c = container_of(tag, struct server_call, closed);

    (void)success;
    c->pending--;
    if (c->was_cancelled)
        end(c, ERR_CANCELLED);
    if (c->state == CALL_ENDING)
        maybe_drop(c);
}

/* ---- the beginning ---- */

static enum next refuse(struct call *call, const struct refusal *refusal)
{
    call->status.reason = refusal->reason;
    return call_fail(call, refusal->err, "%s", refusal->message);
}

/* Before the method looks at its fields, and anything is read. An owner's id that is malformed is
 * nobody's: there is nothing to keep from the caller, whom the method tells what is wrong. */
static const struct refusal *check_owner(const struct server_call *c)
{
    const struct call *call = &c->call;
    const ProtobufCFieldDescriptor *field =
        call->worker->server->methods[c->method_index].owner_field;
    const char *text = field ? *(char *const *)((const char *)call->request + field->offset) : "";
    struct id owner;

    if (!*text)
        return auth_check_owner(c->grant, call->method->scopes, NULL);
    if (id_parse(text, &owner) != ERR_OK)
        return NULL;
    return auth_check_owner(c->grant, call->method->scopes, &owner);
}

static enum next step_authorize(struct call *call)
{
    const struct server_call *c = home(call);
    const struct refusal *refusal = c->grant ? check_owner(c) : NULL;

    if (refusal)
        return refuse(call, refusal);
    call->step = call->method->first;
    return NEXT;
}

/* The request in one piece: as it lies in gRPC's buffer, or copied together. */
static enum err request_bytes(struct server_call *c, struct bytes *ret)
{
    grpc_byte_buffer_reader reader;
    size_t len = grpc_byte_buffer_length(c->payload);
    uint8_t *copy = arena_raw(&c->call.arena, len + 1);
    grpc_slice slice;
    size_t at = 0;

    if (!copy)
        return ERR_EXHAUSTED;
    if (!grpc_byte_buffer_reader_init(&reader, c->payload))
        return ERR_INVALID;
    while (grpc_byte_buffer_reader_next(&reader, &slice)) {
        assert(GRPC_SLICE_LENGTH(slice) <= len - at);
        memcpy(copy + at, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
        at += GRPC_SLICE_LENGTH(slice);
        grpc_slice_unref(slice);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    *ret = bytes_of(copy, at);
    return ERR_OK;
}

static enum next step_decode(struct call *call)
{
    struct server_call *c = home(call);
    const ProtobufCMessageDescriptor *type = call->method->request;
    ProtobufCAllocator allocator = call_allocator(call);
    struct wire_problem problem;
    struct bytes bytes;

    enum err err = request_bytes(c, &bytes);
    if (err != ERR_OK)
        return call_fail_with(call, err);
    if (wire_check(bytes, type, &problem) != ERR_OK) {
        status_violation(&call->status, &call->arena,
                         *problem.field ? problem.field : type->short_name, "%s",
                         problem.description);
        return call_fail_invalid(call);
    }
    call->request = protobuf_c_message_unpack(type, &allocator, bytes.len, bytes.data);
    if (!call->request && call->arena.full)
        return call_fail_with(call, ERR_EXHAUSTED);
    if (!call->request)
        return call_fail(call, ERR_INVALID, "the request is not a %s", type->name);
    call->step = step_authorize;
    return NEXT;
}

/* Before anything of the request is looked at. */
static enum next step_authenticate(struct call *call)
{
    struct server_call *c = home(call);
    const struct refusal *refusal =
        auth_check(call->worker->access, &c->metadata, call->method->scopes, &c->grant);

    if (c->grant)
        memcpy(c->caller, c->grant->name, sizeof c->caller);
    if (refusal)
        return refuse(call, refusal);
    call->step = step_decode;
    return NEXT;
}

static enum next step_unknown_method(struct call *call)
{
    struct server_call *c = home(call);
    char *path = grpc_slice_to_c_string(c->details.method);

    /* Any bytes may be a path, but a status is text, also where the path is cut. */
    for (char *at = path; *at; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
    enum next next = call_fail(call, ERR_UNIMPLEMENTED, "there is no method %.200s", path);

    gpr_free(path);
    return next;
}

/* The client closed its side without a request, or left before it had sent it, or sent more than
 * gRPC takes, which gRPC answers itself. */
static enum next step_no_message(struct call *call)
{
    return call_fail(call, ERR_INVALID, "the call carries no request message");
}

static enum next step_refuse(struct call *call)
{
    return call_fail_with(call, ERR_EXHAUSTED);
}

/* The caller's deadline, capped by ours; from an arbitrary point. */
static int64_t deadline_us(const struct server_call *c)
{
    int64_t limit_us = c->call.worker->server->options.request_timeout_us;
    gpr_timespec deadline = gpr_convert_clock_type(c->deadline, GPR_CLOCK_MONOTONIC);
    gpr_timespec left = gpr_time_sub(deadline, gpr_now(GPR_CLOCK_MONOTONIC));
    int64_t left_us = limit_us;

    if (left.tv_sec < limit_us / 1000000 + 1)
        left_us = (int64_t)left.tv_sec * 1000000 + left.tv_nsec / 1000;
    return c->arrived_us + (left_us < limit_us ? left_us : limit_us);
}

static void on_arrived(struct tag *tag, bool success)
{
    struct server_call *c = container_of(tag, struct server_call, arrived);
    struct worker *w = c->call.worker;

    if (!success) { /* the server stops */
        w->missing_total = 0;
        drop(c);
        return;
    }
    call_arm(w, c->method_index);
    set_state(c, CALL_RUNNING);
    c->arrived_us = clock_monotonic_us();
    call_metrics_started(metrics_of(c));
    if (!c->call.method) {
        c->deadline = c->details.deadline;
        c->call.step = step_unknown_method;
    } else if (w->calls >= CALLS_MAX && c->method_index >= HEALTH_METHOD_COUNT) {
        /* Health answers at once and uses nothing up: whoever asks must not take us for dead. */
        metrics_add(&w->metrics, METRIC_CALLS_REFUSED, 1);
        c->call.step = step_refuse;
    } else if (!c->payload) {
        c->call.step = step_no_message;
    } else {
        c->call.step = step_authenticate;
        c->admitted = true;
        metrics_set(&w->metrics, METRIC_CALLS_IN_FLIGHT, ++w->calls);
    }
    c->deadline_us = deadline_us(c);
    drive(c);
}

static void arm(struct server_call *c, int method_index)
{
    struct server *server = c->call.worker->server;
    grpc_completion_queue *queue = c->call.worker->queue;
    grpc_call_error error;

    set_state(c, CALL_ARMED);
    c->method_index = method_index;
    c->call.method =
        method_index < server->method_count ? server->methods[method_index].method : NULL;
    c->call.request = NULL;
    c->call.state = NULL;
    c->call.cancel = NULL;
    c->call.release = NULL;
    c->call.late = NULL;
    c->call.doubt = NULL;
    c->call.database_us = 0;
    c->call.cache = NULL;
    c->grant = NULL;
    c->caller[0] = '\0';
    status_init(&c->call.status);
    c->grpc = NULL;
    c->initial_count = 0;
    c->was_cancelled = 0;
    c->pending = 0;
    c->ended = ERR_OK;
    c->driving = false;
    c->watched = false;
    grpc_metadata_array_init(&c->metadata);
    TSAN_RELEASE(&c->arrived);
    if (c->call.method) {
        error = grpc_server_request_registered_call(
            server->grpc, server->methods[method_index].handle, &c->grpc, &c->deadline,
            &c->metadata, &c->payload, queue, queue, &c->arrived);
    } else {
        grpc_call_details_init(&c->details);
        error = grpc_server_request_call(server->grpc, &c->grpc, &c->details, &c->metadata, queue,
                                         queue, &c->arrived);
    }
    assert(error == GRPC_CALL_OK);
}

void call_arm(struct worker *w, int method_index)
{
    struct list *link = list_take(&w->idle_calls);

    if (link)
        arm(container_of(link, struct server_call, link), method_index);
    else
        w->missing[method_index]++, w->missing_total++;
}

/* A burst of calls that are refused can use up all idle ones for a moment. What could not be armed
 * then is armed as they come back, or the method would be deaf for ever. */
static void arm_missing(struct worker *w)
{
    for (int i = 0; w->missing_total > 0 && i <= w->server->method_count; i++) {
        while (w->missing[i] > 0 && !list_empty(&w->idle_calls)) {
            w->missing[i]--;
            w->missing_total--;
            call_arm(w, i);
        }
    }
}

/* ---- life ---- */

void calls_open(struct worker *w, int count)
{
    for (int i = 0; i < count; i++) {
        struct server_call *c = calloc(1, sizeof *c);
        assert(c);
        c->call.worker = w;
        c->arrived.on_complete = on_arrived;
        c->closed.on_complete = on_closed;
        c->sent.on_complete = on_sent;
        c->message = grpc_empty_slice();
        arena_init(&c->call.arena, &w->arenas, ARENA_BYTES_MAX);
        uv_timer_init(&w->loop, &c->timer);
        list_append(&w->idle_calls, &c->link);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct server_call, timer));
}

void calls_close(struct worker *w)
{
    struct list *link;

    while ((link = list_take(&w->idle_calls)))
        uv_close((uv_handle_t *)&container_of(link, struct server_call, link)->timer,
                 on_timer_closed);
}
