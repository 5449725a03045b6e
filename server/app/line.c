/* A bucket is a list of those who hold their turn and those who wait for it, in the order in which
 * they came. Whoever is the first of its key there has the turn, so a turn is no state of its own.
 */
#include "app/line.h"

#include <assert.h>

#include "base/limits.h"

static void set_state(struct line_place *p, enum line_state next)
{
    switch (next) {
    case LINE_OUT:
        assert(p->state == LINE_CALLING || p->state == LINE_HOLDING);
        break;
    case LINE_WAITING:
        assert(p->state == LINE_OUT);
        break;
    case LINE_CALLING:
        assert(p->state == LINE_OUT || p->state == LINE_WAITING || p->state == LINE_PAUSED);
        break;
    case LINE_HOLDING:
        assert(p->state == LINE_CALLING);
        break;
    case LINE_PAUSED:
        assert(p->state == LINE_HOLDING);
        break;
    }
    p->state = next;
}

static struct list *bucket_of(struct lines *l, const struct id *key)
{
    unsigned sum = 0;

    for (size_t i = 0; i < sizeof key->bytes; i++)
        sum = sum * 31 + key->bytes[i];
    return &l->buckets[sum % LINE_BUCKETS];
}

/* The first of the same key from here on; NULL if there is none. */
static struct line_place *first_of(struct list *bucket, struct list *from, const struct id *key)
{
    for (struct list *link = from; link != bucket; link = link->next) {
        struct line_place *p = container_of(link, struct line_place, link);
        if (id_equal(&p->key, key))
            return p;
    }
    return NULL;
}

static int count_of(struct list *bucket, const struct id *key)
{
    struct line_place *p = first_of(bucket, bucket->next, key);
    int count = 0;

    for (; p; p = first_of(bucket, p->link.next, key))
        count++;
    return count;
}

static void call_back_soon(struct lines *l, struct line_place *p, enum err err)
{
    set_state(p, LINE_CALLING);
    p->err = err;
    later_add(&l->calling, &p->soon);
}

static void call_back(void *arg, struct list *link)
{
    struct line_place *p = container_of(link, struct line_place, soon);

    (void)arg;
    set_state(p, p->err == ERR_OK ? LINE_HOLDING : LINE_OUT);
    p->done(p, p->err);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct lines *l = container_of(timer, struct lines, pause);
    struct list *link;

    while ((link = list_take(&l->paused)))
        call_back_soon(l, container_of(link, struct line_place, soon), ERR_OK);
}

void lines_open(struct lines *l, uv_loop_t *loop, struct metrics *metrics)
{
    l->metrics = metrics;
    for (int i = 0; i < LINE_BUCKETS; i++)
        list_init(&l->buckets[i]);
    list_init(&l->paused);
    later_open(&l->calling, loop, call_back, l);
    uv_timer_init(loop, &l->pause);
    l->handles = 2;
}

static void on_handle_closed(void *arg)
{
    struct lines *l = arg;

    if (--l->handles == 0)
        l->closed(l->closed_arg);
}

static void on_pause_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of((uv_timer_t *)handle, struct lines, pause));
}

void lines_close(struct lines *l, void (*closed)(void *arg), void *arg)
{
    for (int i = 0; i < LINE_BUCKETS; i++)
        assert(list_empty(&l->buckets[i]));
    l->closed = closed;
    l->closed_arg = arg;
    later_close(&l->calling, on_handle_closed);
    uv_close((uv_handle_t *)&l->pause, on_pause_closed);
}

void line_place_init(struct line_place *p)
{
    p->state = LINE_OUT;
    list_init(&p->link);
    list_init(&p->soon);
}

void line_enter(struct lines *l, struct line_place *p, const struct id *key, line_done_fn *done)
{
    struct list *bucket = bucket_of(l, key);
    int before = count_of(bucket, key);

    p->key = *key;
    p->done = done;
    if (before > WRITES_WAITING_MAX) {
        call_back_soon(l, p, ERR_EXHAUSTED);
        return;
    }
    list_append(bucket, &p->link);
    metrics_add(l->metrics, METRIC_WRITES_IN_LINE, 1);
    set_state(p, LINE_WAITING);
    if (before == 0)
        call_back_soon(l, p, ERR_OK);
}

struct line_place *line_last(struct lines *l, const struct id *key, line_done_fn *done)
{
    struct list *bucket = bucket_of(l, key);

    for (struct list *link = bucket->prev; link != bucket; link = link->prev) {
        struct line_place *p = container_of(link, struct line_place, link);
        if (id_equal(&p->key, key))
            return p->done == done ? p : NULL;
    }
    return NULL;
}

void line_pause(struct lines *l, struct line_place *p)
{
    set_state(p, LINE_PAUSED);
    list_append(&l->paused, &p->soon);
    if (!uv_is_active((uv_handle_t *)&l->pause))
        uv_timer_start(&l->pause, on_pause_over, WRITE_PAUSE_MS, 0);
}

static void leave_bucket(struct lines *l, struct line_place *p)
{
    list_remove(&p->link);
    metrics_add(l->metrics, METRIC_WRITES_IN_LINE, -1);
}

void line_cancel(struct lines *l, struct line_place *p)
{
    switch (p->state) {
    case LINE_WAITING:
        leave_bucket(l, p);
        call_back_soon(l, p, ERR_CANCELLED);
        break;
    case LINE_PAUSED: /* it keeps its turn until it leaves */
        list_remove(&p->soon);
        call_back_soon(l, p, ERR_OK);
        break;
    case LINE_CALLING:
    case LINE_HOLDING:
    case LINE_OUT:
        break;
    }
}

void line_leave(struct lines *l, struct line_place *p)
{
    struct list *bucket = bucket_of(l, &p->key);
    struct list *after = p->link.next;

    if (p->state == LINE_OUT)
        return;
    set_state(p, LINE_OUT);
    leave_bucket(l, p);
    /* It was the first of its key, so whoever comes after it is next. */
    struct line_place *next = first_of(bucket, after, &p->key);
    if (next && next->state == LINE_WAITING)
        call_back_soon(l, next, ERR_OK);
}
