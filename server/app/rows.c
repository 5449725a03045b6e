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
