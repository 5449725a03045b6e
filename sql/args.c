#include "sql/args.h"

#include <assert.h>

enum { OID_BYTEA = 17, OID_TEXT = 25, OID_TIMESTAMPTZ = 1184, OID_UUID = 2950 };

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

static uint64_t since_epoch(instant at)
{
    return (uint64_t)at - (uint64_t)epoch_us;
}

void args_instant(struct sql_args *a, instant at)
{
    add_integer(a, since_epoch(at), 8);
}

void args_bool(struct sql_args *a, bool value)
{
    add_integer(a, value, 1);
}

void args_int(struct sql_args *a, int64_t value)
{
    add_integer(a, (uint64_t)value, 8);
}

void args_double(struct sql_args *a, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    add_integer(a, bits, 8);
}

void args_text(struct sql_args *a, struct bytes text)
{
    add(a, text.data, text.len);
}

/* The head of an array whose elements take `len` bytes, their lengths included. Returns where the
 * elements go, or NULL when the arena is full. */
static uint8_t *add_array(struct sql_args *a, struct arena *arena, uint32_t type, size_t count,
                          size_t len)
{
    /* Dimensions, a flag for nulls that is not looked at, element type; length and lower bound of
     * the one dimension. */
    const uint32_t head[5] = {count > 0, 0, type, (uint32_t)count, 1};
    const size_t head_count = count > 0 ? 5 : 3;
    uint8_t *out = arena_raw(arena, 4 * head_count + len);

    if (!out)
        return NULL;
    for (size_t i = 0; i < head_count; i++)
        put_big_endian(out + 4 * i, head[i], 4);
    add(a, out, 4 * head_count + len);
    return out + 4 * head_count;
}

static uint8_t *put_element(uint8_t *at, const void *value, size_t len)
{
    put_big_endian(at, len, 4);
    memcpy(at + 4, value, len);
    return at + 4 + len;
}

enum err args_texts(struct sql_args *a, struct arena *arena, const char *const *texts, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += 4 + (texts[i] ? strlen(texts[i]) : 0);
    uint8_t *at = add_array(a, arena, OID_TEXT, count, len);
    if (!at)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < count; i++) {
        if (texts[i]) {
            at = put_element(at, texts[i], strlen(texts[i]));
        } else {
            put_big_endian(at, UINT32_MAX, 4);
            at += 4;
        }
    }
    return ERR_OK;
}

enum err args_byteas(struct sql_args *a, struct arena *arena, const struct bytes *bytes,
                     size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += 4 + bytes[i].len;
    uint8_t *at = add_array(a, arena, OID_BYTEA, count, len);
    if (!at)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < count; i++)
        at = put_element(at, bytes[i].data, bytes[i].len);
    return ERR_OK;
}

enum err args_ids(struct sql_args *a, struct arena *arena, const struct id *ids, size_t count)
{
    uint8_t *at = add_array(a, arena, OID_UUID, count, count * (4 + sizeof *ids));

    if (!at)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < count; i++)
        at = put_element(at, ids[i].bytes, sizeof ids[i].bytes);
    return ERR_OK;
}

enum err args_instants(struct sql_args *a, struct arena *arena, const instant *instants,
                       size_t count)
{
    uint8_t *at = add_array(a, arena, OID_TIMESTAMPTZ, count, count * (4 + 8));
    uint8_t value[8];

    if (!at)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < count; i++) {
        put_big_endian(value, since_epoch(instants[i]), sizeof value);
        at = put_element(at, value, sizeof value);
    }
    return ERR_OK;
}
