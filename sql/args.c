#include "sql/args.h"

#include <assert.h>

enum { OID_TEXT = 25 };

static const int64_t epoch_us = INT64_C(946684800000000); /* 2000-01-01, PostgreSQL's, in ours */

static void put_big_endian(uint8_t *out, uint64_t value, int len)
{
    for (int i = len - 1; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static void add(struct sql_args *a, const void *value, size_t len)
{
    assert(a->count < SQL_PARAMS_MAX);
    a->values[a->count] = value;
    a->lengths[a->count] = (int)len;
    a->count++;
}

static void add_integer(struct sql_args *a, uint64_t value, int len)
{
    uint8_t *kept = a->kept[a->count];

    put_big_endian(kept, value, len);
    add(a, kept, (size_t)len);
}

void args_null(struct sql_args *a)
{
    add(a, NULL, 0);
}

void args_id(struct sql_args *a, const struct id *id)
{
    uint8_t *kept = a->kept[a->count];

    memcpy(kept, id->bytes, sizeof id->bytes);
    add(a, kept, sizeof id->bytes);
}

void args_instant(struct sql_args *a, instant at)
{
    add_integer(a, (uint64_t)at - (uint64_t)epoch_us, 8);
}

void args_bool(struct sql_args *a, bool value)
{
    add_integer(a, value, 1);
}

void args_int(struct sql_args *a, int64_t value)
{
    add_integer(a, (uint64_t)value, 8);
}

void args_text(struct sql_args *a, struct bytes text)
{
    add(a, text.data, text.len);
}

enum err args_texts(struct sql_args *a, struct arena *arena, const char *const *texts, size_t count)
{
    size_t len = 20;

    for (size_t i = 0; i < count; i++)
        len += 4 + strlen(texts[i]);
    uint8_t *out = arena_raw(arena, len);
    if (!out)
        return ERR_EXHAUSTED;
    /* Dimensions, no nulls, element type; length and lower bound of the one dimension. */
    uint8_t *at = out;
    const uint32_t head[5] = {count > 0, 0, OID_TEXT, (uint32_t)count, 1};
    for (size_t i = 0; i < (count > 0 ? 5 : 3); i++, at += 4)
        put_big_endian(at, head[i], 4);
    for (size_t i = 0; i < count; i++) {
        size_t text_len = strlen(texts[i]);
        put_big_endian(at, text_len, 4);
        memcpy(at + 4, texts[i], text_len);
        at += 4 + text_len;
    }
    add(a, out, (size_t)(at - out));
    return ERR_OK;
}
