/* The database as a worker sees it: a few connections in pipeline mode, many requests in flight on
 * each. One loop thread owns a pool; nothing here is shared.
 *
 * Contract of a request: pool_submit() returns nothing, and `done` is called exactly once, on the
 * loop thread, never before pool_submit() returns; also when no connection is there, when too many
 * requests are in flight, when it is cancelled, and when the pool closes. The request struct is
 * embedded in the caller's and must live until then; so must what its parameters borrow. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"
#include "base/metrics.h"
#include "base/seal.h"
#include "sql/args.h"
#include "sql/cell.h"
#include "sql/statement.h"

struct pool;
struct sql_req;
struct sql_result;
struct slot;

enum { SQL_STEPS_MAX = 8 }; /* of one request, the last included */

/* ERR_OK: `result` is there, and with all that is read from it dies when `done` returns.
 * Otherwise `result` is NULL, and err is one of
 *   ERR_UNAVAILABLE  no database, or its connection broke; the statement may have run
 *   ERR_EXHAUSTED    too many requests in flight; the statement did not run
 *   ERR_CANCELLED    pool_cancel()
 *   ERR_DEADLINE     it ran longer than the statement timeout
 *   ERR_ABORTED, ERR_RANGE, ERR_INTERNAL  what PostgreSQL answered (logged here) */
typedef void sql_done_fn(struct sql_req *req, enum err err, const struct sql_result *result);

/* A statement with its parameters. */
struct sql_step {
    enum sql_statement statement;
    struct sql_args args;
};

/* What runs as one transaction, in one round trip: the steps before, if any, and then the statement
 * whose answer it is about. Where one fails, none of them has happened. */
struct sql_req {
    const struct sql_step *before; /* set these four; steps may be none, */
    int before_count;
    enum sql_statement statement;
    struct sql_args args;
    int64_t took_us;   /* filled in when done: from submit to the answer; */
    bool may_have_run; /* and, on an error, whether nobody can say that nothing happened */

    /* the pool's own: */
    sql_done_fn *done;
    struct list link;  /* in one of the pool's lists */
    struct slot *slot; /* while a connection works on it */
    enum err err;      /* while it waits to be called back */
    int64_t submitted_us;
    int retries;
};

int result_rows(const struct sql_result *result);
/* Which database it came from; see pool_origin(). */
const struct id *result_origin(const struct sql_result *result);
/* Which session of this pool it came from: no two have the same number, and a lost one's locks are
 * gone with it. */
uint64_t result_session(const struct sql_result *result);
struct sql_reader result_row(const struct sql_result *result, int row);

struct pool_options {
    uv_loop_t *loop;
    const char *url;  /* borrowed */
    const char *name; /* of its sessions, for whoever looks at the database's list; borrowed */
    int connections;
    int64_t statement_timeout_us;
    struct metrics *metrics; /* this thread's; outlives the pool */
    /* Whether at least one connection answers; called on every change. */
    void (*on_ready)(void *arg, bool ready);
    void *arg;
};

/* Starts to connect, and goes on trying until it is closed. */
struct pool *pool_open(const struct pool_options *options);
/* Fails what is in flight with ERR_UNAVAILABLE, then closes its handles, then calls `closed`.
 * Nothing is submitted after this, but from the callbacks that it brings about. */
void pool_close(struct pool *pool, void (*closed)(void *arg), void *arg);

void pool_submit(struct pool *pool, struct sql_req *req, sql_done_fn *done);
/* Makes a submitted request call back with ERR_CANCELLED soon, unless it is about to call back
 * anyway. If its statement runs on, it is ended in the database too. */
void pool_cancel(struct pool *pool, struct sql_req *req);

bool pool_is_ready(const struct pool *pool);
/* Names this very database, as the newest session found it: another one, one that was restored, and
 * one that a standby took over have other names. NULL before the first connection. */
const struct id *pool_origin(const struct pool *pool);
/* The key of this installation's tokens, read from the database; NULL before the first connection.
 */
const struct seal_key *pool_key(const struct pool *pool);
