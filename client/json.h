/* Any protobuf-c message as JSON: the proto3 mapping, as other tools print it. Names in
 * lowerCamelCase, 64-bit integers as strings, enums by name, timestamps in RFC 3339, wrappers as
 * what they wrap, bytes in base64, maps sorted by key; what is unset or has its default is left
 * out. */
#pragma once

#include <stdio.h>

#include <protobuf-c/protobuf-c.h>

/* One document, indented by two, with a line break behind it. Text that is not UTF-8 is mended with
 * U+FFFD, and control characters are escaped. Errors are the stream's: see ferror(). */
void json_print(FILE *out, const ProtobufCMessage *message);
