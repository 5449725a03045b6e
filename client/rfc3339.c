/* RFC 3339 by hand, because strptime() takes too much and knows neither fractions nor "+01:00",
 * and strftime() pads no year. The calendar itself is the C library's, in both directions. */
#include "client/rfc3339.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static const int64_t FIRST_SECOND = -62135596800; /* 0001-01-01T00:00:00Z */
static const int64_t LAST_SECOND = 253402300799;  /* 9999-12-31T23:59:59Z */

static bool take_digits(const char **at, int count, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += count;
    *ret = value;
    return true;
}

static bool take_char(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    ++*at;
    return true;
}

static bool take_date_time(const char **at, struct tm *ret)
{
    struct tm tm = {0};
    if (!take_digits(at, 4, &tm.tm_year) || !take_char(at, '-') ||
        !take_digits(at, 2, &tm.tm_mon) || !take_char(at, '-') || !take_digits(at, 2, &tm.tm_mday))
        return false;
    if (!take_char(at, 'T') && !take_char(at, 't'))
        return false;
    if (!take_digits(at, 2, &tm.tm_hour) || !take_char(at, ':') ||
        !take_digits(at, 2, &tm.tm_min) || !take_char(at, ':') || !take_digits(at, 2, &tm.tm_sec))
        return false;
    if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret = tm;
    return true;
}

static bool take_fraction(const char **at, int32_t *ret_nanos)
{
    int32_t nanos = 0;
    if (take_char(at, '.')) {
        int digit;
        int32_t unit = 1000000000;
        for (; unit > 1 && take_digits(at, 1, &digit); nanos += digit * unit)
            unit /= 10;
        if (unit == 1000000000)
            return false;
    }
    *ret_nanos = nanos;
    return true;
}

static bool take_offset(const char **at, int *ret_seconds)
{
    if (take_char(at, 'Z') || take_char(at, 'z')) {
        *ret_seconds = 0;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    int hours;
    int minutes;
    if (!take_char(at, '+') && !take_char(at, '-'))
        return false;
    if (!take_digits(at, 2, &hours) || !take_char(at, ':') || !take_digits(at, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

enum err rfc3339_parse(const char *text, int64_t *ret_seconds, int32_t *ret_nanos)
{
    struct tm tm;
    int32_t nanos;
    int offset;
    if (!take_date_time(&text, &tm) || !take_fraction(&text, &nanos) ||
        !take_offset(&text, &offset) || *text)
        return ERR_INVALID;

    /* timegm() turns February 30th into March, which is how to know it. */
    struct tm real = tm;
    int64_t seconds = timegm(&real);
    if (real.tm_mday != tm.tm_mday || real.tm_mon != tm.tm_mon)
        return ERR_INVALID;
    seconds -= offset;
    if (!rfc3339_in_range(seconds, nanos))
        return ERR_RANGE;
    *ret_seconds = seconds;
    *ret_nanos = nanos;
    return ERR_OK;
}

bool rfc3339_in_range(int64_t seconds, int32_t nanos)
{
    return seconds >= FIRST_SECOND && seconds <= LAST_SECOND && nanos >= 0 && nanos <= 999999999;
}

static void put_digits(char **at, int value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        (*at)[i] = (char)('0' + value % 10);
    *at += count;
}

static void put_number(char **at, char before, int value, int digits)
{
    *(*at)++ = before;
    put_digits(at, value, digits);
}

struct rfc3339_text rfc3339_format(int64_t seconds, int32_t nanos)
{
    assert(rfc3339_in_range(seconds, nanos));
    struct tm tm;
    time_t time = seconds;
    gmtime_r(&time, &tm);

    struct rfc3339_text ret;
    char *at = ret.text;
    put_digits(&at, tm.tm_year + 1900, 4);
    put_number(&at, '-', tm.tm_mon + 1, 2);
    put_number(&at, '-', tm.tm_mday, 2);
    put_number(&at, 'T', tm.tm_hour, 2);
    put_number(&at, ':', tm.tm_min, 2);
    put_number(&at, ':', tm.tm_sec, 2);
    if (nanos % 1000 != 0)
        put_number(&at, '.', nanos, 9);
    else if (nanos % 1000000 != 0)
        put_number(&at, '.', nanos / 1000, 6);
    else if (nanos != 0)
        put_number(&at, '.', nanos / 1000000, 3);
    *at++ = 'Z';
    *at = 0;
    return ret;
}

struct rfc3339_text rfc3339_format_brief(int64_t seconds, int32_t nanos)
{
    struct rfc3339_text ret = rfc3339_format(seconds, nanos);
    if (nanos == 0 && seconds % 86400 == 0)
        *strchr(ret.text, 'T') = 0;
    return ret;
}
