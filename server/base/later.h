/* Calls back in the loop's next turn: for an outcome that is known at once, where the contract is
 * that nobody is called back before the submit has returned. On the loop thread. */
#pragma once

#include <uv.h>

#include "base/list.h"

/* Ends one item, whose link has been removed. It may put others in. */
typedef void later_fn(void *arg, struct list *link);

struct later {
    uv_timer_t timer;
    struct list items;
    later_fn *run;
    void *arg;
    void (*closed)(void *arg);
};

void later_open(struct later *l, uv_loop_t *loop, later_fn *run, void *arg);
/* Ends what is in it now; then closes its handle, then calls `closed`. */
void later_close(struct later *l, void (*closed)(void *arg));
/* The link is in no list. Removing it from this one takes the item back. */
void later_add(struct later *l, struct list *link);
/* Ends what is in it now. */
void later_flush(struct later *l);
