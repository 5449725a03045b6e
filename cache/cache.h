/* Answers kept in Redis until a write makes them wrong.
 *
 * An answer is served only while the newest version that is known to be committed is the answer's
 * own. The protocol (tests/sim/test_protocol.c explores all of its orders):
 *
 *   read   one round trip for both keys: the customer's version, and the answer
 *   miss   what the version's key held is remembered: the claim. Where it held nothing, a marker is
 *          put there that no other reader uses. The answer is computed from a snapshot taken after
 *   fill   takes effect only if that key still holds the claim, or the very version that was read
 *   raise  after a commit: unless that key holds the version or a newer one, it is deleted, which
 *          ends every answer and every fill under way at once. It may come late, twice, or in any
 *          order
 *
 * A Redis that is away, slow, full or lying costs speed and nothing else: everything that does not
 * fit is a miss, and after a few failures Redis is left alone for a while.
 *
 * One loop thread owns a cache; nothing is shared. Contract of a request: submitting returns
 * nothing, and `done` is called exactly once, on the loop thread, never before the submit returns.
 * The request struct is embedded in the caller's and lives until then, as does what it borrows. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "base/metrics.h"
#include "ledger/model.h"

struct cache;
struct redis_slot;

struct cache_options {
    uv_loop_t *loop;
    const char *url;         /* see cache_check_url(); borrowed */
    int64_t ttl_us;          /* of an answer, at most; the last resort */
    int64_t timeout_us;      /* of an answer of Redis; beyond it the connection is given up */
    struct metrics *metrics; /* this thread's; outlives the cache */
};

/* Whether a URL can be used by this program. Otherwise `why` has what is wrong with it, as the end
 * of a sentence ("... must be "). Accepted are
 *   redis://[[user]:password@]host[:port][/database]
 *   rediss://...                    the same over TLS, where hiredis was built with it
 *   unix://[[user]:password@]/path/to/socket[?db=database] */
bool cache_check_url(const char *url, char *why, size_t why_size);

struct cache *cache_open(const struct cache_options *options);
/* Everything under way ends as a miss or ERR_UNAVAILABLE; then `closed` is called. Nothing is
 * submitted after this, but from the callbacks that it brings about. */
void cache_close(struct cache *c, void (*closed)(void *arg), void *arg);

/* What the key of a customer's version held, and where. Only whoever has one may fill. */
struct cache_claim {
    uint64_t place; /* the database and the Redis that it is about: a fill goes nowhere else */
    uint8_t len;    /* 0: nothing is known, and nothing will be filled */
    char held[38];
};

/* Two readers with the same claim saw no raise between them. Unknown claims are never the same. */
bool cache_same_claim(const struct cache_claim *a, const struct cache_claim *b);

/* What an answer is filed under. */
struct cache_key {
    struct id origin; /* of the database: see pool_origin() in sql/ */
    struct id customer;
    char method[5];      /* a short name, with its end */
    uint8_t request[16]; /* a hash of the normalized request */
};

/* Sets the hash of a request. Whoever does not know the secret cannot make two requests that are
 * filed under the same key. */
void cache_key_request(struct cache_key *key, const uint8_t secret[static 32],
                       struct bytes request);

struct cache_lookup;
/* `l` has the outcome; with a hit, `l->answer` dies when `done` returns. */
typedef void cache_found_fn(struct cache_lookup *l);

struct cache_lookup {
    /* set by the caller: */
    struct cache_key key;
    instant now;
    int64_t at_least; /* a version that the answer must include; 0: any */

    /* the outcome: */
    bool hit;
    int64_t version;          /* of the answer, with a hit */
    struct bytes answer;      /* with a hit */
    struct cache_claim claim; /* with or without a hit */

    /* the cache's own: */
    cache_found_fn *done;
    struct list link;
    struct redis_slot *slot; /* while Redis works on it */
    int64_t started_us;      /* 0: its time tells nothing of Redis */
};

void cache_lookup(struct cache *c, struct cache_lookup *l, cache_found_fn *done);
/* Makes a submitted lookup call back soon, as a miss without a claim. */
void cache_lookup_cancel(struct cache *c, struct cache_lookup *l);

/* Files an answer, which is copied; nobody hears what became of it. `claim` is from before the
 * snapshot that `version` was read in; at `valid_until` the answer changes by itself. An answer
 * beyond CACHE_ANSWER_BYTES_MAX is not filed. */
void cache_fill(struct cache *c, const struct cache_key *key, const struct cache_claim *claim,
                int64_t version, instant valid_until, struct bytes answer);

struct cache_raise;
/* ERR_OK: no answer that was computed before the version is served any more, nor will be.
 * ERR_UNAVAILABLE: nobody knows. */
typedef void cache_raised_fn(struct cache_raise *r, enum err err);

struct cache_raise {
    /* set by the caller: */
    struct id origin, customer;
    int64_t version;

    /* the cache's own: */
    cache_raised_fn *done;
    struct list link;
    struct redis_slot *slot; /* while Redis works on it */
    enum err err;            /* while it waits to be called back */
};

void cache_raise(struct cache *c, struct cache_raise *r, cache_raised_fn *done);
/* Makes it call back soon with ERR_CANCELLED. The raise may take place all the same. */
void cache_raise_cancel(struct cache *c, struct cache_raise *r);
