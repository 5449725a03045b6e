/* What the setters of plain values (fields.c) and those of messages (field_items.c) share. */
#pragma once

#include <stddef.h>

#include "client/fields.h"

void *field_member(ProtobufCMessage *message, unsigned offset);
/* Says what is allowed; always ERR_INVALID. */
MUST_CHECK enum err field_refuse(char **ret_allowed, const char *allowed);
/* The new last element of an array of `size` bytes each. */
void *field_append(size_t *count, void *array, size_t size);
/* The message in a field that is not repeated, made where there is none yet. */
ProtobufCMessage *field_message(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
/* Adds names of an enum, separated by commas; `names` is taken apart. */
MUST_CHECK enum err field_add_enum_names(char *names, const ProtobufCEnumDescriptor *type,
                                         size_t *count, void *array, char **ret_allowed);
