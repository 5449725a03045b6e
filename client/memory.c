/* Allocation that does not fail: it ends the program instead. A command-line tool holds one page of
 * an answer and nothing of value, so there is nothing that unwinding could save. */
#include "client/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory)
        return memory;
    fputs("balancectl: out of memory\n", stderr);
    exit(1);
}

void *memory_get(size_t bytes)
{
    return checked(calloc(1, bytes));
}

void *memory_grow(void *old, size_t bytes)
{
    return checked(realloc(old, bytes));
}

char *memory_text(const char *text)
{
    return checked(strdup(text));
}
