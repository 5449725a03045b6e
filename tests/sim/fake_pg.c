#include "fake_pg.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/id.h"

enum {
    CANCEL_CODE = 80877102,
    OID_INT8 = 20,
    KEY_BYTES = 32,
    ORIGIN_BYTES = 16,
    TURN_US = 500,
    TURNS_MAX = 20 * 1000,
};

/* ---- writing ---- */

static void put(struct fake_session *s, const void *bytes, size_t len)
{
    if (s->out_len + len > s->out_room) {
        s->out_room = 2 * (s->out_len + len);
        s->out = realloc(s->out, s->out_room);
        assert(s->out);
    }
    memcpy(s->out + s->out_len, bytes, len);
    s->out_len += len;
}

struct body {
    uint8_t bytes[16 * 1024];
    size_t len;
};

static void add(struct body *b, const void *bytes, size_t len)
{
    assert(b->len + len <= sizeof b->bytes);
    memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
}

static void add_text(struct body *b, const char *text)
{
    add(b, text, strlen(text) + 1);
}

static void add_number(struct body *b, int64_t value, int bytes)
{
    uint8_t out[8];

    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
    add(b, out, (size_t)bytes);
}

static void put_message(struct fake_session *s, char type, const struct body *b)
{
    struct body head = {.len = 0};

    add(&head, &type, 1);
    add_number(&head, (int64_t)b->len + 4, 4);
    put(s, head.bytes, head.len);
    put(s, b->bytes, b->len);
}

static void put_empty(struct fake_session *s, char type)
{
    put_message(s, type, &(struct body){.len = 0});
}

static void put_ready(struct fake_session *s)
{
    struct body b = {.len = 0};

    add(&b, "I", 1);
    put_message(s, 'Z', &b);
}

/* Rows of as many columns. A value without data is null. */
static void put_rows(struct fake_session *s, const struct bytes *values, int rows, int columns)
{
    struct body b = {.len = 0};

    add_number(&b, columns, 2);
    for (int i = 0; i < columns; i++) {
        add_text(&b, "column");
        add_number(&b, 0, 4);
        add_number(&b, 0, 2);
        add_number(&b, OID_INT8, 4);
        add_number(&b, 8, 2);
        add_number(&b, -1, 4);
        add_number(&b, 1, 2);
    }
    put_message(s, 'T', &b);
    for (int row = 0; row < rows; row++) {
        b.len = 0;
        add_number(&b, columns, 2);
        for (int i = 0; i < columns; i++, values++) {
            add_number(&b, values->data ? (int64_t)values->len : -1, 4);
            if (values->data)
                add(&b, values->data, values->len);
        }
        put_message(s, 'D', &b);
    }
    b.len = 0;
    add_text(&b, "SELECT 1");
    put_message(s, 'C', &b);
}

static void put_number_row(struct fake_session *s, int64_t value)
{
    struct body b = {.len = 0};

    add_number(&b, value, 8);
    put_rows(s, &(struct bytes){(const uint8_t *)b.bytes, b.len}, 1, 1);
}

static void put_problem(struct fake_session *s, char type, const char *severity,
                        const char *sqlstate)
{
    struct body b = {.len = 0};

    add_text(&b, severity[0] == 'F' ? "SFATAL" : severity[0] == 'E' ? "SERROR" : "SNOTICE");
    add_text(&b, severity[0] == 'F' ? "VFATAL" : severity[0] == 'E' ? "VERROR" : "VNOTICE");
    add(&b, "C", 1);
    add_text(&b, sqlstate);
    add_text(&b, "Mas the test wants");
    add(&b, "", 1);
    put_message(s, type, &b);
}

static void greet(struct fake_session *s)
{
    static const char *const settings[][2] = {
        {"server_version", "15.0"},
        {"client_encoding", "UTF8"},
        {"standard_conforming_strings", "on"},
        {"integer_datetimes", "on"},
    };
    struct body b = {.len = 0};

    add_number(&b, 0, 4);
    put_message(s, 'R', &b);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        b.len = 0;
        add_text(&b, settings[i][0]);
        add_text(&b, settings[i][1]);
        put_message(s, 'S', &b);
    }
    b.len = 0;
    add_number(&b, s->pid, 4);
    add_number(&b, s->pid, 4);
    put_message(s, 'K', &b);
    put_ready(s);
    s->state = FAKE_GREETED;
}

/* Settings, each of the statements, the key of the tokens and the database's name. */
static void answer_handshake(struct fake_pg *f, struct fake_session *s)
{
    const uint8_t key[KEY_BYTES] = {1, 2, 3};
    const uint8_t origin[ORIGIN_BYTES] = {(uint8_t)f->origin};
    const struct bytes row[] = {bytes_of(key, sizeof key),
                                bytes_of(f->standby ? NULL : origin, sizeof origin)};

    put_empty(s, '1');
    if (s->greeted == 0) {
        put_empty(s, '2');
        put_number_row(s, 0);
    } else if (s->greeted > f->statement_count) {
        put_empty(s, '2');
        put_rows(s, row, 1, 2);
        s->state = FAKE_SERVING;
    }
    put_ready(s);
    s->greeted++;
}

static int64_t take(struct fake_session *s)
{
    assert(s->item_count > 0);
    int64_t item = s->items[0];

    free(s->bounds[0]);
    s->item_count--;
    memmove(s->items, s->items + 1, (size_t)s->item_count * sizeof *s->items);
    memmove(s->steps, s->steps + 1, (size_t)s->item_count * sizeof *s->steps);
    memmove(s->names, s->names + 1, (size_t)s->item_count * sizeof *s->names);
    memmove(s->bounds, s->bounds + 1, (size_t)s->item_count * sizeof *s->bounds);
    return item;
}

/* The rows of the steps before the last, which nobody is to look at. */
static int64_t take_with_steps(struct fake_session *s)
{
    for (int i = 1; i < s->steps[0]; i++) {
        put_empty(s, '2');
        put_number_row(s, -100 - i);
    }
    return take(s);
}

/* Signs of life are answered as their turn comes. */
static void answer_pings(struct fake_session *s)
{
    while (s->item_count > 0 && s->items[0] == FAKE_PING) {
        take(s);
        put_ready(s);
    }
}

int64_t fake_answer(struct fake_session *s)
{
    int64_t item = take_with_steps(s);

    put_empty(s, '2');
    put_number_row(s, item == FAKE_VERSION ? s->fake->version : item);
    put_ready(s);
    return item;
}

int64_t fake_rows(struct fake_session *s, const struct bytes *values, int rows, int columns)
{
    int64_t item = take_with_steps(s);

    put_empty(s, '2');
    put_rows(s, values, rows, columns);
    put_ready(s);
    return item;
}

int64_t fake_error(struct fake_session *s, const char *sqlstate)
{
    int64_t item = take_with_steps(s);

    put_empty(s, '2');
    put_problem(s, 'E', "ERROR", sqlstate);
    put_ready(s);
    return item;
}

void fake_notice(struct fake_session *s)
{
    put_problem(s, 'N', "NOTICE", "00000");
}

void fake_fatal(struct fake_session *s, const char *sqlstate)
{
    put_problem(s, 'E', "FATAL", sqlstate);
}

void fake_raw(struct fake_session *s, const void *bytes, size_t len)
{
    put(s, bytes, len);
}

/* ---- reading ---- */

static const int64_t NULL_LENGTH = 0xffffffff; /* -1 */

static int64_t number_at(const uint8_t *in, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return (int64_t)value;
}

/* The parameters of a Bind: after two names and the formats. */
static const uint8_t *bind_parameters(const uint8_t *in)
{
    in += strlen((const char *)in) + 1;
    in += strlen((const char *)in) + 1;
    return in + 2 + 2 * number_at(in, 2);
}

static const uint8_t *parameter_end(const uint8_t *in)
{
    int64_t len = number_at(in, 4);

    return in + 4 + (len == NULL_LENGTH ? 0 : len);
}

/* What follows a Bind: its parameters, and the formats of the results. */
static const uint8_t *bind_end(const uint8_t *in)
{
    in = bind_parameters(in);
    int64_t count = number_at(in, 2);

    in += 2;
    for (int64_t i = 0; i < count; i++)
        in = parameter_end(in);
    return in + 2 + 2 * number_at(in, 2);
}

struct bytes fake_parameter(const struct fake_session *s, int step, int parameter)
{
    const uint8_t *in = s->bounds[0];

    assert(s->item_count > 0 && step < s->steps[0]);
    for (int i = 0; i < step; i++)
        in = bind_end(in);
    in = bind_parameters(in);
    assert(parameter < number_at(in, 2));
    in += 2;
    for (int i = 0; i < parameter; i++)
        in = parameter_end(in);
    const uint8_t *end = parameter_end(in);
    return number_at(in, 4) == NULL_LENGTH ? bytes_of(NULL, 0)
                                           : bytes_of(in + 4, (size_t)(end - in - 4));
}

static int64_t first_parameter(const uint8_t *in)
{
    in = bind_parameters(in);
    if (number_at(in, 2) == 0)
        return FAKE_NOTHING;
    if (number_at(in + 2, 4) == sizeof(struct id))
        return FAKE_VERSION;
    if (number_at(in + 2, 4) != 8)
        return FAKE_NOTHING;
    return number_at(in + 6, 8);
}

static void take_bind(struct fake_session *s, struct bytes bind)
{
    s->binds++;
    /* After the portal's name, which is empty. */
    snprintf(s->bind_name, sizeof s->bind_name, "%s", (const char *)bind.data + 1);
    s->bind = first_parameter(bind.data);
    s->bound = realloc(s->bound, s->bound_len + bind.len);
    assert(s->bound);
    memcpy(s->bound + s->bound_len, bind.data, bind.len);
    s->bound_len += bind.len;
}

static void take_message(struct fake_pg *f, struct fake_session *s, char type, struct bytes body)
{
    if (type == 'X') {
        fake_hang_up(s);
    } else if (type == 'B' && s->state == FAKE_SERVING) {
        take_bind(s, body);
    } else if (type == 'S' && s->state == FAKE_GREETED) {
        if (!f->stop_prepare)
            answer_handshake(f, s);
    } else if (type == 'S') {
        assert(s->item_count < FAKE_ITEMS_MAX);
        s->steps[s->item_count] = s->binds;
        memcpy(s->names[s->item_count], s->bind_name, sizeof s->bind_name);
        s->bounds[s->item_count] = s->bound;
        s->items[s->item_count++] = s->binds ? s->bind : FAKE_PING;
        s->binds = 0;
        s->bound = NULL;
        s->bound_len = 0;
    }
}

static void take_startup(struct fake_pg *f, struct fake_session *s, const uint8_t *body)
{
    if (number_at(body, 4) != CANCEL_CODE) {
        f->accepted++;
        if (f->refuse)
            fake_hang_up(s);
        else if (!f->silent)
            greet(s);
        return;
    }
    assert(number_at(body + 4, 4) == number_at(body + 8, 4));
    f->cancels[f->cancel_count++] = (int)number_at(body + 4, 4);
    if (f->hold_cancels) {
        f->held[f->held_count++] = s->fd;
        s->fd = -1;
    } else {
        fake_hang_up(s);
    }
}

static void parse(struct fake_pg *f, struct fake_session *s)
{
    size_t at = 0;

    while (s->fd >= 0) {
        size_t head = s->state == FAKE_STARTING ? 0 : 1;
        if (s->in_len - at < head + 4)
            break;
        size_t len = (size_t)number_at(s->in + at + head, 4);
        if (s->in_len - at < head + len)
            break;
        const uint8_t *message = s->in + at;
        at += head + len;
        if (head == 0) {
            take_startup(f, s, message + 4);
            if (s->state == FAKE_STARTING)
                break;
        } else {
            take_message(f, s, (char)message[0], bytes_of(message + 5, len - 4));
        }
    }
    s->in_len -= at;
    memmove(s->in, s->in + at, s->in_len);
}

static void session_read(struct fake_pg *f, struct fake_session *s)
{
    while (s->fd >= 0) {
        if (s->in_room - s->in_len < 4096) {
            s->in_room = 2 * s->in_room + 8192;
            s->in = realloc(s->in, s->in_room);
            assert(s->in);
        }
        ssize_t got = read(s->fd, s->in + s->in_len, s->in_room - s->in_len);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            fake_hang_up(s);
        if (got <= 0)
            return;
        s->in_len += (size_t)got;
        parse(f, s);
    }
}

static void session_write(struct fake_pg *f, struct fake_session *s)
{
    if (s->fd < 0 || s->out_len == 0)
        return;
    size_t len = f->split > 0 && f->split < s->out_len ? f->split : s->out_len;
    ssize_t sent = send(s->fd, s->out, len, MSG_NOSIGNAL);
    if (sent <= 0)
        return;
    s->out_len -= (size_t)sent;
    memmove(s->out, s->out + sent, s->out_len);
}

/* ---- turning ---- */

static void accept_all(struct fake_pg *f)
{
    int fd;

    while ((fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        assert(f->session_count < FAKE_SESSIONS_MAX);
        struct fake_session *s = calloc(1, sizeof *s);
        assert(s);
        s->fd = fd;
        f->sessions[f->session_count++] = s;
        s->fake = f;
        s->pid = f->session_count;
    }
}

void fake_pump(struct fake_pg *f)
{
    uv_run(f->loop, UV_RUN_NOWAIT);
    accept_all(f);
    for (int i = 0; i < f->session_count; i++) {
        session_read(f, f->sessions[i]);
        answer_pings(f->sessions[i]);
        session_write(f, f->sessions[i]);
    }
}

void fake_turn(struct fake_pg *f, int turn, const char *waited_for)
{
    if (turn == TURNS_MAX) {
        fprintf(stderr, "waited in vain for: %s\n", waited_for);
        abort();
    }
    fake_pump(f);
    if (turn > 20)
        usleep(TURN_US);
}

void fake_idle(struct fake_pg *f, int ms)
{
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

    while (uv_hrtime() < until) {
        fake_pump(f);
        usleep(TURN_US);
    }
}

struct fake_session *fake_newest(struct fake_pg *f)
{
    for (int i = f->session_count - 1; i >= 0; i--) {
        if (f->sessions[i]->fd >= 0 && f->sessions[i]->state == FAKE_SERVING)
            return f->sessions[i];
    }
    return NULL;
}

void fake_hang_up(struct fake_session *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    while (s->item_count > 0)
        free(s->bounds[--s->item_count]);
    free(s->bound);
    s->bound = NULL;
    s->bound_len = 0;
}

void fake_crash(struct fake_session *s)
{
    ssize_t sent = send(s->fd, s->out, s->out_len, MSG_NOSIGNAL);

    assert(sent == (ssize_t)s->out_len);
    s->out_len = 0;
    fake_hang_up(s);
}

void fake_release_cancels(struct fake_pg *f)
{
    while (f->held_count > 0)
        close(f->held[--f->held_count]);
}

/* ---- life ---- */

static void socket_path(const struct fake_pg *f, char *path, size_t size)
{
    snprintf(path, size, "%s/.s.PGSQL.5432", f->directory);
}

void fake_open(struct fake_pg *f, uv_loop_t *loop, int statement_count)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *f = (struct fake_pg){.loop = loop, .statement_count = statement_count};
    snprintf(f->directory, sizeof f->directory, "/tmp/balanced-fake-XXXXXX");
    char *made = mkdtemp(f->directory);
    assert(made);
    snprintf(f->url, sizeof f->url, "host=%s port=5432 user=balanced dbname=balanced",
             f->directory);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socket_path(f, address.sun_path, sizeof address.sun_path);
    int failed =
        bind(f->listener, (struct sockaddr *)&address, sizeof address) || listen(f->listener, 128);
    assert(!failed);
}

void fake_close(struct fake_pg *f)
{
    char path[128];

    fake_release_cancels(f);
    for (int i = 0; i < f->session_count; i++) {
        fake_hang_up(f->sessions[i]);
        free(f->sessions[i]->in);
        free(f->sessions[i]->out);
        free(f->sessions[i]);
    }
    close(f->listener);
    socket_path(f, path, sizeof path);
    unlink(path);
    rmdir(f->directory);
}
