/* The scripts that run inside Redis, each a file in scripts/, embedded in the order of this enum's
 * names (the build sorts both). */
#pragma once

#include "cache_script_names.h"

extern const char *const cache_script_texts[CACHE_SCRIPT_COUNT];
