/* Writes of one customer that queue up behind another one, as one transaction (design: section 5).
 *
 *     a call:   start --> join the batch that waits last in line, or start another
 *     a batch:  in line --> state --> decide each, one after the other --> commit --> tell -->
 * reply ^                         '--a failure of its own: out
 *                             '--aborted, or nobody knows what became of it
 *
 * All that write.h promises of a write holds of each member: its own answer, its own request_id and
 * replay, its own failure. They share one snapshot, on which they decide one after the other as if
 * each had come after those before it, and one commit.
 *
 * A batch is nobody's: it lies in an arena of its own and borrows nothing from its members once
 * they have decided, so a member that leaves does not hurt the others. When all have left, what is
 * under way is cancelled. */
#pragma once

#include "app/write.h"

struct batch;

/* A call's part; embedded in the method's own state, first, so that one is the other. */
struct batch_member {
    struct write write;
    struct list link; /* in its batch, or among those that leave */
    struct batch *batch;
    int weight;
    bool repeatable;    /* set by the decision: it changes nothing, so it is not remembered */
    bool is_decided;    /* it waits for the commit */
    bool was_unsettled; /* nobody knew what became of a commit that it was in */
    enum err err;       /* that the batch ends with for it */
};

struct batch_method {
    struct write_method write; /* name, answer and the statement of the state; no more is used.
                                * The statement's first columns are: version, whether the customer
                                * exists, the rows of the requests in the log */
    size_t state_size;         /* of what members decide on, zeroed for each attempt */
    /* Adds the statement's parameters from the third on; the first two are the customer and the
     * ids of the requests. */
    enum err (*ask)(struct batch *b, struct sql_args *args);
    /* Reads the row, from the fourth column on. */
    enum err (*learn)(struct batch *b, struct sql_reader *r);
    /* Fails the call, or changes the state and ends with batch_answer(). */
    enum next (*decide)(struct batch *b, struct batch_member *m);
    /* The steps that make the state so, behind one that locks the version. */
    enum err (*finish)(struct batch *b, struct sql_step *steps, int *ret_count);
};

enum { BATCH_FINISH_STEPS_MAX = SQL_STEPS_MAX - 2 };

/* Begins a call, like write_open(). */
void *batch_open(struct call *c, const struct batch_method *method, size_t member_size);
/* Like write_start(), for writes of the customer. `weight` is how much there is to decide: of all
 * members together at most BATCH_WEIGHT_MAX, unless there is one only. */
enum next batch_start(struct batch_member *m, const struct batch_method *method,
                      const ProtobufCMessage *request, int weight);

/* For the method: the arena and the state of a batch, and its members, of whom there is one at
 * least. */
struct arena *batch_arena(struct batch *b);
void *batch_state(struct batch *b);
const struct id *batch_customer(const struct batch *b);
/* The one after `m`, the first one for NULL; NULL at the end. */
struct batch_member *batch_next(struct batch *b, struct batch_member *m);

/* What the member is answered with when the batch is committed. */
enum next batch_answer(struct batch_member *m, const ProtobufCMessage *answer);

/* Opens `app->leaving`, of members that have left and are to be told. Its closing calls back with
 * the app. */
void batches_open(struct app *app, uv_loop_t *loop);
