/* The protocol of cache.h over one connection to Redis.
 *
 *     lookup --> MGET version, answer --both, equal and fit--> hit
 *                    |         '--version there--------------> miss, the version's key is the claim
 *                    '--no version--> SET version ?nonce NX GET --> miss, with what it held, or
 * ours
 *
 * Whatever fails on the way, a lost connection included, is a miss without a claim. Failures are
 * called back in the loop's next turn, since they may come to light in the middle of anything.
 *
 * Where lookups fail again and again, Redis is left alone for a while, but for one lookup at a time
 * that tries. Raises are always tried: they are few, and somebody's next read depends on them.
 *
 * The keys' prefix names the format, the database and the Redis, its process and its history as a
 * master. So a database that was restored and a Redis that was restored or took over start empty.
 * Its hash is the place that a claim is bound to. */
#include "cache/cache.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/later.h"
#include "base/limits.h"
#include "cache/entry.h"
#include "cache/redis.h"

enum {
    BREAKER_FAILURES = 5, /* in a row */
    BREAKER_PAUSE_US = 1000 * 1000,
    KEY_BYTES_MAX = 128,
    NONCE_LEN = 32,
    VERSION_LEN_MAX = 19,
    TTL_JITTER_DIVISOR = 10, /* what is filed together does not end together: 90 to 100 % */
};

struct cache {
    struct cache_options options;
    struct redis *redis;
    struct later missed; /* lookups */
    struct later failed; /* raises */
    bool closing;
    int open_count;        /* of the three above */
    int failures;          /* of lookups, in a row; what was lost with one session is one */
    uint64_t lost_session; /* the last one that was counted */
    int64_t skip_until_us;
    struct id nonce;  /* random; */
    uint64_t markers; /* and a number that goes into its end */
    uint8_t *entry;   /* where an answer is put together; ENTRY_HEADER_BYTES + ANSWER_BYTES_MAX */
    void (*closed)(void *arg);
    void *closed_arg;
};

bool cache_check_url(const char *text, char *why, size_t why_size)
{
    struct url url;

    if (url_parse(text, &url, why, why_size) != ERR_OK)
        return false;
    if (url.tls && !redis_has_tls()) {
        snprintf(why, why_size, "redis:// or unix:// here: this build's hiredis has no TLS");
        return false;
    }
    return true;
}

static void count(struct cache *c, enum metric which)
{
    metrics_add(c->options.metrics, which, 1);
}

/* ---- names ---- */

struct key_text {
    char text[KEY_BYTES_MAX];
    size_t len;
};

static uint64_t place_of(const struct cache *c, const struct id *origin)
{
    const struct redis_server *server = redis_server(c->redis);
    uint8_t all[1 + sizeof origin->bytes + 2 * REDIS_ID_LEN] = {ENTRY_FORMAT};

    memcpy(all + 1, origin->bytes, sizeof origin->bytes);
    memcpy(all + 1 + sizeof origin->bytes, server->run_id, REDIS_ID_LEN);
    memcpy(all + 1 + sizeof origin->bytes + REDIS_ID_LEN, server->replid, REDIS_ID_LEN);
    return XXH3_64bits(all, sizeof all);
}

static void append(struct key_text *key, const char *text, size_t len)
{
    assert(key->len + len < sizeof key->text);
    memcpy(key->text + key->len, text, len);
    key->len += len;
}

static void append_id(struct key_text *key, const uint8_t bytes[static 16])
{
    struct id id;

    memcpy(id.bytes, bytes, sizeof id.bytes);
    append(key, id_format(&id).text, ID_TEXT_LEN);
}

/* What all keys of a customer begin with: "balanced:<place>:{<customer>}:". */
static struct key_text customer_prefix(uint64_t place, const struct id *customer)
{
    static const char digits[] = "0123456789abcdef", name[] = "balanced:";
    struct key_text key = {.len = 0};

    append(&key, name, sizeof name - 1);
    for (int shift = 60; shift >= 0; shift -= 4)
        append(&key, &digits[place >> shift & 15], 1);
    append(&key, ":{", 2);
    append_id(&key, customer->bytes);
    append(&key, "}:", 2);
    return key;
}

static struct key_text version_key(uint64_t place, const struct id *customer)
{
    struct key_text key = customer_prefix(place, customer);

    append(&key, "v", 1);
    return key;
}

static struct key_text answer_key(uint64_t place, const struct cache_key *of)
{
    struct key_text key = customer_prefix(place, &of->customer);

    append(&key, of->method, strlen(of->method));
    append(&key, ":", 1);
    append_id(&key, of->request);
    return key;
}

void cache_key_request(struct cache_key *key, const uint8_t secret[static 32], struct bytes request)
{
    const uint64_t seed = XXH3_64bits(secret, 32);
    const XXH128_hash_t hash = XXH3_128bits_withSeed(request.data, request.len, seed);

    memcpy(key->request, &hash.high64, 8);
    memcpy(key->request + 8, &hash.low64, 8);
}

static struct entry_name name_of(const struct cache_key *key)
{
    return entry_name(&key->customer, key->method, key->request);
}

static struct bytes key_bytes(const struct key_text *key)
{
    return bytes_of(key->text, key->len);
}

/* ---- what a version's key may hold ---- */

/* Versions have one spelling: the database's. */
static bool read_version(struct bytes text, int64_t *ret)
{
    int64_t value = 0;

    if (text.len == 0 || text.len > VERSION_LEN_MAX || (text.data[0] == '0' && text.len > 1))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, INT64_C(10), &value) ||
            __builtin_add_overflow(value, text.data[i] - '0', &value))
            return false;
    }
    *ret = value;
    return true;
}

static bool is_marker(struct bytes text)
{
    if (text.len != 1 + NONCE_LEN || text.data[0] != '?')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (!memchr("0123456789abcdef", text.data[i], 16))
            return false;
    }
    return true;
}

/* What is neither a version nor a marker is nobody's to replace. */
static void set_claim(struct cache_claim *claim, struct bytes held)
{
    int64_t version;

    _Static_assert(sizeof claim->held >= 1 + NONCE_LEN && sizeof claim->held >= VERSION_LEN_MAX,
                   "whatever may be held fits");
    claim->len = 0;
    if (!read_version(held, &version) && !is_marker(held))
        return;
    memcpy(claim->held, held.data, held.len);
    claim->len = (uint8_t)held.len;
}

/* One that no other reader uses, nor will: to be claimed once Redis has it. */
static struct bytes new_marker(struct cache *c, struct cache_claim *claim)
{
    char text[1 + NONCE_LEN + 1];
    uint64_t high, low;

    memcpy(&high, c->nonce.bytes, sizeof high);
    memcpy(&low, c->nonce.bytes + sizeof high, sizeof low);
    snprintf(text, sizeof text, "?%016" PRIx64 "%016" PRIx64, high, low + c->markers++);
    memcpy(claim->held, text, 1 + NONCE_LEN);
    return bytes_of(claim->held, 1 + NONCE_LEN);
}

bool cache_same_claim(const struct cache_claim *a, const struct cache_claim *b)
{
    return a->len > 0 && a->len == b->len && a->place == b->place &&
           memcmp(a->held, b->held, a->len) == 0;
}

/* ---- the breaker ---- */

static void set_failures(struct cache *c, int failures)
{
    const bool open = failures >= BREAKER_FAILURES;

    if (open != (c->failures >= BREAKER_FAILURES))
        metrics_set(c->options.metrics, METRIC_CACHE_BREAKER_OPEN, open);
    c->failures = failures;
}

/* While lookups fail, one for each pause is let through. */
static bool may_ask(struct cache *c)
{
    int64_t now_us = clock_monotonic_us();

    if (c->failures < BREAKER_FAILURES)
        return true;
    if (now_us < c->skip_until_us)
        return false;
    c->skip_until_us = now_us + BREAKER_PAUSE_US;
    return true;
}

static void note_failed_lookup(struct cache *c, enum err err)
{
    uint64_t session = redis_session(c->redis);

    count(c, METRIC_CACHE_FAILURES);
    if (err == ERR_UNAVAILABLE && c->lost_session == session)
        return;
    if (err == ERR_UNAVAILABLE)
        c->lost_session = session;
    set_failures(c, c->failures + 1);
    if (c->failures == BREAKER_FAILURES)
        c->skip_until_us = clock_monotonic_us() + BREAKER_PAUSE_US;
}

/* ---- looking up ---- */

static void finish(struct cache *c, struct cache_lookup *l)
{
    if (l->started_us > 0)
        metrics_observe(c->options.metrics, HISTOGRAM_CACHE_SECONDS,
                        clock_monotonic_us() - l->started_us);
    l->done(l);
}

static void on_missed(void *arg, struct list *link)
{
    finish(arg, container_of(link, struct cache_lookup, link));
}

/* Calls back in the loop's next turn. */
static void miss_soon(struct cache *c, struct cache_lookup *l)
{
    l->claim.len = 0;
    later_add(&c->missed, &l->link);
}

static void on_claimed(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct cache *c = owner;
    struct cache_lookup *l = arg;

    l->slot = NULL;
    if (err == ERR_OK && reply->self.kind == REDIS_NOTHING) {
        l->claim.len = 1 + NONCE_LEN; /* our marker is there */
    } else if (err == ERR_OK && reply->self.kind == REDIS_TEXT) {
        set_claim(&l->claim, reply->self.text); /* somebody was faster */
    } else {
        note_failed_lookup(c, err);
        miss_soon(c, l);
        if (err == ERR_OK)
            redis_reset(c->redis, "Redis answers another question");
        return;
    }
    finish(c, l);
}

static void claim(struct cache *c, struct cache_lookup *l)
{
    const struct key_text key = version_key(l->claim.place, &l->key.customer);
    char ttl_ms[24];

    if (!redis_has_room(c->redis, false)) {
        miss_soon(c, l);
        return;
    }
    snprintf(ttl_ms, sizeof ttl_ms, "%" PRId64, c->options.ttl_us / 1000);
    l->slot =
        redis_send(c->redis, &(struct redis_command){
                                 .parts = {bytes_text("SET"), key_bytes(&key),
                                           new_marker(c, &l->claim), bytes_text("NX"),
                                           bytes_text("GET"), bytes_text("PX"), bytes_text(ttl_ms)},
                                 .count = 7,
                                 .done = on_claimed,
                                 .arg = l,
                             });
}

/* Whether the answer is whole, of this very question, of the newest version that is known, fresh
 * enough for the caller, and has not changed by itself since; and what to count it as. */
static enum metric judge(struct cache_lookup *l, struct bytes held, struct bytes value)
{
    const struct entry_name name = name_of(&l->key);
    struct entry_value entry;
    int64_t newest;

    if (entry_decode(&name, value, &entry) != ERR_OK)
        return METRIC_CACHE_REFUSED;
    if (!read_version(held, &newest) || entry.version != newest)
        return METRIC_CACHE_OUTDATED;
    if (entry.version < l->at_least)
        return METRIC_CACHE_TOO_OLD;
    if (l->now >= entry.valid_until)
        return METRIC_CACHE_EXPIRED;
    l->hit = true;
    l->version = entry.version;
    l->answer = entry.answer;
    return METRIC_CACHE_HITS;
}

/* What is not fit now never will be. */
static void drop_answer(struct cache *c, const struct cache_lookup *l)
{
    const struct key_text key = answer_key(l->claim.place, &l->key);

    if (redis_has_room(c->redis, false))
        redis_send(c->redis, &(struct redis_command){
                                 .parts = {bytes_text("DEL"), key_bytes(&key)},
                                 .count = 2,
                             });
}

static void on_read(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct cache *c = owner;
    struct cache_lookup *l = arg;

    l->slot = NULL;
    if (err != ERR_OK || reply->self.kind != REDIS_LIST || reply->item_count != 2) {
        count(c, METRIC_CACHE_UNANSWERED);
        note_failed_lookup(c, err);
        miss_soon(c, l);
        if (err == ERR_OK)
            redis_reset(c->redis, "Redis answers another question");
        return;
    }
    const struct redis_value *held = &reply->items[0], *value = &reply->items[1];
    enum metric outcome = METRIC_CACHE_ABSENT;
    set_failures(c, 0);
    if (held->kind == REDIS_TEXT)
        set_claim(&l->claim, held->text);
    if (value->kind == REDIS_TEXT)
        outcome = judge(l, held->text, value->text);
    count(c, outcome);
    if (outcome == METRIC_CACHE_REFUSED)
        drop_answer(c, l);
    if (!l->hit && held->kind == REDIS_NOTHING)
        claim(c, l);
    else
        finish(c, l);
}

void cache_lookup(struct cache *c, struct cache_lookup *l, cache_found_fn *done)
{
    l->done = done;
    l->slot = NULL;
    l->started_us = 0;
    l->hit = false;
    l->claim = (struct cache_claim){.place = place_of(c, &l->key.origin)};
    list_init(&l->link);
    if (c->closing || !redis_has_room(c->redis, false) || !may_ask(c)) {
        count(c, METRIC_CACHE_SKIPPED);
        miss_soon(c, l);
        return;
    }
    l->started_us = clock_monotonic_us();
    const struct key_text version = version_key(l->claim.place, &l->key.customer);
    const struct key_text answer = answer_key(l->claim.place, &l->key);
    l->slot = redis_send(c->redis,
                         &(struct redis_command){
                             .parts = {bytes_text("MGET"), key_bytes(&version), key_bytes(&answer)},
                             .count = 3,
                             .done = on_read,
                             .arg = l,
                         });
}

void cache_lookup_cancel(struct cache *c, struct cache_lookup *l)
{
    if (!l->slot)
        return; /* is about to call back */
    redis_abandon(l->slot);
    l->slot = NULL;
    l->started_us = 0;
    miss_soon(c, l);
}

/* ---- filing ---- */

static void on_filled(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct cache *c = owner;

    (void)arg;
    if (err != ERR_OK)
        count(c, METRIC_CACHE_FAILURES);
    else if (reply->self.kind == REDIS_NUMBER && reply->self.number == 1)
        count(c, METRIC_CACHE_FILLS);
    else
        count(c, METRIC_CACHE_FILLS_REFUSED);
}

/* Whether this snapshot may stand where the claim was made. One that is older than a version that
 * was known before it was taken is no snapshot of that database. */
static bool fits_claim(const struct cache *c, const struct cache_key *key,
                       const struct cache_claim *claimed, int64_t version)
{
    int64_t known;

    return claimed->len > 0 && claimed->place == place_of(c, &key->origin) &&
           (!read_version(bytes_of(claimed->held, claimed->len), &known) || version >= known);
}

void cache_fill(struct cache *c, const struct cache_key *key, const struct cache_claim *claimed,
                int64_t version, instant valid_until, struct bytes answer)
{
    const struct entry_name name = name_of(key);
    const struct entry_value entry = {version, valid_until, answer};
    const struct key_text of_version = version_key(claimed->place, &key->customer);
    const struct key_text of_answer = answer_key(claimed->place, key);
    int64_t ttl = c->options.ttl_us / 1000;
    char version_text[24], ttl_ms[24];

    if (c->closing || answer.len > CACHE_ANSWER_BYTES_MAX || !redis_has_room(c->redis, false) ||
        !fits_claim(c, key, claimed, version)) {
        count(c, METRIC_CACHE_FILLS_REFUSED);
        return;
    }
    entry_encode(&name, &entry, c->entry);
    ttl -= (int64_t)(XXH3_64bits(c->entry, ENTRY_HEADER_BYTES) %
                     (uint64_t)(ttl / TTL_JITTER_DIVISOR + 1));
    snprintf(ttl_ms, sizeof ttl_ms, "%" PRId64, ttl);
    snprintf(version_text, sizeof version_text, "%" PRId64, version);
    redis_send(
        c->redis,
        &(struct redis_command){
            .is_script = true,
            .script = CACHE_SCRIPT_FILL,
            .key_count = 2,
            .parts = {key_bytes(&of_version), key_bytes(&of_answer),
                      bytes_of(claimed->held, claimed->len), bytes_text(version_text),
                      bytes_of(c->entry, ENTRY_HEADER_BYTES + answer.len), bytes_text(ttl_ms)},
            .count = 6,
            .done = on_filled,
        });
}

/* ---- raising ---- */

static void on_failed(void *arg, struct list *link)
{
    struct cache_raise *r = container_of(link, struct cache_raise, link);

    (void)arg;
    r->done(r, r->err);
}

/* Calls back in the loop's next turn. */
static void fail_soon(struct cache *c, struct cache_raise *r, enum err err)
{
    r->err = err;
    later_add(&c->failed, &r->link);
}

static void on_raised(void *owner, void *arg, enum err err, const struct redis_reply *reply)
{
    struct cache *c = owner;
    struct cache_raise *r = arg;
    bool raised = err == ERR_OK && reply->self.kind == REDIS_NUMBER && reply->self.number >= 0;

    r->slot = NULL;
    if (raised) {
        count(c, METRIC_CACHE_RAISES);
        r->done(r, ERR_OK);
        return;
    }
    count(c, METRIC_CACHE_FAILURES);
    fail_soon(c, r, ERR_UNAVAILABLE);
    if (err == ERR_OK)
        redis_reset(c->redis, "Redis is not the master that it was");
}

void cache_raise(struct cache *c, struct cache_raise *r, cache_raised_fn *done)
{
    char version[24];

    r->done = done;
    r->slot = NULL;
    list_init(&r->link);
    if (c->closing || !redis_has_room(c->redis, true)) {
        fail_soon(c, r, ERR_UNAVAILABLE);
        return;
    }
    const struct key_text key = version_key(place_of(c, &r->origin), &r->customer);
    snprintf(version, sizeof version, "%" PRId64, r->version);
    r->slot =
        redis_send(c->redis, &(struct redis_command){
                                 .is_script = true,
                                 .script = CACHE_SCRIPT_RAISE,
                                 .key_count = 1,
                                 .parts = {key_bytes(&key), bytes_text(version),
                                           bytes_of(redis_server(c->redis)->replid, REDIS_ID_LEN)},
                                 .count = 3,
                                 .done = on_raised,
                                 .arg = r,
                             });
}

void cache_raise_cancel(struct cache *c, struct cache_raise *r)
{
    if (!r->slot)
        return; /* is about to call back */
    redis_abandon(r->slot);
    r->slot = NULL;
    fail_soon(c, r, ERR_CANCELLED);
}

/* ---- life ---- */

struct cache *cache_open(const struct cache_options *options)
{
    struct cache *c = calloc(1, sizeof *c);
    struct url url;
    char why[256];

    assert(c);
    enum err err = url_parse(options->url, &url, why, sizeof why);
    assert(err == ERR_OK); /* cache_check_url() is the caller's */
    c->options = *options;
    c->nonce = id_random();
    c->entry = malloc(ENTRY_HEADER_BYTES + CACHE_ANSWER_BYTES_MAX);
    assert(c->entry);
    later_open(&c->missed, options->loop, on_missed, c);
    later_open(&c->failed, options->loop, on_failed, c);
    c->redis = redis_open(
        &(struct redis_options){options->loop, &url, options->timeout_us, options->metrics, c});
    c->open_count = 3;
    return c;
}

static void on_part_closed(void *arg)
{
    struct cache *c = arg;
    void (*closed)(void *) = c->closed;
    void *closed_arg = c->closed_arg;

    if (--c->open_count > 0)
        return;
    free(c->entry);
    free(c);
    closed(closed_arg);
}

void cache_close(struct cache *c, void (*closed)(void *arg), void *arg)
{
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    redis_close(c->redis, on_part_closed, c);
    later_close(&c->missed, on_part_closed);
    later_close(&c->failed, on_part_closed);
}
