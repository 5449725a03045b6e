#include "base/utf8.h"

#include <string.h>
#include <unictype.h>
#include <unistr.h>

/* A first byte says how many follow, and the range of the second, in which all the special cases
 * lie. */
static bool sequence(uint8_t first, int *ret_more, uint8_t *ret_low, uint8_t *ret_high)
{
    *ret_low = 0x80;
    *ret_high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        *ret_more = 1;
    } else if (first >= 0xe0 && first <= 0xef) {
        *ret_more = 2;
        if (first == 0xe0)
            *ret_low = 0xa0;
        if (first == 0xed)
            *ret_high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        *ret_more = 3;
        if (first == 0xf0)
            *ret_low = 0x90;
        if (first == 0xf4)
            *ret_high = 0x8f;
    } else {
        return false;
    }
    return true;
}

bool utf8_is_valid(struct bytes text)
{
    uint8_t low, high;
    int more;

    if (text.len == 0)
        return true;
    const uint8_t *at = text.data, *end = text.data + text.len;
    while (at < end) {
        uint8_t first = *at++;
        if (first < 0x80)
            continue;
        if (!sequence(first, &more, &low, &high) || end - at < more)
            return false;
        for (; more > 0; more--, low = 0x80, high = 0xbf) {
            if (*at < low || *at > high)
                return false;
            at++;
        }
    }
    return true;
}

static bool goes_on(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t utf8_length(const char *text)
{
    size_t length = 0;

    for (; *text; text++)
        length += !goes_on(*text);
    return length;
}

void utf8_cut(char *text, size_t max)
{
    if (strlen(text) <= max)
        return;
    while (max > 0 && goes_on(text[max]))
        max--;
    text[max] = '\0';
}

/* U+0080 to U+009F are two bytes, of which the first is 0xc2. */
bool utf8_has_control(const char *text)
{
    for (const uint8_t *at = (const uint8_t *)text; *at; at++)
        if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0))
            return true;
    return false;
}

bool utf8_is_identifier(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    bool first = true;
    ucs4_t c;

    while ((at = u8_next(&c, at))) {
        if (c != '_' && c != '$' && !uc_is_general_category(c, UC_LETTER) &&
            (first || c < '0' || c > '9'))
            return false;
        first = false;
    }
    return !first;
}
