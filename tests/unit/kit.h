/* What every unit test needs: cmocka with the headers it forgets, lines on standard error as text,
 * a seed for what is random, and an arena that is about to be full. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/limits.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#if defined(__SANITIZE_ADDRESS__)
#define KIT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KIT_ASAN 1
#endif
#endif
#ifndef KIT_ASAN
#define KIT_ASAN 0
#endif

/* The steps in which an arena takes memory: what kit_arena() leaves is best a multiple. */
enum { KIT_ARENA_STEP = _Alignof(max_align_t) };

/* An arena of one chunk, of which about `left` bytes are still to be had. With every `left` up to
 * what a piece of code needs, each of its allocations is once the first that fails. */
static inline void kit_arena(struct arena *a, struct arena_pool *pool, size_t left)
{
    arena_init(a, pool, ARENA_CHUNK_BYTES);
    while (!a->at || (size_t)(a->end - a->at) > left)
        assert_non_null(arena_raw(a, 1));
}

/* Random numbers (xorshift64*) that a run can be repeated with: TEST_SEED, or one from the system,
 * which is printed. */
struct kit_random {
    uint64_t state;
};

static inline struct kit_random kit_random_seeded(void)
{
    const char *text = getenv("TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 0;

    while (seed == 0)
        assert_int_equal(getentropy(&seed, sizeof seed), 0);
    printf("TEST_SEED=%llu\n", (unsigned long long)seed);
    return (struct kit_random){seed};
}

static inline uint64_t kit_random_below(struct kit_random *r, uint64_t bound)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (r->state * UINT64_C(2685821657736338717) >> 16) % bound;
}

/* Standard error goes to memory from begin to end. */
struct kit_stderr {
    int kept, memory;
    char text[8192];
};

static inline void kit_stderr_begin(struct kit_stderr *s)
{
    fflush(stderr);
    s->kept = dup(STDERR_FILENO);
    s->memory = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(s->kept >= 0 && s->memory >= 0);
    assert_int_equal(dup2(s->memory, STDERR_FILENO), STDERR_FILENO);
}

/* Returns what was written meanwhile. */
static inline const char *kit_stderr_end(struct kit_stderr *s)
{
    fflush(stderr);
    assert_int_equal(dup2(s->kept, STDERR_FILENO), STDERR_FILENO);
    ssize_t len = pread(s->memory, s->text, sizeof s->text - 1, 0);
    assert_true(len >= 0);
    s->text[len] = '\0';
    close(s->kept);
    close(s->memory);
    return s->text;
}
