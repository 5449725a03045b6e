#include "batch_kit.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/tokens.h"
#include "balances/v1/ledger.pb-c.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "cache/cache.h"
#include "rpc/wire.h"

enum { TIMEOUT_US = 60 * 1000 * 1000, QUIET_MS = 8, NUMBER_AT = 8 };

struct kit kit;

int64_t clock_now_us(void)
{
    return 1000000;
}

int64_t clock_monotonic_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

/* ---- ids that tell what they are of ---- */

static void put_number(uint8_t *out, int64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static int64_t number_of(const uint8_t *in, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return (int64_t)value;
}

static struct id id_of(char kind, int number)
{
    struct id id = {{(uint8_t)kind}};

    put_number(id.bytes + NUMBER_AT, number, 8);
    return id;
}

static int id_number(const uint8_t *id, char kind)
{
    assert_int_equal(id[0], kind);
    return (int)number_of(id + NUMBER_AT, 8);
}

/* ---- what became of a caller ---- */

static struct fate *fate_of(const struct caller *a)
{
    return &kit.fates[a->request >= 0 ? a->request : a->number];
}

static bool has_been(const struct ledger *l, int64_t spent)
{
    for (int i = 0; i < l->history_count; i++)
        if (l->history[i] == spent)
            return true;
    return false;
}

static void check_success(const struct caller *a)
{
    const struct fate *f = fate_of(a);

    assert_true(a->version >= a->not_before);
    if (a->dry_run) {
        assert_true(has_been(a->ledger, a->spent - a->units));
        return;
    }
    assert_int_equal(f->times, 1);
    assert_int_equal(a->spent, f->spent);
    assert_int_equal(a->version, f->version);
    assert_true(!kit.app.cache || a->ledger->told >= a->version);
}

/* Whether the caller was told that nothing has happened. */
static bool was_told_no(const struct caller *a)
{
    if (a->left != ERR_OK)
        return a->err == ERR_DEADLINE && !*a->late;
    return a->err != ERR_OK && a->err != ERR_UNKNOWN;
}

static void check_fate(const struct fate *f, int number)
{
    bool all_told_no = true, is_dry = false;

    for (int i = 0; i < kit.caller_count; i++) {
        const struct caller *a = &kit.callers[i];
        if (fate_of(a) != f)
            continue;
        assert_int_equal(a->answered, 1);
        is_dry |= a->dry_run;
        all_told_no &= was_told_no(a);
        if (!a->dry_run && strstr(a->late, "took place") && !strstr(a->late, "whether"))
            assert_int_equal(f->times, 1);
    }
    if (f->times > 1 || (f->times > 0 && (all_told_no || is_dry)))
        fail_msg("request %d took place %d times", number, f->times);
}

/* ---- the transport ---- */

static struct caller *caller_of(struct call *c)
{
    return container_of(c, struct caller, call);
}

static enum next answered(struct call *c, enum err err)
{
    struct caller *a = caller_of(c);

    assert_int_equal(a->answered, 0);
    a->answered++;
    a->err = err;
    return DONE;
}

/* A call that is over is freed at once, so that a late look at it shows. */
static void drive(struct caller *a)
{
    enum next next = NEXT;

    assert_false(a->running);
    a->running = true;
    while (next == NEXT) {
        a->call.cancel = NULL;
        if (a->left != ERR_OK) {
            snprintf(a->late, sizeof a->late, "%s", a->call.late ? a->call.late : "");
            next = answered(&a->call, a->left);
        } else {
            next = a->call.step(&a->call);
        }
    }
    a->running = false;
    if (next == WAIT)
        assert_non_null(a->call.cancel);
    else
        arena_reset(&a->call.arena);
}

void *call_app(const struct call *c)
{
    return c->worker->app;
}

ProtobufCAllocator call_allocator(struct call *c)
{
    return wire_allocator(&c->arena);
}

void call_resume(struct call *c)
{
    assert_int_equal(caller_of(c)->answered, 0);
    drive(caller_of(c));
}

void call_add_metadata(struct call *c, const char *key, const char *value)
{
    assert_string_equal(key, "idempotent-replayed");
    assert_string_equal(value, "true");
    caller_of(c)->replayed = true;
}

enum next call_reply(struct call *c, const ProtobufCMessage *answer)
{
    const Balances__V1__DrawDownResponse *m = (const Balances__V1__DrawDownResponse *)answer;
    struct caller *a = caller_of(c);
    Balances__V1__Consistency consistency;
    struct freshness f;

    balances__v1__consistency__init(&consistency);
    consistency.requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_AT_LEAST_AS_FRESH;
    consistency.at_least_as_fresh = m->consistency_token;
    assert_int_equal(freshness_read(c, &consistency, &a->ledger->customer, &f), ERR_OK);
    assert_true(f.has_token);
    a->version = f.at_least;
    a->spent = strtoll(m->results[0]->uncovered, NULL, 10);
    check_success(a);
    return answered(c, ERR_OK);
}

/* As rpc/call.c does it. */
static enum next failed(struct call *c, enum err err)
{
    if (c->doubt)
        assert_non_null(strstr(c->doubt, "took place is not known"));
    assert_true(c->doubt || err != ERR_UNKNOWN); /* which needs a text of its own */
    return answered(c, c->doubt ? ERR_UNKNOWN : err);
}

enum next call_fail(struct call *c, enum err err, const char *format, ...)
{
    (void)format;
    if (err == ERR_EXISTS)
        assert_string_equal(c->status.reason, "REQUEST_ID_REUSED");
    return failed(c, err);
}

enum next call_fail_with(struct call *c, enum err err)
{
    assert_true(err != ERR_EXISTS);
    return failed(c, err);
}

enum next call_fail_invalid(struct call *c)
{
    return failed(c, ERR_INVALID);
}

enum next call_fail_not_found(struct call *c, const char *type, const char *name)
{
    assert_string_equal(type, "customer");
    assert_true(strlen(name) == ID_TEXT_LEN);
    return failed(c, ERR_NOT_FOUND);
}

/* ---- the cache ---- */

static struct ledger *ledger_of(const struct id *customer)
{
    return &kit.ledgers[id_number(customer->bytes, 'c')];
}

static void end_raise(void *arg, struct list *link)
{
    struct cache_raise *r = container_of(link, struct cache_raise, link);
    struct ledger *l = ledger_of(&r->customer);

    (void)arg;
    if (r->version > l->told)
        l->told = r->version;
    r->done(r, r->err);
}

void cache_raise(struct cache *c, struct cache_raise *r, cache_raised_fn *done)
{
    (void)c;
    assert_true(id_equal(&r->origin, pool_origin(kit.app.pool)));
    assert_true(r->version <= ledger_of(&r->customer)->version);
    r->done = done;
    r->err = ERR_OK;
    list_init(&r->link);
    kit.raises_ever++;
    if (!kit.raises_wait) {
        later_add(&kit.raising, &r->link);
        return;
    }
    assert_true(kit.raise_count < RAISES_MAX);
    kit.raises[kit.raise_count++] = r;
}

static struct cache_raise *take_raise(int which)
{
    struct cache_raise *r = kit.raises[which];

    kit.raise_count--;
    memmove(kit.raises + which, kit.raises + which + 1,
            (size_t)(kit.raise_count - which) * sizeof r);
    return r;
}

void cache_raise_cancel(struct cache *c, struct cache_raise *r)
{
    (void)c;
    for (int i = 0; i < kit.raise_count; i++) {
        if (kit.raises[i] != r)
            continue;
        take_raise(i)->err = ERR_CANCELLED;
        later_add(&kit.raising, &r->link);
        return;
    }
}

void kit_told(int which, enum err err)
{
    struct cache_raise *r = take_raise(which);

    r->err = err;
    end_raise(NULL, &r->link);
}

/* ---- what the database is told and says ---- */

/* An array's elements, each of which is not null. */
static int array_elements(struct bytes array, struct bytes ret[static BATCH_MEMBERS_MAX])
{
    const int count = number_of(array.data, 4) == 0 ? 0 : (int)number_of(array.data + 12, 4);
    const uint8_t *at = array.data + 20;

    assert_true(count <= BATCH_MEMBERS_MAX);
    for (int i = 0; i < count; i++) {
        ret[i] = bytes_of(at + 4, (size_t)number_of(at, 4));
        at += 4 + ret[i].len;
    }
    return count;
}

struct text {
    uint8_t bytes[12 * 1024];
    size_t len;
};

static void add_number(struct text *t, int64_t value, int bytes)
{
    put_number(t->bytes + t->len, value, bytes);
    t->len += (size_t)bytes;
}

static void add_value(struct text *t, struct bytes value)
{
    assert_true(t->len + value.len + 64 < sizeof t->bytes);
    add_number(t, (int64_t)value.len, 4);
    memcpy(t->bytes + t->len, value.data, value.len);
    t->len += value.len;
}

static void add_field(struct text *t, struct bytes value)
{
    add_number(t, 0, 4);
    add_value(t, value);
}

/* As ROW(request_id, method, request_hash, response, version). */
static void add_logged(struct text *t, const struct fate *f, struct bytes request)
{
    struct text record = {.len = 0};
    uint8_t version[8];

    put_number(version, f->version, 8);
    add_number(&record, 5, 4);
    add_field(&record, request);
    add_field(&record, bytes_text("Test"));
    add_field(&record, bytes_of(f->hash, sizeof f->hash));
    add_field(&record, bytes_of(f->response, f->response_len));
    add_field(&record, bytes_of(version, sizeof version));
    add_value(t, bytes_of(record.bytes, record.len));
}

static void add_log(struct text *t, const struct ledger *l, struct bytes requests)
{
    struct bytes ids[BATCH_MEMBERS_MAX];
    const int asked = array_elements(requests, ids);
    int found = 0;

    add_number(t, 1, 4);
    add_number(t, 0, 4);
    add_number(t, 0, 4);
    add_number(t, 0, 4);
    add_number(t, 1, 4);
    for (int i = 0; i < asked; i++) {
        const struct fate *f = &kit.fates[id_number(ids[i].data, 'r')];
        if (!f->is_logged || !id_equal(&f->customer, &l->customer))
            continue;
        add_logged(t, f, ids[i]);
        found++;
    }
    put_number(t->bytes + 12, found, 4);
}

static struct ledger *ledger_at(const struct fake_session *s, int step)
{
    struct id customer;

    memcpy(customer.bytes, fake_parameter(s, step, 0).data, sizeof customer.bytes);
    return ledger_of(&customer);
}

static void answer_state(struct fake_session *s)
{
    const struct ledger *l = ledger_at(s, 0);
    const uint8_t exists = !l->missing;
    struct text log = {.len = 0};
    uint8_t version[8], spent[8];

    put_number(version, l->version, 8);
    put_number(spent, l->spent, 8);
    add_log(&log, l, fake_parameter(s, 0, 1));
    const struct bytes row[] = {bytes_of(version, sizeof version), bytes_of(&exists, 1),
                                bytes_of(log.bytes, log.len), bytes_of(spent, sizeof spent)};
    fake_rows(s, row, 1, 4);
}

static struct bytes keep(struct commit *x, size_t *len, struct bytes in)
{
    assert_true(*len + in.len <= sizeof x->kept);
    memcpy(x->kept + *len, in.data, in.len);
    *len += in.len;
    return bytes_of(x->kept + *len - in.len, in.len);
}

static void read_draws(struct commit *x, const struct fake_session *s)
{
    struct bytes draws[BATCH_MEMBERS_MAX];

    x->draw_count = array_elements(fake_parameter(s, 1, 0), draws);
    for (int i = 0; i < x->draw_count; i++)
        x->draws[i] = id_number(draws[i].data, 'd');
    x->spent = number_of(fake_parameter(s, 1, 1).data, 8);
}

/* The version is locked, perhaps draws are written, perhaps requests are remembered. */
static struct commit *read_commit(const struct fake_session *s)
{
    struct commit *x = calloc(1, sizeof *x);
    const int last = s->steps[0] - 1;
    struct bytes ids[BATCH_MEMBERS_MAX];
    size_t len = 0;

    assert_non_null(x);
    x->ledger = ledger_at(s, 0);
    x->expected = number_of(fake_parameter(s, 0, 1).data, 8);
    if (last == 2)
        read_draws(x, s);
    assert_true(ledger_at(s, last) == x->ledger);
    x->remembered_count = array_elements(fake_parameter(s, last, 1), ids);
    array_elements(fake_parameter(s, last, 3), x->hashes);
    array_elements(fake_parameter(s, last, 4), x->responses);
    for (int i = 0; i < x->remembered_count; i++) {
        x->remembered[i] = id_number(ids[i].data, 'r');
        x->hashes[i] = keep(x, &len, x->hashes[i]);
        x->responses[i] = keep(x, &len, x->responses[i]);
    }
    return x;
}

static void note_spent(struct ledger *l, int64_t units)
{
    l->spent += units;
    assert_true(l->history_count < HISTORY_MAX);
    l->history[l->history_count++] = l->spent;
}

static void remember(struct fate *f, const struct commit *x, int i)
{
    assert_false(f->is_logged);
    assert_true(x->responses[i].len <= sizeof f->response);
    f->is_logged = true;
    f->customer = x->ledger->customer;
    f->version = x->ledger->version;
    memcpy(f->hash, x->hashes[i].data, sizeof f->hash);
    memcpy(f->response, x->responses[i].data, x->responses[i].len);
    f->response_len = x->responses[i].len;
}

/* False: another write came first. */
static bool apply(const struct commit *x)
{
    struct ledger *l = x->ledger;

    if (l->version != x->expected)
        return false;
    l->version++;
    for (int i = 0; i < x->draw_count; i++) {
        const struct caller *a = &kit.callers[x->draws[i]];
        struct fate *f = fate_of(a);
        assert_true(a->ledger == l && !a->dry_run);
        note_spent(l, a->units);
        f->times++;
        f->spent = l->spent;
        f->version = l->version;
    }
    if (x->draw_count > 0)
        assert_int_equal(l->spent, x->spent);
    for (int i = 0; i < x->remembered_count; i++)
        remember(&kit.fates[x->remembered[i]], x, i);
    return true;
}

static void answer_commit(struct fake_session *s)
{
    struct commit *x = read_commit(s);
    uint8_t version[8];

    if (apply(x)) {
        put_number(version, x->ledger->version, 8);
        const struct bytes row[] = {
            bytes_of(x->ledger->customer.bytes, sizeof x->ledger->customer.bytes),
            bytes_of(version, sizeof version)};
        fake_rows(s, row, 1, 2);
    } else {
        fake_error(s, "40001");
    }
    free(x);
}

static bool runs(const struct fake_session *s, const char *statement)
{
    return s->item_count > 0 && strcmp(s->names[0], statement) == 0;
}

void kit_answer(struct fake_session *s)
{
    if (runs(s, "draw_state"))
        answer_state(s);
    else
        answer_commit(s);
}

void kit_lose(struct fake_session *s, enum lost what)
{
    if (what != LOST_UNDONE && runs(s, "end_writes")) {
        assert_true(kit.late_count < LATE_COMMITS_MAX);
        kit.late[kit.late_count++] = read_commit(s);
        if (what == LOST_DONE)
            kit_end_late(kit.late_count - 1);
    }
    fake_hang_up(s);
}

void kit_end_late(int which)
{
    struct commit *x = kit.late[which];

    apply(x);
    free(x);
    kit.late[which] = kit.late[--kit.late_count];
}

void kit_write(struct ledger *l, int64_t units)
{
    l->version++;
    note_spent(l, units);
}

/* ---- the method ---- */

struct state {
    int64_t spent;
    struct id *draws; /* that have added to it */
    size_t draw_count;
};

static enum err ask(struct batch *b, struct sql_args *args)
{
    (void)b;
    (void)args;
    return ERR_OK;
}

static enum err learn(struct batch *b, struct sql_reader *r)
{
    struct state *state = batch_state(b);
    size_t count = 0;

    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m))
        count++;
    state->spent = read_int(r);
    state->draws = arena_array(batch_arena(b), count, sizeof *state->draws);
    return ERR_OK;
}

static enum next decide(struct batch *b, struct batch_member *m)
{
    struct caller *a = caller_of(m->write.call);
    struct state *state = batch_state(b);
    const int64_t spent = state->spent + a->units;
    char text[24];

    if (spent > SPENT_MAX)
        return call_fail(&a->call, ERR_PRECONDITION, "too much");
    Balances__V1__DrawDownResponse answer;
    Balances__V1__ChargeResult result, *results[] = {&result};
    balances__v1__draw_down_response__init(&answer);
    balances__v1__charge_result__init(&result);
    snprintf(text, sizeof text, "%lld", (long long)spent);
    result.uncovered = text;
    answer.results = results;
    answer.n_results = 1;
    m->repeatable = a->dry_run;
    const enum next next = batch_answer(m, &answer.base);
    if (next == WAIT && !a->dry_run) {
        state->spent = spent;
        state->draws[state->draw_count++] = id_of('d', a->number);
    }
    return next;
}

static enum err finish(struct batch *b, struct sql_step *steps, int *ret_count)
{
    const struct state *state = batch_state(b);

    assert_non_null(state->draws); /* it was learned */
    *ret_count = state->draw_count > 0;
    if (state->draw_count == 0)
        return ERR_OK;
    steps[0].statement = SQL_PUT_DRAFTS;
    steps[0].args.count = 0;
    const enum err err = args_ids(&steps[0].args, batch_arena(b), state->draws, state->draw_count);
    args_int(&steps[0].args, state->spent);
    return err;
}

static const struct batch_method method = {
    .write =
        {
            .name = "Test",
            .answer = &balances__v1__draw_down_response__descriptor,
            .state = SQL_DRAW_STATE,
        },
    .state_size = sizeof(struct state),
    .ask = ask,
    .learn = learn,
    .decide = decide,
    .finish = finish,
};

/* The same, which is another. */
static struct batch_method other_method;

static char *keep_id(struct call *c, char kind, int number)
{
    const struct id id = id_of(kind, number);

    return arena_text(&c->arena, bytes_text(id_format(&id).text));
}

static enum next first_step(struct call *c)
{
    const struct caller *a = caller_of(c);
    Balances__V1__DrawDownRequest *in = arena_alloc(&c->arena, sizeof *in);
    char *customer = keep_id(c, 'c', (int)(a->ledger - kit.ledgers));
    char *request = a->request < 0 ? text_borrow("") : keep_id(c, 'r', a->request);
    char *what = arena_printf(&c->arena, "%lld", (long long)a->units);

    if (c->arena.full)
        return call_fail_with(c, ERR_EXHAUSTED);
    balances__v1__draw_down_request__init(in);
    in->customer_id = customer;
    in->invoice_id = what;
    in->request_id = request;
    in->dry_run = a->dry_run;
    c->request = &in->base;
    other_method = method;
    const struct batch_method *of = a->is_other ? &other_method : &method;
    struct batch_member *m = batch_open(c, of, sizeof *m);
    if (!m)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&m->write, "customer_id", in->customer_id);
    write_read_request_id(&m->write, &in->request_id);
    return batch_start(m, of, c->request, a->weight);
}

/* ---- callers ---- */

struct caller *kit_caller(int64_t units)
{
    assert_true(kit.caller_count < CALLERS_MAX);
    struct caller *a = &kit.callers[kit.caller_count];

    a->number = kit.caller_count++;
    a->ledger = &kit.ledgers[0];
    a->request = -1;
    a->units = units;
    a->weight = 1;
    a->call.worker = &kit.worker;
    a->call.step = first_step;
    status_init(&a->call.status);
    arena_init(&a->call.arena, &kit.worker.arenas, ARENA_BYTES_MAX);
    return a;
}

struct caller *kit_call(struct caller *a)
{
    a->not_before = a->dry_run ? a->ledger->version : 0;
    drive(a);
    return a;
}

void kit_with_request(struct caller *a)
{
    a->request = a->number;
}

void kit_same_request(struct caller *a, const struct caller *as)
{
    assert_true(as->request >= 0);
    a->request = as->request;
    a->units = as->units;
    a->ledger = as->ledger;
}

void kit_leave(struct caller *a, enum err why)
{
    assert_true(a->answered == 0 && a->left == ERR_OK);
    a->left = why;
    assert_non_null(a->call.cancel);
    a->call.cancel(&a->call);
    assert_int_equal(a->answered, 0);
}

/* ---- waiting ---- */

struct fake_session *kit_running(const char *statement)
{
    for (int i = 0; i < kit.fake.session_count; i++)
        if (runs(kit.fake.sessions[i], statement))
            return kit.fake.sessions[i];
    return NULL;
}

struct fake_session *kit_wait(const char *statement)
{
    FAKE_WAIT(&kit.fake, kit_running(statement));
    return kit_running(statement);
}

void kit_wait_answer(struct caller *a, enum err err)
{
    FAKE_WAIT(&kit.fake, a->answered);
    assert_int_equal(a->err, err);
}

static int answers(void)
{
    int count = 0;

    for (int i = 0; i < kit.caller_count; i++)
        count += kit.callers[i].answered;
    return count;
}

static int statements(void)
{
    int count = 0;

    for (int i = 0; i < kit.fake.session_count; i++)
        count += kit.fake.sessions[i]->item_count;
    return count;
}

void kit_wait_nothing(void)
{
    const int answered = answers(), waiting = statements();

    fake_idle(&kit.fake, QUIET_MS);
    assert_int_equal(answers(), answered);
    assert_int_equal(statements(), waiting);
}

void kit_serve(void)
{
    for (int turn = 0; answers() < kit.caller_count; turn++) {
        for (int i = 0; i < kit.fake.session_count; i++)
            if (kit.fake.sessions[i]->item_count > 0)
                kit_answer(kit.fake.sessions[i]);
        if (kit.raise_count > 0)
            kit_told(0, ERR_OK);
        fake_turn(&kit.fake, turn, "all to be answered");
    }
}

/* ---- opening and closing ---- */

static void on_ready(void *arg, bool ready)
{
    (void)arg;
    (void)ready;
}

void kit_open(int connections)
{
    log_set_level(LOG_ERROR + 1);
    memset(&kit, 0, sizeof kit);
    kit.callers = calloc(CALLERS_MAX, sizeof *kit.callers);
    kit.fates = calloc(CALLERS_MAX, sizeof *kit.fates);
    kit.late = calloc(LATE_COMMITS_MAX, sizeof *kit.late);
    for (int i = 0; i < CUSTOMERS; i++) {
        kit.ledgers[i].customer = id_of('c', i);
        kit.ledgers[i].version = 10;
        kit.ledgers[i].history_count = 1; /* nothing was spent */
    }
    uv_loop_init(&kit.loop);
    fake_open(&kit.fake, &kit.loop, SQL_STATEMENT_COUNT);
    kit.fake.origin = 7;
    arena_pool_init(&kit.worker.arenas, ARENA_POOL_BYTES_MAX);
    later_open(&kit.raising, &kit.loop, end_raise, NULL);
    const struct pool_options options = {
        .loop = &kit.loop,
        .url = kit.fake.url,
        .name = "balanced",
        .connections = connections,
        .statement_timeout_us = TIMEOUT_US,
        .metrics = &kit.worker.metrics,
        .on_ready = on_ready,
    };
    kit.app.worker = &kit.worker;
    kit.app.cache = (struct cache *)&kit; /* never looked into */
    kit.worker.app = &kit.app;
    lines_open(&kit.app.lines, &kit.loop, &kit.worker.metrics);
    batches_open(&kit.app, &kit.loop);
    kit.app.pool = pool_open(&options);
    FAKE_WAIT(&kit.fake, pool_is_ready(kit.app.pool));
}

static int closed;

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
}

void kit_close(void)
{
    while (kit.late_count > 0)
        kit_end_late(kit.late_count - 1);
    for (int i = 0; i < kit.caller_count; i++)
        check_fate(&kit.fates[i], i);
    closed = 0;
    lines_close(&kit.app.lines, on_closed, NULL);
    FAKE_WAIT(&kit.fake, closed == 1);
    later_close(&kit.app.leaving, on_closed);
    FAKE_WAIT(&kit.fake, closed == 2);
    pool_close(kit.app.pool, on_closed, NULL);
    later_close(&kit.raising, on_closed);
    FAKE_WAIT(&kit.fake, closed == 4);
    assert_int_equal(kit.worker.arenas.bytes, 0);
    arena_pool_done(&kit.worker.arenas);
    assert_int_equal(uv_run(&kit.loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&kit.loop), 0);
    fake_close(&kit.fake);
    free(kit.late);
    free(kit.fates);
    free(kit.callers);
}
