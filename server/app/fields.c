#include "app/fields.h"

#include <stdarg.h>
#include <stdio.h>

#include "app/json.h"
#include "app/message.h"
#include "base/limits.h"
#include "base/utf8.h"

enum { NANOS_PER_US = 1000, NANOS_MAX = 999999999, FIELD_NAME_MAX = 96 };

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the range of Timestamp. */
static const int64_t seconds_min = INT64_C(-62135596800), seconds_max = INT64_C(253402300799);

void field_wrong(struct call *c, const char *field, const char *format, ...)
{
    char description[256];
    va_list args;

    va_start(args, format);
    vsnprintf(description, sizeof description, format, args);
    va_end(args);
    status_violation(&c->status, &c->arena, field, "%s", description);
}

bool field_optional_id(struct call *c, const char *field, const char *text, struct id *ret)
{
    if (!*text)
        return false;
    if (id_parse(text, ret) != ERR_OK)
        field_wrong(c, field,
                    "must be a UUID in lower-case canonical form, like "
                    "2714e483-4ff1-48e4-9e25-ac732e8f24f2");
    else if (id_is_nil(ret))
        field_wrong(c, field, "must not be all zeros, which is nobody's id");
    else
        return true;
    return false;
}

void field_credit_type(struct call *c, const char *field, char **text, struct id *ret)
{
    if (!**text)
        *text = text_borrow("2714e483-4ff1-48e4-9e25-ac732e8f24f2");
    field_id(c, field, *text, ret);
}

void field_id(struct call *c, const char *field, const char *text, struct id *ret)
{
    if (*text)
        field_optional_id(c, field, text, ret);
    else
        field_wrong(c, field, "is required");
}

static bool whole_us(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                     int32_t rounding, instant *ret)
{
    if (!t)
        return false;
    if (t->seconds < seconds_min || t->seconds > seconds_max) {
        field_wrong(c, field, "must be from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z");
        return false;
    }
    if (t->nanos < 0 || t->nanos > NANOS_MAX) {
        field_wrong(c, field, "has nanos outside of 0 to 999999999");
        return false;
    }
    *ret = t->seconds * 1000000 + (t->nanos + rounding) / NANOS_PER_US;
    return true;
}

bool field_instant_down(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                        instant *ret)
{
    return whole_us(c, field, t, 0, ret);
}

bool field_instant_up(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                      instant *ret)
{
    return whole_us(c, field, t, NANOS_PER_US - 1, ret);
}

bool field_instant(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                   instant *ret)
{
    if (!whole_us(c, field, t, 0, ret))
        return false;
    if (t->nanos % NANOS_PER_US == 0)
        return true;
    field_wrong(c, field, "must be a whole number of microseconds: nanos a multiple of 1000");
    return false;
}

bool field_required_instant(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                            instant *ret)
{
    if (t)
        return field_instant(c, field, t, ret);
    field_wrong(c, field, "is required");
    return false;
}

bool field_amount(struct call *c, const char *field, char **text, amount *ret)
{
    if (!**text) {
        field_wrong(c, field, "is required");
        return false;
    }
    switch (amount_parse(bytes_text(*text), ret)) {
    case ERR_OK:
        break;
    case ERR_RANGE:
        field_wrong(c, field, "has more than %d integer or %d fractional digits",
                    AMOUNT_INTEGER_DIGITS, AMOUNT_SCALE);
        return false;
    default:
        field_wrong(c, field, "must be a decimal number, like 125 or -0.5");
        return false;
    }
    char *shortest = message_amount(&c->arena, *ret);
    if (shortest) /* else the arena is full, which the method will see */
        *text = shortest;
    return true;
}

bool field_amount_from_zero(struct call *c, const char *field, char **text, amount *ret)
{
    if (!field_amount(c, field, text, ret))
        return false;
    if (*ret >= 0)
        return true;
    field_wrong(c, field, "must not be negative");
    return false;
}

void field_text(struct call *c, const char *field, const char *text, size_t characters_max)
{
    if (utf8_length(text) > characters_max)
        field_wrong(c, field, "must have at most %zu characters", characters_max);
}

void field_required_text(struct call *c, const char *field, const char *text, size_t characters_max)
{
    if (*text)
        field_text(c, field, text, characters_max);
    else
        field_wrong(c, field, "is required");
}

bool field_count(struct call *c, const char *field, size_t count, size_t max)
{
    if (count <= max)
        return true;
    field_wrong(c, field, "must have at most %zu items", max);
    return false;
}

enum err field_ids(struct call *c, const char *field, char *const *texts, size_t count,
                   struct id **ret)
{
    char name[FIELD_NAME_MAX];

    *ret = NULL;
    if (!field_count(c, field, count, LIST_ITEMS_MAX))
        return ERR_OK;
    *ret = arena_array(&c->arena, count, sizeof **ret);
    if (!*ret)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s[%zu]", field, i);
        field_id(c, name, texts[i], &(*ret)[i]);
    }
    return ERR_OK;
}

void field_tags(struct call *c, const char *field, char *const *texts, size_t count)
{
    char name[FIELD_NAME_MAX];

    if (!field_count(c, field, count, LIST_ITEMS_MAX))
        return;
    for (size_t i = 0; i < count; i++) {
        if (*texts[i])
            continue;
        snprintf(name, sizeof name, "%s[%zu]", field, i);
        field_wrong(c, name, "must not be empty");
    }
}

void field_json(struct call *c, const char *field, struct bytes json)
{
    if (json.data && utf8_length((const char *)json.data) > JSON_CHARACTERS_MAX)
        field_wrong(c, field, "must have at most %d characters as JSON", JSON_CHARACTERS_MAX);
}

struct bytes field_map(struct call *c, const char *field, struct text_pair *const *pairs,
                       size_t count)
{
    if (!field_count(c, field, count, CUSTOM_FIELDS_MAX))
        return bytes_of(NULL, 0);
    struct bytes json = json_map(&c->arena, pairs, count);
    field_json(c, field, json);
    return json;
}

void field_version(struct call *c, const char *field, int64_t version)
{
    if (version < 1)
        field_wrong(c, field, "must be the version that was read, which is 1 or more");
}

int field_limit(struct call *c, const char *field, int32_t value, int initial, int max)
{
    if (value == 0)
        return initial;
    if (value < 0 || value > max)
        field_wrong(c, field, "must be from 1 to %d, or 0 for %d", max, initial);
    return value;
}
