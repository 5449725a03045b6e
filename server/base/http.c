/* The one file that sees libmicrohttpd, which runs the thread. */
#include "base/http.h"

#include <assert.h>
#include <ctype.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/log.h"

enum { HOST_BYTES_MAX = 256 };

struct http {
    struct MHD_Daemon *daemon;
    const struct http_page *pages;
    int page_count;
    void *arg;
    char body[HTTP_BODY_BYTES_MAX];
};

void http_print(struct http_answer *answer, const char *format, ...)
{
    size_t room = HTTP_BODY_BYTES_MAX - answer->len;
    va_list args;

    va_start(args, format);
    int len = vsnprintf(answer->body + answer->len, room, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= room)
        answer->full = true;
    else
        answer->len += (size_t)len;
}

static enum MHD_Result reply(struct MHD_Connection *to, const struct http_answer *answer,
                             const char *allow)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->len, answer->body, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;

    if (!response)
        return MHD_NO; /* closes the connection */
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type) == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
        (!allow || MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow) == MHD_YES))
        result = MHD_queue_response(to, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Called first when the headers are there. Answered at once, a request's body is never read. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *from, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **own)
{
    struct http *h = arg;
    struct http_answer answer = {
        .status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8", .body = h->body};

    (void)version, (void)upload, (void)upload_len, (void)own;
    for (int i = 0; i < h->page_count; i++) {
        if (strcmp(path, h->pages[i].path) != 0)
            continue;
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
            answer.status = MHD_HTTP_METHOD_NOT_ALLOWED;
            http_print(&answer, "use GET or HEAD\n");
            return reply(from, &answer, "GET, HEAD");
        }
        h->pages[i].make(h->arg, &answer);
        if (answer.full) { /* rather nothing than a part that looks whole */
            log_error("http", "%s does not fit into %d bytes", path, HTTP_BODY_BYTES_MAX);
            answer.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
            answer.len = 0;
        }
        return reply(from, &answer, NULL);
    }
    answer.status = MHD_HTTP_NOT_FOUND;
    http_print(&answer, "there is no such page; there are:");
    for (int i = 0; i < h->page_count; i++)
        http_print(&answer, " %s", h->pages[i].path);
    http_print(&answer, "\n");
    return reply(from, &answer, NULL);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *format,
                                                         va_list args)
{
    char text[256];

    (void)arg;
    vsnprintf(text, sizeof text, format, args);
    log_debug("http", "%s", text);
}

/* The first address of "host:port"; NULL where it is none. */
static struct addrinfo *resolve(const char *listen)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    const char *colon = strrchr(listen, ':');
    struct addrinfo *found = NULL;
    char host[HOST_BYTES_MAX];
    char *end;

    if (!colon || !isdigit((unsigned char)colon[1]) || strtoul(colon + 1, &end, 10) > UINT16_MAX ||
        *end)
        return NULL;
    size_t len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']')
        listen++, len -= 2;
    if (len == 0 || len >= sizeof host)
        return NULL;
    memcpy(host, listen, len);
    host[len] = '\0';
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

enum err http_open(const char *listen, const struct http_page *pages, int page_count, void *arg,
                   struct http **ret, char *why, size_t why_size)
{
    struct addrinfo *address = resolve(listen);
    struct http *h;

    if (!address) {
        snprintf(why, why_size,
                 "cannot listen for HTTP on %s: it must be like host:port or [::1]:port", listen);
        return ERR_INVALID;
    }
    h = calloc(1, sizeof *h);
    assert(h);
    h->pages = pages;
    h->page_count = page_count;
    h->arg = arg;
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    h->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log,
                         NULL, MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)HTTP_REQUEST_BYTES_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)HTTP_IDLE_S, MHD_OPTION_END);
    freeaddrinfo(address);
    if (!h->daemon) {
        free(h);
        snprintf(why, why_size,
                 "cannot listen for HTTP on %s: the address is not this machine's, or another "
                 "program has the port; choose another BALANCED_HTTP_LISTEN, or none (empty)",
                 listen);
        return ERR_UNAVAILABLE;
    }
    log_info("http", "listening on %s", listen);
    *ret = h;
    return ERR_OK;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    MHD_stop_daemon(h->daemon);
    free(h);
}
