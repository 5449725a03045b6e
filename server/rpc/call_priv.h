/* The rest of a call: what gRPC needs, and how it lives. Only rpc/ includes this.
 *
 *     IDLE --arm--> ARMED --arrived--> RUNNING --reply--> ENDING --closed and sent--> IDLE
 *                     '--server stops--> IDLE      '--cancelled---^
 *
 * Once it has arrived, two completions end a call: closed (the client is done with it, one way or
 * another) and sent (our status is out). They come in either order. Closed is asked for as soon as
 * a step waits for long, which is when the deadline gets its timer; a call that is answered before
 * that has one completion for both. */
#pragma once

#include <grpc/grpc.h>
#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "rpc/call.h"
#include "rpc/tag.h"

enum call_state { CALL_IDLE, CALL_ARMED, CALL_RUNNING, CALL_ENDING };

struct server_call {
    struct call call;
    enum call_state state;
    struct list link; /* while idle */
    int method_index; /* in server->methods; one beyond for unknown paths */

    grpc_call *grpc;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    gpr_timespec deadline;
    grpc_call_details details; /* of a call to an unknown path */

    struct tag arrived, closed, sent;
    int was_cancelled; /* by RECV_CLOSE */
    int pending;       /* of closed and sent */
    enum err ended;    /* cancelled or past its deadline: no more steps */
    bool driving;
    bool watched; /* for its deadline and its client: closed has been asked for by itself */
    bool admitted;
    const struct grant *grant; /* of the caller, until the method's first step; NULL: none needed */
    char caller[ACCESS_NAME_MAX + 1]; /* its name, for the log */
    uv_timer_t timer;                 /* for the deadline, once watched */
    int64_t arrived_us, deadline_us;

    grpc_metadata initial[CALL_METADATA_MAX];
    size_t initial_count;
    grpc_byte_buffer *answer;
    grpc_slice message;
    grpc_metadata trailers[2];
    size_t trailer_count;
};

/* Makes `count` idle calls of a worker; on its loop. */
void calls_open(struct worker *w, int count);
/* Closes their timers and frees them, in the loop's next turns. All must be idle. */
void calls_close(struct worker *w);

/* Waits for the next call of a method of the server, or, with the index one beyond the last, of any
 * path that is no method's. */
void call_arm(struct worker *w, int method_index);
