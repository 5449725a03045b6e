/* The lump of memory that one request owns: everything it needs comes from here, and one reset
 * gives it all back. Nothing is freed singly. When the arena or its pool is full, allocation
 * answers NULL and the arena remembers it, so that a library that cannot tell "no memory" from "bad
 * input" need not. Chunks come from a pool that one thread owns. Under ASan what was not handed out
 * is poisoned and chunks are not kept, so that a late use shows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct arena_chunk;

struct arena_pool {
    struct arena_chunk *kept;
    size_t kept_count;
    size_t bytes; /* handed out to arenas, kept ones not counted */
    size_t bytes_max;
};

struct arena {
    struct arena_pool *pool;
    struct arena_chunk *chunks; /* newest first */
    char *at, *end;             /* what is left of the newest */
    size_t bytes;
    size_t bytes_max;
    bool full; /* something was refused since the last reset */
};

void arena_pool_init(struct arena_pool *pool, size_t bytes_max);
void arena_pool_done(struct arena_pool *pool);

void arena_init(struct arena *a, struct arena_pool *pool, size_t bytes_max);
/* Ends all that was allocated. Also the destructor. */
void arena_reset(struct arena *a);
/* Hands all that was allocated over to `to`, which is new; `from` is empty then. */
void arena_move(struct arena *from, struct arena *to);

/* Zeroed, aligned for any type; NULL when full. */
void *arena_alloc(struct arena *a, size_t size);
/* The same for `count` things; NULL also when the product overflows. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* Not zeroed, and aligned for any type. */
void *arena_raw(struct arena *a, size_t size);
/* A copy with a zero byte after its end; NULL when full. */
char *arena_text(struct arena *a, struct bytes text);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *a, const char *format, ...);
