#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 2048 };

static const char *const names[] = {"debug", "info", "warn", "error"};
static enum log_level lowest = LOG_INFO;

enum err log_level_parse(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum log_level)i;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

void log_set_level(enum log_level level)
{
    lowest = level;
}

bool log_wants(enum log_level level)
{
    return level >= lowest;
}

void log_line(enum log_level level, const char *who, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    struct tm parts;
    va_list args;

    if (!log_wants(level))
        return;
    int64_t now = clock_now_us();
    time_t seconds = (time_t)(now / 1000000);
    gmtime_r(&seconds, &parts);
    size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &parts);
    len += (size_t)snprintf(line + len, sizeof line - len, ".%06dZ %-5s %s: ", (int)(now % 1000000),
                            names[level], who);
    va_start(args, format);
    int more = vsnprintf(line + len, sizeof line - len - 1, format, args);
    va_end(args);
    size_t start = len;
    if (more > 0)
        len += (size_t)more < sizeof line - len - 1 ? (size_t)more : sizeof line - len - 2;
    for (size_t i = start; i < len; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';
    /* A log that cannot be written is not worth failing a call for. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}
