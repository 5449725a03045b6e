/* What the tests of batches stand on: callers, a database and a cache that do as a test tells them,
 * on one thread, and a method that is as small as one can be. A draw adds units to what its
 * customer has spent, and is answered with the sum.
 *
 * The database is fake_pg.h with a memory of its own, which commits as PostgreSQL would: only on
 * the version that was looked at. What must always hold is checked by itself, whatever a test
 * does: each caller is answered once; who hears that it is done finds it done, once, at the place
 * in the order of all that the answer tells of, and after the cache was told; who hears that it
 * failed finds that it is not. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/batch.h"
#include "fake_pg.h"
#include "rpc/worker.h"

enum {
    CALLERS_MAX = 2048,
    CUSTOMERS = 3,
    HISTORY_MAX = 4096,
    RAISES_MAX = 16,
    LATE_COMMITS_MAX = 64,
    RESPONSE_MAX = 64,
    SPENT_MAX = 1000 * 1000 * 1000, /* more is refused */
};

/* A customer, as the database has it. */
struct ledger {
    struct id customer;
    bool missing;
    int64_t version, spent;
    int64_t history[HISTORY_MAX]; /* all that `spent` has been */
    int history_count;
    int64_t told; /* the version that the cache was told of */
};

struct caller {
    struct call call;
    struct ledger *ledger;
    int number, request; /* callers with the same one have the same request_id; -1: none */
    int64_t units;
    int weight;
    bool dry_run;
    bool is_other;      /* of another method, which does the same */
    int64_t not_before; /* the version when it came */
    bool running;       /* in a step */
    enum err left;      /* ERR_CANCELLED or ERR_DEADLINE, once it has left */

    /* what it has heard: */
    int answered;
    enum err err;
    int64_t spent, version;
    bool replayed;
    char late[256]; /* what its deadline said; empty: nothing */
};

/* What became of one request, of however many callers. */
struct fate {
    int times; /* that it took place */
    int64_t spent, version;
    bool is_logged;
    struct id customer;
    uint8_t hash[32], response[RESPONSE_MAX];
    size_t response_len;
};

/* A transaction, as it was sent. */
struct commit {
    struct ledger *ledger;
    int64_t expected, spent;
    int draws[BATCH_MEMBERS_MAX];
    int draw_count;
    int remembered[BATCH_MEMBERS_MAX];
    struct bytes hashes[BATCH_MEMBERS_MAX], responses[BATCH_MEMBERS_MAX];
    int remembered_count;
    uint8_t kept[64 * 1024]; /* what those borrow */
};

extern struct kit {
    uv_loop_t loop;
    struct fake_pg fake;
    struct worker worker;
    struct app app;
    struct ledger ledgers[CUSTOMERS];
    struct caller *callers;
    int caller_count;
    struct fate *fates;   /* by the number of the request's first caller */
    struct commit **late; /* of lost connections, and still under way in the database */
    int late_count;
    bool raises_wait; /* for kit_told(); otherwise the cache answers by itself */
    struct cache_raise *raises[RAISES_MAX];
    int raise_count, raises_ever; /* that wait, and all that there were */
    struct later raising;
} kit;

/* With so many connections to the database. */
void kit_open(int connections);
/* Closes as the application does, when all callers have heard; then checks that nothing is left. */
void kit_close(void);

/* Has a caller ready, to be changed; kit_call() lets it come. */
struct caller *kit_caller(int64_t units);
struct caller *kit_call(struct caller *a);
/* The caller leaves, ERR_CANCELLED, or has no more time, ERR_DEADLINE; it hears so soon. */
void kit_leave(struct caller *a, enum err why);
/* Gives it the request_id of another, or one of its own. */
void kit_same_request(struct caller *a, const struct caller *as);
void kit_with_request(struct caller *a);

/* A session whose oldest statement is this one; NULL if there is none. */
struct fake_session *kit_running(const char *statement);
/* Waits until there is one. */
struct fake_session *kit_wait(const char *statement);
void kit_wait_answer(struct caller *a, enum err err);
/* Nobody is answered by itself, and no statement comes. */
void kit_wait_nothing(void);
/* Answers whatever comes until all callers are answered. */
void kit_serve(void);

/* Does the oldest statement, as PostgreSQL does, and answers it. */
void kit_answer(struct fake_session *s);
/* The connection is lost; of its oldest transaction, if there is one, this becomes: */
enum lost { LOST_UNDONE, LOST_DONE, LOST_RUNNING };
void kit_lose(struct fake_session *s, enum lost what);
/* A transaction of a lost connection ends now. */
void kit_end_late(int which);
/* Somebody else writes. */
void kit_write(struct ledger *l, int64_t units);
/* The cache answers the raise. */
void kit_told(int which, enum err err);
