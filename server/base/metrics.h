/* The one list of what is measured, and where it is counted.
 *
 * Each worker, and the main thread, owns a `struct metrics` and alone writes to it, without a lock
 * or a locked instruction. Others may read at any time: each number is whole, but no two need to
 * agree. Whoever tells of them adds all of them up.
 *
 * Lines of one family follow each other; the first one's help is the family's. Calls are counted by
 * method and code, in rpc/call_metrics.h. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/http.h"

// clang-format off
#define METRIC_LIST(X)                                                                             \
    X(CALLS_IN_FLIGHT, "gauge", "balanced_calls_in_flight", "", \
      "unary calls that are being worked on") \
    X(CALLS_REFUSED, "counter", "balanced_calls_refused_total", "", \
      "unary calls refused at once, because there were too many") \
    X(STREAMS_OPEN, "gauge", "balanced_streams_open", "", \
      "open streams: health watches and reflection") \
    X(CACHE_HITS, "counter", "balanced_cache_lookups_total", "result=\"hit\"", \
      "lookups in Redis by what came of them: hit; absent: not there; outdated: older " \
      "than what is known to be committed; too_old: older than its caller asks for; " \
      "expired: changed by itself since; refused: damaged or of another question; " \
      "failed: Redis did not answer; skipped: Redis was not asked") \
    X(CACHE_ABSENT, "counter", "balanced_cache_lookups_total", "result=\"absent\"", "") \
    X(CACHE_OUTDATED, "counter", "balanced_cache_lookups_total", "result=\"outdated\"", "") \
    X(CACHE_TOO_OLD, "counter", "balanced_cache_lookups_total", "result=\"too_old\"", "") \
    X(CACHE_EXPIRED, "counter", "balanced_cache_lookups_total", "result=\"expired\"", "") \
    X(CACHE_REFUSED, "counter", "balanced_cache_lookups_total", "result=\"refused\"", "") \
    X(CACHE_UNANSWERED, "counter", "balanced_cache_lookups_total", "result=\"failed\"", "") \
    X(CACHE_SKIPPED, "counter", "balanced_cache_lookups_total", "result=\"skipped\"", "") \
    X(CACHE_FILLS, "counter", "balanced_cache_fills_total", "result=\"filed\"", \
      "answers to be filed in Redis, and whether they were: refused means that a write " \
      "came first, or that there was no room") \
    X(CACHE_FILLS_REFUSED, "counter", "balanced_cache_fills_total", "result=\"refused\"", "") \
    X(CACHE_RAISES, "counter", "balanced_cache_raises_total", "", \
      "writes that ended the cached answers before them") \
    X(CACHE_FAILURES, "counter", "balanced_cache_failures_total", "", \
      "commands to Redis without an answer, or with an error") \
    X(CACHE_CONNECTIONS, "gauge", "balanced_cache_connections", "", \
      "connections to Redis that can be used: one for each worker, and the change " \
      "feed's") \
    X(CACHE_BREAKER_OPEN, "gauge", "balanced_cache_breaker_open", "", \
      "workers that leave Redis alone, but for one lookup a second that tries") \
    X(DATABASE_CONNECTIONS, "gauge", "balanced_database_connections", "", \
      "connections to PostgreSQL that can be used, the change feed's included") \
    X(DATABASE_SESSIONS, "counter", "balanced_database_sessions_total", "", \
      "sessions with PostgreSQL that were established") \
    X(DATABASE_IN_FLIGHT, "gauge", "balanced_database_requests_in_flight", "", \
      "requests to PostgreSQL without an answer yet, those that wait for a connection " \
      "included") \
    X(DATABASE_WAITING, "gauge", "balanced_database_requests_waiting", "", \
      "requests that wait for the first connection") \
    X(DATABASE_FAILED, "counter", "balanced_database_requests_failed_total", "", \
      "requests to PostgreSQL that failed or were cancelled") \
    X(FEED_HOLDS_LOCK, "gauge", "balanced_feed_holds_lock", "", \
      "1 in the one process that tells the cache of changes, else 0") \
    X(FEED_LAG_US, "gauge", "balanced_feed_lag_seconds", "", \
      "seconds: the age of the oldest change that the feed last found and had yet to " \
      "tell of") \
    X(FEED_CHANGES, "counter", "balanced_feed_changes_total", "", \
      "customers' changes that the feed told the cache of") \
    X(FEED_FAILURES, "counter", "balanced_feed_failures_total", "", \
      "turns of the feed in which the cache or the database did not answer") \
    X(WRITES_IN_LINE, "gauge", "balanced_writes_in_line", "", \
      "writes, and batches of draw-downs, in line for their customer, those whose turn " \
      "it is included") \
    X(WRITES_COMMITTED, "counter", "balanced_write_commits_total", "result=\"committed\"", \
      "commits of writes and batches: overtaken: another write came first, and it was " \
      "decided anew; unknown: nobody knows whether it took place; failed: it did not") \
    X(WRITES_OVERTAKEN, "counter", "balanced_write_commits_total", "result=\"overtaken\"", "") \
    X(WRITES_UNKNOWN, "counter", "balanced_write_commits_total", "result=\"unknown\"", "") \
    X(WRITES_FAILED, "counter", "balanced_write_commits_total", "result=\"failed\"", "")

#define HISTOGRAM_LIST(X)                                                                          \
    X(CACHE_SECONDS, metric_seconds, "balanced_cache_lookup_seconds", \
      "seconds from a lookup's start to its outcome, those that were skipped left out") \
    X(DATABASE_SECONDS, metric_seconds, "balanced_database_request_seconds", \
      "seconds from a request's start to PostgreSQL's answer, waiting for a connection " \
      "included") \
    X(BATCH_MEMBERS, metric_sizes, "balanced_write_batch_size", \
      "draw-downs that share a commit")
// clang-format on

enum metric {
#define X(name, type, family, labels, help) METRIC_##name,
    METRIC_LIST(X)
#undef X
        METRIC_COUNT,
};

enum metric_histogram {
#define X(name, scale, family, help) HISTOGRAM_##name,
    HISTOGRAM_LIST(X)
#undef X
        HISTOGRAM_COUNT,
};

enum { METRIC_BUCKETS = 16 };

typedef _Atomic(int64_t) metric_number;

/* Upper ends of buckets, and what one of the unit is: seconds are observed in microseconds. */
struct metric_scale {
    int64_t upper[METRIC_BUCKETS];
    int64_t one;
};
extern const struct metric_scale metric_seconds, metric_sizes;

struct histogram {
    metric_number buckets[METRIC_BUCKETS + 1]; /* each counts its own; the last is for the rest */
    metric_number sum;
};

struct metrics {
    metric_number numbers[METRIC_COUNT];
    struct histogram histograms[HISTOGRAM_COUNT];
};

/* By the owner's thread alone. */
static inline void metric_add(metric_number *number, int64_t by)
{
    const int64_t now = atomic_load_explicit(number, memory_order_relaxed);

    atomic_store_explicit(number, now + by, memory_order_relaxed);
}

static inline void metrics_add(struct metrics *m, enum metric which, int64_t by)
{
    metric_add(&m->numbers[which], by);
}

static inline void metrics_set(struct metrics *m, enum metric which, int64_t value)
{
    atomic_store_explicit(&m->numbers[which], value, memory_order_relaxed);
}

void histogram_observe(struct histogram *h, const struct metric_scale *scale, int64_t value);
void metrics_observe(struct metrics *m, enum metric_histogram which, int64_t value);

/* By any thread. */
static inline int64_t metric_value(const metric_number *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* The text that Prometheus reads, version 0.0.4. `labels` are like `a="b",c="d"`, or empty. */
void metric_print_family(struct http_answer *out, const char *family, const char *type,
                         const char *help);
void metric_print(struct http_answer *out, const char *family, const char *labels, int64_t value);
void metric_print_micros(struct http_answer *out, const char *family, const char *labels,
                         int64_t us);
/* Adds `h` to what `sum` holds. */
void histogram_collect(struct histogram *sum, const struct histogram *h);
void histogram_print(struct http_answer *out, const char *family, const char *labels,
                     const struct metric_scale *scale, const struct histogram *h);

/* The whole list, added up over all owners. */
void metrics_print(struct http_answer *out, const struct metrics *const *all, int count);
