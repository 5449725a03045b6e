/* The descriptors of all protocols, as protoc wrote them when this program was built. */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern const uint8_t descriptors_data[];
extern const size_t descriptors_len;
