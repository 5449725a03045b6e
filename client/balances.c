/* libbalances: messages on top of the transport. Packs the request, hands it to the channel, and
 * makes one answer of what comes back, whatever comes back. */
#include "client/balances.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* gRPC's codes for what goes wrong on this side. */
enum {
    CODE_EXHAUSTED = 8,
    CODE_INTERNAL = 13,
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

enum err balances_open(const struct balances_options *options, struct balances **ret)
{
    if (options->token && !is_token(options->token))
        return ERR_INVALID;

    struct balances *server = calloc(1, sizeof *server);
    if (!server)
        return ERR_EXHAUSTED;
    if (options->token && asprintf(&server->authorization, "Bearer %s", options->token) < 0) {
        server->authorization = NULL;
        goto fail;
    }
    server->channel = channel_create(options->address, options->user_agent, options->tls);
    if (!server->channel)
        goto fail;
    *ret = server;
    return ERR_OK;

fail:
    balances_close(server);
    return ERR_EXHAUSTED;
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

void balances_call(struct balances *server, const struct balances_call *call,
                   struct balances_answer *ret)
{
    assert(call->timeout_ms > 0);
    const ProtobufCMethodDescriptor *method = method_of(call);
    *ret = (struct balances_answer){0};

    char *path = NULL;
    uint8_t *request = malloc(protobuf_c_message_get_packed_size(call->request) + 1);
    if (!request || asprintf(&path, "/%s/%s", call->service->name, method->name) < 0) {
        free(request);
        fail(ret, CODE_EXHAUSTED, "out of memory");
        return;
    }
    struct channel_result result;
    channel_call(server->channel,
                 &(struct channel_call){
                     .path = path,
                     .authorization = server->authorization,
                     .request = {request, protobuf_c_message_pack(call->request, request)},
                     .timeout_ms = call->timeout_ms,
                 },
                 &result);
    take_result(ret, &result, method);
    channel_result_done(&result);
    free(request);
    free(path);
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
