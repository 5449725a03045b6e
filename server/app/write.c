#include "app/write.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "app/fields.h"
#include "app/message.h"
#include "app/normal.h"
#include "app/tokens.h"
#include "app/write_priv.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

static enum next step_in_line(struct call *c);
static enum next step_state(struct call *c);
enum next write_fail_reused_id(struct write *w)
{
    w->call->status.reason = "REQUEST_ID_REUSED";
    return call_fail(w->call, ERR_EXISTS, "request_id has been used for another request");
}

static enum next step_known(struct call *c);
static enum next step_committed(struct call *c);
static enum next step_told(struct call *c);
static enum next tell(struct write *w);

static struct app *app_of(struct write *w)
{
    return call_app(w->call);
}

/* ---- the request ---- */

static void release(struct call *c)
{
    struct write *w = c->state;

    line_leave(&app_of(w)->lines, &w->place);
}

void *write_open(struct call *c, const struct write_method *method, size_t state_size)
{
    struct write *w = arena_alloc(&c->arena, state_size);

    if (!w)
        return NULL;
    c->state = w;
    w->call = c;
    w->method = method;
    w->now = clock_now_us();
    line_place_init(&w->place);
    message_normalize(c->request);
    return w;
}

void write_read_customer(struct write *w, const char *field, char *text)
{
    w->customer_text = text;
    field_id(w->call, field, text, &w->customer);
}

void write_read_request_id(struct write *w, char **text)
{
    w->has_request_id = field_optional_id(w->call, "request_id", *text, &w->request_id);
    *text = message_no_text();
}

static bool hash_request(struct write *w, const ProtobufCMessage *request)
{
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *packed = arena_raw(&w->call->arena, len + 1);

    if (!packed)
        return false;
    protobuf_c_message_pack(request, packed);
    w->hash = digest_of(bytes_of(packed, len));
    return true;
}

enum next write_check(struct write *w, const ProtobufCMessage *request)
{
    struct call *c = w->call;

    if (c->arena.full)
        return call_fail_with(c, ERR_EXHAUSTED);
    if (c->status.violation_count > 0)
        return call_fail_invalid(c);
    if (!hash_request(w, request))
        return call_fail_with(c, ERR_EXHAUSTED);
    return NEXT;
}

/* ---- in line ---- */

static void cancel_wait(struct call *c)
{
    struct write *w = c->state;

    line_cancel(&app_of(w)->lines, &w->place);
}

static void on_turn(struct line_place *place, enum err err)
{
    struct write *w = container_of(place, struct write, place);

    w->err = err;
    call_resume(w->call);
}

enum next write_start(struct write *w, const ProtobufCMessage *request, const struct id *key)
{
    struct call *c = w->call;

    if (write_check(w, request) == DONE)
        return DONE;
    c->step = step_in_line;
    c->cancel = cancel_wait;
    c->release = release;
    line_enter(&app_of(w)->lines, &w->place, key, on_turn);
    return WAIT;
}

static enum next step_in_line(struct call *c)
{
    struct write *w = c->state;

    if (w->err != ERR_OK)
        return call_fail_with(c, w->err);
    c->step = step_state;
    return NEXT;
}

/* ---- the state ---- */

static void cancel_state(struct call *c)
{
    struct write *w = c->state;

    pool_cancel(app_of(w)->pool, &w->query);
}

static struct bytes keep(struct arena *a, struct bytes bytes)
{
    return bytes_of(arena_text(a, bytes), bytes.len);
}

enum err write_read_replay(struct write *w, struct sql_reader *r)
{
    const struct digest *hash = &w->hash;
    struct bytes method = read_text(r), logged = read_text(r), response = read_text(r);
    w->version = read_int(r);
    if (r->bad)
        return ERR_INTERNAL;
    if (method.len != strlen(w->method->name) ||
        memcmp(method.data, w->method->name, method.len) != 0 || logged.len != DIGEST_BYTES ||
        memcmp(logged.data, hash->bytes, DIGEST_BYTES) != 0)
        return ERR_EXISTS;
    w->replayed = true;
    w->response = keep(&w->call->arena, response);
    return w->response.data ? ERR_OK : ERR_EXHAUSTED;
}

/* The row of the request in the log, if it has been here. */
static enum err read_log(struct write *w, struct sql_reader *r)
{
    w->replayed = false;
    if (!read_null(r))
        return write_read_replay(w, r);
    for (int i = 0; i < 3; i++)
        r->bad |= !read_null(r);
    return ERR_OK;
}

static bool is_of_installation(const struct write *w)
{
    return id_is_nil(&w->customer);
}

static bool lacks_customer(const struct write *w)
{
    return !w->customer_exists && !w->method->makes_customer && !is_of_installation(w);
}

static enum err read_state(struct write *w, struct sql_reader *r)
{
    bool has_version = !read_null(r);
    int64_t version = has_version ? read_int(r) : 0;

    w->customer_exists = read_bool(r);
    enum err err = read_log(w, r);
    if (err != ERR_OK || w->replayed)
        return err;
    w->version = version;
    if (w->unsettled && version != w->lost) {
        w->unsettled = false;
        write_end_doubt(w);
    }
    if (lacks_customer(w))
        return r->bad ? ERR_INTERNAL : ERR_OK;
    err = w->method->learn(w, r);
    if (err == ERR_OK && w->call->arena.full)
        return ERR_EXHAUSTED;
    return err == ERR_OK && !reader_ok(r) ? ERR_INTERNAL : err;
}

/* An answer to a retry is an acknowledgement too: whoever gave it first may not have come to tell
 * the cache. */
static enum err replay_change(struct write *w, const struct sql_result *result)
{
    w->changes = arena_alloc(&w->call->arena, sizeof *w->changes);
    if (!w->changes)
        return ERR_EXHAUSTED;
    w->change_count = 1;
    w->changes[0].write = w;
    w->changes[0].raise.origin = *result_origin(result);
    w->changes[0].raise.customer = w->customer;
    w->changes[0].raise.version = w->version;
    return ERR_OK;
}

static void on_state(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct write *w = container_of(req, struct write, query);

    if (err == ERR_OK) {
        struct sql_reader r = result_row(result, 0);
        err = result_rows(result) == 1 ? read_state(w, &r) : ERR_INTERNAL;
        if (err == ERR_OK && w->replayed)
            err = replay_change(w, result);
        if (err == ERR_INTERNAL)
            log_error("write", "the database's answer is not what this program understands");
    }
    w->err = err;
    w->call->database_us += req->took_us;
    call_resume(w->call);
}

static enum next step_state(struct call *c)
{
    struct write *w = c->state;
    struct sql_args *args = &w->query.args;

    c->step = step_known;
    w->step_count = 0;
    w->locked = false;
    w->err = ERR_OK;
    if (w->method->state == SQL_STATEMENT_COUNT)
        return NEXT;
    w->query.statement = w->method->state;
    args->count = 0;
    args_id(args, &w->customer);
    write_optional_id(args, w->has_request_id, &w->request_id);
    w->method->ask(w, args);
    if (c->arena.full)
        return call_fail_with(c, ERR_EXHAUSTED);
    c->cancel = cancel_state;
    pool_submit(app_of(w)->pool, &w->query, on_state);
    return WAIT;
}

/* Looks again in a moment, in which a database that was lost may have come back. */
static enum next look_again(struct write *w)
{
    w->call->step = step_in_line;
    w->call->cancel = cancel_wait;
    line_pause(&app_of(w)->lines, &w->place);
    return WAIT;
}

enum next write_reply(struct write *w)
{
    const ProtobufCFieldDescriptor *token =
        protobuf_c_message_descriptor_get_field_by_name(w->method->answer, "consistency_token");

    if (token && !is_of_installation(w)) {
        consistency_token_make(pool_key(app_of(w)->pool), &w->customer, w->version, w->token);
        *(char **)(void *)((char *)w->answer + token->offset) = w->token;
    }
    return call_reply(w->call, w->answer);
}

bool write_make_answer(struct write *w)
{
    ProtobufCAllocator allocator = call_allocator(w->call);

    w->answer =
        protobuf_c_message_unpack(w->method->answer, &allocator, w->response.len, w->response.data);
    return w->answer != NULL;
}

static enum next step_known(struct call *c)
{
    struct write *w = c->state;

    if (w->err == ERR_EXISTS)
        return write_fail_reused_id(w);
    if (w->err != ERR_OK)
        return w->unsettled ? look_again(w) : call_fail_with(c, w->err);
    if (w->replayed) {
        if (!write_make_answer(w))
            return call_fail_with(c, ERR_EXHAUSTED);
        /* Of a commit of this very call, whose outcome was not known, this is the first answer. */
        if (!w->unsettled)
            call_add_metadata(c, "idempotent-replayed", "true");
        return tell(w);
    }
    if (w->method->state != SQL_STATEMENT_COUNT && lacks_customer(w))
        return call_fail_not_found(c, "customer", w->customer_text);
    return w->method->decide(w);
}

/* ---- the commit ---- */

struct sql_args *write_step(struct write *w, enum sql_statement statement)
{
    assert(w->step_count < SQL_STEPS_MAX - 1);
    struct sql_step *step = &w->steps[w->step_count++];

    step->statement = statement;
    step->args.count = 0;
    return &step->args;
}

void write_lock(struct write *w)
{
    struct sql_args *args = write_step(w, SQL_EXPECT_VERSION);

    args_id(args, &w->customer);
    args_int(args, w->version);
    w->locked = true;
}

void write_optional_text(struct sql_args *args, const char *text)
{
    if (*text)
        args_text(args, bytes_text(text));
    else
        args_null(args);
}

void write_optional_id(struct sql_args *args, bool has, const struct id *id)
{
    if (has)
        args_id(args, id);
    else
        args_null(args);
}

static void cancel_commit(struct call *c)
{
    struct write *w = c->state;

    pool_cancel(app_of(w)->pool, &w->commit);
}

/* What a caller can do who does not hear what became of the request. */
static const char *advice(const struct write *w)
{
    if (w->method->repeatable)
        return "send it again, which does no harm";
    if (w->has_request_id)
        return "send it again with the same request_id, which does no harm";
    return "look before you send it again, or send it with a request_id, which makes that safe";
}

void write_begin_doubt(struct write *w)
{
    struct call *c = w->call;

    c->doubt = arena_printf(&c->arena,
                            "the connection to the database broke while this was being committed, "
                            "so whether it took place is not known: %s",
                            advice(w));
    if (!c->doubt)
        c->doubt = "whether this took place is not known";
}

void write_end_doubt(struct write *w)
{
    w->call->doubt = NULL;
    w->call->late = NULL;
}

static enum err read_changes(struct write *w, const struct sql_result *result)
{
    for (int i = 0; i < result_rows(result) && w->change_count < w->change_room; i++) {
        struct sql_reader r = result_row(result, i);
        struct cache_raise *raise = &w->changes[w->change_count].raise;
        raise->origin = *result_origin(result);
        raise->customer = read_id(&r);
        raise->version = read_int(&r);
        if (!reader_ok(&r))
            return ERR_INTERNAL;
        w->changes[w->change_count++].write = w;
    }
    return ERR_OK;
}

void write_count_commit(struct app *app, const struct sql_req *req, enum err err)
{
    enum metric outcome = METRIC_WRITES_COMMITTED;

    if (err != ERR_OK && req->may_have_run)
        outcome = METRIC_WRITES_UNKNOWN;
    else if (err == ERR_ABORTED)
        outcome = METRIC_WRITES_OVERTAKEN;
    else if (err != ERR_OK)
        outcome = METRIC_WRITES_FAILED;
    metrics_add(&app->worker->metrics, outcome, 1);
}

static void on_committed(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct write *w = container_of(req, struct write, commit);

    write_count_commit(app_of(w), req, err);
    if (err != ERR_OK && req->may_have_run) {
        w->unsettled = true;
        w->lost = w->version;
        write_begin_doubt(w);
    }
    if (err == ERR_OK)
        err = read_changes(w, result);
    if (!w->unsettled)
        w->call->late = NULL;
    w->err = err;
    w->call->database_us += req->took_us;
    call_resume(w->call);
}

enum err write_keep_answer(struct write *w, struct arena *a, const ProtobufCMessage *answer)
{
    struct call *c = w->call;
    size_t len = protobuf_c_message_get_packed_size(answer);
    uint8_t *packed = arena_raw(a, len + 1); /* not NULL where it is empty */

    if (!packed)
        return ERR_EXHAUSTED;
    protobuf_c_message_pack(answer, packed);
    w->response = bytes_of(packed, len);
    c->late = arena_printf(&c->arena,
                           "the deadline passed while this was being committed, so whether it took "
                           "place is not known: %s",
                           advice(w));
    return write_make_answer(w) && !c->arena.full ? ERR_OK : ERR_EXHAUSTED;
}

/* NEXT, or DONE with a failure. */
static enum next prepare(struct write *w, const ProtobufCMessage *answer, int change_room)
{
    struct call *c = w->call;

    w->changes = arena_array(&c->arena, (size_t)change_room, sizeof *w->changes);
    w->change_room = change_room;
    w->change_count = 0;
    if (!w->changes || write_keep_answer(w, &c->arena, answer) != ERR_OK)
        return call_fail_with(c, ERR_EXHAUSTED);
    return NEXT;
}

static enum next submit(struct write *w)
{
    struct call *c = w->call;

    w->commit.before = w->steps;
    w->commit.before_count = w->step_count;
    c->step = step_committed;
    c->cancel = cancel_commit;
    pool_submit(app_of(w)->pool, &w->commit, on_committed);
    return WAIT;
}

enum next write_commit(struct write *w, const ProtobufCMessage *answer)
{
    struct sql_args *args = &w->commit.args;

    if (prepare(w, answer, 1) == DONE)
        return DONE;
    if (w->step_count == 0 && !w->has_request_id) {
        w->call->late = NULL;
        return write_reply(w);
    }
    /* Also where there is nothing but the request to remember. */
    if (w->step_count == 0)
        write_lock(w);
    assert(w->locked || w->method->makes_customer);
    w->commit.statement = SQL_END_WRITE;
    args->count = 0;
    args_id(args, &w->customer);
    write_optional_id(args, w->has_request_id, &w->request_id);
    args_text(args, bytes_text(w->method->name));
    args_text(args, bytes_of(w->hash.bytes, sizeof w->hash.bytes));
    args_text(args, w->response);
    return submit(w);
}

enum next write_commit_names(struct write *w, const ProtobufCMessage *answer,
                             enum sql_statement changes, const struct id *id)
{
    struct sql_args *args = &w->commit.args;

    if (prepare(w, answer, WRITE_CHANGES_MAX) == DONE)
        return DONE;
    w->commit.statement = changes;
    args->count = 0;
    args_id(args, id);
    args_int(args, WRITE_CHANGES_MAX);
    return submit(w);
}

/* ---- the cache ---- */

static void on_told(struct cache_raise *raise, enum err err)
{
    struct write *w = container_of(raise, struct write_change, raise)->write;

    (void)err; /* then the feed does it */
    if (--w->telling == 0)
        call_resume(w->call);
}

static void cancel_telling(struct call *c)
{
    struct write *w = c->state;

    for (int i = 0; i < w->change_count; i++)
        cache_raise_cancel(app_of(w)->cache, &w->changes[i].raise);
}

const char write_took_place[] = "the deadline passed, but this took place";

/* The commit stands. Ends the answers that are older, before the caller hears of it. */
static enum next tell(struct write *w)
{
    struct call *c = w->call;
    struct cache *cache = app_of(w)->cache;

    c->step = step_told;
    if (!cache || w->change_count == 0)
        return NEXT;
    c->late = write_took_place;
    c->cancel = cancel_telling;
    w->telling = w->change_count;
    for (int i = 0; i < w->change_count; i++)
        cache_raise(cache, &w->changes[i].raise, on_told);
    return WAIT;
}

static enum next step_told(struct call *c)
{
    return write_reply(c->state);
}

static enum next step_committed(struct call *c)
{
    struct write *w = c->state;

    if (w->err == ERR_OK) {
        if (w->change_count > 0)
            w->version = w->changes[0].raise.version; /* the customer's own, where there is one */
        return tell(w);
    }
    if (w->err == ERR_ABORTED) { /* another write came first: look and decide again */
        c->step = step_state;
        return NEXT;
    }
    if (!w->unsettled)
        return call_fail_with(c, w->err);
    if (w->has_request_id || w->method->repeatable)
        return look_again(w);
    return call_fail_with(c, ERR_UNKNOWN);
}

enum next write_fail_version(struct write *w, const char *what, const char *id, int64_t stored,
                             int64_t wanted)
{
    w->call->status.reason = "VERSION_MISMATCH";
    return call_fail(w->call, ERR_ABORTED,
                     "%s %s is at version %" PRId64 " and not at %" PRId64
                     ": read it again and decide anew",
                     what, id, stored, wanted);
}

enum next write_fail_used_key(struct write *w, const char *key)
{
    w->call->status.reason = "UNIQUENESS_KEY_USED";
    return call_fail(w->call, ERR_EXISTS, "uniqueness_key %s has been used", key);
}
