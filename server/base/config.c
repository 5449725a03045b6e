#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum kind { TEXT, URL, OPTIONAL, COUNT, DURATION, LEVEL, CHOICE };

static const struct setting {
    const char *name; /* as in the variable, without BALANCED_ */
    enum kind kind;
    size_t offset;
    const char *initial;
    int64_t min, max; /* of a count; of a duration in microseconds */
    const char *help;
    const char *choices; /* of a choice: words, whose places are the values */
} settings[] = {
    {"LISTEN", TEXT, offsetof(struct config, listen), "127.0.0.1:50051", 0, 0,
     "address and port of gRPC", NULL},
    {"HTTP_LISTEN", OPTIONAL, offsetof(struct config, http_listen), "127.0.0.1:9090", 0, 0,
     "address and port of /livez, /readyz and /metrics; empty: none", NULL},
    {"TOKENS_FILE", OPTIONAL, offsetof(struct config, tokens_file), "", 0, 0,
     "who may call: the file of the bearer tokens; empty: everyone on this machine", NULL},
    {"TLS_CERT", OPTIONAL, offsetof(struct config, tls_cert), "", 0, 0,
     "the file of the server's certificate and its chain (PEM); empty: no TLS", NULL},
    {"TLS_KEY", OPTIONAL, offsetof(struct config, tls_key), "", 0, 0,
     "the file of the certificate's private key (PEM)", NULL},
    {"TLS_CLIENT_CA", OPTIONAL, offsetof(struct config, tls_client_ca), "", 0, 0,
     "the file of the CAs (PEM) one of which a client's certificate must be of; empty: none is "
     "asked for",
     NULL},
    {"INSECURE", CHOICE, offsetof(struct config, insecure), "no", 0, 0,
     "anyone: without a tokens file, let others than this machine call, too", "no|anyone"},
    {"REFLECTION", CHOICE, offsetof(struct config, reflection), "on", 0, 0,
     "who may ask for the protocols: everyone (on), who has a token, or nobody (off)",
     "on|token|off"},
    {"DATABASE_URL", URL, offsetof(struct config, database_url),
     "postgresql://127.0.0.1:5432/balanced", 0, 0, "the PostgreSQL that holds the ledgers", NULL},
    {"DATABASE_CONNECTIONS", COUNT, offsetof(struct config, database_connections), "4", 1, 64,
     "connections of each worker to it", NULL},
    {"REDIS_URL", OPTIONAL, offsetof(struct config, redis_url), "", 0, 0,
     "the Redis that holds computed answers; empty: none, and the same answers", NULL},
    {"REDIS_TIMEOUT", DURATION, offsetof(struct config, redis_timeout_us), "100ms", 1000,
     INT64_C(5000000), "how long to wait for it before doing without", NULL},
    {"CACHE_TTL", DURATION, offsetof(struct config, cache_ttl_us), "1m", 1000000,
     INT64_C(1800000000), "how long an answer is kept at most", NULL},
    {"WORKERS", COUNT, offsetof(struct config, workers), "1", 1, WORKERS_MAX,
     "independent pairs of threads that serve calls", NULL},
    {"REQUEST_TIMEOUT", DURATION, offsetof(struct config, request_timeout_us), "5s", 10000,
     INT64_C(300000000), "the longest that a call may take, whatever its caller allows", NULL},
    {"STOP_DELAY", DURATION, offsetof(struct config, stop_delay_us), "0s", 0, INT64_C(300000000),
     "after SIGTERM: how long to say NOT_SERVING but serve, until balancers have noticed", NULL},
    {"STOP_GRACE", DURATION, offsetof(struct config, stop_grace_us), "10s", 0, INT64_C(300000000),
     "after that: how long calls in flight may take to finish", NULL},
    {"LOG_LEVEL", LEVEL, offsetof(struct config, log_level), "info", 0, 0,
     "debug (a line for every call), info, warn or error", NULL},
};
enum { SETTING_COUNT = sizeof settings / sizeof *settings, NAME_MAX_LEN = 32 };

static enum err parse_number(const char *text, int64_t *ret, const char **ret_end)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return ERR_INVALID;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0)
        return ERR_INVALID;
    *ret = value;
    *ret_end = end;
    return ERR_OK;
}

static enum err parse_duration(const char *text, int64_t *ret)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"ms", 1000}, {"s", 1000000}, {"m", 60000000}};
    const char *unit;
    int64_t number;

    if (parse_number(text, &number, &unit) != ERR_OK)
        return ERR_INVALID;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].unit) == 0)
            return __builtin_mul_overflow(number, units[i].us, ret) ? ERR_INVALID : ERR_OK;
    }
    return ERR_INVALID;
}

/* The place of a word in "one|two|three". */
static enum err parse_choice(const char *choices, const char *text, int *ret)
{
    size_t len = strlen(text);

    for (int place = 0;; place++) {
        size_t word = strcspn(choices, "|");
        if (word == len && memcmp(choices, text, len) == 0) {
            *ret = place;
            return ERR_OK;
        }
        if (!choices[word])
            return ERR_INVALID;
        choices += word + 1;
    }
}

static enum err set(struct config *c, const struct setting *s, const char *text, char *why,
                    size_t why_size)
{
    void *field = (char *)c + s->offset;
    const char *end = "";
    int64_t number = 0;

    switch (s->kind) {
    case TEXT:
    case URL:
        if (!*text)
            break;
        *(const char **)field = text;
        return ERR_OK;
    case OPTIONAL:
        *(const char **)field = text;
        return ERR_OK;
    case COUNT:
        if (parse_number(text, &number, &end) != ERR_OK || *end || number < s->min ||
            number > s->max)
            break;
        *(int *)field = (int)number;
        return ERR_OK;
    case DURATION:
        if (parse_duration(text, &number) != ERR_OK || number < s->min || number > s->max)
            break;
        *(int64_t *)field = number;
        return ERR_OK;
    case LEVEL:
        if (log_level_parse(text, (enum log_level *)field) != ERR_OK)
            break;
        return ERR_OK;
    case CHOICE:
        if (parse_choice(s->choices, text, (int *)field) != ERR_OK)
            break;
        return ERR_OK;
    }

    int len = snprintf(why, why_size, "BALANCED_%s is '%s', but must be ", s->name, text);
    if (len < 0 || (size_t)len >= why_size)
        return ERR_INVALID;
    why += len;
    why_size -= (size_t)len;
    switch (s->kind) {
    case TEXT:
    case URL:
        snprintf(why, why_size, "not empty (%s)", s->help);
        break;
    case OPTIONAL:
        break;
    case COUNT:
        snprintf(why, why_size, "a number from %lld to %lld", (long long)s->min, (long long)s->max);
        break;
    case DURATION:
        snprintf(why, why_size, "a duration like 250ms, 5s or 1m, from %lld ms to %lld s",
                 (long long)(s->min / 1000), (long long)(s->max / 1000000));
        break;
    case LEVEL:
        snprintf(why, why_size, "debug, info, warn or error");
        break;
    case CHOICE:
        snprintf(why, why_size, "%s", s->choices);
        break;
    }
    return ERR_INVALID;
}

/* "--listen" for "LISTEN", "--database-url" for "DATABASE_URL". */
static void flag_of(const struct setting *s, char flag[static NAME_MAX_LEN])
{
    char *out = flag;

    *out++ = '-';
    *out++ = '-';
    for (const char *in = s->name; *in; in++)
        *out++ = *in == '_' ? '-' : (char)tolower((unsigned char)*in);
    *out = '\0';
}

static const struct setting *find_flag(const char *name, size_t len)
{
    char flag[NAME_MAX_LEN];

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        flag_of(&settings[i], flag);
        if (strlen(flag) == len && memcmp(flag, name, len) == 0)
            return &settings[i];
    }
    return NULL;
}

enum err config_read(struct config *ret, int argc, char **argv, int *ret_rest, char *why,
                     size_t why_size)
{
    char variable[sizeof "BALANCED_" + NAME_MAX_LEN];
    struct config c = {0};
    int rest = 0;

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        snprintf(variable, sizeof variable, "BALANCED_%s", settings[i].name);
        const char *text = getenv(variable);
        if (set(&c, &settings[i], text ? text : settings[i].initial, why, why_size) != ERR_OK)
            return ERR_INVALID;
    }
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] != '-') {
            argv[rest++] = argv[i];
            continue;
        }
        size_t len = strcspn(argv[i], "=");
        const struct setting *s = find_flag(argv[i], len);
        const char *text = argv[i][len] ? argv[i] + len + 1 : NULL;
        if (!s) {
            /* Without its value, which may be the password that a misspelt flag came with. */
            snprintf(why, why_size, "there is no flag %.*s; see balanced --help", (int)len,
                     argv[i]);
            return ERR_INVALID;
        }
        if (!text && ++i < argc)
            text = argv[i];
        if (!text) {
            snprintf(why, why_size, "%s needs a value", argv[i - 1]);
            return ERR_INVALID;
        }
        if (set(&c, s, text, why, why_size) != ERR_OK)
            return ERR_INVALID;
    }
    *ret = c;
    *ret_rest = rest;
    return ERR_OK;
}

void config_help(FILE *out)
{
    char flag[NAME_MAX_LEN];

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        flag_of(&settings[i], flag);
        fprintf(out, "  %-23s BALANCED_%-22s %s\n%26s(default %s)\n", flag, settings[i].name,
                settings[i].help, "", *settings[i].initial ? settings[i].initial : "empty");
    }
}

void config_log(const struct config *c)
{
    log_info("config",
             "listen=%s http_listen=%s tokens_file=%s tls_cert=%s tls_client_ca=%s insecure=%s "
             "reflection=%s "
             "database_url=(hidden) "
             "database_connections=%d redis_url=%s "
             "redis_timeout=%lldms cache_ttl=%llds workers=%d "
             "request_timeout=%lldms stop_delay=%lldms stop_grace=%lldms",
             c->listen, *c->http_listen ? c->http_listen : "(none)",
             *c->tokens_file ? c->tokens_file : "(none)", *c->tls_cert ? c->tls_cert : "(none)",
             *c->tls_client_ca ? c->tls_client_ca : "(none)", c->insecure ? "anyone" : "no",
             c->reflection == 0   ? "on"
             : c->reflection == 1 ? "token"
                                  : "off",
             c->database_connections, *c->redis_url ? "(hidden)" : "(none)",
             (long long)(c->redis_timeout_us / 1000), (long long)(c->cache_ttl_us / 1000000),
             c->workers, (long long)(c->request_timeout_us / 1000),
             (long long)(c->stop_delay_us / 1000), (long long)(c->stop_grace_us / 1000));
}
