/* Wires the program together, in order, and unwinds it in reverse. The main thread only starts,
 * waits for signals, and stops; workers serve.
 *
 *     SIGTERM --> not serving --stop_delay--> no new calls --drained, or stop_grace--> end
 *
 * The feed runs on the main thread's loop, and ends after the last call. */
#include <assert.h>
#include <grpc/grpc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "app/app.h"
#include "base/config.h"
#include "cache/cache.h"
#include "feed/feed.h"
#include "server/descriptors.h"
#include "server/healthcheck.h"
#include "server/monitor.h"
#include "sql/migrate.h"
#include "sql/verify.h"

enum { EXIT_DRIFT = 1, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* After this, calls that ignore their cancellation are left behind. */
enum { CANCEL_MS = 2000 };

/* How often files that may be replaced are looked at: one is in force after two looks at most. */
enum { LOOK_MS = 300 };

struct run {
    const struct config *config;
    struct server *server;
    struct feed *feed;
    struct monitor *monitor;
    struct metrics metrics; /* of the main thread */
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    uv_timer_t timer, look;
    uv_async_t drained;
    enum { SERVING, DELAYING, DRAINING, CANCELLING, DRAINED } state;
    int exit_code;
};

static void on_feed_closed(void *arg)
{
    struct run *run = arg;

    uv_close((uv_handle_t *)&run->term, NULL);
    uv_close((uv_handle_t *)&run->interrupt, NULL);
    uv_close((uv_handle_t *)&run->timer, NULL);
    uv_close((uv_handle_t *)&run->look, NULL);
    uv_close((uv_handle_t *)&run->drained, NULL);
}

/* On a worker's thread. */
static void on_server_drained(void *arg)
{
    struct run *run = arg;

    uv_async_send(&run->drained);
}

static void on_drained(uv_async_t *drained)
{
    struct run *run = container_of(drained, struct run, drained);

    run->state = DRAINED;
    feed_close(run->feed, on_feed_closed, run);
}

static void on_timer(uv_timer_t *timer);

static void wait_for(struct run *run, int64_t us)
{
    uv_timer_start(&run->timer, on_timer, (uint64_t)us / 1000, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct run *run = container_of(timer, struct run, timer);

    switch (run->state) {
    case DELAYING:
        log_info("main", "taking no new calls, finishing those in flight");
        run->state = DRAINING;
        server_shutdown(run->server, on_server_drained, run);
        wait_for(run, run->config->stop_grace_us);
        break;
    case DRAINING:
        log_warn("main", "calls are still in flight after the grace period: cancelling them");
        run->state = CANCELLING;
        server_cancel_all(run->server);
        wait_for(run, CANCEL_MS * 1000);
        break;
    case CANCELLING:
        log_error("main", "calls did not end when cancelled: leaving without them");
        _exit(EXIT_FAILED);
    case SERVING:
    case DRAINED:
        break;
    }
}

static void on_look(uv_timer_t *look)
{
    const struct run *run = container_of(look, struct run, look);

    if (run->state < DRAINED)
        server_look_at_files(run->server);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;

    if (run->state != SERVING)
        return;
    log_info("main", "signal %d: stopping", number);
    run->state = DELAYING;
    server_stop_serving(run->server);
    wait_for(run, run->config->stop_delay_us);
}

static int serve(const struct config *config)
{
    struct run run = {.config = config, .state = SERVING};
    char why[512];
    const struct rpc_options options = {
        .listen = config->listen,
        .tokens_file = config->tokens_file,
        .tls = {config->tls_cert, config->tls_key, config->tls_client_ca},
        .insecure = config->insecure,
        .reflection = (enum reflection_for)config->reflection,
        .workers = config->workers,
        .request_timeout_us = config->request_timeout_us,
        .error_domain = "balances",
        .services = app_services,
        .service_count = app_service_count,
        .descriptors = bytes_of(descriptors_data, descriptors_len),
        .open = app_open,
        .close = app_close,
        .arg = (void *)(uintptr_t)config,
    };

    signal(SIGPIPE, SIG_IGN);
    /* A stop that is asked for while all this begins waits for it. Other threads never hear of one.
     */
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
    /* A name server that is away must not hold up a stop: the resolver's own patience is 10 s. */
    setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
    log_set_level(config->log_level);
    if (*config->redis_url && !cache_check_url(config->redis_url, why, sizeof why)) {
        /* Without the value, which may have a password in it. */
        fprintf(stderr, "balanced: BALANCED_REDIS_URL must be %s\n", why);
        return EXIT_USAGE;
    }
    config_log(config);
    if (monitor_open(config->http_listen, &run.metrics, &run.monitor, why, sizeof why) != ERR_OK) {
        fprintf(stderr, "balanced: %s\n", why);
        return EXIT_FAILED;
    }
    if (server_start(&options, &run.server, why, sizeof why) != ERR_OK) {
        fprintf(stderr, "balanced: %s\n", why);
        monitor_close(run.monitor);
        return EXIT_FAILED;
    }
    monitor_watch(run.monitor, run.server);
    uv_loop_init(&run.loop);
    uv_signal_init(&run.loop, &run.term);
    uv_signal_init(&run.loop, &run.interrupt);
    uv_timer_init(&run.loop, &run.timer);
    uv_timer_init(&run.loop, &run.look);
    uv_async_init(&run.loop, &run.drained, on_drained);
    run.term.data = run.interrupt.data = &run;
    run.feed = feed_open(&run.loop, config, &run.metrics);
    uv_timer_start(&run.look, on_look, LOOK_MS, LOOK_MS);
    uv_signal_start(&run.term, on_signal, SIGTERM);
    uv_signal_start(&run.interrupt, on_signal, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &stops, NULL);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.loop);
    monitor_close(run.monitor);
    server_free(run.server);
    log_info("main", "stopped");
    return EXIT_SUCCESS;
}

static int run_migrate(const struct config *config)
{
    return migrate(config->database_url, stdout) == ERR_OK ? EXIT_SUCCESS : EXIT_FAILED;
}

static int run_verify(const struct config *config)
{
    bool drift = false;

    if (verify(config->database_url, stdout, &drift) != ERR_OK)
        return EXIT_FAILED;
    return drift ? EXIT_DRIFT : EXIT_SUCCESS;
}

static int run_healthcheck(const struct config *config)
{
    return healthcheck(config) ? EXIT_SUCCESS : EXIT_FAILED;
}

static int run_version(const struct config *config)
{
    (void)config;
    printf("balanced %s (gRPC C core %s)\n", BALANCED_VERSION, grpc_version_string());
    return EXIT_SUCCESS;
}

static const struct {
    const char *name;
    int (*run)(const struct config *config);
    const char *help;
} commands[] = {
    {"serve", serve, "serve calls until SIGTERM"},
    {"migrate", run_migrate, "bring the database's schema up to date"},
    {"verify", run_verify, "recompute every total from the ledger; exits with 1 on drift"},
    {"healthcheck", run_healthcheck, "ask the server at --listen whether it is ready"},
    {"version", run_version, "print the version"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void usage(FILE *out)
{
    fprintf(out, "usage: balanced COMMAND [--FLAG VALUE]...\n\ncommands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
    fprintf(out, "\nflags, each also an environment variable:\n");
    config_help(out);
}

int main(int argc, char **argv)
{
    struct config config;
    char why[512];
    int rest;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (config_read(&config, argc - 2, argv + 2, &rest, why, sizeof why) != ERR_OK) {
            fprintf(stderr, "balanced: %s\n", why);
            return EXIT_USAGE;
        }
        if (rest > 0) {
            fprintf(stderr, "balanced: %s takes no argument '%s'; see balanced --help\n", argv[1],
                    argv[2]);
            return EXIT_USAGE;
        }
        return commands[i].run(&config);
    }
    fprintf(stderr, "balanced: there is no command '%s'; see balanced --help\n", argv[1]);
    return EXIT_USAGE;
}
