#include "app/batch.h"

#include <assert.h>

#include "app/write_priv.h"
#include "base/limits.h"
#include "base/log.h"

enum batch_phase {
    BATCH_IN_LINE, /* others may join */
    BATCH_LOOKING,
    BATCH_DECIDING,
    BATCH_COMMITTING,
    BATCH_PAUSED,
    BATCH_TELLING,
    BATCH_ENDING,
};

struct batch {
    struct app *app;
    const struct batch_method *method;
    struct id customer;
    struct arena arena; /* that it lies in */
    enum batch_phase phase;
    struct line_place place;
    struct list members;
    int member_count, weight;

    struct batch_member *last; /* to leave: it waits until nothing is under way */

    struct id origin; /* of the database that answered */
    int64_t version;
    bool customer_exists;
    void *state;
    struct sql_req query, commit;
    struct sql_step steps[SQL_STEPS_MAX - 1];
    bool unsettled; /* of some commit of ours nobody knows whether it took place */
    struct cache_raise raise;
};

static void set_phase(struct batch *b, enum batch_phase next)
{
    switch (next) {
    case BATCH_IN_LINE:
        assert(false);
        break;
    case BATCH_LOOKING:
        assert(b->phase == BATCH_IN_LINE || b->phase == BATCH_PAUSED ||
               b->phase == BATCH_COMMITTING);
        break;
    case BATCH_DECIDING:
        assert(b->phase == BATCH_LOOKING);
        break;
    case BATCH_COMMITTING:
        assert(b->phase == BATCH_DECIDING);
        break;
    case BATCH_PAUSED:
        assert(b->phase == BATCH_LOOKING || b->phase == BATCH_COMMITTING);
        break;
    case BATCH_TELLING:
        assert(b->phase == BATCH_DECIDING || b->phase == BATCH_COMMITTING);
        break;
    case BATCH_ENDING:
        assert(b->phase != BATCH_ENDING);
        break;
    }
    b->phase = next;
}

static void look(struct batch *b);

static struct batch_member *member_of(struct list *link)
{
    return container_of(link, struct batch_member, link);
}

struct arena *batch_arena(struct batch *b)
{
    return &b->arena;
}

void *batch_state(struct batch *b)
{
    return b->state;
}

const struct id *batch_customer(const struct batch *b)
{
    return &b->customer;
}

struct batch_member *batch_next(struct batch *b, struct batch_member *m)
{
    struct list *link = m ? m->link.next : b->members.next;

    return link == &b->members ? NULL : member_of(link);
}

/* ---- the end ---- */

static void drop(struct batch_member *m)
{
    list_remove(&m->link);
    m->batch->member_count--;
}

/* The last step of a member, whatever became of the batch. */
static enum next step_ended(struct call *c)
{
    struct batch_member *m = c->state;
    struct write *w = &m->write;

    drop(m);
    if (m->err != ERR_OK)
        return call_fail_with(c, m->err);
    if (w->replayed && !m->was_unsettled)
        call_add_metadata(c, "idempotent-replayed", "true");
    return write_reply(w);
}

static void end_member(struct batch_member *m)
{
    m->write.call->step = step_ended;
    call_resume(m->write.call);
}

/* Answers everybody, and gives the turn away. */
static void end(struct batch *b)
{
    struct arena arena;

    set_phase(b, BATCH_ENDING);
    list_each_safe (link, &b->members)
        end_member(member_of(link));
    assert(b->member_count == 0);
    if (b->last)
        call_resume(b->last->write.call);
    line_leave(&b->app->lines, &b->place);
    arena_move(&b->arena, &arena);
    arena_reset(&arena);
}

static void on_told(struct cache_raise *raise, enum err err)
{
    (void)err; /* then the feed does it */
    end(container_of(raise, struct batch, raise));
}

/* What is acknowledged stands. Ends the answers that are older, before a caller hears of it. */
static void tell(struct batch *b, bool committed)
{
    int64_t newest = 0;

    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m)) {
        if (m->err != ERR_OK || (!committed && !m->write.replayed))
            continue;
        if (!m->repeatable)
            m->write.call->late = write_took_place;
        if (m->write.version > newest)
            newest = m->write.version;
    }
    if (!b->app->cache || newest == 0) {
        end(b);
        return;
    }
    set_phase(b, BATCH_TELLING);
    b->raise.origin = b->origin;
    b->raise.customer = b->customer;
    b->raise.version = newest;
    cache_raise(b->app->cache, &b->raise, on_told);
}

/* Fails for all but those that are answered from the log, who have nothing to do with it. */
static void fail(struct batch *b, enum err err)
{
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m))
        if (!m->write.replayed)
            m->err = err;
    tell(b, false);
}

/* Looks again in a moment, in which a database that was lost may have come back. */
static void look_later(struct batch *b)
{
    set_phase(b, BATCH_PAUSED);
    line_pause(&b->app->lines, &b->place);
}

/* ---- members come and go ---- */

static void on_left(void *arg, struct list *link)
{
    (void)arg;
    call_resume(member_of(link)->write.call);
}

void batches_open(struct app *app, uv_loop_t *loop)
{
    later_open(&app->leaving, loop, on_left, app);
}

/* What is under way for nobody ends early; its callback ends the batch. */
static void abandon(struct batch *b)
{
    switch (b->phase) {
    case BATCH_IN_LINE:
    case BATCH_PAUSED:
        line_cancel(&b->app->lines, &b->place);
        break;
    case BATCH_LOOKING:
        pool_cancel(b->app->pool, &b->query);
        break;
    case BATCH_COMMITTING:
        pool_cancel(b->app->pool, &b->commit);
        break;
    case BATCH_TELLING:
        cache_raise_cancel(b->app->cache, &b->raise);
        break;
    case BATCH_DECIDING:
    case BATCH_ENDING:
        break;
    }
}

static void leave(struct call *c)
{
    struct batch_member *m = c->state;
    struct batch *b = m->batch;

    drop(m);
    if (b->member_count > 0) {
        later_add(&b->app->leaving, &m->link);
        return;
    }
    b->last = m;
    abandon(b);
}

/* The step that is set meanwhile is the batch's to choose. */
static enum next wait_in_batch(struct batch_member *m)
{
    m->write.call->cancel = leave;
    return WAIT;
}

static void on_turn(struct line_place *place, enum err err)
{
    struct batch *b = container_of(place, struct batch, place);

    if (err != ERR_OK)
        fail(b, err);
    else
        look(b);
}

static bool has_request(struct batch *b, const struct id *request)
{
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m))
        if (m->write.has_request_id && id_equal(&m->write.request_id, request))
            return true;
    return false;
}

/* The batch that this call may join: the last in line, while it waits and has room. A request that
 * is in it already comes after it, and finds it in the log. */
static struct batch *find_joinable(const struct batch_member *m, const struct batch_method *method,
                                   struct app *app)
{
    const struct write *w = &m->write;
    struct line_place *last = line_last(&app->lines, &w->customer, on_turn);
    struct batch *b = last ? container_of(last, struct batch, place) : NULL;

    if (!b || b->phase != BATCH_IN_LINE || b->method != method || b->member_count == 0 ||
        b->member_count >= BATCH_MEMBERS_MAX || b->weight + m->weight > BATCH_WEIGHT_MAX ||
        (w->has_request_id && has_request(b, &w->request_id)))
        return NULL;
    return b;
}

static struct batch *create(const struct batch_member *m, const struct batch_method *method,
                            struct app *app)
{
    struct arena arena;

    arena_init(&arena, m->write.call->arena.pool, ARENA_BYTES_MAX);
    struct batch *b = arena_alloc(&arena, sizeof *b);
    if (!b)
        return NULL;
    b->app = app;
    b->method = method;
    b->customer = m->write.customer;
    b->phase = BATCH_IN_LINE;
    line_place_init(&b->place);
    list_init(&b->members);
    arena_move(&arena, &b->arena);
    return b;
}

void *batch_open(struct call *c, const struct batch_method *method, size_t member_size)
{
    struct batch_member *m = write_open(c, &method->write, member_size);

    if (m)
        list_init(&m->link);
    return m;
}

enum next batch_start(struct batch_member *m, const struct batch_method *method,
                      const ProtobufCMessage *request, int weight)
{
    struct call *c = m->write.call;
    struct app *app = call_app(c);

    if (write_check(&m->write, request) == DONE)
        return DONE;
    m->weight = weight;
    struct batch *b = find_joinable(m, method, app);
    if (!b) {
        b = create(m, method, app);
        if (!b)
            return call_fail_with(c, ERR_EXHAUSTED);
        line_enter(&app->lines, &b->place, &b->customer, on_turn);
    }
    m->batch = b;
    list_append(&b->members, &m->link);
    b->member_count++;
    b->weight += weight;
    return wait_in_batch(m);
}

/* ---- the state ---- */

static struct batch_member *find_member(struct batch *b, const struct id *request)
{
    struct batch_member *m = batch_next(b, NULL);

    while (m && !(m->write.has_request_id && id_equal(&m->write.request_id, request)))
        m = batch_next(b, m);
    return m;
}

static void read_log(struct batch *b, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;

    while (array_next_record(r, &array, &record)) {
        const struct id request = read_id(&record);
        struct batch_member *m = find_member(b, &request);
        if (!m)
            continue; /* it has left meanwhile */
        m->err = write_read_replay(&m->write, &record);
        array_record_done(r, &record);
    }
}

/* What began with a version that has passed, and is not in the log, did not take place and never
 * will. */
static void end_doubts(struct batch *b)
{
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m))
        if (m->write.call->doubt && !m->write.replayed && m->write.lost != b->version)
            write_end_doubt(&m->write);
}

static enum err read_state(struct batch *b, const struct sql_result *result)
{
    if (result_rows(result) != 1)
        return ERR_INTERNAL;
    struct sql_reader r = result_row(result, 0);
    b->version = read_null(&r) ? 0 : read_int(&r);
    b->customer_exists = read_bool(&r);
    read_log(b, &r);
    end_doubts(b);
    enum err err = ERR_OK;
    if (b->customer_exists)
        err = b->method->learn(b, &r);
    if (b->arena.full)
        return ERR_EXHAUSTED;
    return err == ERR_OK && b->customer_exists && !reader_ok(&r) ? ERR_INTERNAL : err;
}

/* One member's, with the state as those before it have left it. */
static enum next step_decide(struct call *c)
{
    struct batch_member *m = c->state;
    struct batch *b = m->batch;
    struct write *w = &m->write;
    enum next next = WAIT;

    if (m->err == ERR_EXISTS)
        next = write_fail_reused_id(w);
    else if (m->err != ERR_OK)
        next = call_fail_with(c, m->err);
    else if (w->replayed)
        next = write_make_answer(w) ? WAIT : call_fail_with(c, ERR_EXHAUSTED);
    else if (!b->customer_exists)
        next = call_fail_not_found(c, "customer", w->customer_text);
    else
        next = b->method->decide(b, m);
    if (next == WAIT)
        return wait_in_batch(m);
    drop(m);
    return next;
}

enum next batch_answer(struct batch_member *m, const ProtobufCMessage *answer)
{
    const enum err err = write_keep_answer(&m->write, &m->batch->arena, answer);

    if (err != ERR_OK)
        return call_fail_with(m->write.call, err);
    if (m->repeatable) /* whether it took place is no question */
        m->write.call->late = NULL;
    m->is_decided = true;
    m->write.version = m->batch->version;
    return WAIT;
}

static enum err commit(struct batch *b);

static void decide(struct batch *b)
{
    set_phase(b, BATCH_DECIDING);
    list_each_safe (link, &b->members) {
        struct batch_member *m = member_of(link);
        m->write.call->step = step_decide;
        call_resume(m->write.call);
    }
    const enum err err = commit(b);
    if (err != ERR_OK)
        fail(b, err);
}

static void on_state(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct batch *b = container_of(req, struct batch, query);

    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m))
        m->write.call->database_us += req->took_us;
    if (err == ERR_OK)
        err = read_state(b, result);
    if (err == ERR_OK)
        b->origin = *result_origin(result);
    if (err == ERR_INTERNAL)
        log_error("batch", "the database's answer is not what this program understands");
    if (err == ERR_OK)
        decide(b);
    else if (b->unsettled && b->member_count > 0)
        look_later(b);
    else
        fail(b, err);
}

static enum err ask(struct batch *b)
{
    struct sql_args *args = &b->query.args;
    struct id *requests = arena_array(&b->arena, (size_t)b->member_count, sizeof *requests);
    size_t count = 0;

    b->state = arena_alloc(&b->arena, b->method->state_size);
    if (!requests || !b->state)
        return ERR_EXHAUSTED;
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m)) {
        m->is_decided = m->write.replayed = false;
        m->err = ERR_OK;
        if (m->write.has_request_id)
            requests[count++] = m->write.request_id;
    }
    b->query.statement = b->method->write.state;
    args->count = 0;
    args_id(args, &b->customer);
    const enum err err = args_ids(args, &b->arena, requests, count);
    return err == ERR_OK ? b->method->ask(b, args) : err;
}

static void look(struct batch *b)
{
    if (b->member_count == 0) {
        end(b);
        return;
    }
    const enum err err = ask(b);
    if (err != ERR_OK) {
        fail(b, err);
        return;
    }
    set_phase(b, BATCH_LOOKING);
    pool_submit(b->app->pool, &b->query, on_state);
}

/* ---- the commit ---- */

/* Nobody knows what became of the commit. Those who may send it again are tried again here. */
static void settle(struct batch *b)
{
    b->unsettled = true;
    list_each_safe (link, &b->members) {
        struct batch_member *m = member_of(link);
        m->was_unsettled |= m->is_decided;
        if (!m->is_decided || m->repeatable)
            continue;
        m->write.lost = b->version;
        write_begin_doubt(&m->write);
        if (m->write.has_request_id)
            continue;
        m->err = ERR_UNKNOWN;
        end_member(m);
    }
    if (b->member_count > 0)
        look_later(b);
    else
        end(b);
}

static enum err read_version(struct batch *b, const struct sql_result *result)
{
    if (result_rows(result) != 1)
        return ERR_INTERNAL;
    struct sql_reader r = result_row(result, 0);
    (void)read_id(&r);
    b->version = read_int(&r);
    return reader_ok(&r) ? ERR_OK : ERR_INTERNAL;
}

static void committed(struct batch *b, const struct sql_result *result)
{
    const enum err err = read_version(b, result);

    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m)) {
        if (!m->is_decided)
            continue;
        m->write.version = b->version;
        m->err = err;
    }
    b->origin = *result_origin(result);
    tell(b, true);
}

static void on_committed(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct batch *b = container_of(req, struct batch, commit);
    int decided = 0;

    write_count_commit(b->app, req, err);
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m))
        decided += m->is_decided;
    if (err == ERR_OK)
        metrics_observe(&b->app->worker->metrics, HISTOGRAM_BATCH_MEMBERS, decided);
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m)) {
        m->write.call->database_us += req->took_us;
        if (err != ERR_OK && !req->may_have_run && !m->write.call->doubt)
            m->write.call->late = NULL;
    }
    if (err == ERR_OK)
        committed(b, result);
    else if (req->may_have_run)
        settle(b);
    else if (err == ERR_ABORTED && b->member_count > 0) /* another write came first */
        look(b);
    else if (b->unsettled && b->member_count > 0)
        look_later(b);
    else
        fail(b, err);
}

/* The requests that are to be remembered, column by column. */
static enum err remember(struct batch *b, struct sql_args *args, size_t *ret_count)
{
    const size_t room = (size_t)b->member_count;
    struct id *ids = arena_array(&b->arena, room, sizeof *ids);
    struct bytes *hashes = arena_array(&b->arena, room, sizeof *hashes);
    struct bytes *responses = arena_array(&b->arena, room, sizeof *responses);
    size_t count = 0;

    if (!ids || !hashes || !responses)
        return ERR_EXHAUSTED;
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m)) {
        if (!m->is_decided || !m->write.has_request_id || m->repeatable)
            continue;
        ids[count] = m->write.request_id;
        hashes[count] = bytes_of(m->write.hash.bytes, sizeof m->write.hash.bytes);
        responses[count++] = m->write.response;
    }
    args->count = 0;
    args_id(args, &b->customer);
    enum err err = args_ids(args, &b->arena, ids, count);
    if (err != ERR_OK)
        return err;
    args_text(args, bytes_text(b->method->write.name));
    err = args_byteas(args, &b->arena, hashes, count);
    if (err == ERR_OK)
        err = args_byteas(args, &b->arena, responses, count);
    *ret_count = count;
    return err;
}

/* ERR_OK: it is under way, or there was nothing to commit and all are answered. */
static enum err commit(struct batch *b)
{
    struct sql_step *lock = &b->steps[0];
    size_t remembered = 0;
    int steps = 0;

    enum err err = ERR_OK;
    if (b->customer_exists)
        err = b->method->finish(b, b->steps + 1, &steps);
    if (err == ERR_OK)
        err = remember(b, &b->commit.args, &remembered);
    if (err != ERR_OK)
        return err;
    assert(steps <= BATCH_FINISH_STEPS_MAX);
    if (steps == 0 && remembered == 0) {
        tell(b, false);
        return ERR_OK;
    }
    lock->statement = SQL_EXPECT_VERSION;
    lock->args.count = 0;
    args_id(&lock->args, &b->customer);
    args_int(&lock->args, b->version);
    b->commit.before = b->steps;
    b->commit.before_count = steps + 1;
    b->commit.statement = SQL_END_WRITES;
    set_phase(b, BATCH_COMMITTING);
    pool_submit(b->app->pool, &b->commit, on_committed);
    return ERR_OK;
}
