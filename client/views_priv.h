/* What the views are made of, for those who add their rows: views.c and account_views.c. */
#pragma once

#include "client/burn_down.h"
#include "client/table.h"
#include "client/terminal.h"
#include "client/views.h"
#include "ledger/amount.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct view_kind {
    const struct table_column *columns;
    size_t column_count; /* 0 where a chart is drawn instead */
    const char *rows;    /* what a row is, in the plural; NULL where none is no surprise */
    void (*add)(struct view *view, const ProtobufCMessage *answer);
};

/* What the entries of one balance add up to, from the first of its ledger on. */
struct running_sum {
    struct amount_sum total;
    bool is_lost; /* from here on nobody knows it */
};

struct view {
    const struct view_kind *kind;
    struct terminal terminal;
    struct table *table;   /* NULL where there is a chart */
    struct table *ledgers; /* those inside balances */
    bool with_sums;        /* of a ledger that comes page by page */
    struct running_sum sum;
    struct burn_down *burn_down; /* NULL where there is a table */
    char *token; /* of the state of the ledger that the pages so far show; NULL before the first */
};

/* A cell with a time, empty where there is none. */
void view_add_instant(struct table *table, const Google__Protobuf__Timestamp *at);
