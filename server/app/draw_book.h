/* What draw-downs of one customer decide on and what they change, in memory: the balances, the
 * invoices and what these deduct already. Several may draw one after the other; each can be taken
 * back; and at the end the book says which rows are to be written. The row of draw_state.sql. */
#pragma once

#include "app/draw_sources.h"
#include "sql/pool.h"

enum { DRAW_STEPS_MAX = 3 };

/* What an invoice deducts from a segment: negative, 0 for nothing. */
struct draw_deduction {
    struct draw_deduction *next;
    struct id balance_id, segment_id;
    struct segment *segment; /* NULL: it is not among those that may burn now */
    amount stored, now, saved;
};

struct draw_invoice {
    struct draw_invoice *next;
    struct id id;
    bool is_stored;
    bool is_made, was_made; /* by one of the draw-downs */
    bool is_draft;
    bool has_contract;
    struct id contract;
    instant service_period_end;
    struct draw_deduction *deductions;
};

struct draw_product {
    struct id id;
    const char *const *tags;
    size_t tag_count;
};

/* All of it lies in the arena. */
struct draw_book {
    struct arena *arena;
    struct draw_sources sources;
    struct id *contracts, *credit_types; /* those of the draw-downs that there are */
    size_t contract_count, credit_type_count;
    struct draw_product *products;
    size_t product_count;
    struct draw_invoice *invoices;
    struct allocation *allocations; /* of the last charge */
};

/* Look at the arena and then at the reader, when it is read. */
void draw_book_read(struct draw_book *b, struct arena *a, struct sql_reader *r);

bool draw_book_has_contract(const struct draw_book *b, const struct id *id);
bool draw_book_has_credit_type(const struct draw_book *b, const struct id *id);
/* A product that nobody knows has no tags. */
const char *const *draw_book_tags(const struct draw_book *b, const struct id *product,
                                  size_t *ret_count);

/* NULL if there is none yet. */
struct draw_invoice *draw_book_invoice(const struct draw_book *b, const struct id *id);
/* A new draft, for the caller to fill in; NULL when the arena is full. */
struct draw_invoice *draw_book_make_invoice(struct draw_book *b, const struct id *id);

/* From here on, or back to here. */
void draw_book_save(struct draw_book *b);
void draw_book_restore(struct draw_book *b);

/* Gives back all that the invoice deducts. ERR_RANGE as from draw_charge(). */
MUST_CHECK enum err draw_book_forget(struct draw_invoice *invoice);
/* Takes a charge, whose allocations are in `b->allocations`. Also ERR_EXHAUSTED. After a failure
 * restore. */
MUST_CHECK enum err draw_book_draw(struct draw_book *b, struct draw_invoice *invoice,
                                   const struct charge *charge, struct split *ret);

/* The statements that make it so, none where nothing has changed; what they borrow is in the arena.
 * ERR_EXHAUSTED when that is full. */
MUST_CHECK enum err draw_book_write(const struct draw_book *b, const struct id *customer,
                                    struct sql_step steps[static DRAW_STEPS_MAX], int *ret_count);
