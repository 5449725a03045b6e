/* Log lines on standard error: time, level, who, what happened. Each line is one write, so that
 * threads never mix them; control characters are escaped, so that nobody can forge one. Never a
 * payload, a token or a statement's parameter. Lower layers log their own changes of state, and
 * each failure is logged once.
 *
 * error: wake someone. warn: degraded, with what we do about it. info: a change of state. debug:
 * every call. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

MUST_CHECK enum err log_level_parse(const char *text, enum log_level *ret);
/* Before any thread runs. */
void log_set_level(enum log_level level);
/* For lines whose making costs something. */
bool log_wants(enum log_level level);

__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *who,
                                                    const char *format, ...);

#define log_debug(who, ...) (log_wants(LOG_DEBUG) ? log_line(LOG_DEBUG, who, __VA_ARGS__) : (void)0)
#define log_info(who, ...)  log_line(LOG_INFO, who, __VA_ARGS__)
#define log_warn(who, ...)  log_line(LOG_WARN, who, __VA_ARGS__)
#define log_error(who, ...) log_line(LOG_ERROR, who, __VA_ARGS__)
