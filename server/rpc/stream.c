#include "rpc/stream.h"

#include <assert.h>
#include <grpc/byte_buffer_reader.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "rpc/auth.h"
#include "rpc/health.h"
#include "rpc/reflection.h"
#include "rpc/server.h"
#include "rpc/status.h"
#include "rpc/tsan.h"
#include "rpc/wire.h"
#include "rpc/worker.h"

static const struct stream_kind *const kinds[] = {
    &health_watch,
    &reflection_v1,
    &reflection_v1alpha,
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds, ARMED_PER_KIND = 4 };

static void arm(struct worker *w, int kind_index);

static void free_stream(struct stream *s)
{
    assert(s->pending == 0);
    if (s->grpc)
        grpc_call_unref(s->grpc);
    if (s->in)
        grpc_byte_buffer_destroy(s->in);
    if (s->out)
        grpc_byte_buffer_destroy(s->out);
    grpc_slice_unref(s->message);
    if (s->has_details)
        grpc_slice_unref(s->details.value);
    grpc_metadata_array_destroy(&s->metadata);
    arena_reset(&s->arena);
    free(s);
}

/* The one door out of STREAM_OPEN. */
static void end(struct stream *s)
{
    assert(s->state == STREAM_OPEN);
    s->state = STREAM_ENDING;
    list_remove(&s->link);
    metrics_set(&s->worker->metrics, METRIC_STREAMS_OPEN, --s->worker->streams);
    s->kind->on_end(s);
}

static void start(struct stream *s, const grpc_op *ops, size_t count, struct tag *tag)
{
    s->pending++;
    TSAN_RELEASE(tag);
    grpc_call_error error = grpc_call_start_batch(s->grpc, ops, count, tag, NULL);
    assert(error == GRPC_CALL_OK);
}

/* Every batch ends here: whoever is last frees the stream. */
static bool batch_done(struct stream *s)
{
    s->pending--;
    if (s->state == STREAM_ENDING && s->pending == 0) {
        free_stream(s);
        return false;
    }
    return s->state == STREAM_OPEN;
}

static void on_opened(struct tag *tag, bool success)
{
    (void)success;
    batch_done(container_of(tag, struct stream, opened));
}

static void on_finished(struct tag *tag, bool success)
{
    (void)success;
    batch_done(container_of(tag, struct stream, finished));
}

static void on_closed(struct tag *tag, bool success)
{
    struct stream *s = container_of(tag, struct stream, closed);

    (void)success;
    if (s->state == STREAM_OPEN)
        end(s);
    batch_done(s);
}

static void on_sent(struct tag *tag, bool success)
{
    struct stream *s = container_of(tag, struct stream, sent);

    grpc_byte_buffer_destroy(s->out);
    s->out = NULL;
    s->sending = false;
    if (batch_done(s) && success)
        s->kind->on_sent(s);
}

static ProtobufCMessage *decode(struct stream *s)
{
    ProtobufCAllocator allocator = wire_allocator(&s->arena);
    grpc_byte_buffer_reader reader;
    struct wire_problem problem;
    ProtobufCMessage *message = NULL;

    if (!grpc_byte_buffer_reader_init(&reader, s->in))
        return NULL;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    struct bytes bytes = bytes_of(GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
    if (wire_check(bytes, s->kind->request, &problem) == ERR_OK)
        message = protobuf_c_message_unpack(s->kind->request, &allocator, bytes.len, bytes.data);
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    return message;
}

static void on_received(struct tag *tag, bool success)
{
    struct stream *s = container_of(tag, struct stream, received);

    if (!batch_done(s) || !success)
        return;
    if (!s->in) {
        s->kind->on_half_close(s);
        return;
    }
    ProtobufCMessage *message = decode(s);
    if (message)
        s->kind->on_message(s, message);
    else
        stream_finish(s, ERR_INVALID, "the message is malformed");
}

void stream_receive(struct stream *s)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    if (s->in)
        grpc_byte_buffer_destroy(s->in);
    s->in = NULL;
    arena_reset(&s->arena);
    op.data.recv_message.recv_message = &s->in;
    start(s, &op, 1, &s->received);
}

bool stream_is_sending(const struct stream *s)
{
    return s->sending;
}

void stream_send(struct stream *s, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    grpc_slice slice = grpc_slice_malloc(len);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

    assert(s->state == STREAM_OPEN && !s->sending);
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    s->out = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    s->sending = true;
    op.data.send_message.send_message = s->out;
    start(s, &op, 1, &s->sent);
}

/* The google.rpc.Status that every failure has. */
static void add_details(struct stream *s, enum err err, const char *reason, const char *text)
{
    struct status status;

    status_init(&status);
    status.err = err;
    status.reason = reason;
    status.message = text;
    struct bytes details =
        status_details(&status, &s->arena, s->worker->server->options.error_domain);
    if (details.len == 0)
        return;
    s->details.key = grpc_slice_from_static_string("grpc-status-details-bin");
    s->details.value = grpc_slice_from_copied_buffer((const char *)details.data, details.len);
    s->has_details = true;
}

/* `reason` is ErrorInfo's; NULL: the error's own. */
static void finish(struct stream *s, enum err err, const char *reason, const char *text)
{
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};

    if (s->state != STREAM_OPEN)
        return;
    s->message = grpc_slice_from_copied_string(text);
    if (err != ERR_OK)
        add_details(s, err, reason, text);
    op.data.send_status_from_server.status = (grpc_status_code)err_grpc_code(err);
    op.data.send_status_from_server.status_details = &s->message;
    op.data.send_status_from_server.trailing_metadata = &s->details;
    op.data.send_status_from_server.trailing_metadata_count = s->has_details;
    start(s, &op, 1, &s->finished);
    end(s);
}

void stream_finish(struct stream *s, enum err err, const char *text)
{
    finish(s, err, NULL, text);
}

/* Health needs no token. */
static const struct refusal *refusal_of(const struct stream *s)
{
    const struct grant *grant;

    if (!s->kind->is_reflection || s->worker->server->options.reflection != REFLECTION_TOKEN)
        return NULL;
    return auth_check(s->worker->access, &s->metadata, SCOPE_READ | SCOPE_WRITE | SCOPE_CATALOG,
                      &grant);
}

static void on_arrived(struct tag *tag, bool success)
{
    struct stream *s = container_of(tag, struct stream, arrived);
    struct worker *w = s->worker;
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    grpc_op headers = {.op = GRPC_OP_SEND_INITIAL_METADATA};

    list_remove(&s->link);
    s->pending--;
    if (!success) { /* the server stops */
        free_stream(s);
        return;
    }
    arm(w, s->kind_index);
    const struct refusal *refusal = refusal_of(s);
    s->state = STREAM_OPEN;
    list_append(&w->open_streams, &s->link);
    metrics_set(&w->metrics, METRIC_STREAMS_OPEN, ++w->streams);
    close.data.recv_close_on_server.cancelled = &s->was_cancelled;
    start(s, &close, 1, &s->closed);
    start(s, &headers, 1, &s->opened);
    if (w->streams_ended)
        stream_finish(s, ERR_STOPPING, err_text(ERR_STOPPING));
    else if (w->streams > STREAMS_MAX)
        stream_finish(s, ERR_EXHAUSTED, "the server has more streams than it takes on");
    else if (refusal)
        finish(s, refusal->err, refusal->reason, refusal->message);
    else
        stream_receive(s);
}

static void arm(struct worker *w, int kind_index)
{
    struct stream *s = calloc(1, sizeof *s);

    assert(s);
    s->worker = w;
    s->kind = kinds[kind_index];
    s->kind_index = kind_index;
    s->message = grpc_empty_slice();
    s->arrived.on_complete = on_arrived;
    s->closed.on_complete = on_closed;
    s->opened.on_complete = on_opened;
    s->received.on_complete = on_received;
    s->sent.on_complete = on_sent;
    s->finished.on_complete = on_finished;
    list_init(&s->link);
    list_init(&s->watch);
    arena_init(&s->arena, &w->arenas, ARENA_BYTES_MAX);
    grpc_metadata_array_init(&s->metadata);
    s->pending = 1;
    TSAN_RELEASE(&s->arrived);
    grpc_call_error error = grpc_server_request_registered_call(
        w->server->grpc, w->server->stream_handles[kind_index], &s->grpc, &s->deadline,
        &s->metadata, NULL, w->queue, w->queue, &s->arrived);
    assert(error == GRPC_CALL_OK);
}

/* One that is not served is unknown, like any path that is no method's. */
static bool is_served(const struct server *server, const struct stream_kind *kind)
{
    return !kind->is_reflection || server->options.reflection != REFLECTION_OFF;
}

void streams_bind(struct server *server)
{
    static_assert((int)KIND_COUNT <= (int)STREAM_KINDS_MAX, "room for the handles");
    for (int i = 0; i < KIND_COUNT; i++) {
        if (!is_served(server, kinds[i]))
            continue;
        server->stream_handles[i] = grpc_server_register_method(server->grpc, kinds[i]->path, NULL,
                                                                GRPC_SRM_PAYLOAD_NONE, 0);
        assert(server->stream_handles[i]);
    }
}

void streams_arm(struct worker *w)
{
    list_init(&w->open_streams);
    for (int i = 0; i < KIND_COUNT; i++) {
        for (int j = 0; is_served(w->server, kinds[i]) && j < ARMED_PER_KIND; j++)
            arm(w, i);
    }
}

void streams_end(struct worker *w)
{
    w->streams_ended = true;
    while (!list_empty(&w->open_streams))
        stream_finish(container_of(w->open_streams.next, struct stream, link), ERR_STOPPING,
                      err_text(ERR_STOPPING));
}
