/* The ledger entries that one write adds, column by column, as add_entries.sql takes them. */
#pragma once

#include "app/write.h"

struct new_entries {
    size_t count, room;
    struct id *balances, *segments;
    const char **types, **amounts;
    instant *timestamps;
    const char **contracts; /* NULL is none */
};

/* In the call's arena. ERR_EXHAUSTED when it is full. */
MUST_CHECK enum err new_entries_open(struct new_entries *n, struct arena *a, size_t room);
/* `contract` is borrowed, and NULL where there is none. */
MUST_CHECK enum err new_entries_add(struct new_entries *n, struct arena *a, const struct entry *e,
                                    const char *contract);
/* The step that adds them, if there are any; both ids may be NULL. */
MUST_CHECK enum err new_entries_step(const struct new_entries *n, struct write *w,
                                     const struct id *invoice, const struct id *new_contract);
