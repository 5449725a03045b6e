/* A worker: a completion queue with its thread, a libuv loop with its thread, and everything that
 * the calls on it need. Workers share nothing. The queue thread takes completions and hands them
 * over; everything else in this server, above as below, happens on the loop thread.
 *
 *     queue thread:  next() --> inbox --wake--.
 *     loop thread:                            '--> tag->on_complete() --> steps, database, replies
 */
#pragma once

#include <grpc/grpc.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/arena.h"
#include "base/list.h"
#include "rpc/tag.h"

struct call;
struct server;
struct health;

struct worker {
    struct server *server;
    int index;
    grpc_completion_queue *queue;
    uv_loop_t loop;
    uv_thread_t queue_thread, loop_thread;
    uv_async_t wake;
    _Atomic(struct tag *) inbox; /* newest first; the one thing that both threads touch */
    struct tag ended;            /* comes when the queue has nothing left */
    void (*on_ended)(struct worker *w);
    struct arena_pool arenas;
    struct health *health;
    void *app; /* the application's part, made by rpc_options.open */

    struct list idle_calls; /* calls without work, ready to be armed */
    int *missing;           /* by method: calls to arm as soon as there are idle ones */
    int missing_total;
    int calls; /* in flight, those being refused not counted */
    struct list open_streams;
    int streams;        /* in it */
    bool streams_ended; /* the server stops: none is opened any more */
};

/* Starts both threads. `opened` runs before anything else on the loop, `ended` after everything
 * else: the queue has nothing left, and whatever has a handle in the loop is to close it. */
void worker_start(struct worker *w, void (*opened)(struct worker *w),
                  void (*ended)(struct worker *w));
/* From any thread: runs the tag on the loop thread. */
void worker_post(struct worker *w, struct tag *tag);
/* On the loop thread, when no batch may be started any more: shuts the queue down. When it has
 * ended and the loop has no handles left, both threads end. */
void worker_stop(struct worker *w);
/* Waits for both threads, and frees what worker_start() made. */
void worker_join(struct worker *w);
