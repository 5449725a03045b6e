/* Requests that ask for the same are the same bytes: what this program does not know is left out,
 * and maps have an order and each key once. In place; nothing is allocated. */
#pragma once

#include <protobuf-c/protobuf-c.h>

/* Every map of text to text is generated with this shape, under another name. */
struct text_pair {
    ProtobufCMessage base;
    char *key;
    char *value;
};

/* Of a key that comes twice the last value counts, as in every map of protocol buffers. */
void message_normalize(ProtobufCMessage *m);
