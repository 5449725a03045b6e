/* A table in plain text that fits the terminal. Where the room does not do, columns give way in the
 * order of their ranks: some are cut (and show it by "…"), some are left out, and those that must
 * be exact stay as they are, even if lines get longer than the terminal is wide. */
#pragma once

#include <stddef.h>
#include <stdio.h>

enum table_fit {
    TABLE_WHOLE, /* never gives way */
    TABLE_CUT,   /* down to `least` columns of text */
    TABLE_DROP,  /* whole or not at all */
};

struct table_column {
    const char *title;
    enum { TABLE_LEFT, TABLE_RIGHT } side;
    enum table_fit fit;
    int rank;     /* the lowest gives way first */
    size_t least; /* for TABLE_CUT; above 0 */
};

/* No width is wider. */
#define TABLE_ANY_WIDTH ((size_t)-1)

struct table;

/* `columns` is borrowed until the end. `width` is the terminal's, or TABLE_ANY_WIDTH, in which
 * nothing is cut or left out. Without memory the program ends, as in everything here. */
struct table *table_create(const struct table_column *columns, size_t count, size_t width);
/* Takes NULL. */
void table_free(struct table *table);

/* Leaves a column out, though it still gets its cells. Before the first print. */
void table_hide(struct table *table, size_t column);
/* The next cell, row by row from the left; the text is copied. */
void table_add(struct table *table, const char *text);
/* Prints the rows added since the last time, all of them complete. The first time decides how wide
 * the columns are and prints their titles; rows may come page by page without being kept. */
void table_print(struct table *table, FILE *out);
/* Rows added so far, printed or not. */
size_t table_rows(const struct table *table);
