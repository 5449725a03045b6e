#include "base/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MICRO = 1000000, LABELS_BYTES_MAX = 512 };

/* Prometheus' usual ones, and finer ones below: an answer from Redis takes a fraction of a
 * millisecond. */
const struct metric_scale metric_seconds = {
    {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
     5000000, 10000000},
    MICRO,
};
const struct metric_scale metric_sizes = {
    {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256},
    1,
};

static const struct {
    const char *type, *family, *labels, *help;
} numbers[METRIC_COUNT] = {
#define X(name, type, family, labels, help) {type, family, labels, help},
    METRIC_LIST(X)
#undef X
};

static const struct {
    const struct metric_scale *scale;
    const char *family, *help;
} histograms[HISTOGRAM_COUNT] = {
#define X(name, scale, family, help) {&(scale), family, help},
    HISTOGRAM_LIST(X)
#undef X
};

void histogram_observe(struct histogram *h, const struct metric_scale *scale, int64_t value)
{
    int i = 0;

    while (i < METRIC_BUCKETS && value > scale->upper[i])
        i++;
    metric_add(&h->buckets[i], 1);
    metric_add(&h->sum, value);
}

void metrics_observe(struct metrics *m, enum metric_histogram which, int64_t value)
{
    histogram_observe(&m->histograms[which], histograms[which].scale, value);
}

void metric_print_family(struct http_answer *out, const char *family, const char *type,
                         const char *help)
{
    http_print(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

static void print_name(struct http_answer *out, const char *family, const char *labels)
{
    http_print(out, *labels ? "%s{%s} " : "%s%s ", family, labels);
}

void metric_print(struct http_answer *out, const char *family, const char *labels, int64_t value)
{
    print_name(out, family, labels);
    http_print(out, "%" PRId64 "\n", value);
}

void metric_print_micros(struct http_answer *out, const char *family, const char *labels,
                         int64_t us)
{
    print_name(out, family, labels);
    http_print(out, "%" PRId64 ".%06" PRId64 "\n", us / MICRO, us % MICRO);
}

void histogram_collect(struct histogram *sum, const struct histogram *h)
{
    for (int i = 0; i <= METRIC_BUCKETS; i++)
        metric_add(&sum->buckets[i], metric_value(&h->buckets[i]));
    metric_add(&sum->sum, metric_value(&h->sum));
}

/* The end of a bucket, without zeros that say nothing: Prometheus' own spelling. */
static void print_upper(char *text, size_t size, const struct metric_scale *scale, int bucket)
{
    if (scale->one == 1) {
        snprintf(text, size, "%" PRId64, scale->upper[bucket]);
        return;
    }
    snprintf(text, size, "%" PRId64 ".%06" PRId64, scale->upper[bucket] / MICRO,
             scale->upper[bucket] % MICRO);
    size_t len = strlen(text);
    while (text[len - 1] == '0')
        text[--len] = '\0';
    if (text[len - 1] == '.')
        text[len - 1] = '\0';
}

void histogram_print(struct http_answer *out, const char *family, const char *labels,
                     const struct metric_scale *scale, const struct histogram *h)
{
    char name[LABELS_BYTES_MAX], with_upper[LABELS_BYTES_MAX], upper[32] = "+Inf";
    const char *comma = *labels ? "," : "";
    int64_t count = 0;

    snprintf(name, sizeof name, "%s_bucket", family);
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        count += metric_value(&h->buckets[i]);
        if (i < METRIC_BUCKETS)
            print_upper(upper, sizeof upper, scale, i);
        else
            snprintf(upper, sizeof upper, "+Inf");
        snprintf(with_upper, sizeof with_upper, "%s%sle=\"%s\"", labels, comma, upper);
        metric_print(out, name, with_upper, count);
    }
    snprintf(name, sizeof name, "%s_sum", family);
    if (scale->one == MICRO)
        metric_print_micros(out, name, labels, metric_value(&h->sum));
    else
        metric_print(out, name, labels, metric_value(&h->sum));
    snprintf(name, sizeof name, "%s_count", family);
    metric_print(out, name, labels, count);
}

void metrics_print(struct http_answer *out, const struct metrics *const *all, int count)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        int64_t value = 0;
        for (int j = 0; j < count; j++)
            value += metric_value(&all[j]->numbers[i]);
        if (*numbers[i].help)
            metric_print_family(out, numbers[i].family, numbers[i].type, numbers[i].help);
        if (i == METRIC_FEED_LAG_US)
            metric_print_micros(out, numbers[i].family, numbers[i].labels, value);
        else
            metric_print(out, numbers[i].family, numbers[i].labels, value);
    }
    for (int i = 0; i < HISTOGRAM_COUNT; i++) {
        struct histogram sum = {0};
        for (int j = 0; j < count; j++)
            histogram_collect(&sum, &all[j]->histograms[i]);
        metric_print_family(out, histograms[i].family, "histogram", histograms[i].help);
        histogram_print(out, histograms[i].family, "", histograms[i].scale, &sum);
    }
}
