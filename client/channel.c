/* The transport of libbalances over the gRPC C core: a channel, plaintext or with TLS, and unary
 * calls that block.
 *
 * A call is one batch on a completion queue of its own. The batch ends by the call's deadline at
 * the latest, because gRPC itself ends the call then, so waiting for it needs no second clock.
 *
 * It does not retry and does not use a proxy from the environment: the address says where to go,
 * and a bearer token must not pass through a third party in the clear. */
#include "client/channel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

struct channel {
    grpc_channel *grpc;
};

/* A call under way: what the batch writes into. */
struct flight {
    grpc_completion_queue *queue;
    grpc_call *call;
    grpc_byte_buffer *request;
    grpc_byte_buffer *reply;
    grpc_metadata_array headers;
    grpc_metadata_array trailers;
    grpc_status_code code;
    grpc_slice message;
};

/* Whatever certificate the server shows is taken: for asking what is no secret. */
static grpc_channel_credentials *create_trusting(const struct channel_tls *tls)
{
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_certificate_verifier *verifier = grpc_tls_certificate_verifier_no_op_create();

    if (tls->key) {
        grpc_tls_identity_pairs *pairs = grpc_tls_identity_pairs_create();
        grpc_tls_identity_pairs_add_pair(pairs, tls->key, tls->certificate);
        grpc_tls_certificate_provider *provider =
            grpc_tls_certificate_provider_static_data_create(NULL, pairs);
        grpc_tls_credentials_options_set_certificate_provider(options, provider);
        grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
        grpc_tls_certificate_provider_release(provider);
    }
    grpc_tls_credentials_options_set_verify_server_cert(options, 0);
    grpc_tls_credentials_options_set_check_call_host(options, 0);
    grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
    grpc_tls_certificate_verifier_release(verifier);
    return grpc_tls_credentials_create(options);
}

static grpc_channel_credentials *create_credentials(const struct channel_tls *tls)
{
    if (!tls)
        return grpc_insecure_credentials_create();
    if (!tls->ca)
        return create_trusting(tls);
    grpc_ssl_pem_key_cert_pair pair = {tls->key, tls->certificate};
    return grpc_ssl_credentials_create(tls->ca, tls->key ? &pair : NULL, NULL, NULL);
}

struct channel *channel_create(const char *address, const char *user_agent,
                               const struct channel_tls *tls)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return NULL;
    grpc_init();

    /* gRPC takes its names and texts as `char *` and writes to none of them. */
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)(uintptr_t)GRPC_ARG_ENABLE_HTTP_PROXY,
         .value.integer = 0},
        {.type = GRPC_ARG_STRING,
         .key = (char *)(uintptr_t)GRPC_ARG_PRIMARY_USER_AGENT_STRING,
         .value.string = (char *)(uintptr_t)user_agent},
    };
    grpc_channel_args all = {.num_args = user_agent ? 2 : 1, .args = args};
    grpc_channel_credentials *credentials = create_credentials(tls);
    channel->grpc = grpc_channel_create(address, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return channel;
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    grpc_channel_destroy(channel->grpc);
    grpc_shutdown();
    free(channel);
}

static void flight_start(struct flight *flight, struct channel *channel,
                         const struct channel_call *call)
{
    *flight = (struct flight){.code = GRPC_STATUS_UNKNOWN, .message = grpc_empty_slice()};
    grpc_metadata_array_init(&flight->headers);
    grpc_metadata_array_init(&flight->trailers);
    flight->queue = grpc_completion_queue_create_for_pluck(NULL);

    gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                         gpr_time_from_millis(call->timeout_ms, GPR_TIMESPAN));
    grpc_slice path = grpc_slice_from_copied_string(call->path);
    flight->call = grpc_channel_create_call(channel->grpc, NULL, GRPC_PROPAGATE_DEFAULTS,
                                            flight->queue, path, NULL, deadline, NULL);
    grpc_slice_unref(path);

    grpc_slice body =
        grpc_slice_from_copied_buffer((const char *)call->request.data, call->request.len);
    flight->request = grpc_raw_byte_buffer_create(&body, 1);
    grpc_slice_unref(body);
}

static void flight_run(struct flight *flight, const char *authorization)
{
    grpc_metadata header = {.key = grpc_slice_from_static_string("authorization"),
                            .value =
                                grpc_slice_from_copied_string(authorization ? authorization : "")};
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = authorization ? 1 : 0, .metadata = &header}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = flight->request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &flight->headers},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &flight->reply},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &flight->trailers,
                                        .status = &flight->code,
                                        .status_details = &flight->message}},
    };
    grpc_call_error error =
        grpc_call_start_batch(flight->call, ops, sizeof ops / sizeof *ops, flight, NULL);
    assert(error == GRPC_CALL_OK);
    grpc_completion_queue_pluck(flight->queue, flight, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_slice_unref(header.value);
}

static void flight_end(struct flight *flight)
{
    grpc_slice_unref(flight->message);
    grpc_metadata_array_destroy(&flight->headers);
    grpc_metadata_array_destroy(&flight->trailers);
    grpc_byte_buffer_destroy(flight->request);
    if (flight->reply)
        grpc_byte_buffer_destroy(flight->reply);
    grpc_call_unref(flight->call);
    grpc_completion_queue_shutdown(flight->queue);
    grpc_completion_queue_destroy(flight->queue);
}

/* A copy with a zero byte behind it, so that it also serves as text. NULL without memory. */
static uint8_t *copy_of(grpc_slice slice, size_t *ret_bytes)
{
    size_t bytes = GRPC_SLICE_LENGTH(slice);
    uint8_t *copy = malloc(bytes + 1);
    if (!copy)
        return NULL;
    memcpy(copy, GRPC_SLICE_START_PTR(slice), bytes);
    copy[bytes] = 0;
    *ret_bytes = bytes;
    return copy;
}

static void take_details(const grpc_metadata_array *trailers, struct channel_result *result)
{
    for (size_t i = 0; i < trailers->count && !result->details; i++) {
        if (grpc_slice_str_cmp(trailers->metadata[i].key, "grpc-status-details-bin") == 0)
            result->details = copy_of(trailers->metadata[i].value, &result->details_bytes);
    }
}

static void take_reply(grpc_byte_buffer *buffer, struct channel_result *result)
{
    grpc_byte_buffer_reader reader;
    if (!buffer || !grpc_byte_buffer_reader_init(&reader, buffer))
        return;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    result->reply = copy_of(all, &result->reply_bytes);
    if (!result->reply)
        result->code = GRPC_STATUS_RESOURCE_EXHAUSTED;
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
}

void channel_call(struct channel *channel, const struct channel_call *call,
                  struct channel_result *ret)
{
    struct flight flight;
    flight_start(&flight, channel, call);
    flight_run(&flight, call->authorization);

    size_t message_bytes;
    *ret = (struct channel_result){
        .code = (int)flight.code,
        .message = (char *)copy_of(flight.message, &message_bytes),
    };
    take_details(&flight.trailers, ret);
    take_reply(flight.reply, ret);
    flight_end(&flight);
}

void channel_result_done(struct channel_result *result)
{
    free(result->message);
    free(result->reply);
    free(result->details);
    *result = (struct channel_result){0};
}
