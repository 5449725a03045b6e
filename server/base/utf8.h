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
/* Whether valid text has a control character: C0, DEL or C1. */
bool utf8_has_control(const char *text);
/* Whether valid text is a letter, "_" or "$", and then letters, digits of ASCII, "_" or "$".
 * Letters are those of Unicode, all of its scripts'. */
bool utf8_is_identifier(const char *text);
