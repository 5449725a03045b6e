/* libbalances: messages on top of the transport. Packs the request, hands it to the channel, and
 * makes one answer of what comes back, whatever comes back. */
#include "client/balances.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "client/channel.h"

/* gRPC's codes for what goes wrong on this side. */
enum {
    CODE_EXHAUSTED = 8,
    CODE_INTERNAL = 13,
};

enum {
    ATTEMPTS_DEFAULT = 4,
    ATTEMPTS_MAX = 5, /* gRPC's own limit */
    REQUEST_ID_FIELD_BYTES_MAX = 2 + 1 + ID_TEXT_LEN,
};

struct balances {
    struct channel *channel;
    char *authorization;
};

static bool is_token(const char *token)
{
    for (const char *c = token; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return false;
    }
    return *token != 0;
}

struct balances *balances_open(const struct balances_options *options, const char **ret_why)
{
    *ret_why = "out of memory";
    if (options->token && !is_token(options->token)) {
        *ret_why = "a token is visible ASCII, one character at least";
        return NULL;
    }
    if (options->attempts < 0 || options->attempts > ATTEMPTS_MAX) {
        *ret_why = "attempts have to be from 1 to 5, or 0 for 4";
        return NULL;
    }

    struct balances *server = calloc(1, sizeof *server);
    if (!server)
        return NULL;
    if (options->token && asprintf(&server->authorization, "Bearer %s", options->token) < 0) {
        server->authorization = NULL;
        goto fail;
    }
    const struct balances_tls *tls = options->tls;
    const struct channel_tls transport =
        tls ? (struct channel_tls){tls->ca, tls->certificate, tls->key} : (struct channel_tls){0};
    server->channel = channel_create(options->address, options->user_agent,
                                     options->attempts == 0 ? ATTEMPTS_DEFAULT : options->attempts,
                                     tls ? &transport : NULL);
    if (server->channel)
        return server;

fail:
    balances_close(server);
    return NULL;
}

void balances_close(struct balances *server)
{
    if (!server)
        return;
    channel_free(server->channel);
    free(server->authorization);
    free(server);
}

static const ProtobufCMethodDescriptor *method_of(const struct balances_call *call)
{
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(call->service, call->method);
    assert(method && method->input == call->request->descriptor);
    return method;
}

static void fail(struct balances_answer *answer, int code, const char *message)
{
    free(answer->message);
    answer->code = code;
    answer->message = strdup(message);
}

/* The code and the message stay the trailer's own, also where the details have others. */
static void take_result(struct balances_answer *answer, struct channel_result *result,
                        const ProtobufCMethodDescriptor *method)
{
    answer->code = result->code;
    answer->message = result->message;
    result->message = NULL;
    if (answer->code != 0) {
        if (result->details)
            answer->details =
                google__rpc__status__unpack(NULL, result->details_bytes, result->details);
        return;
    }
    if (!result->reply) {
        fail(answer, CODE_INTERNAL, "the server answered OK and sent no message");
        return;
    }
    answer->reply =
        protobuf_c_message_unpack(method->output, NULL, result->reply_bytes, result->reply);
    if (!answer->reply)
        fail(answer, CODE_INTERNAL, "the server's answer cannot be decoded");
}

/* A request as it is sent. */
struct packed {
    char *path;
    uint8_t *bytes;
    size_t len;
};

/* Whether it is a write that says nothing of whether it was sent before. */
static bool lacks_request_id(const ProtobufCMessage *request, const ProtobufCFieldDescriptor *field)
{
    return field && !**(char *const *)(const void *)((const char *)request + field->offset);
}

/* The field behind all others: the last value of a field counts. Its number fits one byte of tag,
 * or two. */
static size_t add_request_id(uint8_t *at, const ProtobufCFieldDescriptor *field)
{
    const struct id id = id_random();
    const struct id_text text = id_format(&id);
    const uint32_t tag = field->id << 3 | 2;
    size_t len = 0;

    if (tag >= 0x80)
        at[len++] = (uint8_t)(tag | 0x80);
    at[len++] = (uint8_t)(tag >= 0x80 ? tag >> 7 : tag);
    at[len++] = ID_TEXT_LEN;
    memcpy(at + len, text.text, ID_TEXT_LEN);
    return len + ID_TEXT_LEN;
}

static bool pack(const struct balances_call *call, const ProtobufCMethodDescriptor *method,
                 struct packed *ret)
{
    const ProtobufCFieldDescriptor *request_id =
        protobuf_c_message_descriptor_get_field_by_name(method->input, "request_id");

    ret->bytes =
        malloc(protobuf_c_message_get_packed_size(call->request) + REQUEST_ID_FIELD_BYTES_MAX);
    if (!ret->bytes)
        return false;
    if (asprintf(&ret->path, "/%s/%s", call->service->name, method->name) < 0) {
        free(ret->bytes);
        return false;
    }
    ret->len = protobuf_c_message_pack(call->request, ret->bytes);
    if (lacks_request_id(call->request, request_id))
        ret->len += add_request_id(ret->bytes + ret->len, request_id);
    return true;
}

static struct channel_call transport_call(const struct balances *server,
                                          const struct balances_call *call,
                                          const struct packed *packed)
{
    return (struct channel_call){
        .path = packed->path,
        .authorization = server->authorization,
        .request = {packed->bytes, packed->len},
        .timeout_ms = call->timeout_ms,
    };
}

static void unpack(struct balances_answer *answer, struct channel_result *result,
                   const ProtobufCMethodDescriptor *method)
{
    *answer = (struct balances_answer){0};
    take_result(answer, result, method);
    channel_result_done(result);
}

void balances_call(struct balances *server, const struct balances_call *call,
                   struct balances_answer *ret)
{
    assert(call->timeout_ms > 0);
    const ProtobufCMethodDescriptor *method = method_of(call);
    struct channel_result result;
    struct packed packed;

    if (!pack(call, method, &packed)) {
        *ret = (struct balances_answer){0};
        fail(ret, CODE_EXHAUSTED, "out of memory");
        return;
    }
    const struct channel_call transport = transport_call(server, call, &packed);
    channel_call(server->channel, &transport, &result);
    unpack(ret, &result, method);
    free(packed.bytes);
    free(packed.path);
}

/* ---- without waiting ---- */

struct started {
    const ProtobufCMethodDescriptor *method;
    balances_done_fn *done;
    void *arg;
};

static void on_done(void *arg, struct channel_result *result)
{
    struct started *s = arg;
    struct balances_answer answer;

    unpack(&answer, result, s->method);
    s->done(s->arg, &answer);
    free(s);
}

bool balances_start(struct balances *server, const struct balances_call *call,
                    balances_done_fn *done, void *arg)
{
    assert(call->timeout_ms > 0);
    struct packed packed;
    struct started *s = malloc(sizeof *s);
    if (!s)
        return false;
    *s = (struct started){method_of(call), done, arg};
    bool is_started = false;
    if (pack(call, s->method, &packed)) {
        const struct channel_call transport = transport_call(server, call, &packed);
        is_started = channel_start(server->channel, &transport, on_done, s);
        free(packed.bytes);
        free(packed.path);
    }
    if (!is_started)
        free(s);
    return is_started;
}

void balances_answer_done(struct balances_answer *answer)
{
    free(answer->message);
    if (answer->details)
        google__rpc__status__free_unpacked(answer->details, NULL);
    if (answer->reply)
        protobuf_c_message_free_unpacked(answer->reply, NULL);
    *answer = (struct balances_answer){0};
}
