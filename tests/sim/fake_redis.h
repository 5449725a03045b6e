/* A Redis that does what a test tells it to: it listens on a Unix socket, greets clients, takes
 * their commands, and answers when and what the test wants. It speaks RESP2.
 *
 * It runs on the test's own thread: fake_pump() turns the client's loop and then reads and writes
 * whatever is there, so that a test decides what happens before what. By itself it answers AUTH,
 * SELECT, INFO and SCRIPT LOAD, each when its turn comes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"

enum { FAKE_SESSIONS_MAX = 512, FAKE_ITEMS_MAX = 4096, FAKE_PARTS_MAX = 12 };

/* A command as it came: its words. */
struct fake_item {
    uint8_t *bytes; /* of all of them */
    struct bytes parts[FAKE_PARTS_MAX];
    int count;
};

struct fake_session {
    struct fake_redis *fake;
    int fd; /* -1: over */
    bool greeted;
    int scripts; /* that it was given */
    uint8_t *in, *out;
    size_t in_len, out_len, in_room, out_room;
    struct fake_item items[FAKE_ITEMS_MAX]; /* what waits for its answer, oldest first */
    int item_count;
};

struct fake_redis {
    uv_loop_t *loop; /* of the client */
    char directory[64];
    char url[128];
    int listener;
    struct fake_session *sessions[FAKE_SESSIONS_MAX];
    int session_count; /* ever */
    int heartbeats;    /* INFO after the greeting, answered or not */
    char words[256];   /* of AUTH and SELECT, as they came */

    /* what it does by itself: */
    bool refuse;         /* to let anybody in: it hangs up */
    bool silent;         /* it takes commands, but answers none by itself */
    bool ignore;         /* it does not even read */
    const char *version; /* what INFO says */
    const char *role;
    char run_id, replid;     /* of which they consist */
    const char *greet_error; /* instead of its scripts' names; NULL: none */
    const char *greet_raw;   /* instead of any answer to the greeting; NULL: none */
    size_t split;            /* bytes that it sends to each client in one pump; 0: all */
};

void fake_open(struct fake_redis *f, uv_loop_t *loop);
void fake_close(struct fake_redis *f);

/* Turns the client's loop once, takes in what has come, sends what is due. */
void fake_pump(struct fake_redis *f);
/* Pumps until the expression is true; a test that waits in vain fails after a while. */
#define FAKE_WAIT(f, expression)                    \
    do {                                            \
        for (int turn_ = 0; !(expression); turn_++) \
            fake_turn((f), turn_, #expression);     \
    } while (0)
void fake_turn(struct fake_redis *f, int turn, const char *waited_for);
/* Pumps for so long, for what must not happen meanwhile. */
void fake_idle(struct fake_redis *f, int ms);

/* The newest session that was greeted; NULL if there is none. */
struct fake_session *fake_newest(struct fake_redis *f);
/* How many items wait for the test, heartbeats not counted. */
int fake_items(const struct fake_session *s);
/* Whether the oldest of them is this command. */
bool fake_is(struct fake_session *s, const char *command);
/* Takes the oldest item off and answers it with what the client is to read. */
void fake_answer(struct fake_session *s, const char *resp);
/* The same with a list of two, each a bulk string, or nil where data is NULL. */
void fake_answer_pair(struct fake_session *s, struct bytes first, struct bytes second);
void fake_raw(struct fake_session *s, const void *bytes, size_t len);
/* Hangs up; what is in the output is lost. */
void fake_hang_up(struct fake_session *s);
/* Sends the output and hangs up, without having read what has come: the client's socket has these
 * last words and an error at once. */
void fake_crash(struct fake_session *s);
