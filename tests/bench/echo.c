/* The most that gRPC's C core gives on one completion queue and one thread: the ceiling that the
 * benchmarks compare with.
 *
 *     echo ADDRESS BYTES
 *
 * Answers every call of the one method /bench.Echo/Echo with so many bytes, whatever was asked. It
 * does nothing else: no message is decoded, the answer is made once, and each call is two
 * completions, where a server that wants to hear of cancelled calls has three. Ends by SIGTERM,
 * uncleanly. */
#include <assert.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS = 1024, MESSAGE_BYTES_MAX = 3 * 1024 * 1024 };

struct echo {
    bool answered; /* what completes next is the answer, not the arrival of a call */
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request;
    int cancelled;
};

static grpc_server *server;
static grpc_completion_queue *queue;
static void *method;
static grpc_slice answer;

static void await_call(struct echo *e)
{
    e->answered = false;
    e->request = NULL;
    grpc_metadata_array_init(&e->metadata);
    grpc_call_error error = grpc_server_request_registered_call(
        server, method, &e->call, &e->deadline, &e->metadata, &e->request, queue, queue, e);
    assert(error == GRPC_CALL_OK);
}

static void reply(struct echo *e)
{
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&answer, 1);
    grpc_op ops[4];

    memset(ops, 0, sizeof ops);
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = message;
    ops[2].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[2].data.send_status_from_server.status = GRPC_STATUS_OK;
    ops[3].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[3].data.recv_close_on_server.cancelled = &e->cancelled;
    grpc_call_error error = grpc_call_start_batch(e->call, ops, 4, e, NULL);
    assert(error == GRPC_CALL_OK);
    grpc_byte_buffer_destroy(message);
    e->answered = true;
}

static void finish(struct echo *e)
{
    grpc_metadata_array_destroy(&e->metadata);
    if (e->request)
        grpc_byte_buffer_destroy(e->request);
    grpc_call_unref(e->call);
}

static void serve(void)
{
    static struct echo calls[CALLS];

    for (int i = 0; i < CALLS; i++)
        await_call(&calls[i]);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        struct echo *e = event.tag;
        assert(event.type == GRPC_OP_COMPLETE && (event.success || e->answered));
        if (e->answered) {
            finish(e);
            await_call(e);
        } else {
            reply(e);
        }
    }
}

int main(int argc, char **argv)
{
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_ALLOW_REUSEPORT},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)(uintptr_t)GRPC_ARG_MAX_CONCURRENT_STREAMS,
         .value.integer = CALLS}};
    const grpc_channel_args channel_args = {sizeof args / sizeof *args, args};
    char *end = NULL;
    size_t bytes = argc == 3 ? strtoul(argv[2], &end, 10) : 0;

    if (argc != 3 || *argv[2] == '\0' || *end != '\0' || bytes > MESSAGE_BYTES_MAX) {
        fprintf(stderr, "usage: echo ADDRESS BYTES\n");
        return 2;
    }
    grpc_init();
    answer = grpc_slice_malloc(bytes);
    memset(GRPC_SLICE_START_PTR(answer), 'x', bytes);
    server = grpc_server_create(&channel_args, NULL);
    queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    method = grpc_server_register_method(server, "/bench.Echo/Echo", NULL,
                                         GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    if (!grpc_server_add_http2_port(server, argv[1], credentials)) {
        fprintf(stderr, "echo: cannot listen on %s\n", argv[1]);
        return 1;
    }
    grpc_server_credentials_release(credentials);
    grpc_server_start(server);
    serve();
}
