/* What gRPC's queue hands back: a thing with a function, embedded in whatever the batch was for. A
 * tag is on its way once at a time, and comes back exactly once, on its worker's loop thread. */
#pragma once

#include <stdbool.h>

struct tag {
    void (*on_complete)(struct tag *tag, bool success);
    struct tag *next; /* in the inbox */
};
