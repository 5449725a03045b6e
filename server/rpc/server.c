#include "rpc/server.h"

#include <assert.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "rpc/access.h"
#include "rpc/address.h"
#include "rpc/call_metrics.h"
#include "rpc/call_priv.h"
#include "rpc/health.h"
#include "rpc/reflection.h"
#include "rpc/stream.h"

enum {
    KEEPALIVE_MS = 60 * 1000,
    KEEPALIVE_TIMEOUT_MS = 10 * 1000,
    PING_INTERVAL_MIN_MS = 10 * 1000,
    CONNECTION_IDLE_MS = 5 * 60 * 1000,
    CONCURRENT_STREAMS_MAX = 1024,
    COMPRESSION_NONE = 1, /* bit set: identity alone, so that nothing small unfolds into much */
};

static grpc_server *create_grpc(void)
{
    const struct {
        const char *key;
        int value;
    } settings[] = {
        {GRPC_ARG_ALLOW_REUSEPORT, 0}, /* a taken port is an error, not a silent share */
        {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, REQUEST_BYTES_MAX},
        {GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1}, /* ours, and bounded by ANSWER_BYTES_MAX */
        {GRPC_ARG_MAX_METADATA_SIZE, METADATA_BYTES_MAX},
        {GRPC_ARG_MAX_CONCURRENT_STREAMS, CONCURRENT_STREAMS_MAX},
        {GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, COMPRESSION_NONE},
        {GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS},
        {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS},
        {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
        {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_INTERVAL_MIN_MS},
        {GRPC_ARG_MAX_CONNECTION_IDLE_MS, CONNECTION_IDLE_MS},
    };
    enum { COUNT = sizeof settings / sizeof *settings };
    grpc_arg args[COUNT];

    for (int i = 0; i < COUNT; i++) {
        args[i].type = GRPC_ARG_INTEGER;
        args[i].key = (char *)(uintptr_t)settings[i].key; /* never written to */
        args[i].value.integer = settings[i].value;
    }
    const grpc_channel_args channel_args = {COUNT, args};
    return grpc_server_create(&channel_args, NULL);
}

static void bind_method(struct server *s, const struct rpc_method *method)
{
    struct bound_method *bound = &s->methods[s->method_count++];

    bound->method = method;
    bound->handle = grpc_server_register_method(s->grpc, method->path, NULL,
                                                GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    assert(bound->handle);
    if (method->owner_field) {
        bound->owner_field =
            protobuf_c_message_descriptor_get_field_by_name(method->request, method->owner_field);
        assert(bound->owner_field && bound->owner_field->type == PROTOBUF_C_TYPE_STRING);
    }
}

static void bind_methods(struct server *s)
{
    int count = HEALTH_METHOD_COUNT;

    for (int i = 0; i < s->options.service_count; i++)
        count += s->options.services[i].method_count;
    s->methods = calloc((size_t)count, sizeof *s->methods);
    assert(s->methods);
    for (int i = 0; i < HEALTH_METHOD_COUNT; i++)
        bind_method(s, &health_methods[i]);
    for (int i = 0; i < s->options.service_count; i++) {
        for (int j = 0; j < s->options.services[i].method_count; j++)
            bind_method(s, &s->options.services[i].methods[j]);
    }
}

static void on_opened(struct worker *w)
{
    struct server *s = w->server;
    int armed = (s->method_count + 1) * CALLS_ARMED_PER_METHOD;

    w->missing = calloc((size_t)s->method_count + 1, sizeof *w->missing);
    assert(w->missing);
    w->call_metrics = calloc((size_t)s->method_count + 1, sizeof *w->call_metrics);
    assert(w->call_metrics);
    w->health = health_open(w);
    calls_open(w, CALLS_MAX + armed);
    w->app = s->options.open(w, s->options.arg);
    for (int i = 0; i <= s->method_count; i++) {
        for (int j = 0; j < CALLS_ARMED_PER_METHOD; j++)
            call_arm(w, i);
    }
    streams_arm(w);
}

static void on_ended(struct worker *w)
{
    calls_close(w);
    health_close(w->health);
    free(w->missing);
    free(w->call_metrics);
}

/* The last of a server, after gRPC's part and the workers have ended. */
static void release(struct server *s)
{
    reflection_close(s->reflection);
    for (int i = 0; i < s->options.workers; i++)
        access_unref(s->workers[i].access);
    free(s->workers);
    free(s->methods);
    grpc_shutdown();
    tls_close(s->tls);
    free(s);
}

static void release_unstarted(struct server *s)
{
    const gpr_timespec forever = gpr_inf_future(GPR_CLOCK_MONOTONIC);

    grpc_server_destroy(s->grpc);
    for (int i = 0; i < s->options.workers; i++) {
        grpc_completion_queue_shutdown(s->workers[i].queue);
        while (grpc_completion_queue_next(s->workers[i].queue, forever, NULL).type !=
               GRPC_QUEUE_SHUTDOWN)
            continue;
        grpc_completion_queue_destroy(s->workers[i].queue);
    }
    release(s);
}

/* What gRPC has to say is for those who debug it; what it fails at, its callers tell. */
static void on_grpc_log(gpr_log_func_args *args)
{
    log_line(LOG_DEBUG, "grpc", "%s", args->message);
}

/* The table of those who may call. It stays NULL where there is no file, and everyone may. */
static enum err read_tokens(struct server *s, struct access **ret, char *why, size_t why_size)
{
    char problem[256];
    char *text;
    size_t len;

    if (!*s->tokens_file.path)
        return ERR_OK;
    enum err err = file_read(&s->tokens_file, ACCESS_FILE_BYTES_MAX, &text, &len, why, why_size);
    if (err != ERR_OK)
        return err;
    err = access_parse(bytes_of(text, len), ret, problem, sizeof problem);
    free(text);
    if (err != ERR_OK)
        snprintf(why, why_size, "%s: %s", s->tokens_file.path, problem);
    else if (s->tokens_file.world_readable)
        log_warn("rpc", "%s can be read by every user of this machine: chmod o-r",
                 s->tokens_file.path);
    return err;
}

/* Whether these options say who may call; `access` is the table, if there is one. */
static enum err check_callers(const struct rpc_options *o, const struct access *access, char *why,
                              size_t why_size)
{
    if (!access && !*o->tls.client_ca && !o->insecure && !address_is_local(o->listen)) {
        snprintf(why, why_size,
                 "on %s everyone who reaches it could call: set BALANCED_TOKENS_FILE, or "
                 "BALANCED_INSECURE=anyone if something in front says who may, or listen on "
                 "127.0.0.1",
                 o->listen);
        return ERR_INVALID;
    }
    if (!access && o->reflection == REFLECTION_TOKEN) {
        snprintf(why, why_size, "BALANCED_REFLECTION=token needs a BALANCED_TOKENS_FILE");
        return ERR_INVALID;
    }
    return ERR_OK;
}

/* Which of these there is decides: a table of tokens, a CA, the address. */
static void log_callers(const struct rpc_options *o, const struct access *access)
{
    if (access && *o->tls.client_ca)
        log_info("rpc",
                 "may call: who has one of the %d tokens of %s and a certificate of a CA in %s",
                 access_count(access), o->tokens_file, o->tls.client_ca);
    else if (access)
        log_info("rpc", "may call: who has one of the %d tokens of %s", access_count(access),
                 o->tokens_file);
    else if (*o->tls.client_ca)
        log_info("rpc", "may call: who has a certificate of a CA in %s", o->tls.client_ca);
    else if (address_is_local(o->listen))
        log_info("rpc", "may call: everyone on this machine");
    else
        log_warn("rpc", "may call: everyone who reaches %s (BALANCED_INSECURE)", o->listen);
}

enum err server_start(const struct rpc_options *options, struct server **ret, char *why,
                      size_t why_size)
{
    struct server *s;

    struct access *access = NULL;

    if (!address_is_valid(options->listen)) {
        snprintf(why, why_size, "cannot listen on %s: it must be like host:port or unix:/path",
                 options->listen);
        return ERR_INVALID;
    }
    s = calloc(1, sizeof *s);
    assert(s);
    s->options = *options;
    s->tokens_file.path = options->tokens_file;
    enum err err = read_tokens(s, &access, why, why_size);
    if (err == ERR_OK)
        err = tls_open(&options->tls, &s->tls, why, why_size);
    if (err == ERR_OK)
        err = check_callers(options, access, why, why_size);
    if (err != ERR_OK) {
        access_unref(access);
        tls_close(s->tls);
        free(s);
        return err;
    }
    gpr_set_log_function(on_grpc_log);
    grpc_init();
    s->grpc = create_grpc();
    bind_methods(s);
    streams_bind(s);
    s->reflection =
        reflection_open(options->descriptors, options->services, options->service_count);
    s->workers = calloc((size_t)options->workers, sizeof *s->workers);
    assert(s->workers);
    for (int i = 0; i < options->workers; i++) {
        s->workers[i].server = s;
        s->workers[i].index = i;
        s->workers[i].access = access ? access_ref(access) : NULL;
        s->workers[i].queue = grpc_completion_queue_create_for_next(NULL);
        grpc_server_register_completion_queue(s->grpc, s->workers[i].queue, NULL);
    }
    grpc_server_credentials *credentials = tls_credentials(s->tls);
    s->port = grpc_server_add_http2_port(s->grpc, options->listen, credentials);
    grpc_server_credentials_release(credentials);
    if (s->port == 0) {
        snprintf(why, why_size,
                 "cannot listen on %s: the address is not this machine's, or another program has "
                 "the port",
                 options->listen);
        access_unref(access);
        release_unstarted(s);
        return ERR_UNAVAILABLE;
    }
    grpc_server_start(s->grpc);
    for (int i = 0; i < options->workers; i++)
        worker_start(&s->workers[i], on_opened, on_ended);
    log_info("rpc", "listening on %s", options->listen);
    log_callers(options, access);
    if (access && !s->tls && !address_is_local(options->listen))
        log_warn("rpc", "tokens come in the clear: set BALANCED_TLS_CERT and BALANCED_TLS_KEY, or "
                        "let something in front encrypt");
    access_unref(access);
    *ret = s;
    return ERR_OK;
}

int server_worker_count(const struct server *s)
{
    return s->options.workers;
}

int64_t server_quiet_ms(const struct server *s, int worker)
{
    const int64_t turned_ms =
        atomic_load_explicit(&s->workers[worker].turned_ms, memory_order_relaxed);

    return (int64_t)(uv_hrtime() / 1000000) - turned_ms;
}

const struct metrics *server_metrics(const struct server *s, int worker)
{
    return &s->workers[worker].metrics;
}

bool server_worker_is_ready(const struct server *s, int worker)
{
    return health_is_ready(s->workers[worker].health);
}

bool server_is_stopping(const struct server *s)
{
    for (int i = 0; i < s->options.workers; i++) {
        if (health_is_stopped(s->workers[i].health))
            return true;
    }
    return false;
}

struct command {
    struct tag tag;
    struct worker *worker;
    struct access *access; /* for a worker that gets another table */
};

static void post_access(struct worker *w, void (*run)(struct tag *, bool), struct access *access)
{
    struct command *command = calloc(1, sizeof *command);

    assert(command);
    command->tag.on_complete = run;
    command->worker = w;
    command->access = access;
    worker_post(w, &command->tag);
}

static void post(struct worker *w, void (*run)(struct tag *, bool))
{
    post_access(w, run, NULL);
}

static struct worker *command_end(struct tag *tag)
{
    struct command *command = container_of(tag, struct command, tag);
    struct worker *w = command->worker;

    free(command);
    return w;
}

/* No step keeps a grant beyond its turn, so that nobody uses the old table any more. */
static void run_take_access(struct tag *tag, bool success)
{
    struct access *access = container_of(tag, struct command, tag)->access;
    struct worker *w = command_end(tag);

    (void)success;
    access_unref(w->access);
    w->access = access;
}

void server_look_at_files(struct server *s)
{
    struct access *access = NULL;
    char why[512];

    tls_look(s->tls);
    if (!*s->tokens_file.path || !file_has_changed(&s->tokens_file))
        return;
    if (read_tokens(s, &access, why, sizeof why) != ERR_OK) {
        log_error("rpc", "%s: the tokens from before stay in force", why);
        return;
    }
    for (int i = 0; i < s->options.workers; i++)
        post_access(&s->workers[i], run_take_access, access_ref(access));
    log_callers(&s->options, access);
    access_unref(access);
}

static void run_stop_serving(struct tag *tag, bool success)
{
    (void)success;
    health_stop(command_end(tag)->health);
}

void server_stop_serving(struct server *s)
{
    for (int i = 0; i < s->options.workers; i++)
        post(&s->workers[i], run_stop_serving);
}

static void on_drained(struct tag *tag, bool success)
{
    struct server *s = container_of(tag, struct server, drained);

    (void)success;
    s->on_drained(s->on_drained_arg);
}

/* Watches would keep the server waiting for their clients. */
static void run_end_streams(struct tag *tag, bool success)
{
    (void)success;
    streams_end(command_end(tag));
}

void server_shutdown(struct server *s, void (*drained)(void *arg), void *arg)
{
    s->on_drained = drained;
    s->on_drained_arg = arg;
    s->drained.on_complete = on_drained;
    grpc_server_shutdown_and_notify(s->grpc, s->workers[0].queue, &s->drained);
    for (int i = 0; i < s->options.workers; i++)
        post(&s->workers[i], run_end_streams);
}

void server_cancel_all(struct server *s)
{
    grpc_server_cancel_all_calls(s->grpc);
}

static void run_close(struct tag *tag, bool success)
{
    struct worker *w = command_end(tag);

    (void)success;
    w->server->options.close(w);
}

void worker_closed(struct worker *w)
{
    worker_stop(w);
}

void server_free(struct server *s)
{
    grpc_server_destroy(s->grpc);
    for (int i = 0; i < s->options.workers; i++)
        post(&s->workers[i], run_close);
    for (int i = 0; i < s->options.workers; i++)
        worker_join(&s->workers[i]);
    release(s);
}
