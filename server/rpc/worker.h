/* A worker: a completion queue, a libuv loop with its thread, and everything that the calls on them
 * need. Workers share nothing. All that this server does, above as below, it does on loop threads.
 *
 * A loop that has work takes the queue's completions itself, once in each of its turns: no other
 * thread is woken for them, and gRPC's locks are not fought for. A loop that is about to wait lends
 * the queue to the worker's second thread, which waits there in its place, and comes back with the
 * one completion that it got.
 *
 *     loop thread:   turn: sockets, timers, next() ... --> tag->on_complete() --> steps, replies
 *                     '--lends--.            ^
 *     queue thread:             next() --> inbox
 */
#pragma once

#include <grpc/grpc.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/metrics.h"
#include "rpc/tag.h"

struct access;
struct call;
struct call_metrics;
struct server;
struct health;

struct worker {
    struct server *server;
    int index;
    grpc_completion_queue *queue;
    uv_loop_t loop;
    uv_thread_t queue_thread, loop_thread;
    uv_async_t wake;
    _Atomic(struct tag *) inbox; /* newest first, from any thread */
    uv_check_t turn;             /* the end of each turn of the loop */
    uv_idle_t busy;              /* active while the loop does not wait */
    int idle_turns;              /* since the last completion */
    bool lent;                   /* the queue thread has the queue */
    uv_sem_t lending;            /* each time that it gets it; or it is to end: */
    bool over;
    grpc_event brought;         /* by the queue thread */
    struct tag returned;        /* which is in the inbox then */
    uv_timer_t beat;            /* so that a loop without work turns, too */
    _Atomic(int64_t) turned_ms; /* when it last did; for other threads, by the loop's clock */
    void (*on_ended)(struct worker *w);
    struct arena_pool arenas;
    struct access *access; /* who may call; NULL: everyone */
    struct health *health;
    void *app; /* the application's part, made by rpc_options.open */

    struct metrics metrics;
    struct call_metrics *call_metrics; /* by method; the last is for paths that are none */

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
