/* The one file that sees libuuid, whose prefix ours must not share. */
#include "base/id.h"

#include <uuid/uuid.h>

enum err id_parse(const char *text, struct id *ret)
{
    uuid_t parsed;
    struct id_text again;

    if (strlen(text) != ID_TEXT_LEN || uuid_parse(text, parsed) != 0)
        return ERR_INVALID;
    /* libuuid takes upper case too; the canonical text is the one that it would write itself. */
    uuid_unparse_lower(parsed, again.text);
    if (strcmp(text, again.text) != 0)
        return ERR_INVALID;
    memcpy(ret->bytes, parsed, sizeof ret->bytes);
    return ERR_OK;
}

struct id_text id_format(const struct id *id)
{
    struct id_text ret;

    uuid_unparse_lower(id->bytes, ret.text);
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
