#include "app/draw_sources.h"

#include <string.h>

#include "app/rows.h"

static const char *const line_item_labels[] = {
    [LINE_STANDING_CHARGE] = "STANDING_CHARGE",
    [LINE_USAGE] = "USAGE",
    [LINE_MINIMUM_SPEND] = "MINIMUM_SPEND",
    [LINE_COUNTER_RUNNING_TOTAL_CHARGE] = "COUNTER_RUNNING_TOTAL_CHARGE",
    [LINE_COUNTER_ADJUSTMENT_DEBIT] = "COUNTER_ADJUSTMENT_DEBIT",
    [LINE_AD_HOC] = "AD_HOC",
};

enum { LINE_ITEM_TYPES = sizeof line_item_labels / sizeof *line_item_labels };

void draw_order_read(struct draw_order *o, struct arena *a, struct sql_reader *r)
{
    size_t count;
    const char **labels = read_text_list(r, a, &count);

    *o = (struct draw_order){0};
    for (size_t i = 0; labels && !a->full && i < count; i++) {
        if (strcmp(labels[i], "PREPAYMENT") == 0) {
            o->prepayments = true;
        } else if (strcmp(labels[i], "BALANCE") == 0) {
            o->balances = true;
            o->balances_first = !o->prepayments;
        } else {
            r->bad = true;
        }
    }
}

static void read_specifiers(struct coverage *c, struct arena *a, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct specifier *all = arena_array(a, (size_t)array.count, sizeof *all);
    struct sql_reader record;

    c->specifiers = all;
    while (all && array_next_record(r, &array, &record)) {
        struct specifier *s = &all[c->specifier_count++];
        s->has_product = !read_null(&record);
        if (s->has_product) {
            const char *text = arena_text(a, read_text(&record));
            record.bad |= text && id_parse(text, &s->product) != ERR_OK;
        }
        s->tags = read_text_list(&record, a, &s->tag_count);
        s->pricing = read_pair_list(&record, a, &s->pricing_count);
        s->presentation = read_pair_list(&record, a, &s->presentation_count);
        if (a->full)
            return;
        array_record_done(r, &record);
    }
}

static unsigned read_line_item_types(struct arena *a, struct sql_reader *r)
{
    size_t count;
    const char **labels = read_text_list(r, a, &count);
    unsigned types = 0;

    for (size_t i = 0; labels && !a->full && i < count; i++) {
        int type = 0;
        while (type < LINE_ITEM_TYPES && strcmp(labels[i], line_item_labels[type]) != 0)
            type++;
        if (type == LINE_ITEM_TYPES)
            r->bad = true;
        else
            types |= 1u << type;
    }
    return types;
}

static bool read_commit_rate(struct sql_reader *r)
{
    if (read_null(r))
        return false; /* of those that do not say */
    struct bytes label = read_text(r);
    return label.len == strlen("COMMIT_RATE") && memcmp(label.data, "COMMIT_RATE", label.len) == 0;
}

/* In the order of the columns. What decides the place of all segments goes to `key`. */
static void read_terms(struct source *s, struct burn_key *key, struct arena *a,
                       struct sql_reader *r)
{
    struct balance *b = &s->balance;
    struct coverage *c = &s->coverage;

    key->balance_id = b->id = read_id(r);
    r->bad |= kind_parse(read_text(r), &b->kind) != ERR_OK;
    key->kind = b->kind;
    key->contract_level = b->contract_level = c->has_contract = !read_null(r);
    if (c->has_contract)
        c->contract = read_id(r);
    b->allow_overdraft = read_bool(r);
    b->has_rollover_cap = !read_null(r);
    if (b->has_rollover_cap)
        b->rollover_cap = read_amount(r);
    c->credit_type = read_id(r);
    key->has_priority = !read_null(r);
    if (key->has_priority)
        key->priority = read_double(r);
    s->at_commit_rate = read_commit_rate(r);
    key->rolled_over = read_bool(r);
    c->contracts = read_id_list(r, a, &c->contract_count);
    c->products = read_id_list(r, a, &c->product_count);
    c->tags = read_text_list(r, a, &c->tag_count);
    read_specifiers(c, a, r);
    c->line_item_types = read_line_item_types(a, r);
    s->has_surcharge = !read_null(r);
    if (s->has_surcharge)
        s->surcharge_percent = read_amount(r);
    key->paid = read_bool(r);
    key->products = read_null(r) ? BURN_ALL : (size_t)read_int(r);
    key->contracts = c->has_contract ? 1 : c->contract_count > 0 ? c->contract_count : BURN_ALL;
    key->group_specifiers = a->full ? 0 : coverage_group_specifiers(c);
}

static void read_segments(struct source *s, struct arena *a, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;

    s->segments = arena_array(a, (size_t)array.count, sizeof *s->segments);
    while (s->segments && array_next_record(r, &array, &record)) {
        struct segment *segment = &s->segments[s->balance.segment_count++];
        segment->id = read_id(&record);
        read_segment(&record, segment);
        array_record_done(r, &record);
    }
}

/* Into one piece, where they are saved and restored together. */
static void gather_segments(struct draw_sources *d, struct arena *a)
{
    size_t count = 0;

    for (size_t i = 0; i < d->source_count; i++)
        count += d->sources[i].balance.segment_count;
    d->segments = arena_array(a, count, sizeof *d->segments);
    d->saved_drafts = arena_array(a, count, sizeof *d->saved_drafts);
    for (size_t i = 0; d->segments && i < d->source_count; i++) {
        struct source *s = &d->sources[i];
        struct segment *to = &d->segments[d->segment_count];
        if (s->balance.segment_count > 0)
            memcpy(to, s->segments, s->balance.segment_count * sizeof *to);
        s->balance.segments = s->segments = to;
        d->segment_count += s->balance.segment_count;
    }
}

/* An account balance is one thing from its start to the end of its rollover. */
static void set_times(struct burn_key *key, const struct source *s, const struct segment *segment)
{
    key->segment_id = segment->id;
    key->starting_at = segment->starting_at;
    key->ending_before = segment->ending_before;
    for (size_t i = 0; s->balance.kind == BALANCE_ACCOUNT && i < s->balance.segment_count; i++) {
        const struct segment *other = &s->segments[i];
        if (other->starting_at < key->starting_at)
            key->starting_at = other->starting_at;
        if (other->ending_before > key->ending_before)
            key->ending_before = other->ending_before;
    }
}

static void add_burners(struct draw_sources *d, struct source *s, struct burn_key key)
{
    for (size_t i = 0; i < s->balance.segment_count; i++) {
        set_times(&key, s, &s->segments[i]);
        d->burners[d->burner_count++] = (struct burner){key, s, &s->segments[i]};
    }
}

void draw_sources_read(struct draw_sources *d, const struct draw_order *o, struct arena *a,
                       struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    const size_t count = (size_t)array.count;
    struct burn_key *keys = arena_array(a, count, sizeof *keys);
    struct sql_reader record;

    *d = (struct draw_sources){.sources = arena_array(a, count, sizeof *d->sources)};
    while (keys && d->sources && array_next_record(r, &array, &record)) {
        struct source *s = &d->sources[d->source_count];
        read_terms(s, &keys[d->source_count++], a, &record);
        if (a->full)
            return;
        read_segments(s, a, &record);
        array_record_done(r, &record);
    }
    gather_segments(d, a);
    d->burners = arena_array(a, d->segment_count, sizeof *d->burners);
    for (size_t i = 0; d->segments && d->burners && i < d->source_count; i++)
        if (d->sources[i].balance.kind == BALANCE_ACCOUNT ? o->balances : o->prepayments)
            add_burners(d, &d->sources[i], keys[i]);
    burners_sort(d->burners, d->burner_count, o->balances_first);
}

struct segment *draw_sources_segment(const struct draw_sources *d, const struct id *balance,
                                     const struct id *segment)
{
    for (size_t i = 0; i < d->source_count; i++) {
        const struct source *s = &d->sources[i];
        for (size_t j = 0; id_equal(&s->balance.id, balance) && j < s->balance.segment_count; j++)
            if (id_equal(&s->segments[j].id, segment))
                return &s->segments[j];
    }
    return NULL;
}
