/* Small files of the operator's that may be replaced while the program runs: a table of tokens, a
 * certificate. Read whole, and read anew when they have changed, by whatever way: another file
 * under the name, a symbolic link that leads elsewhere, as Kubernetes does it, or other content.
 *
 * A file that is just being written is left alone: it counts as changed when two looks, one after
 * the other, found the same. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

/* All zeros: there is no such file. */
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written, changed;
};

struct file {
    const char *path; /* borrowed */
    struct file_stamp read, seen;
    bool world_readable; /* as it was read */
};

/* `ret` is text, with a zero byte behind its `ret_len` bytes, for free(). On failure `why` says
 * what is wrong with which file, and the file counts as read: the next look finds no change. */
MUST_CHECK enum err file_read(struct file *f, size_t max, char **ret, size_t *ret_len, char *why,
                              size_t why_size);
/* A look: whether the file is to be read anew. */
bool file_has_changed(struct file *f);
