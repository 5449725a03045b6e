/* Addresses to listen on: which are ones, and which only this machine reaches. */
#include "kit.h"

#include "rpc/address.h"

static void address_has_a_port_or_is_a_socket(void **state)
{
    static const char *const good[] = {"127.0.0.1:50051", "[::1]:0", "localhost:65535",
                                       "unix:/run/x"};
    static const char *const bad[] = {"",     "localhost", "localhost:", "h:65536",
                                      "h:-1", "h:1x",      "h: 1"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(address_is_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(address_is_valid(bad[i]));
}

static void address_of_this_machine_alone_is_local(void **state)
{
    static const char *const local[] = {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1",
                                        "localhost:1", "unix:/run/x",   "[::ffff:127.0.0.1]:1"};
    static const char *const reached[] = {
        "0.0.0.0:1",          "[::]:1",       "10.0.0.1:1",
        "128.0.0.1:1",        "[fe80::1]:1",  "localhost.org:1",
        "127.0.0.1.org:1",    "127.0.0.1",    ":1",
        "[::ffff:8.8.8.8]:1", "[127.0.0.1:1", "dns:///127.0.0.1:1"};

    (void)state;
    for (size_t i = 0; i < COUNT(local); i++)
        assert_true(address_is_local(local[i]));
    for (size_t i = 0; i < COUNT(reached); i++)
        assert_false(address_is_local(reached[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_has_a_port_or_is_a_socket),
        cmocka_unit_test(address_of_this_machine_alone_is_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
