#include "sql/sqlstate.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *prefix; /* of the code: all of it, or its class */
    enum err err;
} table[] = {
    {SQLSTATE_QUERY_CANCELED, ERR_DEADLINE}, /* by statement_timeout; our own cancels are known */
    {"08", ERR_UNAVAILABLE},                 /* connection */
    {"53", ERR_UNAVAILABLE},                 /* out of connections, memory or disk */
    {"57P", ERR_UNAVAILABLE},                /* shutting down, starting up, crashed */
    {"25006", ERR_UNAVAILABLE},              /* read only: this server is a standby now */
    {"28", ERR_UNAVAILABLE},                 /* password or role refused */
    {"3D000", ERR_UNAVAILABLE},              /* no such database (yet) */
    {"40", ERR_ABORTED},                     /* serialization, deadlock */
    {"55P03", ERR_ABORTED},                  /* lock not available */
    {"23505", ERR_ABORTED},                  /* unique: another writer was first */
    {"23503", ERR_ABORTED},                  /* foreign key: it was there when we looked */
    {"22003", ERR_RANGE},                    /* numeric out of range */
};

static const char *const outdated[] = {
    "0A000", /* a plan that would return other types */
    "26000", /* a prepared statement that is gone */
    "3F000", /* a schema, */
    "42P01", /* a table, */
    "42703", /* a column, */
    "42704", /* a type or */
    "42883", /* a function that is gone */
};

bool sqlstate_is_outdated(const char *state)
{
    for (size_t i = 0; state && i < sizeof outdated / sizeof *outdated; i++) {
        if (strcmp(state, outdated[i]) == 0)
            return true;
    }
    return false;
}

enum err sqlstate_err(const char *state)
{
    if (!state || strlen(state) != 5)
        return ERR_UNAVAILABLE;
    if (sqlstate_is_outdated(state))
        return ERR_UNAVAILABLE;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].err;
    }
    return ERR_INTERNAL;
}
