/* Entries are put in the order of time and added up, so that each instant has one sum: what entries
 * of one instant do among themselves nobody could ever spend. Sums are exact and have no floor:
 * debt shows, as it does in the ledger. */
#include "client/burn_down.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/chart.h"
#include "client/memory.h"
#include "client/rfc3339.h"
#include "client/table.h"
#include "client/text.h"

enum {
    PIPE_WIDTH = 80, /* of a chart that no terminal bounds */
    LEAST_NAME = 12,
};

/* The balances of one credit type. */
struct group {
    char *credit_type; /* its id */
    char *unit;        /* what people call it */
    char *title;       /* of the first balance */
    size_t balances;
    struct chart_point *points; /* entries as they came; sums once they are added up */
    size_t count;
    size_t room;
    struct amount_sum usable; /* now */
    bool is_odd;              /* something in it is no amount or no instant */
};

struct burn_down {
    struct group *groups;
    size_t group_count;
    size_t balance_count;
};

struct burn_down *burn_down_create(void)
{
    return memory_get(sizeof(struct burn_down));
}

void burn_down_free(struct burn_down *burn_down)
{
    if (!burn_down)
        return;
    for (size_t i = 0; i < burn_down->group_count; i++) {
        struct group *group = &burn_down->groups[i];
        free(group->credit_type);
        free(group->unit);
        free(group->title);
        free(group->points);
    }
    free(burn_down->groups);
    free(burn_down);
}

size_t burn_down_balances(const struct burn_down *burn_down)
{
    return burn_down->balance_count;
}

static struct group *group_of(struct burn_down *burn_down, const struct balance_row *row)
{
    const char *credit_type = row->credit_type ? row->credit_type->id : "";
    for (size_t i = 0; i < burn_down->group_count; i++) {
        if (strcmp(burn_down->groups[i].credit_type, credit_type) == 0)
            return &burn_down->groups[i];
    }
    size_t count = ++burn_down->group_count;
    burn_down->groups = memory_grow(burn_down->groups, count * sizeof *burn_down->groups);
    struct group *group = &burn_down->groups[count - 1];
    *group = (struct group){
        .credit_type = memory_text(credit_type),
        .unit = memory_text(balance_row_credit_type(row)),
        .title = memory_text(*row->name ? row->name
                             : *row->id ? row->id
                                        : "?"),
    };
    return group;
}

static void add_entry(struct group *group, const Balances__V1__LedgerEntry *entry)
{
    const Google__Protobuf__Timestamp *at = entry->timestamp;
    amount value;
    if (!at || !rfc3339_in_range(at->seconds, at->nanos) ||
        amount_parse(bytes_text(entry->amount), &value) != ERR_OK) {
        group->is_odd = true;
        return;
    }
    if (group->count == group->room) {
        group->room = group->room ? 2 * group->room : 64;
        group->points = memory_grow(group->points, group->room * sizeof *group->points);
    }
    group->points[group->count++] =
        (struct chart_point){.at = at->seconds * 1000000 + at->nanos / 1000, .value = value};
}

void burn_down_add(struct burn_down *burn_down, const struct balance_row *row)
{
    struct group *group = group_of(burn_down, row);
    amount usable = 0;
    burn_down->balance_count++;
    group->balances++;
    group->is_odd = group->is_odd || amount_parse(bytes_text(row->balance), &usable) != ERR_OK;
    amount_sum_add(&group->usable, usable);
    for (size_t i = 0; i < row->ledger_count; i++)
        add_entry(group, row->ledger[i]);
}

static int compare_instants(const void *a, const void *b)
{
    int64_t left = ((const struct chart_point *)a)->at;
    int64_t right = ((const struct chart_point *)b)->at;
    return (left > right) - (left < right);
}

/* Makes sums of the entries, one for each instant. ERR_RANGE where one has too many digits. */
static enum err add_up(struct group *group)
{
    struct chart_point *points = group->points;
    struct amount_sum total = {0};
    size_t count = 0;
    if (group->count > 0)
        qsort(points, group->count, sizeof *points, compare_instants);
    for (size_t i = 0; i < group->count; i++) {
        amount_sum_add(&total, points[i].value);
        if (i + 1 < group->count && points[i + 1].at == points[i].at)
            continue;
        points[count].at = points[i].at;
        enum err err = amount_sum_value(&total, &points[count++].value);
        if (err != ERR_OK)
            return err;
    }
    group->count = count;
    return ERR_OK;
}

static struct rfc3339_text format_instant(int64_t at)
{
    int64_t micros = at % 1000000 < 0 ? at % 1000000 + 1000000 : at % 1000000;
    return rfc3339_format_brief((at - micros) / 1000000, (int32_t)micros * 1000);
}

/* "Annual commit, USD (cents)". Where there is no room for all of it the name is cut. */
static void print_title(const struct group *group, FILE *out, size_t width)
{
    size_t after_name = *group->unit ? strlen(", ") + text_width(group->unit) : 0;
    if (group->balances > 1)
        fprintf(out, "%zu balances", group->balances);
    else
        text_print(out, group->title,
                   width > after_name + LEAST_NAME ? width - after_name : LEAST_NAME);
    if (*group->unit) {
        fputs(", ", out);
        text_print(out, group->unit, SIZE_MAX);
    }
    putc('\n', out);
}

/* Below the axis a date is enough, unless there is but one. */
static void shorten_instants(struct rfc3339_text *from, struct rfc3339_text *to)
{
    static const size_t date_len = sizeof "2025-01-31" - 1;
    if (strncmp(from->text, to->text, date_len) == 0)
        return;
    from->text[date_len] = 0;
    to->text[date_len] = 0;
}

static void print_chart(const struct group *group, FILE *out, const struct terminal *terminal)
{
    const struct chart_point *points = group->points;
    struct rfc3339_text from = format_instant(points[0].at);
    struct rfc3339_text to = format_instant(points[group->count - 1].at);
    fputs(from.text, out);
    if (group->count > 1)
        fprintf(out, " to %s", to.text);
    putc('\n', out);
    shorten_instants(&from, &to);
    const struct chart chart = {
        .points = points,
        .count = group->count,
        .from = from.text,
        .to = to.text,
        .width = terminal->width == TABLE_ANY_WIDTH ? PIPE_WIDTH : terminal->width,
        .has_blocks = terminal->has_blocks,
    };
    chart_print(out, &chart);
}

/* What a column of the chart may have no room to show, exactly. */
static void print_figures(const struct group *group, amount usable, FILE *out)
{
    const struct chart_point *points = group->points;
    amount highest = points[0].value;
    amount lowest = points[0].value;
    for (size_t i = 1; i < group->count; i++) {
        highest = points[i].value > highest ? points[i].value : highest;
        lowest = points[i].value < lowest ? points[i].value : lowest;
    }
    fprintf(out, "highest %s, lowest %s, last %s; usable now %s\n", amount_format(highest).text,
            amount_format(lowest).text, amount_format(points[group->count - 1].value).text,
            amount_format(usable).text);
}

static void print_group(struct group *group, FILE *out, const struct terminal *terminal)
{
    amount usable;
    print_title(group, out, terminal->width);
    if (group->is_odd) {
        fputs("not drawn: the server sent something that is no amount or no instant\n", out);
    } else if (add_up(group) != ERR_OK || amount_sum_value(&group->usable, &usable) != ERR_OK) {
        fprintf(out, "not drawn: a sum has more than %d digits; --id draws one balance\n",
                AMOUNT_INTEGER_DIGITS);
    } else if (group->count == 0) {
        fputs("no ledger entries yet\n", out);
    } else {
        print_chart(group, out, terminal);
        print_figures(group, usable, out);
    }
}

void burn_down_print(struct burn_down *burn_down, FILE *out, const struct terminal *terminal)
{
    for (size_t i = 0; i < burn_down->group_count; i++) {
        if (i > 0)
            putc('\n', out);
        print_group(&burn_down->groups[i], out, terminal);
    }
}
