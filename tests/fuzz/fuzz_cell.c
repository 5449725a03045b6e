/* Any bytes as a value from the database: nothing beyond them is read, a bad reader reads zeros,
 * and what is an amount is one exactly. The first byte chooses what the rest is read as; the second
 * how much is left of the arena that messages are made in. */
#include <stdlib.h>

#include "app/entries.h"
#include "app/message.h"
#include "app/rows.h"
#include "base/limits.h"
#include "sql/cell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = 2 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct sql_cell only_cell(const void *result, int row, int column)
{
    require(row == 0 && column == 0);
    return *(const struct sql_cell *)result;
}

static void read_as_amount(struct sql_cell cell)
{
    amount value = 7, negated = 7;

    enum err err = cell_amount(cell, &value);
    require(err == ERR_OK ? amount_in_range(value) : value == 7);
    if (cell.len < 8 || err == ERR_INTERNAL)
        return;
    uint8_t *other = malloc((size_t)cell.len);
    require(other);
    memcpy(other, cell.data, (size_t)cell.len);
    other[4] ^= 0x40;
    require(cell_amount((struct sql_cell){other, cell.len}, &negated) == err);
    require(err != ERR_OK || negated == -value);
    free(other);
}

/* Each value of each record as the next type in turn. */
static void read_as_records(struct sql_reader *r, unsigned type)
{
    struct sql_array a = read_array(r), nested;
    struct sql_reader record;
    struct sql_cell cell;
    struct segment segment;
    struct id id;

    while (array_next_record(r, &a, &record)) {
        while (reader_ok(&record) && record.column != record.columns) {
            switch (type++ % 9) {
            case 0:
                (void)read_id(&record);
                break;
            case 1:
                require(amount_in_range(read_amount(&record)));
                break;
            case 2:
                (void)read_instant(&record);
                break;
            case 3:
                (void)read_int(&record);
                break;
            case 4:
                (void)read_bool(&record);
                break;
            case 5:
                require(read_text(&record).data);
                break;
            case 6:
                nested = read_array(&record);
                while (array_next(&record, &nested, &cell))
                    require(cell_id(cell, &id) != ERR_OK || cell.len == 16);
                break;
            case 7:
                if (!read_null(&record))
                    (void)read_double(&record);
                break;
            default:
                read_segment(&record, &segment);
                break;
            }
        }
        array_record_done(r, &record);
    }
}

static void read_as_ledger(struct sql_reader *r, struct arena *a)
{
    struct entry_list list = {0};
    bool room = entries_read_stored(&list, a, r);

    require(room || a->full);
    if (!room || a->full || !reader_ok(r))
        return;
    entries_sort(&list, false);
    for (size_t i = 0; i < list.count; i++) {
        require(list.items[i].message->id && *list.items[i].message->amount);
        require(i == 0 || list.items[i - 1].entry.at <= list.items[i].entry.at);
    }
}

static void read_as_messages(struct sql_reader *r, struct arena *a, int kind)
{
    size_t count = 0;

    switch (kind) {
    case 0:
        (void)read_message_map(r, a, &balances__v1__commit__custom_fields_entry__descriptor,
                               &count);
        break;
    case 1:
        (void)read_message_texts(r, a, &count);
        break;
    case 2:
        (void)read_message_ids(r, a, &count);
        break;
    case 3:
        (void)read_message_instant(r, a);
        break;
    case 4:
        (void)read_message_amount(r, a);
        break;
    default:
        (void)read_message_enum(r, &balances__v1__rate_type__descriptor, "RATE_TYPE_");
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena_pool pool;
    struct arena arena;

    if (size < HEAD_BYTES)
        return 0;
    /* In memory of its own size, or reading beyond it would not show. */
    size_t len = size - HEAD_BYTES;
    uint8_t *value = malloc(len);
    require(value || len == 0);
    if (len > 0)
        memcpy(value, data + HEAD_BYTES, len);
    struct sql_cell cell = {value, (int)len};
    struct sql_reader r = reader_of_row(only_cell, &cell, 0, 1);
    arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
    arena_init(&arena, &pool, ARENA_CHUNK_BYTES);
    while (!arena.at || arena.end - arena.at > data[1] * 64)
        require(arena_raw(&arena, 1));

    if (data[0] < 32)
        read_as_amount(cell);
    else if (data[0] < 128)
        read_as_records(&r, data[0]);
    else if (data[0] < 192)
        read_as_ledger(&r, &arena);
    else
        read_as_messages(&r, &arena, data[0] % 6);

    arena_reset(&arena);
    arena_pool_done(&pool);
    free(value);
    return 0;
}
