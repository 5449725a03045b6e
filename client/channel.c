/* The transport of libbalances over the gRPC C core: a channel, plaintext or with TLS, and unary
 * calls.
 *
 * A call is one batch: of a blocking call on a completion queue of its own, of the others on the
 * channel's, with its thread. The batch ends by the call's deadline at the latest, because gRPC
 * itself ends the call then, so waiting for it needs no second clock. gRPC tries again by itself,
 * as the service config says, and takes turns at the servers.
 *
 * It does not use a proxy from the environment: the address says where to go, and a bearer token
 * must not pass through a third party in the clear. */
#include "client/channel.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "base/list.h"

struct channel {
    grpc_channel *grpc;

    /* Of calls that were started. */
    pthread_mutex_t lock;
    grpc_completion_queue *queue; /* NULL before the first one */
    pthread_t thread;
    struct list flights; /* under way */
    bool closing;
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
    grpc_slice authorization;

    /* Of one that was started. */
    struct list link;
    void (*done)(void *arg, struct channel_result *result);
    void *arg;
};

/* Retries by gRPC's rules (proposal A6), the server's pushback included. */
static const char service_config[] =
    "{\"loadBalancingConfig\":[{\"round_robin\":{}}],\"methodConfig\":[{\"name\":[{}],"
    "\"retryPolicy\":{\"maxAttempts\":%d,\"initialBackoff\":\"0.1s\",\"maxBackoff\":\"2s\","
    "\"backoffMultiplier\":2,\"retryableStatusCodes\":[\"UNAVAILABLE\",\"RESOURCE_EXHAUSTED\"]}}]}";
static const char service_config_once[] = "{\"loadBalancingConfig\":[{\"round_robin\":{}}]}";

static grpc_arg int_arg(const char *key, int value)
{
    return (grpc_arg){
        .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

static grpc_arg text_arg(const char *key, const char *value)
{
    return (grpc_arg){.type = GRPC_ARG_STRING,
                      .key = (char *)(uintptr_t)key,
                      .value.string = (char *)(uintptr_t)value};
}

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

struct channel *channel_create(const char *address, const char *user_agent, int attempts,
                               const struct channel_tls *tls)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return NULL;
    grpc_init();
    pthread_mutex_init(&channel->lock, NULL);
    list_init(&channel->flights);

    char config[sizeof service_config + 8];
    snprintf(config, sizeof config, attempts > 1 ? service_config : service_config_once, attempts);
    /* gRPC takes its names and texts as `char *` and writes to none of them. */
    grpc_arg args[] = {
        int_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        text_arg(GRPC_ARG_SERVICE_CONFIG, config),
        /* Nobody else says how to call: not a record in the DNS. */
        int_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        text_arg(GRPC_ARG_PRIMARY_USER_AGENT_STRING, user_agent),
    };
    grpc_channel_args all = {.num_args = user_agent ? 4 : 3, .args = args};
    grpc_channel_credentials *credentials = create_credentials(tls);
    channel->grpc = grpc_channel_create(address, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static void end_flights(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    channel->closing = true;
    list_each_safe (link, &channel->flights)
        grpc_call_cancel(container_of(link, struct flight, link)->call, NULL);
    pthread_mutex_unlock(&channel->lock);
    grpc_completion_queue_shutdown(channel->queue);
    pthread_join(channel->thread, NULL);
    grpc_completion_queue_destroy(channel->queue);
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    if (channel->queue)
        end_flights(channel);
    pthread_mutex_destroy(&channel->lock);
    grpc_channel_destroy(channel->grpc);
    grpc_shutdown();
    free(channel);
}

static void flight_prepare(struct flight *flight, struct channel *channel,
                           grpc_completion_queue *queue, const struct channel_call *call)
{
    *flight = (struct flight){.queue = queue,
                              .code = GRPC_STATUS_UNKNOWN,
                              .message = grpc_empty_slice(),
                              .authorization = grpc_slice_from_copied_string(
                                  call->authorization ? call->authorization : "")};
    grpc_metadata_array_init(&flight->headers);
    grpc_metadata_array_init(&flight->trailers);

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

static void flight_send(struct flight *flight)
{
    const bool authorized = !GRPC_SLICE_IS_EMPTY(flight->authorization);
    grpc_metadata header = {.key = grpc_slice_from_static_string("authorization"),
                            .value = flight->authorization};
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = authorized ? 1 : 0, .metadata = &header}},
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
}

static void flight_end(struct flight *flight)
{
    grpc_slice_unref(flight->message);
    grpc_slice_unref(flight->authorization);
    grpc_metadata_array_destroy(&flight->headers);
    grpc_metadata_array_destroy(&flight->trailers);
    grpc_byte_buffer_destroy(flight->request);
    if (flight->reply)
        grpc_byte_buffer_destroy(flight->reply);
    grpc_call_unref(flight->call);
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

static void take_result(struct flight *flight, struct channel_result *ret)
{
    size_t message_bytes;
    *ret = (struct channel_result){
        .code = (int)flight->code,
        .message = (char *)copy_of(flight->message, &message_bytes),
    };
    take_details(&flight->trailers, ret);
    take_reply(flight->reply, ret);
    flight_end(flight);
}

void channel_call(struct channel *channel, const struct channel_call *call,
                  struct channel_result *ret)
{
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    struct flight flight;
    flight_prepare(&flight, channel, queue, call);
    flight_send(&flight);
    grpc_completion_queue_pluck(queue, &flight, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    take_result(&flight, ret);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

/* ---- calls that nobody waits for ---- */

static void *take_flights(void *arg)
{
    struct channel *channel = arg;
    grpc_event event;

    while ((event = grpc_completion_queue_next(channel->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                               NULL))
               .type == GRPC_OP_COMPLETE) {
        struct flight *flight = event.tag;
        struct channel_result result;
        /* Before its call is let go of, which the one who closes may be about to cancel. */
        pthread_mutex_lock(&channel->lock);
        list_remove(&flight->link);
        pthread_mutex_unlock(&channel->lock);
        take_result(flight, &result);
        flight->done(flight->arg, &result);
        free(flight);
    }
    return NULL;
}

/* With the lock. */
static bool open_queue(struct channel *channel)
{
    if (channel->queue)
        return true;
    channel->queue = grpc_completion_queue_create_for_next(NULL);
    if (pthread_create(&channel->thread, NULL, take_flights, channel) == 0)
        return true;
    grpc_completion_queue_shutdown(channel->queue);
    (void)grpc_completion_queue_next(channel->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(channel->queue);
    channel->queue = NULL;
    return false;
}

bool channel_start(struct channel *channel, const struct channel_call *call,
                   void (*done)(void *arg, struct channel_result *result), void *arg)
{
    struct flight *flight = malloc(sizeof *flight);
    if (!flight)
        return false;
    pthread_mutex_lock(&channel->lock);
    bool is_open = !channel->closing && open_queue(channel);
    if (is_open) {
        flight_prepare(flight, channel, channel->queue, call);
        flight->done = done;
        flight->arg = arg;
        list_append(&channel->flights, &flight->link);
        flight_send(flight);
    }
    pthread_mutex_unlock(&channel->lock);
    if (!is_open)
        free(flight);
    return is_open;
}

void channel_result_done(struct channel_result *result)
{
    free(result->message);
    free(result->reply);
    free(result->details);
    *result = (struct channel_result){0};
}
