/* A small HTTP server for those who watch this process: probes and Prometheus. It has a thread of
 * its own, on which pages are made, so that it answers whatever the other threads do; and bounds of
 * its own, so that nobody hurts the calls through it. Pages take no input but their path.
 *
 * Another path is 404, another method than GET and HEAD 405. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct http;

/* What a page answers with. */
struct http_answer {
    int status;       /* 200, 503 */
    const char *type; /* of the content; static */
    char *body;       /* HTTP_BODY_BYTES_MAX of room */
    size_t len;       /* of the body */
    bool full;        /* something did not fit: the answer is 500 instead */
};

struct http_page {
    const char *path;
    /* On the HTTP server's thread. The answer comes as an empty 200 of plain text. */
    void (*make)(void *arg, struct http_answer *answer);
};

/* Adds text to the body. */
__attribute__((format(printf, 2, 3))) void http_print(struct http_answer *answer,
                                                      const char *format, ...);

/* Listens on "host:port" or "[::1]:port" and serves the pages, which outlive it. On failure `why`
 * has one line for a person. */
MUST_CHECK enum err http_open(const char *listen, const struct http_page *pages, int page_count,
                              void *arg, struct http **ret, char *why, size_t why_size);
/* No page is made any more when it returns. NULL is fine. */
void http_close(struct http *h);
