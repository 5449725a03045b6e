#include "rpc/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_MAX = 256, LOOPBACK_NET = 127 };

static bool is_socket(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

/* gRPC would take a port beyond 65535 for another one, and none for that of https. */
bool address_is_valid(const char *address)
{
    const char *colon = strrchr(address, ':');
    char *end;

    if (is_socket(address))
        return true;
    if (!colon || !isdigit((unsigned char)colon[1]))
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    return !*end && port <= UINT16_MAX;
}

bool address_is_local(const char *address)
{
    const char *colon = strrchr(address, ':');
    char host[HOST_MAX];
    struct in_addr v4;
    struct in6_addr v6;

    if (is_socket(address))
        return true;
    if (!colon || colon - address >= HOST_MAX)
        return false;
    bool bracketed = colon > address + 1 && *address == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - address) - 2 * bracketed,
             address + bracketed);
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == LOOPBACK_NET;
    if (inet_pton(AF_INET6, host, &v6) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) ||
           (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == LOOPBACK_NET);
}
