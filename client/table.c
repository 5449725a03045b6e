/* Layout of text in columns. Cells are kept until the next print in one growing array; the layout
 * is made once, from the rows that are there at the first print. */
#include "client/table.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/text.h"

enum {
    GAP = 2, /* blanks between two columns */
};

struct layout {
    size_t width;
    bool hidden;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    size_t width;
    struct layout *layout; /* one per column */
    bool is_laid_out;
    char **cells;
    size_t cell_count;
    size_t cell_room;
    size_t printed_rows;
};

struct table *table_create(const struct table_column *columns, size_t count, size_t width)
{
    assert(count > 0);
    struct table *table = memory_get(sizeof *table);
    *table = (struct table){.columns = columns, .column_count = count, .width = width};
    table->layout = memory_get(count * sizeof *table->layout);
    return table;
}

static void forget_cells(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    table->cell_count = 0;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    forget_cells(table);
    free(table->cells);
    free(table->layout);
    free(table);
}

void table_hide(struct table *table, size_t column)
{
    assert(column < table->column_count && !table->is_laid_out);
    table->layout[column].hidden = true;
}

void table_add(struct table *table, const char *text)
{
    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room ? 2 * table->cell_room : 16 * table->column_count;
        table->cells = memory_grow(table->cells, table->cell_room * sizeof *table->cells);
    }
    table->cells[table->cell_count++] = memory_text(text);
}

size_t table_rows(const struct table *table)
{
    return table->printed_rows + table->cell_count / table->column_count;
}

static size_t line_width(const struct table *table)
{
    size_t width = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (!table->layout[i].hidden)
            width += table->layout[i].width + (width > 0 ? GAP : 0);
    }
    return width;
}

/* The column that gives way next, or column_count. */
static size_t next_to_give_way(const struct table *table, int after_rank)
{
    size_t found = table->column_count;
    int lowest = INT_MAX;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        if (column->fit == TABLE_WHOLE || column->rank <= after_rank || column->rank >= lowest)
            continue;
        lowest = column->rank;
        found = i;
    }
    return found;
}

static void give_way(struct table *table, size_t i, size_t excess)
{
    const struct table_column *column = &table->columns[i];
    struct layout *layout = &table->layout[i];
    if (column->fit == TABLE_DROP) {
        layout->hidden = true;
        return;
    }
    size_t spare = layout->width > column->least ? layout->width - column->least : 0;
    layout->width -= spare < excess ? spare : excess;
}

static void lay_out(struct table *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        table->layout[i].width = text_width(table->columns[i].title);
    for (size_t i = 0; i < table->cell_count; i++) {
        struct layout *layout = &table->layout[i % table->column_count];
        size_t width = text_width(table->cells[i]);
        if (width > layout->width)
            layout->width = width;
    }
    int rank = INT_MIN;
    while (line_width(table) > table->width) {
        size_t i = next_to_give_way(table, rank);
        if (i == table->column_count)
            break;
        rank = table->columns[i].rank;
        give_way(table, i, line_width(table) - table->width);
    }
    table->is_laid_out = true;
}

static void print_blanks(FILE *out, size_t count)
{
    while (count-- > 0)
        putc(' ', out);
}

/* Blanks wait until something follows them, so that no line ends in one. */
static void print_row(const struct table *table, FILE *out, char *const *cells)
{
    size_t blanks = 0;
    bool first = true;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        const struct layout *layout = &table->layout[i];
        if (layout->hidden)
            continue;
        const char *text = cells ? cells[i] : column->title;
        bool may_cut = column->fit == TABLE_CUT && table->width != TABLE_ANY_WIDTH;
        size_t width = text_width(text);
        size_t shown = may_cut && width > layout->width ? layout->width : width;
        size_t padding = shown < layout->width ? layout->width - shown : 0;
        blanks += first ? 0 : GAP;
        blanks += column->side == TABLE_RIGHT ? padding : 0;
        first = false;
        if (shown > 0) {
            print_blanks(out, blanks);
            /* A wide character that does not fit leaves a column free. */
            blanks = shown - text_print(out, text, shown);
        }
        blanks += column->side == TABLE_LEFT ? padding : 0;
    }
    putc('\n', out);
}

void table_print(struct table *table, FILE *out)
{
    assert(table->cell_count % table->column_count == 0);
    if (!table->is_laid_out) {
        lay_out(table);
        print_row(table, out, NULL);
    }
    for (size_t i = 0; i < table->cell_count; i += table->column_count)
        print_row(table, out, &table->cells[i]);
    table->printed_rows = table_rows(table);
    forget_cells(table);
}
