#include "ledger/charge.h"

#include <string.h>

int charge_compare(const struct charge *a, const struct charge *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->starting_at != b->starting_at)
        return a->starting_at < b->starting_at ? -1 : 1;
    if (a->unit_price != b->unit_price)
        return a->unit_price > b->unit_price ? -1 : 1;
    return strcmp(a->name, b->name);
}
