/* UTF-8 text from elsewhere, made safe for a terminal: how wide it is, and printing it so that it
 * can neither move the cursor nor turn the direction of writing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What stands for bytes that are no UTF-8 and for characters that are not shown. */
#define TEXT_REPLACEMENT 0xFFFDu

/* The character at `*at`, which moves behind it; TEXT_REPLACEMENT, and one byte on, where there is
 * none. Not to be called at the end of the text. */
uint32_t text_next(const char **at);
void text_put(FILE *out, uint32_t character);

/* In columns of a terminal. Wants an LC_CTYPE with UTF-8; otherwise every character counts one. */
size_t text_width(const char *text);
/* Prints at most `limit` columns, the last of them "…" where something is missing. Line breaks and
 * tabs become blanks. Returns the columns printed. */
size_t text_print(FILE *out, const char *text, size_t limit);
