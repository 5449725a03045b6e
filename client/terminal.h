/* What the terminal can show, as far as the environment tells. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct terminal {
    size_t width;    /* $COLUMNS, or the terminal's; TABLE_ANY_WIDTH for a pipe or a file */
    bool has_blocks; /* its locale is one of UTF-8 */
};

struct terminal terminal_look(void);
