/* The settings: each an environment variable BALANCED_<NAME> and a flag --<name>, which wins. Read
 * once at the start; a bad value is one clear line that names the setting, the value and what is
 * allowed. The table in config.c is the one place that knows names, defaults and help. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"

struct config {
    const char *listen;
    const char *http_listen;                        /* empty: none */
    const char *tokens_file;                        /* empty: none */
    const char *tls_cert, *tls_key, *tls_client_ca; /* empty: none */
    int insecure;                                   /* no or anyone */
    int reflection;                                 /* on, token or off */
    const char *database_url;
    int database_connections; /* per worker */
    const char *redis_url;    /* empty: no cache */
    int64_t redis_timeout_us;
    int64_t cache_ttl_us;
    int workers;
    enum log_level log_level;
    int64_t request_timeout_us;
    int64_t stop_delay_us;
    int64_t stop_grace_us;
};

/* Defaults, then the environment, then the arguments, of which it understands `--name value` and
 * `--name=value`. Returns through `ret_rest` how many arguments, moved to the front of `argv`, are
 * no flags. Texts live as long as the environment and the arguments. */
MUST_CHECK enum err config_read(struct config *ret, int argc, char **argv, int *ret_rest, char *why,
                                size_t why_size);
/* A line for each setting: flag, variable, default, meaning. */
void config_help(FILE *out);
/* One line with every setting in force; what may hold a password is hidden. */
void config_log(const struct config *c);
