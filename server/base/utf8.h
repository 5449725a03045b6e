/* Whether bytes are well-formed UTF-8 (Unicode 15, table 3-7): no overlong forms, no surrogates,
 * nothing beyond U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

bool utf8_is_valid(struct bytes text);
/* How many characters valid text has, as PostgreSQL's length() counts them. */
size_t utf8_length(const char *text);
/* Cuts valid text to at most `max` bytes, without leaving half a character behind. */
void utf8_cut(char *text, size_t max);
