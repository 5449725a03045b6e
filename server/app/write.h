/* How every write runs, whatever it writes (design: section 4, ruling 14).
 *
 *     read the request --> in line --> state --> decide --> commit --> tell --> reply
 *                                        ^         |'--> a failure,     ^
 *                                        |         |     or no change   |
 *                                        |         '--> replay: the request was here before
 *                                        '--aborted, or nobody knows what became of it
 *
 * One write at a time for each customer in a worker. What it decides on is read in one snapshot,
 * together with the version of the customer's ledger; its transaction begins by locking that very
 * version, and fails where it has moved on. So what was decided on still holds when it is
 * committed, and a write that was overtaken looks and decides again.
 *
 * Nothing is guessed. When the connection breaks under a commit, nobody can say whether it took
 * place. A request that has a request_id, or that may be repeated at will, is tried again: the
 * version's lock makes the old transaction end first, and the log of requests then tells. Where the
 * version has moved on and the log knows nothing, it did not take place, and never will. Any other
 * ends as OUTCOME_UNKNOWN, and so does whatever fails before that is known. A deadline that passes
 * meanwhile says so, too.
 *
 * After the commit, and before the caller hears of it, the cache is told, so that nobody who was
 * told that it is done reads an answer from before. The write stands whether Redis answers or not:
 * the change feed tells it again.
 *
 * A method's file has what is its own, in this order: reading the request (write_open, the fields,
 * write_start), what to ask of the state, what came back, and the decision. */
#pragma once

#include "app/app.h"
#include "app/line.h"
#include "base/digest.h"
#include "base/seal.h"
#include "ledger/model.h"

struct write;

struct write_method {
    const char *name; /* in the log of requests; never to be changed */
    const ProtobufCMessageDescriptor *answer;
    /* The statement that reads the state, whose first six columns are those of the others. It must
     * answer with one row. SQL_STATEMENT_COUNT: there is nothing to decide on. */
    enum sql_statement state;
    /* Adds its parameters, from the third on; the first two are the customer and the request id. */
    void (*ask)(struct write *w, struct sql_args *args);
    /* Reads the row, from the seventh column on; what it keeps, it copies to the call's arena. */
    enum err (*learn)(struct write *w, struct sql_reader *r);
    /* Fails the call, or adds steps and ends with write_commit(). Called anew when another write
     * came first. */
    enum next (*decide)(struct write *w);
    bool makes_customer; /* others fail where there is none */
    bool repeatable;     /* twice has the effect of once, so there is no request id */
};

/* A ledger and the version that it has come to, which the cache is told. */
struct write_change {
    struct write *write;
    struct cache_raise raise;
};

/* Embedded in the method's own state, first, so that one is the other. */
struct write {
    struct call *call;
    const struct write_method *method;
    struct id customer; /* installation_id: of none, and then there is no token */
    const char *customer_text;
    bool has_request_id;
    struct id request_id;
    struct digest hash; /* of the normalized request, without its id */
    instant now;        /* the same for every attempt, so that the same state decides the same */

    /* of the state: */
    int64_t version;
    bool customer_exists;

    /* the driver's own: */
    struct line_place place;
    struct sql_req query;
    struct sql_req commit;
    struct sql_step steps[SQL_STEPS_MAX - 1]; /* before the one that ends the transaction */
    int step_count;
    bool locked; /* one of them locks the version */
    enum err err;
    bool unsettled; /* of some commit of ours nobody knows whether it took place, */
    int64_t lost;   /* and this is the version that it began with */
    bool replayed;
    struct bytes response; /* the answer's bytes, without its token */
    /* What is answered with is there before the commit: afterwards nothing may be missing. */
    ProtobufCMessage *answer;
    char token[SEAL_TEXT_MAX];
    struct write_change *changes; /* that came of it */
    int change_count, change_room;
    int telling; /* of them, to the cache */
};

/* Begins a call: makes its state, of which struct write is the first member, and normalizes the
 * request. NULL when the arena is full. */
void *write_open(struct call *c, const struct write_method *method, size_t state_size);
/* Reads the two fields that nearly every write has. The request id is taken out of the request,
 * since two requests with the same id are compared. */
void write_read_customer(struct write *w, const char *field, char *text);
void write_read_request_id(struct write *w, char **text);
/* When all fields are read: refuses the wrong ones, or goes in line with those of the same key, the
 * customer where there is one. `request` is what is hashed. */
enum next write_start(struct write *w, const ProtobufCMessage *request, const struct id *key);

/* The next step of the transaction; its parameters are for the caller to add. */
struct sql_args *write_step(struct write *w, enum sql_statement statement);
/* The step that locks the customer's version: before any that changes something of theirs. */
void write_lock(struct write *w);
/* Commits the steps, if there are any, and answers with `answer`, whose token it fills in. */
enum next write_commit(struct write *w, const ProtobufCMessage *answer);
/* The same where the transaction has another end than the customer's: a statement that answers with
 * the changes it has brought about, and takes `id` and how many rows at most. */
enum next write_commit_names(struct write *w, const ProtobufCMessage *answer,
                             enum sql_statement changes, const struct id *id);

/* For statements' parameters: null where there is no such text. */
void write_optional_text(struct sql_args *args, const char *text);
void write_optional_id(struct sql_args *args, bool has, const struct id *id);

/* What was to be changed, "balance" or another, is not at the version that the caller read. */
enum next write_fail_version(struct write *w, const char *what, const char *id, int64_t stored,
                             int64_t wanted);
/* The reason for a uniqueness key that has been used. */
enum next write_fail_used_key(struct write *w, const char *key);
