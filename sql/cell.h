/* Reads what PostgreSQL answers, in its binary format: one value after the other, from a row or
 * from a record inside an array. Pure; it trusts nothing, since a wrong column or a server of
 * another make must not become a wrong balance.
 *
 * Errors are sticky: a value that is null, short or of another shape reads as zero and marks the
 * reader as bad; look once, with reader_ok(), when everything is read. Texts and bytes are borrowed
 * from the result. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/id.h"
#include "ledger/model.h"

/* One value; `len` is -1 for null. */
struct sql_cell {
    const uint8_t *data;
    int len;
};

typedef struct sql_cell sql_cell_fn(const void *result, int row, int column);

struct sql_reader {
    sql_cell_fn *cell_of; /* of a row; NULL for a record */
    const void *result;
    int row;
    int column;
    int columns;
    const uint8_t *at, *end; /* of a record */
    bool bad;
};

/* The elements of an array value. */
struct sql_array {
    const uint8_t *at, *end;
    int count; /* of elements still to come */
};

struct sql_reader reader_of_row(sql_cell_fn *cell_of, const void *result, int row, int columns);
/* Whether every value read so far was there and well-formed. */
bool reader_ok(const struct sql_reader *r);

/* Whether the next value is null; a null is skipped. */
bool read_null(struct sql_reader *r);
struct id read_id(struct sql_reader *r);
amount read_amount(struct sql_reader *r);
instant read_instant(struct sql_reader *r);
int64_t read_int(struct sql_reader *r); /* of any width */
double read_double(struct sql_reader *r);
bool read_bool(struct sql_reader *r);
struct bytes read_text(struct sql_reader *r); /* text, enum, bytea */
/* A one-dimensional array; null reads as empty. */
struct sql_array read_array(struct sql_reader *r);

/* The next element; false at the end or if `r`, the reader that the array came from, turned bad. */
bool array_next(struct sql_reader *r, struct sql_array *a, struct sql_cell *ret);
/* The same for an array of records: `ret` reads the record's values. Call array_record_done()
 * after. */
bool array_next_record(struct sql_reader *r, struct sql_array *a, struct sql_reader *ret);
/* Takes over the record's badness. It is bad, too, if it has more values than were read. */
void array_record_done(struct sql_reader *r, const struct sql_reader *record);

MUST_CHECK enum err cell_id(struct sql_cell cell, struct id *ret);
MUST_CHECK enum err cell_amount(struct sql_cell cell, amount *ret);
