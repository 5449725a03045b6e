/* What one write and a batch of writes have in common, for their two drivers. */
#pragma once

#include "app/write.h"

/* Refuses wrong fields, and hashes the request: NEXT, or DONE with a failure. */
enum next write_check(struct write *w, const ProtobufCMessage *request);
/* Reads a row of the log of requests, from its method on. ERR_EXISTS where it is of another request
 * with the same id; `response` is kept in the call's arena. */
MUST_CHECK enum err write_read_replay(struct write *w, struct sql_reader *r);
/* Gets all that is answered with, before there is anything to answer; `response` in `a`. */
MUST_CHECK enum err write_keep_answer(struct write *w, struct arena *a,
                                      const ProtobufCMessage *answer);
/* The answer from `response`; false when the arena is full. */
bool write_make_answer(struct write *w);
/* Replies with it, and with the version that the ledger has come to. */
enum next write_reply(struct write *w);
enum next write_fail_reused_id(struct write *w);
/* From now on nobody knows whether it takes place, and every failure says so; until it is known
 * that it did not. */
void write_begin_doubt(struct write *w);
void write_end_doubt(struct write *w);

/* Counts what became of a commit. */
void write_count_commit(struct app *app, const struct sql_req *req, enum err err);

extern const char write_took_place[];
