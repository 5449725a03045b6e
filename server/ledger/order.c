/* The enum's order is the ledger's order within an instant, and the enum's names are the wire's and
 * the database's: model.h has the one list of both. Parsing is a walk through it, which is done
 * once per filter value and not per entry. */
#include "ledger/order.h"

#include <assert.h>

static const char *const names[ENTRY_TYPE_COUNT] = {
#define X(name) [ENTRY_##name] = #name,
    ENTRY_TYPES(X)
#undef X
};

int entry_compare(const struct entry *a, const struct entry *b)
{
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    return id_compare(&a->id, &b->id);
}

const char *entry_type_name(enum entry_type t)
{
    assert(t < ENTRY_TYPE_COUNT);
    return names[t];
}

enum err entry_type_parse(const char *name, enum entry_type *ret)
{
    for (enum entry_type t = 0; t < ENTRY_TYPE_COUNT; t++) {
        if (strcmp(names[t], name) == 0) {
            *ret = t;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}
