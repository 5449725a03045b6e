/* The one file that sees libuuid, whose prefix ours must not share. */
#include "base/id.h"

#include <uuid/uuid.h>

/* Texts are read and written here, for every call several times: libuuid takes other spellings too,
 * and a microsecond. */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool is_hyphen(int at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

enum err id_parse(const char *text, struct id *ret)
{
    struct id id;
    int at = 0;

    /* A text that is too short ends in a zero, which is no digit. */
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        if (is_hyphen(at) && text[at++] != '-')
            return ERR_INVALID;
        int high = hex_value(text[at]);
        int low = high < 0 ? -1 : hex_value(text[at + 1]);
        if (low < 0)
            return ERR_INVALID;
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    if (text[at])
        return ERR_INVALID;
    *ret = id;
    return ERR_OK;
}

struct id_text id_format(const struct id *id)
{
    static const char digits[] = "0123456789abcdef";
    struct id_text ret;
    int at = 0;

    for (size_t i = 0; i < sizeof id->bytes; i++) {
        if (is_hyphen(at))
            ret.text[at++] = '-';
        ret.text[at++] = digits[id->bytes[i] >> 4];
        ret.text[at++] = digits[id->bytes[i] & 15];
    }
    ret.text[at] = '\0';
    return ret;
}

struct id id_random(void)
{
    struct id ret;

    uuid_generate_random(ret.bytes);
    return ret;
}

struct id id_derived(const struct id *of, const char *name)
{
    struct id ret;

    uuid_generate_sha1(ret.bytes, of->bytes, name, strlen(name));
    return ret;
}
