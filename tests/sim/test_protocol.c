/* Every order in which three readers, who come again, and two writers can meet in the cache, with
 * either key evicted at any point, and raises that come late, twice and in any order. In none of
 * them does a reader who starts after a write was acknowledged get an answer that is older.
 *
 * The steps are those of cache.h. What they do to Redis's two keys is not modelled: the real
 * scripts run in a real Redis. A step's outcome depends on what the two keys hold and on nothing
 * else, so each pair (keys, step) is run once, with the keys set to that before, and remembered;
 * the orders are then explored in memory.
 *
 * Three protocols that look alike are explored in the same way, and must be found out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/scripts.h"
#include "real_redis.h"

enum {
    READERS = 3,
    ATTEMPTS = 2, /* of each reader, one after the other */
    WRITERS = 2,
    VERSIONS = WRITERS + 1, /* the first one is there from the start */
    MARKERS = READERS * ATTEMPTS,
    HELD = 1 + VERSIONS + MARKERS, /* what the version's key may hold: nothing, one of these */
    ANSWERS = 1 + VERSIONS,
    FIRST_VERSION = 8, /* so that the second has more digits than the first two */
};

/* ---- the steps, in Redis ---- */

struct protocol {
    const char *name;
    const char *fill, *raise;
    bool one_marker; /* shared by all readers */
};

struct outcome {
    bool known;
    uint8_t held, answer; /* afterwards */
    uint8_t said;         /* by the step: what was held, or a number */
};

static struct {
    struct real_redis redis;
    const struct protocol *protocol;
    char fill_sha[41], raise_sha[41], replid[41];
    struct outcome fills[HELD][ANSWERS][HELD][VERSIONS];
    struct outcome raises[HELD][ANSWERS][VERSIONS];
    struct outcome claims[HELD][ANSWERS][MARKERS];
    int runs;
} t;

struct text {
    char text[40];
};

static struct text version_text(int version)
{
    struct text out;

    snprintf(out.text, sizeof out.text, "%d", FIRST_VERSION + version);
    return out;
}

static bool is_version(int held)
{
    return held >= 1 && held <= VERSIONS;
}

static struct text held_text(int held)
{
    struct text out;

    if (is_version(held))
        return version_text(held - 1);
    snprintf(out.text, sizeof out.text, "?%032d", held);
    return out;
}

/* The other way round. */
static uint8_t held_of(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL)
        return 0;
    for (int held = 1; held < HELD; held++) {
        if (strcmp(held_text(held).text, reply->str) == 0)
            return (uint8_t)held;
    }
    fail_msg("the version's key holds %s", reply->str);
    return 0;
}

static void set_keys(int held, int answer)
{
    freeReplyObject(real_command(&t.redis, "DEL v a"));
    if (held)
        freeReplyObject(real_command(&t.redis, "SET v %s", held_text(held).text));
    if (answer)
        freeReplyObject(real_command(&t.redis, "SET a %s", version_text(answer - 1).text));
}

/* What a step did, and says. Takes its reply. */
static void note(struct outcome *out, redisReply *reply)
{
    redisReply *keys = real_command(&t.redis, "MGET v a");

    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    out->known = true;
    out->held = held_of(keys->element[0]);
    out->answer = 0;
    if (keys->element[1]->type == REDIS_REPLY_STRING)
        out->answer = held_of(keys->element[1]);
    assert_in_range(out->answer, 0, VERSIONS);
    if (reply->type == REDIS_REPLY_INTEGER) {
        assert_in_range(reply->integer, 0, 1);
        out->said = (uint8_t)reply->integer;
    } else {
        out->said = held_of(reply);
    }
    freeReplyObject(keys);
    freeReplyObject(reply);
    t.runs++;
}

static const struct outcome *run_fill(int held, int answer, int claim, int version)
{
    struct outcome *out = &t.fills[held][answer][claim][version];

    if (!out->known) {
        set_keys(held, answer);
        /* In place of an answer's bytes: which version they are of. */
        note(out, real_command(&t.redis, "EVALSHA %s 2 v a %s %s %s 60000", t.fill_sha,
                               held_text(claim).text, version_text(version).text,
                               version_text(version).text));
    }
    return out;
}

static const struct outcome *run_raise(int held, int answer, int version)
{
    struct outcome *out = &t.raises[held][answer][version];

    if (!out->known) {
        set_keys(held, answer);
        note(out, real_command(&t.redis, "EVALSHA %s 1 v %s %s", t.raise_sha,
                               version_text(version).text, t.replid));
    }
    return out;
}

static const struct outcome *run_claim(int held, int answer, int marker)
{
    struct outcome *out = &t.claims[held][answer][marker];

    if (!out->known) {
        set_keys(held, answer);
        note(out, real_command(&t.redis, "SET v %s NX GET PX 60000",
                               held_text(1 + VERSIONS + marker).text));
    }
    return out;
}

static void load_script(const char *text, char sha[static 41])
{
    redisReply *reply = real_command(&t.redis, "SCRIPT LOAD %s", text);

    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    snprintf(sha, 41, "%s", reply->str);
    freeReplyObject(reply);
}

/* ---- the orders, in memory ---- */

enum { IDLE, CLAIMING, CLAIMED, SNAPPED };

struct reader {
    uint8_t step, attempt;
    uint8_t claim;
    uint8_t snapshot; /* a version */
};

struct world {
    uint8_t held, answer;
    uint8_t committed; /* the newest version */
    uint8_t raised;    /* of which acknowledged writes there are: a bit for each version */
    struct reader readers[READERS];
};

static uint64_t pack(const struct world *w)
{
    uint64_t out = w->held;

    out = out << 3 | w->answer;
    out = out << 2 | w->committed;
    out = out << VERSIONS | w->raised;
    for (int i = 0; i < READERS; i++) {
        const struct reader *r = &w->readers[i];
        out = out << 2 | r->step;
        out = out << 2 | r->attempt;
        out = out << 4 | r->claim;
        out = out << 2 | r->snapshot;
    }
    return out + 1; /* never zero */
}

static struct world unpack(uint64_t in)
{
    struct world w;

    in--;
    for (int i = READERS - 1; i >= 0; i--) {
        struct reader *r = &w.readers[i];
        r->snapshot = in & 3;
        r->claim = in >> 2 & 15;
        r->attempt = in >> 6 & 3;
        r->step = in >> 8 & 3;
        in >>= 10;
    }
    w.raised = in & ((1 << VERSIONS) - 1);
    in >>= VERSIONS;
    w.committed = in & 3;
    w.answer = in >> 2 & 7;
    w.held = (uint8_t)(in >> 5);
    return w;
}
_Static_assert(VERSIONS <= 4 && HELD <= 16 && ATTEMPTS <= 3, "what pack() has room for");

/* The worlds that were met, in the order in which they were: a set and a queue. */
static struct {
    uint64_t *slots, *queue;
    size_t room, count, seen;
} met;

static size_t slot_of(uint64_t world)
{
    size_t at = (world * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (met.room - 1);

    while (met.slots[at] && met.slots[at] != world)
        at = (at + 1) & (met.room - 1);
    return at;
}

static void met_grow(void)
{
    free(met.slots);
    met.room = met.room ? 2 * met.room : 1 << 16;
    met.slots = calloc(met.room, sizeof *met.slots);
    met.queue = realloc(met.queue, met.room / 2 * sizeof *met.queue);
    assert_true(met.slots && met.queue);
    for (size_t i = 0; i < met.count; i++)
        met.slots[slot_of(met.queue[i])] = met.queue[i];
}

static void meet(const struct world *w)
{
    uint64_t packed = pack(w);

    if (met.count == met.room / 2)
        met_grow();
    size_t at = slot_of(packed);
    if (met.slots[at])
        return;
    met.slots[at] = packed;
    met.queue[met.count++] = packed;
}

/* Whether a reader who starts now is served what an acknowledged write has made wrong. */
static bool is_wrong(const struct world *w)
{
    return is_version(w->held) && w->held == w->answer && w->raised >> w->held > 0;
}

static struct world after(const struct world *w, const struct outcome *out)
{
    struct world next = *w;

    next.held = out->held;
    next.answer = out->answer;
    return next;
}

static void meet_reader_step(const struct world *w, int i)
{
    const struct reader *r = &w->readers[i];
    struct world next = *w;
    struct reader *n = &next.readers[i];

    switch (r->step) {
    case IDLE:
        if (r->attempt == ATTEMPTS || (is_version(w->held) && w->held == w->answer))
            return; /* it has had its turns; or it is served and leaves nothing behind */
        n->step = w->held ? CLAIMED : CLAIMING;
        n->claim = w->held;
        break;
    case CLAIMING: {
        int marker = t.protocol->one_marker ? 0 : i * ATTEMPTS + r->attempt;
        const struct outcome *out = run_claim(w->held, w->answer, marker);
        next = after(w, out);
        n->step = CLAIMED;
        n->claim = out->said ? out->said : (uint8_t)(1 + VERSIONS + marker);
        break;
    }
    case CLAIMED:
        n->step = SNAPPED;
        n->snapshot = w->committed;
        break;
    case SNAPPED:
        next = after(w, run_fill(w->held, w->answer, r->claim, r->snapshot));
        *n = (struct reader){.attempt = (uint8_t)(r->attempt + 1)};
        break;
    }
    meet(&next);
}

static void meet_next(const struct world *w)
{
    struct world next;

    for (int i = 0; i < READERS; i++)
        meet_reader_step(w, i);
    if (w->committed < WRITERS) {
        next = *w;
        next.committed++;
        meet(&next);
    }
    /* A writer's own raise, and the feed's, which nobody waits for: whoever comes first
     * acknowledges nothing too early, since all answers are gone by then. */
    for (int version = 1; version <= w->committed; version++) {
        next = after(w, run_raise(w->held, w->answer, version));
        next.raised |= (uint8_t)(1 << version);
        meet(&next);
    }
    next = *w;
    next.held = 0;
    meet(&next);
    next = *w;
    next.answer = 0;
    meet(&next);
}

/* Returns whether a wrong answer was served in any order. */
static bool explore(const struct protocol *protocol)
{
    bool wrong = false;

    real_open(&t.redis, NULL);
    redisReply *info = real_command(&t.redis, "INFO replication");
    const char *replid = strstr(info->str, "master_replid:");
    assert_non_null(replid);
    snprintf(t.replid, sizeof t.replid, "%.40s", replid + strlen("master_replid:"));
    freeReplyObject(info);
    t.protocol = protocol;
    load_script(protocol->fill, t.fill_sha);
    load_script(protocol->raise, t.raise_sha);

    met_grow();
    meet(&(struct world){0});
    while (!wrong && met.seen < met.count) {
        struct world w = unpack(met.queue[met.seen++]);
        wrong = is_wrong(&w);
        if (!wrong)
            meet_next(&w);
    }
    print_message("%s: %zu states, %d runs of a step in Redis: %s\n", protocol->name, met.count,
                  t.runs, wrong ? "a wrong answer" : "no wrong answer");
    real_close(&t.redis);
    free(met.slots);
    free(met.queue);
    memset(&met, 0, sizeof met);
    memset(&t, 0, sizeof t);
    return wrong;
}

/* ---- the protocol, and those that look alike ---- */

static void protocol_serves_no_wrong_answer(void **state)
{
    (void)state;
    assert_false(explore(&(struct protocol){
        .name = "the protocol",
        .fill = cache_script_texts[CACHE_SCRIPT_FILL],
        .raise = cache_script_texts[CACHE_SCRIPT_RAISE],
    }));
}

static void fill_where_nothing_newer_is_known_is_wrong(void **state)
{
    (void)state;
    assert_true(explore(&(struct protocol){
        .name = "fill where nothing newer is known",
        .fill = "local held = redis.call('GET', KEYS[1])\n"
                "if held and held:find('^%d+$') and tonumber(held) > tonumber(ARGV[2]) then\n"
                "    return 0\n"
                "end\n"
                "redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])\n"
                "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])\n"
                "return 1\n",
        .raise = cache_script_texts[CACHE_SCRIPT_RAISE],
    }));
}

static void one_marker_for_all_is_wrong(void **state)
{
    (void)state;
    assert_true(explore(&(struct protocol){
        .name = "one marker for all readers",
        .fill = cache_script_texts[CACHE_SCRIPT_FILL],
        .raise = cache_script_texts[CACHE_SCRIPT_RAISE],
        .one_marker = true,
    }));
}

/* An older writer's late raise replaces a marker. */
static void raise_that_sets_the_version_is_wrong(void **state)
{
    (void)state;
    assert_true(explore(&(struct protocol){
        .name = "raise by setting the version",
        .fill = cache_script_texts[CACHE_SCRIPT_FILL],
        .raise = "local held = redis.call('GET', KEYS[1])\n"
                 "if held and held:find('^%d+$') and tonumber(held) >= tonumber(ARGV[1]) then\n"
                 "    return 0\n"
                 "end\n"
                 "redis.call('SET', KEYS[1], ARGV[1])\n"
                 "return 1\n",
    }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocol_serves_no_wrong_answer),
        cmocka_unit_test(fill_where_nothing_newer_is_known_is_wrong),
        cmocka_unit_test(one_marker_for_all_is_wrong),
        cmocka_unit_test(raise_that_sets_the_version_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
