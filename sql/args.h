/* The parameters of one statement, in order, in PostgreSQL's binary format. Small values are kept
 * inside; texts and arrays are borrowed until the request has called back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/id.h"
#include "base/limits.h"
#include "ledger/model.h"

struct sql_args {
    int count;
    const char *values[SQL_PARAMS_MAX]; /* NULL is null */
    int lengths[SQL_PARAMS_MAX];
    uint8_t kept[SQL_PARAMS_MAX][sizeof(struct id)];
};

void args_null(struct sql_args *a);
void args_id(struct sql_args *a, const struct id *id);
void args_instant(struct sql_args *a, instant at);
void args_bool(struct sql_args *a, bool value);
void args_int(struct sql_args *a, int64_t value);
void args_double(struct sql_args *a, double value);
void args_text(struct sql_args *a, struct bytes text);
/* Arrays, built in the arena; `count` 0 is an empty array, and a text that is NULL a null in it.
 * ERR_EXHAUSTED when the arena is full. */
MUST_CHECK enum err args_texts(struct sql_args *a, struct arena *arena, const char *const *texts,
                               size_t count);
MUST_CHECK enum err args_byteas(struct sql_args *a, struct arena *arena, const struct bytes *bytes,
                                size_t count);
MUST_CHECK enum err args_ids(struct sql_args *a, struct arena *arena, const struct id *ids,
                             size_t count);
MUST_CHECK enum err args_instants(struct sql_args *a, struct arena *arena, const instant *instants,
                                  size_t count);
