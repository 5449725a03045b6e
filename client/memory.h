/* Memory for balancectl, which has nothing better to do without it than to say so and end (status
 * 1). libbalances does not use this: a library leaves that to its program. */
#pragma once

#include <stddef.h>

/* Zeroed. */
void *memory_get(size_t bytes);
/* Like realloc(). */
void *memory_grow(void *old, size_t bytes);
/* A copy of the text. */
char *memory_text(const char *text);
