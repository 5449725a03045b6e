/* Ids are UUIDs: 16 bytes inside, canonical lower-case text ("8-4-4-4-12") outside. The wire knows
 * no other spelling, so that one id has one text and texts may be compared as ids. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

enum { ID_TEXT_LEN = 36 };

struct id {
    uint8_t bytes[16];
};

/* Room for the text and its end. */
struct id_text {
    char text[ID_TEXT_LEN + 1];
};

/* ERR_INVALID unless `text` is canonical: upper case, braces, "urn:uuid:" and blanks are not. */
MUST_CHECK enum err id_parse(const char *text, struct id *ret);
struct id_text id_format(const struct id *id);
/* A random (version 4) UUID. */
struct id id_random(void);
/* The version 5 UUID of `name` in the namespace `of`: the same for ever for the same two. */
struct id id_derived(const struct id *of, const char *name);

/* Byte order, which is the order of the texts and of PostgreSQL. */
static inline int id_compare(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static inline bool id_equal(const struct id *a, const struct id *b)
{
    return id_compare(a, b) == 0;
}

/* All zeros: the id of nothing. */
static inline bool id_is_nil(const struct id *id)
{
    return id_equal(id, &(const struct id){0});
}
