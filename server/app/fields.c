#include "app/fields.h"

#include <stdarg.h>
#include <stdio.h>

enum { NANOS_PER_US = 1000, NANOS_MAX = 999999999 };

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
    if (id_parse(text, ret) == ERR_OK)
        return true;
    field_wrong(c, field,
                "must be a UUID in lower-case canonical form, like "
                "2714e483-4ff1-48e4-9e25-ac732e8f24f2");
    return false;
}

void field_id(struct call *c, const char *field, const char *text, struct id *ret)
{
    if (*text)
        field_optional_id(c, field, text, ret);
    else
        field_wrong(c, field, "is required");
}

static bool read_instant(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
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
    return read_instant(c, field, t, 0, ret);
}

bool field_instant_up(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                      instant *ret)
{
    return read_instant(c, field, t, NANOS_PER_US - 1, ret);
}

int field_limit(struct call *c, const char *field, int32_t value, int initial, int max)
{
    if (value == 0)
        return initial;
    if (value < 0 || value > max)
        field_wrong(c, field, "must be from 1 to %d, or 0 for %d", max, initial);
    return value;
}
