/* The URL of a Redis, taken apart:
 *   redis://[[user]:password@]host[:port][/database]
 *   rediss://...                    the same over TLS
 *   unix://[[user]:password@]/path/to/socket[?db=database]
 * User, password and path may have characters in them as %XX. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
    URL_NAME_MAX = 256, /* of a host, and of a user */
    URL_PASSWORD_MAX = 1024,
    URL_PATH_MAX = 108,             /* what fits into a sockaddr_un */
    URL_DATABASE_MAX = 1000 * 1000, /* a Redis has 16, or as many as its settings say */
    URL_PORT_DEFAULT = 6379,
};

struct url {
    bool tls;
    char host[URL_NAME_MAX]; /* a name or an address; empty with a path */
    int port;
    char path[URL_PATH_MAX];         /* of a Unix socket; empty with a host */
    char user[URL_NAME_MAX];         /* empty: none */
    char password[URL_PASSWORD_MAX]; /* empty: none */
    int database;
};

/* ERR_INVALID: `why` is what the URL must be, as the end of a sentence. It never repeats the URL,
 * which may hold a password. */
MUST_CHECK enum err url_parse(const char *text, struct url *ret, char *why, size_t why_size);
