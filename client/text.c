/* UTF-8 text for a terminal. Decoding is strict (no overlong forms, no surrogates), so that what is
 * printed is well-formed whatever came in. */
#include "client/text.h"

#include <wchar.h>

static const uint32_t ELLIPSIS = 0x2026;

uint32_t text_next(const char **at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)*at;
    *at += 1;
    if (byte[0] < 0x80)
        return byte[0];

    int len = byte[0] < 0xC0 ? 0 : byte[0] < 0xE0 ? 2 : byte[0] < 0xF0 ? 3 : byte[0] < 0xF8 ? 4 : 0;
    if (len == 0)
        return TEXT_REPLACEMENT;
    uint32_t character = byte[0] & (0x7Fu >> len);
    for (int i = 1; i < len; i++) {
        if ((byte[i] & 0xC0) != 0x80)
            return TEXT_REPLACEMENT;
        character = character << 6 | (byte[i] & 0x3Fu);
    }
    if (character < least[len] || character > 0x10FFFF ||
        (character >= 0xD800 && character <= 0xDFFF))
        return TEXT_REPLACEMENT;
    *at += len - 1;
    return character;
}

void text_put(FILE *out, uint32_t character)
{
    if (character < 0x80) {
        putc((int)character, out);
    } else if (character < 0x800) {
        putc((int)(0xC0 | character >> 6), out);
        putc((int)(0x80 | (character & 0x3F)), out);
    } else if (character < 0x10000) {
        putc((int)(0xE0 | character >> 12), out);
        putc((int)(0x80 | (character >> 6 & 0x3F)), out);
        putc((int)(0x80 | (character & 0x3F)), out);
    } else {
        putc((int)(0xF0 | character >> 18), out);
        putc((int)(0x80 | (character >> 12 & 0x3F)), out);
        putc((int)(0x80 | (character >> 6 & 0x3F)), out);
        putc((int)(0x80 | (character & 0x3F)), out);
    }
}

/* Controls, marks and overrides of direction, line and paragraph separators. */
static bool is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200E && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* What is printed for the next character. */
static uint32_t next_shown(const char **at)
{
    uint32_t character = text_next(at);
    if (character == '\n' || character == '\r' || character == '\t')
        return ' ';
    return is_hidden(character) ? TEXT_REPLACEMENT : character;
}

static size_t columns_of(uint32_t character)
{
    int columns = wcwidth((wchar_t)character);
    return columns < 0 ? 1 : (size_t)columns;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    while (*text)
        width += columns_of(next_shown(&text));
    return width;
}

size_t text_print(FILE *out, const char *text, size_t limit)
{
    bool cut = text_width(text) > limit;
    size_t room = cut && limit > 0 ? limit - 1 : limit;
    size_t width = 0;
    while (*text) {
        uint32_t character = next_shown(&text);
        if (width + columns_of(character) > room)
            break;
        width += columns_of(character);
        text_put(out, character);
    }
    if (cut && limit > 0) {
        text_put(out, ELLIPSIS);
        width++;
    }
    return width;
}
