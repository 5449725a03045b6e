#include "app/json.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    CHARACTER_BYTES_MAX = 6, /* "\u001f" */
    TEXT_FRAME_BYTES = 6,    /* quotes, a comma or a colon, a blank */
    MEMBERS_BYTES_MAX = 256, /* the names of a specifier's members, with brackets */
};

/* Grows into memory that is large enough for anything that it is given. */
struct out {
    char *start, *at, *end;
};

static bool out_open(struct out *out, struct arena *a, size_t bytes_max)
{
    out->start = out->at = arena_raw(a, bytes_max);
    if (!out->start)
        return false;
    out->end = out->start + bytes_max;
    return true;
}

static struct bytes out_close(const struct out *out)
{
    assert(out->at <= out->end);
    return bytes_of(out->start, (size_t)(out->at - out->start));
}

static void put(struct out *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out->at, text, len);
    out->at += len;
}

static void put_text(struct out *out, const char *text)
{
    char escaped[CHARACTER_BYTES_MAX + 1];

    put(out, "\"");
    for (; *text; text++) {
        switch (*text) {
        case '\b':
            put(out, "\\b");
            break;
        case '\f':
            put(out, "\\f");
            break;
        case '\n':
            put(out, "\\n");
            break;
        case '\r':
            put(out, "\\r");
            break;
        case '\t':
            put(out, "\\t");
            break;
        case '"':
            put(out, "\\\"");
            break;
        case '\\':
            put(out, "\\\\");
            break;
        default:
            if ((unsigned char)*text < ' ') {
                snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*text);
                put(out, escaped);
            } else {
                *out->at++ = *text;
            }
        }
    }
    put(out, "\"");
}

static void put_map(struct out *out, struct text_pair *const *pairs, size_t count)
{
    put(out, "{");
    for (size_t i = 0; i < count; i++) {
        put(out, i > 0 ? ", " : "");
        put_text(out, pairs[i]->key);
        put(out, ": ");
        put_text(out, pairs[i]->value);
    }
    put(out, "}");
}

static size_t text_bytes_max(const char *text)
{
    return CHARACTER_BYTES_MAX * strlen(text) + TEXT_FRAME_BYTES;
}

static size_t map_bytes_max(struct text_pair *const *pairs, size_t count)
{
    size_t bytes = TEXT_FRAME_BYTES;

    for (size_t i = 0; i < count; i++)
        bytes += text_bytes_max(pairs[i]->key) + text_bytes_max(pairs[i]->value);
    return bytes;
}

struct bytes json_map(struct arena *a, struct text_pair *const *pairs, size_t count)
{
    struct out out;

    if (!out_open(&out, a, map_bytes_max(pairs, count) + 1))
        return bytes_of(NULL, 0);
    put_map(&out, pairs, count);
    *out.at = '\0';
    return out_close(&out);
}

static struct text_pair *const *pricing(const Balances__V1__Specifier *s)
{
    return (struct text_pair *const *)s->pricing_group_values;
}

static struct text_pair *const *presentation(const Balances__V1__Specifier *s)
{
    return (struct text_pair *const *)s->presentation_group_values;
}

static void put_member(struct out *out, bool *first, const char *name)
{
    put(out, *first ? "" : ", ");
    put_text(out, name);
    put(out, ": ");
    *first = false;
}

/* What is absent asks for nothing. */
static void put_specifier(struct out *out, const Balances__V1__Specifier *s)
{
    bool first = true;

    put(out, "{");
    if (*s->product_id) {
        put_member(out, &first, "product_id");
        put_text(out, s->product_id);
    }
    if (s->n_product_tags > 0) {
        put_member(out, &first, "product_tags");
        put(out, "[");
        for (size_t i = 0; i < s->n_product_tags; i++) {
            put(out, i > 0 ? ", " : "");
            put_text(out, s->product_tags[i]);
        }
        put(out, "]");
    }
    if (s->n_pricing_group_values > 0) {
        put_member(out, &first, "pricing_group_values");
        put_map(out, pricing(s), s->n_pricing_group_values);
    }
    if (s->n_presentation_group_values > 0) {
        put_member(out, &first, "presentation_group_values");
        put_map(out, presentation(s), s->n_presentation_group_values);
    }
    put(out, "}");
}

struct bytes json_specifiers(struct arena *a, Balances__V1__Specifier *const *specifiers,
                             size_t count)
{
    size_t bytes_max = TEXT_FRAME_BYTES;
    struct out out;

    for (size_t i = 0; i < count; i++) {
        const Balances__V1__Specifier *s = specifiers[i];
        bytes_max += MEMBERS_BYTES_MAX + text_bytes_max(s->product_id) +
                     map_bytes_max(pricing(s), s->n_pricing_group_values) +
                     map_bytes_max(presentation(s), s->n_presentation_group_values);
        for (size_t j = 0; j < s->n_product_tags; j++)
            bytes_max += text_bytes_max(s->product_tags[j]);
    }
    if (!out_open(&out, a, bytes_max))
        return bytes_of(NULL, 0);
    put(&out, "[");
    for (size_t i = 0; i < count; i++) {
        put(&out, i > 0 ? ", " : "");
        put_specifier(&out, specifiers[i]);
    }
    put(&out, "]");
    *out.at = '\0';
    return out_close(&out);
}
