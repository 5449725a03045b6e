#include "app/balance_state.h"

#include <stdio.h>
#include <time.h>

#include "app/rows.h"

void balance_state_ask(struct sql_args *args, const struct id *balance,
                       const struct balance_question *question)
{
    args_id(args, balance);
    write_optional_text(args, question->key ? question->key : "");
    args_bool(args, question->with_use);
    write_optional_id(args, question->new_contract != NULL, question->new_contract);
    write_optional_id(args, question->invoice != NULL, question->invoice);
}

struct invoice_status read_invoice_status(struct sql_reader *r)
{
    struct invoice_status status = {.found = read_bool(r)};

    status.finalized = read_bool(r);
    status.voided = read_bool(r);
    return status;
}

/* The columns of the balance that only rollovers and true-ups look at. */
static void read_terms(struct balance_state *s, struct sql_reader *r)
{
    s->has_home = !read_null(r);
    if (s->has_home)
        s->home_id = read_id(r);
    s->has_product = !read_null(r);
    if (s->has_product)
        s->product_id = read_id(r);
    s->credit_type_id = read_id(r);
    s->balance.true_up_disabled = read_bool(r);
    s->balance.rolled_over = read_bool(r);
    s->has_rollover_fraction = !read_null(r);
    if (s->has_rollover_fraction)
        s->rollover_fraction = read_amount(r);
    s->rolled_over = read_amount(r);
}

static void read_segments(struct balance_state *s, struct arena *a, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct segment *segments = arena_array(a, (size_t)array.count, sizeof *segments);
    struct segment_use *uses = arena_array(a, (size_t)array.count, sizeof *uses);
    struct sql_reader record;

    s->balance.segments = segments;
    s->use.segments = uses;
    while (segments && uses && array_next_record(r, &array, &record)) {
        struct segment *segment = &segments[s->balance.segment_count];
        struct segment_use *use = &uses[s->balance.segment_count++];
        segment->id = read_id(&record);
        read_segment(&record, segment);
        read_use(&record, use);
        array_record_done(r, &record);
    }
}

static void read_items(struct balance_state *s, struct arena *a, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct invoice_item *items = arena_array(a, (size_t)array.count, sizeof *items);
    struct sql_reader record;

    s->use.items = items;
    while (items && array_next_record(r, &array, &record)) {
        struct invoice_item *item = &items[s->use.item_count++];
        item->id = read_id(&record);
        item->at = read_instant(&record);
        item->invoiced = read_bool(&record);
        item->invoice_is_void = read_bool(&record);
        array_record_done(r, &record);
    }
}

enum err balance_state_learn(struct balance_state *s, struct arena *a, struct sql_reader *r)
{
    *s = (struct balance_state){.key_used = read_bool(r)};
    s->new_contract_found = read_bool(r);
    s->new_contract_archived = read_bool(r);
    s->invoice = read_invoice_status(r);
    s->found = !read_null(r);
    if (!s->found)
        return ERR_OK;
    s->balance.id = read_id(r);
    if (kind_parse(read_text(r), &s->balance.kind) != ERR_OK)
        return ERR_INTERNAL;
    s->balance.archived = read_bool(r);
    s->balance.contract_level = !read_null(r);
    if (s->balance.contract_level)
        s->contract_id = read_id(r);
    read_terms(s, r);
    read_segments(s, a, r);
    read_items(s, a, r);
    return ERR_OK;
}

const struct segment *balance_state_segment(const struct balance_state *s, const struct id *id)
{
    for (size_t i = 0; i < s->balance.segment_count; i++)
        if (id_equal(&s->balance.segments[i].id, id))
            return &s->balance.segments[i];
    return NULL;
}

const char *subject_of(struct call *c, const char *type, const struct id *id)
{
    struct id_text text = id_format(id);
    const char *subject = arena_printf(&c->arena, "%s/%s", type, text.text);

    return subject ? subject : type;
}

const char *instant_text(struct call *c, instant at)
{
    int64_t us = at % 1000000;
    time_t seconds = (time_t)(at / 1000000 - (us < 0));
    struct tm tm;
    char fraction[8] = "";

    if (!gmtime_r(&seconds, &tm))
        return "an instant";
    if (us != 0)
        snprintf(fraction, sizeof fraction, ".%06d", (int)(us < 0 ? us + 1000000 : us));
    const char *text =
        arena_printf(&c->arena, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
    return text ? text : "an instant";
}
