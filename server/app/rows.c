#include "app/rows.h"

static const char *const kind_labels[BALANCE_KINDS] = {
    [BALANCE_PREPAID_COMMIT] = "PREPAID_COMMIT",
    [BALANCE_POSTPAID_COMMIT] = "POSTPAID_COMMIT",
    [BALANCE_CREDIT] = "CREDIT",
    [BALANCE_ACCOUNT] = "ACCOUNT_BALANCE",
};

static bool is(struct bytes label, const char *text)
{
    return label.len == strlen(text) && memcmp(label.data, text, label.len) == 0;
}

enum err kind_parse(struct bytes label, enum balance_kind *ret)
{
    for (int i = 0; i < BALANCE_KINDS; i++) {
        if (is(label, kind_labels[i])) {
            *ret = (enum balance_kind)i;
            return ERR_OK;
        }
    }
    return ERR_INTERNAL;
}

void read_segment(struct sql_reader *r, struct segment *ret)
{
    struct bytes role = read_text(r);

    if (is(role, "ROLLOVER"))
        ret->role = SEGMENT_ROLLOVER;
    else if (is(role, "ACCESS"))
        ret->role = SEGMENT_ACCESS;
    else
        r->bad = true;
    ret->starting_at = read_instant(r);
    ret->ending_before = read_instant(r);
    ret->granted = read_amount(r);
    ret->final = read_amount(r);
    ret->draft = read_amount(r);
    ret->manual = read_amount(r);
    ret->other = read_amount(r);
}

void read_use(struct sql_reader *r, struct segment_use *ret)
{
    ret->has_entries = read_int(r) > 0;
    ret->has_deduction = !read_null(r);
    if (ret->has_deduction)
        ret->last_deduction = read_instant(r);
}

struct segment_use *read_uses(struct sql_reader *r, struct arena *a)
{
    struct sql_array array = read_array(r);
    struct segment_use *uses = arena_array(a, (size_t)array.count, sizeof *uses);
    struct sql_reader record;

    for (size_t i = 0; uses && array_next_record(r, &array, &record); i++) {
        read_use(&record, &uses[i]);
        array_record_done(r, &record);
    }
    return uses;
}

struct id *read_id_list(struct sql_reader *r, struct arena *a, size_t *ret_count)
{
    struct sql_array array = read_array(r);
    struct id *ids = arena_array(a, (size_t)array.count, sizeof *ids);
    struct sql_cell cell;

    *ret_count = 0;
    while (ids && array_next(r, &array, &cell)) {
        if (cell_id(cell, &ids[*ret_count]) != ERR_OK) {
            r->bad = true;
            break;
        }
        ++*ret_count;
    }
    return ids;
}

const char **read_text_list(struct sql_reader *r, struct arena *a, size_t *ret_count)
{
    struct sql_array array = read_array(r);
    const char **texts = arena_array(a, (size_t)array.count, sizeof *texts);
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

struct pair *read_pair_list(struct sql_reader *r, struct arena *a, size_t *ret_count)
{
    struct sql_array array = read_array(r);
    struct pair *pairs = arena_array(a, (size_t)array.count, sizeof *pairs);
    struct sql_reader record;

    *ret_count = 0;
    while (pairs && array_next_record(r, &array, &record)) {
        struct pair *pair = &pairs[(*ret_count)++];
        pair->key = arena_text(a, read_text(&record));
        pair->value = arena_text(a, read_text(&record));
        array_record_done(r, &record);
    }
    return pairs;
}

enum err read_account(struct sql_reader *r, struct arena *a, struct balance *ret)
{
    struct sql_reader record;

    ret->id = read_id(r);
    if (kind_parse(read_text(r), &ret->kind) != ERR_OK)
        return ERR_INTERNAL;
    ret->archived = read_bool(r);
    ret->allow_overdraft = read_bool(r);
    ret->has_rollover_cap = !read_null(r);
    if (ret->has_rollover_cap)
        ret->rollover_cap = read_amount(r);
    struct sql_array array = read_array(r);
    struct segment *segments = arena_array(a, (size_t)array.count, sizeof *segments);
    if (!segments)
        return ERR_EXHAUSTED;
    while (array_next_record(r, &array, &record)) {
        struct segment *s = &segments[ret->segment_count++];
        s->id = read_id(&record);
        read_segment(&record, s);
        array_record_done(r, &record);
    }
    ret->segments = segments;
    return reader_ok(r) ? ERR_OK : ERR_INTERNAL;
}
