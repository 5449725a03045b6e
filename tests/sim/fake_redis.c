#include "fake_redis.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TURN_US = 500, TURNS_MAX = 20 * 1000, SCRIPTS = 2 };

/* ---- writing ---- */

void fake_raw(struct fake_session *s, const void *bytes, size_t len)
{
    if (s->out_len + len > s->out_room) {
        s->out_room = 2 * (s->out_len + len);
        s->out = realloc(s->out, s->out_room);
        assert(s->out);
    }
    memcpy(s->out + s->out_len, bytes, len);
    s->out_len += len;
}

static void put_text(struct fake_session *s, const char *text)
{
    fake_raw(s, text, strlen(text));
}

static void put_bulk(struct fake_session *s, struct bytes text)
{
    char head[32];

    if (!text.data) {
        put_text(s, "$-1\r\n");
        return;
    }
    snprintf(head, sizeof head, "$%zu\r\n", text.len);
    put_text(s, head);
    fake_raw(s, text.data, text.len);
    put_text(s, "\r\n");
}

static void item_take(struct fake_session *s)
{
    assert(s->item_count > 0);
    free(s->items[0].bytes);
    s->item_count--;
    memmove(s->items, s->items + 1, (size_t)s->item_count * sizeof *s->items);
}

/* ---- answering by itself ---- */

static bool is_word(struct bytes part, const char *word)
{
    return part.len == strlen(word) && memcmp(part.data, word, part.len) == 0;
}

static bool is_command(const struct fake_session *s, const char *command)
{
    return s->item_count > 0 && is_word(s->items[0].parts[0], command);
}

static void answer_info(const struct fake_redis *f, struct fake_session *s)
{
    char run_id[41], replid[41], text[512];

    memset(run_id, f->run_id, 40);
    memset(replid, f->replid, 40);
    run_id[40] = replid[40] = '\0';
    if (is_word(s->items[0].parts[1], "server"))
        snprintf(text, sizeof text, "# Server\r\nredis_version:%s\r\nrun_id:%s\r\n", f->version,
                 run_id);
    else
        snprintf(text, sizeof text, "# Replication\r\nrole:%s\r\nmaster_replid:%s\r\n", f->role,
                 replid);
    item_take(s);
    put_bulk(s, bytes_text(text));
}

static void note_words(struct fake_redis *f, const struct fake_item *item)
{
    for (int i = 0; i < item->count; i++) {
        size_t len = strlen(f->words);
        snprintf(f->words + len, sizeof f->words - len, "%.*s%s", (int)item->parts[i].len,
                 (const char *)item->parts[i].data, i + 1 < item->count ? " " : ";");
    }
}

static void answer_script(const struct fake_redis *f, struct fake_session *s)
{
    char sha[41];

    memset(sha, 'a' + s->scripts, 40);
    sha[40] = '\0';
    item_take(s);
    if (f->greet_error) {
        put_text(s, f->greet_error);
        return;
    }
    put_bulk(s, bytes_text(sha));
    s->greeted = ++s->scripts == SCRIPTS;
}

static void answer_own(struct fake_redis *f, struct fake_session *s)
{
    while (!f->silent && s->item_count > 0) {
        if (f->greet_raw && !s->greeted) {
            item_take(s);
            put_text(s, f->greet_raw);
        } else if (is_command(s, "AUTH") || is_command(s, "SELECT")) {
            note_words(f, &s->items[0]);
            item_take(s);
            put_text(s, "+OK\r\n");
        } else if (is_command(s, "INFO")) {
            f->heartbeats += s->greeted;
            answer_info(f, s);
        } else if (is_command(s, "SCRIPT")) {
            answer_script(f, s);
        } else {
            break;
        }
    }
}

/* ---- answering as it is told ---- */

/* A heartbeat may have come in between, which is not the test's to answer. */

int fake_items(const struct fake_session *s)
{
    int count = 0;

    for (int i = 0; i < s->item_count; i++)
        count += !is_word(s->items[i].parts[0], "INFO");
    return count;
}

bool fake_is(struct fake_session *s, const char *command)
{
    answer_own(s->fake, s);
    return is_command(s, command);
}

void fake_answer(struct fake_session *s, const char *resp)
{
    answer_own(s->fake, s);
    item_take(s);
    put_text(s, resp);
}

void fake_answer_pair(struct fake_session *s, struct bytes first, struct bytes second)
{
    answer_own(s->fake, s);
    item_take(s);
    put_text(s, "*2\r\n");
    put_bulk(s, first);
    put_bulk(s, second);
}

/* ---- reading ---- */

/* "*3\r\n" or "$5\r\n": the number, and how long the line is; 0: it is not all there. */
static size_t read_line(const uint8_t *in, size_t len, char type, size_t *ret)
{
    const uint8_t *end = memchr(in, '\n', len);

    if (!end)
        return 0;
    assert(in[0] == (uint8_t)type);
    *ret = strtoul((const char *)in + 1, NULL, 10);
    return (size_t)(end - in) + 1;
}

/* How long the command at the start is; 0: it is not all there. */
static size_t read_item(const uint8_t *in, size_t len, struct fake_item *ret)
{
    size_t starts[FAKE_PARTS_MAX];
    size_t count, at = read_line(in, len, '*', &count);

    if (!at)
        return 0;
    assert(count <= FAKE_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t part_len, head = read_line(in + at, len - at, '$', &part_len);
        if (!head || at + head + part_len + 2 > len)
            return 0;
        starts[i] = at + head;
        ret->parts[i].len = part_len;
        at += head + part_len + 2;
    }
    ret->count = (int)count;
    ret->bytes = malloc(at);
    assert(ret->bytes);
    memcpy(ret->bytes, in, at);
    for (size_t i = 0; i < count; i++)
        ret->parts[i].data = ret->bytes + starts[i];
    return at;
}

static void parse(struct fake_session *s)
{
    size_t at = 0, len;

    while (s->fd >= 0 && at < s->in_len) {
        struct fake_item item = {0};
        len = read_item(s->in + at, s->in_len - at, &item);
        if (!len)
            break;
        at += len;
        assert(s->item_count < FAKE_ITEMS_MAX);
        s->items[s->item_count++] = item;
    }
    s->in_len -= at;
    memmove(s->in, s->in + at, s->in_len);
}

static void session_read(struct fake_session *s)
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
        parse(s);
    }
}

static void session_write(struct fake_redis *f, struct fake_session *s)
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

static void accept_all(struct fake_redis *f)
{
    int fd;

    while ((fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        assert(f->session_count < FAKE_SESSIONS_MAX);
        struct fake_session *s = calloc(1, sizeof *s);
        assert(s);
        s->fd = fd;
        s->fake = f;
        f->sessions[f->session_count++] = s;
        if (f->refuse)
            fake_hang_up(s);
    }
}

void fake_pump(struct fake_redis *f)
{
    uv_run(f->loop, UV_RUN_NOWAIT);
    accept_all(f);
    for (int i = 0; i < f->session_count; i++) {
        if (!f->ignore)
            session_read(f->sessions[i]);
        answer_own(f, f->sessions[i]);
        session_write(f, f->sessions[i]);
    }
}

void fake_turn(struct fake_redis *f, int turn, const char *waited_for)
{
    if (turn == TURNS_MAX) {
        fprintf(stderr, "waited in vain for: %s\n", waited_for);
        abort();
    }
    fake_pump(f);
    if (turn > 20)
        usleep(TURN_US);
}

void fake_idle(struct fake_redis *f, int ms)
{
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

    while (uv_hrtime() < until) {
        fake_pump(f);
        usleep(TURN_US);
    }
}

struct fake_session *fake_newest(struct fake_redis *f)
{
    for (int i = f->session_count - 1; i >= 0; i--) {
        if (f->sessions[i]->fd >= 0 && f->sessions[i]->greeted)
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
        item_take(s);
}

void fake_crash(struct fake_session *s)
{
    ssize_t sent = send(s->fd, s->out, s->out_len, MSG_NOSIGNAL);

    assert(sent == (ssize_t)s->out_len);
    s->out_len = 0;
    fake_hang_up(s);
}

/* ---- life ---- */

static void socket_path(const struct fake_redis *f, char *path, size_t size)
{
    snprintf(path, size, "%s/redis.sock", f->directory);
}

void fake_open(struct fake_redis *f, uv_loop_t *loop)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *f = (struct fake_redis){
        .loop = loop, .version = "7.0.15", .role = "master", .run_id = '1', .replid = '2'};
    snprintf(f->directory, sizeof f->directory, "/tmp/balanced-fake-XXXXXX");
    char *made = mkdtemp(f->directory);
    assert(made);
    snprintf(f->url, sizeof f->url, "unix://%s/redis.sock", f->directory);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socket_path(f, address.sun_path, sizeof address.sun_path);
    int failed =
        bind(f->listener, (struct sockaddr *)&address, sizeof address) || listen(f->listener, 128);
    assert(!failed);
}

void fake_close(struct fake_redis *f)
{
    char path[128];

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
