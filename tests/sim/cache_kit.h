/* A cache under test, whatever Redis it talks to: a loop, a clock that jumps when a test says so,
 * requests that check that they are called back exactly once and never before their submit
 * returned, and an end at which nothing may be left in the loop. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/cache.h"

enum { KIT_ASKS_MAX = 16384, KIT_TTL_US = 60 * 1000 * 1000, KIT_NOW = 1000 * 1000 };

struct ask {
    struct cache_lookup l;
    int done;
    bool submitting;
    char answer[64]; /* the start of a hit's */
    void (*then)(struct ask *a);
};

struct write {
    struct cache_raise r;
    int done;
    bool submitting;
    enum err err;
};

struct kit {
    uv_loop_t loop;
    struct cache *cache;
    struct ask *asks;
    int ask_count;
    struct write *writes;
    int write_count;
    int done_count;
    bool closed;
    int64_t clock_jump_us;
    struct metrics metrics;
};

extern struct kit kit;

void kit_init(void);
/* The cache must be closed, or was never open. */
void kit_done(void);
void kit_open(const char *url, int64_t timeout_us);
/* Starts to close; kit.closed tells when it is. */
void kit_close(void);

/* What was counted since the kit was made; misses are lookups that asked and were no hit. */
uint64_t kit_count(enum metric which);
uint64_t kit_misses(void);

/* Of a database, a customer and a request with this number. */
struct cache_key kit_key(int number);
struct ask *kit_ask_key(struct cache_key key, int64_t at_least, void (*then)(struct ask *a));
struct ask *kit_ask(int number);
struct write *kit_raise(int number, int64_t version);
/* Files "answer N" for ever, with the claim of an earlier ask. */
void kit_fill(const struct ask *claimed, int64_t version, const char *answer);
void kit_cancel(struct ask *a);
void kit_cancel_raise(struct write *w);
