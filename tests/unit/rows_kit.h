/* Values in PostgreSQL's binary format, as bytes that a test writes down in order, and a row of
 * them for a reader. */
#pragma once

#include "kit.h"

#include "sql/cell.h"

enum { BUILD_BYTES = 4096, ROW_COLUMNS = 64 };

/* Bytes that grow. */
struct build {
    uint8_t bytes[BUILD_BYTES];
    size_t len;
};

static inline void build_int(struct build *b, int64_t value, int len)
{
    assert_true(b->len + (size_t)len <= sizeof b->bytes);
    for (int i = len - 1; i >= 0; i--)
        b->bytes[b->len++] = (uint8_t)((uint64_t)value >> (8 * i));
}

static inline void build_bytes(struct build *b, const void *bytes, size_t len)
{
    assert_true(b->len + len <= sizeof b->bytes);
    memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
}

static inline void build_hex(struct build *b, const char *hex)
{
    for (; *hex; hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'}, *end;
        build_int(b, (int64_t)strtoul(digits, &end, 16), 1);
        assert_true(!*end && hex[1]);
    }
}

/* A value with its length before it, as in arrays; in records its type stands before that. */
static inline void build_element(struct build *b, const struct build *value)
{
    build_int(b, value ? (int64_t)value->len : -1, 4);
    if (value)
        build_bytes(b, value->bytes, value->len);
}

static inline void build_field(struct build *b, const struct build *value)
{
    build_int(b, 25, 4);
    build_element(b, value);
}

/* The head of a one-dimensional array, before its elements. */
static inline void build_array_head(struct build *b, int count)
{
    build_int(b, 1, 4);
    build_int(b, 0, 4);
    build_int(b, 25, 4);
    build_int(b, count, 4);
    build_int(b, 1, 4);
}

static inline struct build build_of_text(const char *text)
{
    struct build b = {.len = 0};

    build_bytes(&b, text, strlen(text));
    return b;
}

static inline struct build build_of_hex(const char *hex)
{
    struct build b = {.len = 0};

    build_hex(&b, hex);
    return b;
}

static const char row_id_hex[] = "2714e4834ff148e49e25ac732e8f24f2";

/* A record's values, which come after their number. */
static inline void record_add(struct build *record, const char *text)
{
    struct build value = text ? build_of_text(text) : (struct build){.len = 0};

    build_field(record, text ? &value : NULL);
}

static inline void record_add_hex(struct build *record, const char *hex)
{
    struct build value = build_of_hex(hex);

    build_field(record, &value);
}

/* A record as the statements make it, of a manual entry. */
static inline struct build stored_record(const char *type, const char *amount_hex)
{
    struct build record = {.len = 0};

    build_int(&record, 11, 4);
    for (int i = 0; i < 3; i++)
        record_add_hex(&record, row_id_hex);
    record_add(&record, type);
    record_add_hex(&record, amount_hex);
    record_add_hex(&record, "fffca2fec4c81fff");
    for (int i = 0; i < 3; i++)
        record_add(&record, NULL);
    record_add(&record, "a reason");
    record_add(&record, NULL);
    return record;
}

/* One row. Each value has memory of its own, of its exact size, so that reading beyond it shows. */
struct row {
    struct sql_cell cells[ROW_COLUMNS];
    int count;
};

static inline void row_add(struct row *row, const struct build *value)
{
    struct sql_cell cell = {NULL, -1};

    assert_true(row->count < ROW_COLUMNS);
    if (value) {
        uint8_t *copy = malloc(value->len);
        assert_true(copy || value->len == 0);
        if (value->len > 0)
            memcpy(copy, value->bytes, value->len);
        cell = (struct sql_cell){copy, (int)value->len};
    }
    row->cells[row->count++] = cell;
}

static inline void row_add_text(struct row *row, const char *text)
{
    struct build value = build_of_text(text);

    row_add(row, &value);
}

static inline void row_add_hex(struct row *row, const char *hex)
{
    struct build value = build_of_hex(hex);

    row_add(row, &value);
}

static inline void row_free(struct row *row)
{
    while (row->count > 0) {
        union {
            const uint8_t *in;
            void *out;
        } u = {row->cells[--row->count].data};
        free(u.out);
    }
}

static inline struct sql_cell row_cell(const void *result, int row, int column)
{
    const struct row *r = result;

    assert_int_equal(row, 0);
    assert_in_range(column, 0, r->count - 1);
    return r->cells[column];
}

static inline struct sql_reader row_reader(const struct row *row)
{
    return reader_of_row(row_cell, row, 0, row->count);
}
