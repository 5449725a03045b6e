#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct file_stamp stamp_of(const struct stat *s)
{
    return (struct file_stamp){
        .device = s->st_dev,
        .inode = s->st_ino,
        .size = s->st_size,
        .written = s->st_mtim,
        .changed = s->st_ctim,
    };
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(&a->written, &b->written) && same_time(&a->changed, &b->changed);
}

/* Up to its end, or to one byte more than there may be. False with errno. */
static bool read_all(int fd, char *out, size_t size, size_t *ret_len)
{
    size_t len = 0;

    while (len < size) {
        ssize_t got = read(fd, out + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *ret_len = len;
    return true;
}

static enum err read_open(struct file *f, int fd, size_t max, char **ret, size_t *ret_len,
                          char *why, size_t why_size)
{
    struct stat before;
    size_t len;

    if (fstat(fd, &before) != 0 || !S_ISREG(before.st_mode)) {
        snprintf(why, why_size, "%s is not a regular file", f->path);
        return ERR_INVALID;
    }
    f->read = stamp_of(&before);
    f->world_readable = before.st_mode & S_IROTH;
    char *text = malloc(max + 1);
    assert(text);
    if (!read_all(fd, text, max + 1, &len)) {
        snprintf(why, why_size, "%s cannot be read: %s", f->path, strerror(errno));
        free(text);
        return ERR_INVALID;
    }
    if (len > max) {
        snprintf(why, why_size, "%s has more than %zu bytes", f->path, max);
        free(text);
        return ERR_INVALID;
    }
    text[len] = '\0';
    *ret = text;
    *ret_len = len;
    return ERR_OK;
}

enum err file_read(struct file *f, size_t max, char **ret, size_t *ret_len, char *why,
                   size_t why_size)
{
    /* Not blocking: what has the name may be a pipe that nobody writes to. */
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    f->read = f->seen = (struct file_stamp){0};
    if (fd < 0) {
        snprintf(why, why_size, "%s cannot be read: %s", f->path, strerror(errno));
        return ERR_INVALID;
    }
    enum err err = read_open(f, fd, max, ret, ret_len, why, why_size);
    f->seen = f->read;
    close(fd);
    return err;
}

bool file_has_changed(struct file *f)
{
    struct file_stamp now = {0};
    struct stat s;

    if (stat(f->path, &s) == 0)
        now = stamp_of(&s);
    bool stands_still = same(&now, &f->seen);
    f->seen = now;
    return stands_still && !same(&now, &f->read);
}
