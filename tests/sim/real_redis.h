/* A Redis of the test's own: the real server, on a Unix socket in a directory of its own, which
 * ends with the test. A connection beside the one that is tested looks into it, and blocks. */
#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>

struct real_redis {
    char directory[64];
    char url[128];
    pid_t pid;
    redisContext *control;
};

/* `settings` are more arguments for it, up to a NULL; or NULL. Returns when it answers. */
void real_open(struct real_redis *r, const char *const *settings);
/* Ends it, and starts another of the same address, which is empty. */
void real_restart(struct real_redis *r);
void real_close(struct real_redis *r);

/* Like redisCommand(), and never NULL: the reply is the caller's to free. */
redisReply *real_command(struct real_redis *r, const char *format, ...);
