#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN                              0
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of `memory` */
    _Alignas(max_align_t) char memory[];
};

/* Between two allocations, so that ASan sees a step over the end. */
enum { REDZONE = ASAN ? 16 : 0 };

void arena_pool_init(struct arena_pool *pool, size_t bytes_max)
{
    *pool = (struct arena_pool){.bytes_max = bytes_max};
}

void arena_pool_done(struct arena_pool *pool)
{
    while (pool->kept) {
        struct arena_chunk *chunk = pool->kept;
        pool->kept = chunk->next;
        free(chunk);
    }
    pool->kept_count = 0;
}

static struct arena_chunk *chunk_get(struct arena_pool *pool, size_t size)
{
    struct arena_chunk *chunk;

    if (size > pool->bytes_max - pool->bytes)
        return NULL;
    if (size == ARENA_CHUNK_BYTES && pool->kept) {
        chunk = pool->kept;
        pool->kept = chunk->next;
        pool->kept_count--;
    } else {
        chunk = malloc(sizeof *chunk + size);
        if (!chunk)
            return NULL;
        chunk->size = size;
    }
    pool->bytes += size;
    ASAN_POISON_MEMORY_REGION(chunk->memory, size);
    return chunk;
}

static void chunk_put(struct arena_pool *pool, struct arena_chunk *chunk)
{
    pool->bytes -= chunk->size;
    ASAN_UNPOISON_MEMORY_REGION(chunk->memory, chunk->size);
    if (ASAN || chunk->size != ARENA_CHUNK_BYTES || pool->kept_count == ARENA_POOL_KEPT_MAX) {
        free(chunk);
        return;
    }
    chunk->next = pool->kept;
    pool->kept = chunk;
    pool->kept_count++;
}

void arena_init(struct arena *a, struct arena_pool *pool, size_t bytes_max)
{
    *a = (struct arena){.pool = pool, .bytes_max = bytes_max};
}

void arena_reset(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        chunk_put(a->pool, chunk);
    }
    a->at = a->end = NULL;
    a->bytes = 0;
    a->full = false;
}

void arena_move(struct arena *from, struct arena *to)
{
    *to = *from;
    arena_init(from, to->pool, to->bytes_max);
}

/* What does not fit into a common chunk gets one of its own, behind the newest, which stays in use.
 */
static void *own_chunk(struct arena *a, size_t size)
{
    struct arena_chunk *chunk = chunk_get(a->pool, size);

    if (!chunk)
        return NULL;
    if (a->chunks) {
        chunk->next = a->chunks->next;
        a->chunks->next = chunk;
    } else {
        chunk->next = NULL;
        a->chunks = chunk;
    }
    a->bytes += size;
    ASAN_UNPOISON_MEMORY_REGION(chunk->memory, size);
    return chunk->memory;
}

void *arena_raw(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    char *ret;

    if (size > a->bytes_max) {
        a->full = true;
        return NULL;
    }
    /* Nothing takes a little too: NULL is kept for a full arena. */
    size = (size + (size == 0) + align - 1) / align * align;
    if (size + REDZONE <= (size_t)(a->end - a->at)) {
        ret = a->at;
        a->at += size + REDZONE;
        ASAN_UNPOISON_MEMORY_REGION(ret, size);
        return ret;
    }
    bool own = size + REDZONE > ARENA_CHUNK_BYTES / 4;
    if ((own ? size : ARENA_CHUNK_BYTES) > a->bytes_max - a->bytes) {
        a->full = true;
        return NULL;
    }
    if (own) {
        ret = own_chunk(a, size);
        a->full |= !ret;
        return ret;
    }
    struct arena_chunk *chunk = chunk_get(a->pool, ARENA_CHUNK_BYTES);
    if (!chunk) {
        a->full = true;
        return NULL;
    }
    chunk->next = a->chunks;
    a->chunks = chunk;
    a->bytes += chunk->size;
    a->at = chunk->memory;
    a->end = chunk->memory + chunk->size;
    return arena_raw(a, size);
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *ret = arena_raw(a, size);

    return ret ? memset(ret, 0, size) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total)) {
        a->full = true;
        return NULL;
    }
    return arena_alloc(a, total);
}

char *arena_text(struct arena *a, struct bytes text)
{
    char *ret = arena_raw(a, text.len + 1);

    if (!ret)
        return NULL;
    if (text.len > 0)
        memcpy(ret, text.data, text.len);
    ret[text.len] = '\0';
    return ret;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    char *ret = NULL;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    ret = arena_raw(a, (size_t)len + 1);
    if (ret)
        vsnprintf(ret, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return ret;
}
