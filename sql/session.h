/* A blocking connection for the commands that run by themselves (migrate, verify). The server's
 * workers never use it: they have the pool. One thread at a time. */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct session;

/* Connects. On failure `why` has one line for a person. */
MUST_CHECK enum err session_open(const char *url, struct session **ret, char *why, size_t why_size);
/* Takes NULL. */
void session_close(struct session *s);

/* Runs a script of one or more statements, whose results are thrown away. */
MUST_CHECK enum err session_script(struct session *s, const char *script);

/* `columns[i]` is text, or NULL for null; valid during the call. */
typedef void session_row_fn(void *arg, const char *const *columns, int count);

/* Runs one statement with text parameters ($1, …; NULL for null). `on_row` may be NULL. */
MUST_CHECK enum err session_query(struct session *s, const char *statement,
                                  const char *const *params, int param_count,
                                  session_row_fn *on_row, void *arg);

/* The last error as one line; valid until the next call. */
const char *session_why(const struct session *s);
