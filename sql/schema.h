/* The migrations of sql/schema/, in order, as they were when this program was built. */
#pragma once

#include <stddef.h>

struct sql_migration {
    int version; /* 1, 2, 3, … without gaps */
    const char *name;
    const char *text;
};

extern const struct sql_migration sql_migrations[];
extern const size_t sql_migration_count;
