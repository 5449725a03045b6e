/* A PostgreSQL that does what a test tells it to: it listens on a Unix socket, lets clients in,
 * takes their statements, and answers when and what the test wants. It speaks just enough of
 * protocol 3.
 *
 * It runs on the test's own thread: fake_pump() turns the client's loop and then reads and writes
 * whatever is there, so that a test decides what happens before what. A statement's first
 * parameter, an eight-byte integer, tells requests apart; an answer is one row with one integer. A
 * request of several steps is answered by a row for each, of which the last has its own number. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"

enum {
    FAKE_SESSIONS_MAX = 256,
    FAKE_ITEMS_MAX = 1024,
    FAKE_PING = -1,
    FAKE_VERSION = -2,
    FAKE_NOTHING = -3,
    FAKE_NAME_MAX = 32
};

struct fake_session {
    struct fake_pg *fake;
    int fd; /* -1: over */
    enum { FAKE_STARTING, FAKE_GREETED, FAKE_SERVING } state;
    int greeted; /* parts of its handshake that were answered */
    int pid;     /* its number, from 1 */
    uint8_t *in, *out;
    size_t in_len, out_len, in_room, out_room;
    char bind_name[FAKE_NAME_MAX]; /* of its statement */
    int binds;                     /* since the last synchronisation, */
    uint8_t *bound;                /* and their messages */
    size_t bound_len;
    int64_t bind;
    int64_t items[FAKE_ITEMS_MAX]; /* what waits for its answer, oldest first: the last step's
                                      number, */
    int steps[FAKE_ITEMS_MAX];     /* and how many steps there are */
    char names[FAKE_ITEMS_MAX][FAKE_NAME_MAX]; /* of the last step's statement */
    uint8_t *bounds[FAKE_ITEMS_MAX];           /* the steps' Bind messages */
    int item_count;
};

struct fake_pg {
    uv_loop_t *loop; /* of the client */
    char directory[64];
    char url[128];
    int listener;
    int statement_count; /* that a client prepares */
    struct fake_session *sessions[FAKE_SESSIONS_MAX];
    int session_count;
    int accepted; /* clients, ever; cancel requests not among them */

    /* what it does by itself: */
    bool refuse;       /* to let anybody in: it hangs up */
    int64_t version;   /* what it answers to a statement about a customer alone */
    int origin;        /* its name, as a number */
    bool standby;      /* it says that it is one */
    bool silent;       /* it accepts, and says nothing */
    bool stop_prepare; /* it lets clients in, and then says nothing to their handshake */
    bool hold_cancels; /* it leaves those who ask for a cancel waiting */
    size_t split;      /* bytes that it sends to each client in one pump; 0: all */

    int cancels[FAKE_SESSIONS_MAX]; /* whose cancel was asked for, in order */
    int cancel_count;
    int held[FAKE_SESSIONS_MAX];
    int held_count;
};

void fake_open(struct fake_pg *f, uv_loop_t *loop, int statement_count);
void fake_close(struct fake_pg *f);

/* Turns the client's loop once, takes in what has come, sends what is due. */
void fake_pump(struct fake_pg *f);
/* Pumps until the expression is true; a test that waits in vain fails after a while. */
#define FAKE_WAIT(f, expression)                    \
    do {                                            \
        for (int turn_ = 0; !(expression); turn_++) \
            fake_turn((f), turn_, #expression);     \
    } while (0)
void fake_turn(struct fake_pg *f, int turn, const char *waited_for);
/* Pumps for so long, for what must not happen meanwhile. */
void fake_idle(struct fake_pg *f, int ms);

/* A parameter of a step of the oldest item, both counted from 0; null is one without data. It lives
 * as long as the item waits. */
struct bytes fake_parameter(const struct fake_session *s, int step, int parameter);

/* The newest session that serves; NULL if there is none. */
struct fake_session *fake_newest(struct fake_pg *f);
/* Each takes the oldest item off and puts its answer into the session's output. */
int64_t fake_answer(struct fake_session *s); /* the row has the item's own number */
/* Rows of these values, one after the other; one without data is null. */
int64_t fake_rows(struct fake_session *s, const struct bytes *values, int rows, int columns);
int64_t fake_error(struct fake_session *s, const char *sqlstate);
/* Between messages, at any time. */
void fake_notice(struct fake_session *s);
void fake_fatal(struct fake_session *s, const char *sqlstate);
void fake_raw(struct fake_session *s, const void *bytes, size_t len);
/* Hangs up; what is in the output is lost. */
void fake_hang_up(struct fake_session *s);
/* Sends the output and hangs up, without having read what has come: the client's socket has these
 * last words and an error at once. */
void fake_crash(struct fake_session *s);
/* Lets those go who asked for a cancel. */
void fake_release_cancels(struct fake_pg *f);
