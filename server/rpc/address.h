/* The addresses that a server may be told to listen on: host:port, [v6]:port, unix:/path. */
#pragma once

#include <stdbool.h>

bool address_is_valid(const char *address);
/* Whether only this machine reaches it. */
bool address_is_local(const char *address);
