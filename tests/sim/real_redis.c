#include "real_redis.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32, TRIES_MAX = 2000, TRY_US = 5000 };

/* Debian's redis-check-rdb is the server's program under another name, which it goes by. */
static void run_server(const struct real_redis *r, const char *const *settings)
{
    char path[128];
    const char *arguments[ARGUMENTS_MAX] = {
        "redis-server", "--port", "0", "--unixsocket", path, "--dir",
        r->directory,   "--save", "",  "--appendonly", "no"};
    int count = 11;

    snprintf(path, sizeof path, "%s/redis.sock", r->directory);
    for (; settings && *settings; settings++) {
        assert(count < ARGUMENTS_MAX - 1);
        arguments[count++] = *settings;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen("/dev/null", "w", stdout))
        _exit(1);
    union {
        const char *const *in;
        char *const *out;
    } borrowed = {arguments};
    execvp("redis-check-rdb", borrowed.out);
    _exit(127);
}

static void start(struct real_redis *r, const char *const *settings)
{
    char path[128];
    int tries;

    snprintf(path, sizeof path, "%s/redis.sock", r->directory);
    fflush(NULL);
    r->pid = fork();
    assert(r->pid >= 0);
    if (r->pid == 0)
        run_server(r, settings);
    for (tries = 0; tries < TRIES_MAX; tries++) {
        r->control = redisConnectUnix(path);
        if (r->control && !r->control->err)
            return;
        redisFree(r->control);
        usleep(TRY_US);
    }
    fprintf(stderr, "redis-check-rdb, as redis-server, does not start\n");
    abort();
}

static void stop(struct real_redis *r)
{
    redisFree(r->control);
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
}

void real_open(struct real_redis *r, const char *const *settings)
{
    snprintf(r->directory, sizeof r->directory, "/tmp/balanced-redis-XXXXXX");
    char *made = mkdtemp(r->directory);
    assert(made);
    snprintf(r->url, sizeof r->url, "unix://%s/redis.sock", r->directory);
    start(r, settings);
}

void real_restart(struct real_redis *r)
{
    stop(r);
    start(r, NULL);
}

void real_close(struct real_redis *r)
{
    char path[128];

    stop(r);
    snprintf(path, sizeof path, "%s/redis.sock", r->directory);
    unlink(path);
    rmdir(r->directory);
}

redisReply *real_command(struct real_redis *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    redisReply *reply = redisvCommand(r->control, format, args);
    va_end(args);
    assert(reply);
    return reply;
}
