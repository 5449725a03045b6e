/* The balances that a draw-down may draw on, as draw_state.sql has them, in burn order. */
#pragma once

#include "base/arena.h"
#include "ledger/draw_down.h"
#include "sql/cell.h"

/* All of it lies in an arena. */
struct draw_sources {
    struct source *sources;
    size_t source_count;
    struct segment *segments; /* of all of them */
    amount *saved_drafts;     /* one for each: room for whoever draws on them */
    size_t segment_count;
    struct burner *burners; /* one for each segment that may burn */
    size_t burner_count;
};

/* Reads the credit application order, */
struct draw_order {
    bool prepayments, balances; /* what is left out does not burn */
    bool balances_first;
};

void draw_order_read(struct draw_order *o, struct arena *a, struct sql_reader *r);
/* and the balances. Look at the arena and then at the reader, when everything is read. */
void draw_sources_read(struct draw_sources *d, const struct draw_order *o, struct arena *a,
                       struct sql_reader *r);
/* The segment of this balance; NULL if it is none of these. */
struct segment *draw_sources_segment(const struct draw_sources *d, const struct id *balance,
                                     const struct id *segment);
