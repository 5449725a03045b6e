#include "base/later.h"

void later_flush(struct later *l)
{
    struct list *link;

    while ((link = list_take(&l->items)))
        l->run(l->arg, link);
}

static void on_timer(uv_timer_t *timer)
{
    later_flush(container_of(timer, struct later, timer));
}

void later_open(struct later *l, uv_loop_t *loop, later_fn *run, void *arg)
{
    uv_timer_init(loop, &l->timer);
    list_init(&l->items);
    l->run = run;
    l->arg = arg;
    l->closed = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct later *l = container_of((uv_timer_t *)handle, struct later, timer);

    l->closed(l->arg);
}

void later_close(struct later *l, void (*closed)(void *arg))
{
    later_flush(l);
    l->closed = closed;
    uv_close((uv_handle_t *)&l->timer, on_closed);
}

void later_add(struct later *l, struct list *link)
{
    list_append(&l->items, link);
    uv_timer_start(&l->timer, on_timer, 0, 0);
}
