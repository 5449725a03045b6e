/* A borrowed run of bytes. Whoever hands one out says until when it lives. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){data, len};
}

static inline struct bytes bytes_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

/* For a generated message or a library whose fields are not const, though nobody writes to them. */
static inline char *text_borrow(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = {text};

    return u.out;
}
