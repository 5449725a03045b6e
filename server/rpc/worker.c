#include "rpc/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>

#include "base/limits.h"
#include "rpc/tsan.h"

enum {
    TAKEN_MAX = 64, /* completions in a turn, so that sockets and timers have theirs */
    IDLE_TURNS_MAX = 4,
    BEAT_MS = 1000,
};

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
        tag->on_complete(tag, true);
    }
}

/* For whoever looks at the process from outside. */
static void name_thread(const char *what, const struct worker *w)
{
    char name[16];

    snprintf(name, sizeof name, "%s %d", what, w->index);
    pthread_setname_np(pthread_self(), name);
}

/* Waits on the queue in the loop's place, each time for one completion. */
static void run_queue(void *arg)
{
    struct worker *w = arg;

    name_thread("queue", w);
    for (;;) {
        uv_sem_wait(&w->lending);
        if (w->over)
            return;
        w->brought =
            grpc_completion_queue_next(w->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        worker_post(w, &w->returned);
    }
}

/* The queue has nothing left. */
static void end(struct worker *w)
{
    w->over = true;
    uv_sem_post(&w->lending);
    w->on_ended(w);
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_close((uv_handle_t *)&w->turn, NULL);
    uv_close((uv_handle_t *)&w->busy, NULL);
    uv_close((uv_handle_t *)&w->beat, NULL);
}

static void complete(struct worker *w, const grpc_event *event)
{
    if (event->type == GRPC_QUEUE_SHUTDOWN) {
        end(w);
        return;
    }
    struct tag *tag = event->tag;
    TSAN_ACQUIRE(tag);
    tag->on_complete(tag, event->success != 0);
}

static void on_beat(uv_timer_t *beat)
{
    (void)beat; /* that the loop turns is all */
}

static void on_busy(uv_idle_t *busy)
{
    (void)busy; /* that it is active is all */
}

static void on_returned(struct tag *tag, bool success)
{
    struct worker *w = container_of(tag, struct worker, returned);
    const grpc_event event = w->brought;

    (void)success;
    w->lent = false;
    w->idle_turns = 0;
    uv_idle_start(&w->busy, on_busy);
    complete(w, &event);
}

static void lend(struct worker *w)
{
    w->lent = true;
    uv_idle_stop(&w->busy);
    uv_sem_post(&w->lending);
}

static void on_turn(uv_check_t *turn)
{
    struct worker *w = container_of(turn, struct worker, turn);
    int taken = 0;

    atomic_store_explicit(&w->turned_ms, (int64_t)uv_now(&w->loop), memory_order_relaxed);
    while (!w->lent && !w->over && taken < TAKEN_MAX) {
        grpc_event event =
            grpc_completion_queue_next(w->queue, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_TIMEOUT)
            break;
        taken++;
        complete(w, &event);
    }
    if (taken > 0)
        w->idle_turns = 0;
    else if (!w->lent && !w->over && ++w->idle_turns == IDLE_TURNS_MAX)
        lend(w);
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
    uv_check_init(&w->loop, &w->turn);
    uv_check_start(&w->turn, on_turn);
    uv_idle_init(&w->loop, &w->busy);
    uv_idle_start(&w->busy, on_busy);
    uv_timer_init(&w->loop, &w->beat);
    uv_timer_start(&w->beat, on_beat, BEAT_MS, BEAT_MS);
    atomic_init(&w->turned_ms, (int64_t)uv_now(&w->loop));
    failed = uv_sem_init(&w->lending, 0);
    assert(!failed);
    w->returned.on_complete = on_returned;
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
    uv_sem_destroy(&w->lending);
    arena_pool_done(&w->arenas);
}
