#include "rpc/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>

#include "base/limits.h"
#include "rpc/tsan.h"

void worker_post(struct worker *w, struct tag *tag)
{
    struct tag *newest = atomic_load_explicit(&w->inbox, memory_order_relaxed);

    do
        tag->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&w->inbox, &newest, tag, memory_order_release,
                                                  memory_order_relaxed));
    /* Where there was something before, the loop is on its way already. */
    if (newest)
        return;
    /* uv_async_send() looks first whether the loop is on its way. Were it to look before the others
     * can see our tag, which some processors allow, nobody would come for it. */
    FULL_FENCE();
    uv_async_send(&w->wake);
}

static void on_wake(uv_async_t *wake)
{
    struct worker *w = container_of(wake, struct worker, wake);
    struct tag *newest = atomic_exchange_explicit(&w->inbox, NULL, memory_order_acquire);
    struct tag *oldest = NULL;

    while (newest) {
        struct tag *tag = newest;
        newest = tag->next;
        tag->next = oldest;
        oldest = tag;
    }
    while (oldest) {
        struct tag *tag = oldest;
        oldest = tag->next;
        tag->on_complete(tag, tag->success);
    }
}

/* For whoever looks at the process from outside. */
static void name_thread(const char *what, const struct worker *w)
{
    char name[16];

    snprintf(name, sizeof name, "%s %d", what, w->index);
    pthread_setname_np(pthread_self(), name);
}

static void run_queue(void *arg)
{
    struct worker *w = arg;

    name_thread("queue", w);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(w->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            break;
        struct tag *tag = event.tag;
        TSAN_ACQUIRE(tag);
        tag->success = event.success != 0;
        worker_post(w, tag);
    }
    worker_post(w, &w->ended);
}

static void on_ended(struct tag *tag, bool success)
{
    struct worker *w = container_of(tag, struct worker, ended);

    (void)success;
    w->on_ended(w);
    uv_close((uv_handle_t *)&w->wake, NULL);
}

static void run_loop(void *arg)
{
    struct worker *w = arg;

    name_thread("loop", w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

void worker_start(struct worker *w, void (*opened)(struct worker *w),
                  void (*ended)(struct worker *w))
{
    int failed = uv_loop_init(&w->loop);

    assert(!failed);
    failed = uv_async_init(&w->loop, &w->wake, on_wake);
    assert(!failed);
    w->ended.on_complete = on_ended;
    w->on_ended = ended;
    arena_pool_init(&w->arenas, ARENA_POOL_BYTES_MAX);
    list_init(&w->idle_calls);
    /* The loop does not run yet: this thread stands in for it. */
    opened(w);
    failed = uv_thread_create(&w->loop_thread, run_loop, w);
    assert(!failed);
    failed = uv_thread_create(&w->queue_thread, run_queue, w);
    assert(!failed);
}

void worker_stop(struct worker *w)
{
    grpc_completion_queue_shutdown(w->queue);
}

void worker_join(struct worker *w)
{
    uv_thread_join(&w->queue_thread);
    uv_thread_join(&w->loop_thread);
    grpc_completion_queue_destroy(w->queue);
    int busy = uv_loop_close(&w->loop);
    assert(!busy);
    arena_pool_done(&w->arenas);
}
