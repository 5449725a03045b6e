#include "app/message.h"

#include <assert.h>
#include <stdio.h>

#include "app/normal.h"
#include "ledger/order.h"

enum { LABEL_MAX = 96 };

char *message_no_text(void)
{
    return text_borrow(protobuf_c_empty_string);
}

char *message_id(struct arena *a, const struct id *id)
{
    struct id_text text = id_format(id);

    return arena_text(a, bytes_of(text.text, ID_TEXT_LEN));
}

char *message_amount(struct arena *a, amount value)
{
    struct amount_text text = amount_format(value);

    return arena_text(a, bytes_text(text.text));
}

Google__Protobuf__Timestamp *message_instant(struct arena *a, instant at)
{
    Google__Protobuf__Timestamp *t = arena_raw(a, sizeof *t);

    if (!t)
        return NULL;
    google__protobuf__timestamp__init(t);
    int64_t us = at % 1000000;
    /* Nanos count forward, also before 1970. */
    t->seconds = at / 1000000 - (us < 0);
    t->nanos = (int32_t)(us < 0 ? us + 1000000 : us) * 1000;
    return t;
}

char *read_message_text(struct sql_reader *r, struct arena *a)
{
    return read_null(r) ? message_no_text() : arena_text(a, read_text(r));
}

char *read_message_id(struct sql_reader *r, struct arena *a)
{
    if (read_null(r))
        return message_no_text();
    struct id id = read_id(r);
    return message_id(a, &id);
}

char *read_message_amount(struct sql_reader *r, struct arena *a)
{
    return read_null(r) ? message_no_text() : message_amount(a, read_amount(r));
}

Google__Protobuf__Timestamp *read_message_instant(struct sql_reader *r, struct arena *a)
{
    return read_null(r) ? NULL : message_instant(a, read_instant(r));
}

Google__Protobuf__DoubleValue *read_message_double(struct sql_reader *r, struct arena *a)
{
    if (read_null(r))
        return NULL;
    Google__Protobuf__DoubleValue *value = arena_raw(a, sizeof *value);
    double number = read_double(r);
    if (value) {
        google__protobuf__double_value__init(value);
        value->value = number;
    }
    return value;
}

static int enum_number(struct sql_reader *r, struct bytes label,
                       const ProtobufCEnumDescriptor *type, const char *prefix)
{
    char name[LABEL_MAX];

    snprintf(name, sizeof name, "%s%.*s", prefix, (int)label.len, (const char *)label.data);
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    if (!value) {
        r->bad = true;
        return 0;
    }
    return value->value;
}

int read_message_enum(struct sql_reader *r, const ProtobufCEnumDescriptor *type, const char *prefix)
{
    return read_null(r) ? 0 : enum_number(r, read_text(r), type, prefix);
}

char **read_message_ids(struct sql_reader *r, struct arena *a, size_t *ret_count)
{
    struct sql_array array = read_array(r);
    char **texts = arena_array(a, (size_t)array.count, sizeof *texts);
    struct sql_cell cell;
    struct id id;

    *ret_count = 0;
    while (texts && array_next(r, &array, &cell)) {
        if (cell_id(cell, &id) != ERR_OK) {
            r->bad = true;
            break;
        }
        texts[(*ret_count)++] = message_id(a, &id);
    }
    return texts;
}

char **read_message_texts(struct sql_reader *r, struct arena *a, size_t *ret_count)
{
    struct sql_array array = read_array(r);
    char **texts = arena_array(a, (size_t)array.count, sizeof *texts);
    struct sql_cell cell;

    *ret_count = 0;
    while (texts && array_next(r, &array, &cell)) {
        if (cell.len < 0) {
            r->bad = true;
            break;
        }
        texts[(*ret_count)++] = arena_text(a, bytes_of(cell.data, (size_t)cell.len));
    }
    return texts;
}

ProtobufCMessage **read_message_map(struct sql_reader *r, struct arena *a,
                                    const ProtobufCMessageDescriptor *entry, size_t *ret_count)
{
    struct sql_array array = read_array(r);
    ProtobufCMessage **entries = arena_array(a, (size_t)array.count, sizeof *entries);
    struct sql_reader record;

    assert(entry->sizeof_message == sizeof(struct text_pair));
    *ret_count = 0;
    while (entries && array_next_record(r, &array, &record)) {
        struct text_pair *e = arena_raw(a, sizeof *e);
        if (!e)
            break;
        protobuf_c_message_init(entry, e);
        e->key = read_message_text(&record, a);
        e->value = read_message_text(&record, a);
        array_record_done(r, &record);
        entries[(*ret_count)++] = &e->base;
    }
    return entries;
}

static const Balances__V1__LedgerEntryType entry_numbers[ENTRY_TYPE_COUNT] = {
#define X(name) [ENTRY_##name] = BALANCES__V1__LEDGER_ENTRY_TYPE__LEDGER_ENTRY_TYPE_##name,
    ENTRY_TYPES(X)
#undef X
};

Balances__V1__LedgerEntry *message_entry(struct arena *a, const struct entry *e)
{
    Balances__V1__LedgerEntry *m = arena_raw(a, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__ledger_entry__init(m);
    m->type = entry_numbers[e->type];
    m->amount = message_amount(a, e->value);
    m->timestamp = message_instant(a, e->at);
    m->id = message_id(a, &e->id);
    m->segment_id = message_id(a, &e->segment_id);
    m->balance_id = message_id(a, &e->balance_id);
    m->draft = e->draft;
    return m;
}

enum err message_entry_type(int number, enum entry_type *ret)
{
    for (int i = 0; i < ENTRY_TYPE_COUNT; i++) {
        if ((int)entry_numbers[i] == number) {
            *ret = (enum entry_type)i;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}
