/* Where writes wait: in line behind the others with the same key, one at a time, and for a moment
 * before they try again. Each worker has its own; two workers meet in the database.
 *
 *     OUT --enter--> WAITING --turn--> CALLING --called back--> HOLDING --leave--> OUT
 *                       '--cancel, or the line is too long--> CALLING --> OUT
 *     HOLDING --pause--> PAUSED --time, or cancel--> CALLING --> HOLDING
 *
 * line_enter() and line_pause() return nothing and call back exactly once, on the loop thread,
 * never before they return. The place is embedded in the caller's, and lives until it has left. */
#pragma once

#include <uv.h>

#include "base/err.h"
#include "base/id.h"
#include "base/later.h"
#include "base/list.h"
#include "base/metrics.h"

enum { LINE_BUCKETS = 256 };

enum line_state { LINE_OUT, LINE_WAITING, LINE_CALLING, LINE_HOLDING, LINE_PAUSED };

struct line_place;

/* ERR_OK: it is this one's turn, or the pause is over. ERR_EXHAUSTED: too many wait, and
 * ERR_CANCELLED: line_cancel(); either way it is not in line. */
typedef void line_done_fn(struct line_place *place, enum err err);

struct line_place {
    struct id key;
    enum line_state state;
    enum err err; /* what it will be called back with */
    line_done_fn *done;
    struct list link; /* in its bucket, in the order of arrival */
    struct list soon; /* while it is paused or about to be called back */
};

struct lines {
    struct list buckets[LINE_BUCKETS];
    struct metrics *metrics;
    struct later calling;
    struct list paused;
    uv_timer_t pause;
    int handles;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* `metrics` are this thread's and outlive the lines. */
void lines_open(struct lines *l, uv_loop_t *loop, struct metrics *metrics);
/* Nobody is in line any more. Calls `closed` when its handles are. */
void lines_close(struct lines *l, void (*closed)(void *arg), void *arg);

void line_place_init(struct line_place *place);
void line_enter(struct lines *l, struct line_place *place, const struct id *key,
                line_done_fn *done);
/* For WRITE_PAUSE_MS at most, without giving the turn away. */
void line_pause(struct lines *l, struct line_place *place);
/* The last one of this key that is in line, if it is called back by `done`; NULL otherwise. */
struct line_place *line_last(struct lines *l, const struct id *key, line_done_fn *done);
/* Makes one that waits or pauses call back soon. */
void line_cancel(struct lines *l, struct line_place *place);
/* Gives the turn to the next. Does nothing where the place is not in line. */
void line_leave(struct lines *l, struct line_place *place);
