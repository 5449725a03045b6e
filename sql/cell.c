#include "sql/cell.h"

#include <assert.h>

enum {
    NUMERIC_POSITIVE = 0x0000,
    NUMERIC_NEGATIVE = 0x4000,
    NUMERIC_BASE = 10000,
    NUMERIC_BASE_DIGITS = 4,
};

/* 2000-01-01, PostgreSQL's epoch, in ours. */
static const int64_t epoch_us = INT64_C(946684800000000);

/* 0001-01-01 and the end of 9999: what the database's domain allows and the wire can show. */
static const instant instant_min = INT64_C(-62135596800000000);
static const instant instant_max = INT64_C(253402300799999999);

static uint64_t big_endian(const uint8_t *data, int len)
{
    uint64_t ret = 0;

    for (int i = 0; i < len; i++)
        ret = ret << 8 | data[i];
    return ret;
}

static int64_t big_endian_signed(const uint8_t *data, int len)
{
    return (int64_t)(big_endian(data, len) << (64 - 8 * len)) >> (64 - 8 * len);
}

struct sql_reader reader_of_row(sql_cell_fn *cell_of, const void *result, int row, int columns)
{
    return (struct sql_reader){
        .cell_of = cell_of, .result = result, .row = row, .columns = columns};
}

static struct sql_reader reader_of_record(struct sql_cell cell)
{
    struct sql_reader r = {.bad = cell.len < 4};

    if (!r.bad) {
        r.columns = (int)big_endian(cell.data, 4);
        r.at = cell.data + 4;
        r.end = cell.data + cell.len;
    }
    return r;
}

bool reader_ok(const struct sql_reader *r)
{
    return !r->bad;
}

/* A value with its length before it, as in arrays and records. */
static bool take(const uint8_t **at, const uint8_t *end, struct sql_cell *ret)
{
    if (end - *at < 4)
        return false;
    int64_t len = big_endian_signed(*at, 4);
    if (len < -1 || len > end - *at - 4)
        return false;
    ret->data = *at + 4;
    ret->len = (int)len;
    *at += 4 + (len > 0 ? len : 0);
    return true;
}

static struct sql_cell next(struct sql_reader *r)
{
    struct sql_cell cell = {NULL, -1};

    if (r->bad || r->column == r->columns) {
        r->bad = true;
        return cell;
    }
    if (r->cell_of) {
        cell = r->cell_of(r->result, r->row, r->column);
    } else if (r->end - r->at < 4) {
        r->bad = true;
    } else {
        r->at += 4; /* the type, which the statement has fixed */
        r->bad = !take(&r->at, r->end, &cell);
    }
    r->column++;
    return cell;
}

/* The next value, which must have this length. */
static const uint8_t *next_of(struct sql_reader *r, int len)
{
    struct sql_cell cell = next(r);

    if (cell.len != len) {
        r->bad = true;
        return NULL;
    }
    return cell.data;
}

bool read_null(struct sql_reader *r)
{
    struct sql_reader before = *r;

    if (next(r).len == -1)
        return !r->bad;
    *r = before;
    return false;
}

enum err cell_id(struct sql_cell cell, struct id *ret)
{
    if (cell.len != (int)sizeof ret->bytes)
        return ERR_INTERNAL;
    memcpy(ret->bytes, cell.data, sizeof ret->bytes);
    return ERR_OK;
}

struct id read_id(struct sql_reader *r)
{
    struct id ret = {{0}};

    if (cell_id(next(r), &ret) != ERR_OK)
        r->bad = true;
    return ret;
}

/* Digits of base 10000, the first worth 10000^weight. The value is exact or refused. */
enum err cell_amount(struct sql_cell cell, amount *ret)
{
    amount value = 0;

    if (cell.len < 8)
        return ERR_INTERNAL;
    int count = (int)big_endian(cell.data, 2);
    int weight = (int)big_endian_signed(cell.data + 2, 2);
    unsigned sign = (unsigned)big_endian(cell.data + 4, 2);
    /* The last digit's place, counted in digits of base 10000 above 10^-12. */
    int place = weight - (count - 1) + AMOUNT_SCALE / NUMERIC_BASE_DIGITS;
    if (cell.len != 8 + 2 * count || (sign != NUMERIC_POSITIVE && sign != NUMERIC_NEGATIVE))
        return ERR_INTERNAL;
    if (count == 0) {
        *ret = 0;
        return ERR_OK;
    }
    if (place < 0)
        return ERR_RANGE;
    for (int i = 0; i < count + place; i++) {
        amount digit = i < count ? (amount)big_endian(cell.data + 8 + 2 * i, 2) : 0;
        if (digit >= NUMERIC_BASE || __builtin_mul_overflow(value, NUMERIC_BASE, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return ERR_RANGE;
    }
    if (sign == NUMERIC_NEGATIVE)
        value = -value;
    if (!amount_in_range(value))
        return ERR_RANGE;
    *ret = value;
    return ERR_OK;
}

amount read_amount(struct sql_reader *r)
{
    amount ret = 0;

    if (cell_amount(next(r), &ret) != ERR_OK)
        r->bad = true;
    return ret;
}

instant read_instant(struct sql_reader *r)
{
    const uint8_t *data = next_of(r, 8);
    instant ret = 0;

    if (!data)
        return 0;
    /* Infinity is the last number, and minus infinity the first. */
    if (__builtin_add_overflow(big_endian_signed(data, 8), epoch_us, &ret) || ret < instant_min ||
        ret > instant_max) {
        r->bad = true;
        return 0;
    }
    return ret;
}

int64_t read_int(struct sql_reader *r)
{
    struct sql_cell cell = next(r);

    if (cell.len != 2 && cell.len != 4 && cell.len != 8) {
        r->bad = true;
        return 0;
    }
    return big_endian_signed(cell.data, cell.len);
}

double read_double(struct sql_reader *r)
{
    const uint8_t *data = next_of(r, 8);
    double ret = 0;

    if (data) {
        uint64_t bits = big_endian(data, 8);
        memcpy(&ret, &bits, sizeof ret);
    }
    return ret;
}

bool read_bool(struct sql_reader *r)
{
    const uint8_t *data = next_of(r, 1);

    return data && *data;
}

struct bytes read_text(struct sql_reader *r)
{
    struct sql_cell cell = next(r);

    if (cell.len < 0) {
        r->bad = true;
        return bytes_of("", 0);
    }
    return bytes_of(cell.data, (size_t)cell.len);
}

/* Dimensions, flags, element type; then for each dimension its length and lower bound. */
struct sql_array read_array(struct sql_reader *r)
{
    struct sql_cell cell = next(r);
    struct sql_array a = {0};

    if (cell.len == -1 || r->bad)
        return a;
    int dimensions = cell.len >= 12 ? (int)big_endian(cell.data, 4) : -1;
    if (dimensions == 0)
        return a;
    if (dimensions != 1 || cell.len < 20) {
        r->bad = true;
        return a;
    }
    a.count = (int)big_endian(cell.data + 12, 4);
    a.at = cell.data + 20;
    a.end = cell.data + cell.len;
    /* Each element has at least its length: a count beyond that is not from PostgreSQL. */
    if (a.count < 0 || a.count > (a.end - a.at) / 4) {
        a.count = 0;
        r->bad = true;
    }
    return a;
}

bool array_next(struct sql_reader *r, struct sql_array *a, struct sql_cell *ret)
{
    if (r->bad || a->count == 0)
        return false;
    a->count--;
    if (!take(&a->at, a->end, ret)) {
        r->bad = true;
        return false;
    }
    return true;
}

bool array_next_record(struct sql_reader *r, struct sql_array *a, struct sql_reader *ret)
{
    struct sql_cell cell;

    if (!array_next(r, a, &cell))
        return false;
    *ret = reader_of_record(cell);
    return true;
}

void array_record_done(struct sql_reader *r, const struct sql_reader *record)
{
    r->bad |= record->bad || record->column != record->columns;
}
