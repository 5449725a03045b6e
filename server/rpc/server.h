/* The gRPC server: its workers, its methods, its port, and how all of that starts and stops.
 * Created and stopped by the main thread. */
#pragma once

#include <grpc/grpc.h>

#include "base/bytes.h"
#include "base/file.h"
#include "rpc/call.h"
#include "rpc/stream.h"
#include "rpc/tls.h"
#include "rpc/worker.h"

struct rpc_service {
    const char *name; /* "balances.v1.BalanceService" */
    const struct rpc_method *methods;
    int method_count;
};

/* Who may ask for the protocols: everyone, whoever has a token, or nobody. */
enum reflection_for { REFLECTION_ON, REFLECTION_TOKEN, REFLECTION_OFF };

struct rpc_options {
    const char *listen;      /* "host:port", "[::1]:port", "unix:/path" */
    const char *tokens_file; /* of those who may call; empty: everyone who reaches the address */
    struct tls_paths tls;
    bool insecure; /* which then may be others than this machine */
    enum reflection_for reflection;
    int workers;
    int64_t request_timeout_us;
    const char *error_domain; /* of ErrorInfo */
    const struct rpc_service *services;
    int service_count;
    struct bytes descriptors; /* FileDescriptorSet of all protocols, for reflection */
    /* The application's part of a worker: `open` on its loop before any call arrives (its result is
     * call_app()); `close` when the last call is over, ending with worker_closed(). */
    void *(*open)(struct worker *w, void *arg);
    void (*close)(struct worker *w);
    void *arg;
};

struct bound_method {
    const struct rpc_method *method;
    void *handle;                                /* gRPC's */
    const ProtobufCFieldDescriptor *owner_field; /* the method's; NULL: none */
};

struct server {
    struct rpc_options options;
    grpc_server *grpc;
    struct bound_method *methods; /* of all services, the health service's unary ones included */
    int method_count;
    void *stream_handles[STREAM_KINDS_MAX];
    struct worker *workers;
    struct reflection *reflection;
    struct file tokens_file;
    struct tls *tls;    /* NULL: plaintext */
    struct tag drained; /* of the shutdown; on worker 0 */
    void (*on_drained)(void *arg);
    void *on_drained_arg;
    int port;
};

/* Listens and serves. On failure `why` has one line for a person. */
MUST_CHECK enum err server_start(const struct rpc_options *options, struct server **ret, char *why,
                                 size_t why_size);
/* Reads the files of tokens and of TLS anew if they have changed: to be called now and then. What
 * is wrong with them is logged, and what was read before stays in force. */
void server_look_at_files(struct server *s);
/* All health becomes NOT_SERVING, for good; calls are still served. */
void server_stop_serving(struct server *s);
/* No new calls; `drained` is called on a worker's thread when the last is over. */
void server_shutdown(struct server *s, void (*drained)(void *arg), void *arg);
/* Ends the calls that are still in flight after server_shutdown(). */
void server_cancel_all(struct server *s);
/* After `drained`: closes the workers, waits for them, frees everything. */
void server_free(struct server *s);

/* For those who watch, from any thread between server_start() and server_free(). */
int server_worker_count(const struct server *s);
/* How long ago this worker's loop last turned. */
int64_t server_quiet_ms(const struct server *s, int worker);
const struct metrics *server_metrics(const struct server *s, int worker);
/* What its health says; it stops from server_stop_serving() on. */
bool server_worker_is_ready(const struct server *s, int worker);
bool server_is_stopping(const struct server *s);

/* Called by the application when its `close` is complete. */
void worker_closed(struct worker *w);
