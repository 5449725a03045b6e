/* Settings: where each comes from, which wins, and what is said of a value that will not do. */
#include "kit.h"

#include "base/config.h"

static char why[512];

static int clear(void **state)
{
    (void)state;
    clearenv();
    why[0] = '\0';
    return 0;
}

/* Reads with these arguments, up to a NULL. */
static enum err read_with(struct config *c, const char *const *arguments, int *ret_rest)
{
    static char copies[8][256];
    static char *argv[8];
    int argc = 0;

    for (; arguments[argc]; argc++) {
        snprintf(copies[argc], sizeof copies[argc], "%s", arguments[argc]);
        argv[argc] = copies[argc];
    }
    enum err err = config_read(c, argc, argv, ret_rest, why, sizeof why);
    for (int i = 0; err == ERR_OK && i < *ret_rest; i++)
        assert_true(argv[i][0] != '-');
    return err;
}

static enum err read_flags(struct config *c, const char *first, const char *second)
{
    int rest = -1;

    return read_with(c, (const char *const[]){first, second, NULL}, &rest);
}

static void config_without_settings_is_default(void **state)
{
    (void)state;
    struct config c;

    assert_int_equal(read_flags(&c, NULL, NULL), ERR_OK);
    assert_string_equal(c.listen, "127.0.0.1:50051");
    assert_string_equal(c.http_listen, "127.0.0.1:9090");
    assert_string_equal(c.database_url, "postgresql://127.0.0.1:5432/balanced");
    assert_int_equal(c.database_connections, 4);
    assert_string_equal(c.tokens_file, "");
    assert_string_equal(c.tls_cert, "");
    assert_string_equal(c.tls_key, "");
    assert_string_equal(c.tls_client_ca, "");
    assert_int_equal(c.insecure, 0);
    assert_int_equal(c.reflection, 0);
    assert_int_equal(c.workers, 1);
    assert_int_equal(c.log_level, LOG_INFO);
    assert_int_equal(c.request_timeout_us, 5000000);
    assert_int_equal(c.stop_delay_us, 0);
    assert_int_equal(c.stop_grace_us, 10000000);
}

static void config_flag_wins_over_variable(void **state)
{
    (void)state;
    struct config c;

    setenv("BALANCED_WORKERS", "2", 1);
    setenv("BALANCED_LOG_LEVEL", "warn", 1);
    assert_int_equal(read_flags(&c, "--workers=3", NULL), ERR_OK);
    assert_int_equal(c.workers, 3);
    assert_int_equal(c.log_level, LOG_WARN);
    assert_int_equal(read_flags(&c, "--workers", "4"), ERR_OK);
    assert_int_equal(c.workers, 4);
    assert_int_equal(read_flags(&c, "--workers=5", "--workers=6"), ERR_OK);
    assert_int_equal(c.workers, 6);
}

static void config_choice_is_one_of_its_words(void **state)
{
    static const char *const bad[] = {"--reflection=", "--reflection=tok", "--reflection=tokens",
                                      "--reflection=on|token", "--reflection=On"};
    struct config c;

    (void)state;
    assert_int_equal(read_flags(&c, "--reflection=on", "--insecure=anyone"), ERR_OK);
    assert_int_equal(c.reflection, 0);
    assert_int_equal(c.insecure, 1);
    assert_int_equal(read_flags(&c, "--reflection=token", NULL), ERR_OK);
    assert_int_equal(c.reflection, 1);
    assert_int_equal(read_flags(&c, "--reflection=off", NULL), ERR_OK);
    assert_int_equal(c.reflection, 2);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(read_flags(&c, bad[i], NULL), ERR_INVALID);
    assert_string_equal(why, "BALANCED_REFLECTION is 'On', but must be on|token|off");
}

static void config_other_arguments_move_to_the_front(void **state)
{
    (void)state;
    struct config c;
    int rest = -1;
    const char *const arguments[] = {"serve", "--workers", "2", "now", "--log-level=debug", NULL};

    assert_int_equal(read_with(&c, arguments, &rest), ERR_OK);
    assert_int_equal(rest, 2);
    assert_int_equal(c.workers, 2);
    assert_int_equal(c.log_level, LOG_DEBUG);
}

static void config_good_values_are_read(void **state)
{
    (void)state;
    struct config c;

    assert_int_equal(read_flags(&c, "--request-timeout=250ms", "--stop-delay=1m"), ERR_OK);
    assert_int_equal(c.request_timeout_us, 250000);
    assert_int_equal(c.stop_delay_us, 60000000);
    assert_int_equal(read_flags(&c, "--request-timeout=10ms", "--stop-grace=300s"), ERR_OK);
    assert_int_equal(c.request_timeout_us, 10000);
    assert_int_equal(c.stop_grace_us, 300000000);
    assert_int_equal(read_flags(&c, "--database-connections=64", "--listen=[::1]:0"), ERR_OK);
    assert_int_equal(c.database_connections, 64);
    assert_string_equal(c.listen, "[::1]:0");
    /* An equals sign may be part of the value. */
    assert_int_equal(read_flags(&c, "--database-url=postgresql:///db?port=5499", NULL), ERR_OK);
    assert_string_equal(c.database_url, "postgresql:///db?port=5499");
}

static void config_bad_value_is_one_clear_line(void **state)
{
    (void)state;
    static const struct {
        const char *variable, *value, *expected;
    } rows[] = {
        {"BALANCED_LISTEN", "", "BALANCED_LISTEN is '', but must be not empty (address"},
        {"BALANCED_WORKERS", "", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "0", "BALANCED_WORKERS is '0', but must be a number from 1 to 64"},
        {"BALANCED_WORKERS", "65", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "-1", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "+1", "a number from 1 to 64"},
        {"BALANCED_WORKERS", " 1", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "1 ", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "0x1", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "1e1", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "4294967297", "a number from 1 to 64"},
        {"BALANCED_WORKERS", "99999999999999999999", "a number from 1 to 64"},
        {"BALANCED_REQUEST_TIMEOUT", "5", "a duration like 250ms, 5s or 1m, from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "9ms", "from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "301s", "from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "1h", "from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "1 s", "from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "0.5s", "from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "-1s", "from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "9223372036854775807m", "from 10 ms to 300 s"},
        {"BALANCED_REQUEST_TIMEOUT", "s", "from 10 ms to 300 s"},
        {"BALANCED_LOG_LEVEL", "loud", "'loud', but must be debug, info, warn or error"},
    };
    const struct config untouched = {.workers = 77};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config c = untouched;
        setenv(rows[i].variable, rows[i].value, 1);
        assert_int_equal(read_flags(&c, NULL, NULL), ERR_INVALID);
        assert_int_equal(c.workers, untouched.workers);
        assert_non_null(strstr(why, rows[i].expected));
        assert_non_null(strstr(why, rows[i].variable));
        assert_null(strchr(why, '\n'));
        unsetenv(rows[i].variable);
    }
}

static void config_value_of_any_length_fits_the_line(void **state)
{
    (void)state;
    struct config c;
    char value[2000], small[64];
    int rest;

    memset(value, '1', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    setenv("BALANCED_WORKERS", value, 1);
    assert_int_equal(config_read(&c, 0, NULL, &rest, small, sizeof small), ERR_INVALID);
    assert_int_equal(strlen(small), sizeof small - 1);
}

static void config_unknown_flag_is_named_without_its_value(void **state)
{
    (void)state;
    struct config c;

    assert_int_equal(read_flags(&c, "--databse-url=postgresql://u:secret@h/db", NULL), ERR_INVALID);
    assert_non_null(strstr(why, "--databse-url"));
    assert_null(strstr(why, "secret"));
    assert_int_equal(read_flags(&c, "--", NULL), ERR_INVALID);
    assert_int_equal(read_flags(&c, "-w", "1"), ERR_INVALID);
    assert_int_equal(read_flags(&c, "--Workers=1", NULL), ERR_INVALID);
    assert_int_equal(read_flags(&c, "--worker=1", NULL), ERR_INVALID);
    assert_int_equal(read_flags(&c, "--workerss=1", NULL), ERR_INVALID);
}

static void config_flag_without_value_is_told(void **state)
{
    (void)state;
    struct config c;

    assert_int_equal(read_flags(&c, "--workers", NULL), ERR_INVALID);
    assert_string_equal(why, "--workers needs a value");
    assert_int_equal(read_flags(&c, "--listen=", NULL), ERR_INVALID);
    assert_non_null(strstr(why, "BALANCED_LISTEN is ''"));
}

static void config_help_names_every_setting(void **state)
{
    (void)state;
    static const char *const names[] = {"LISTEN",     "DATABASE_URL", "DATABASE_CONNECTIONS",
                                        "WORKERS",    "LOG_LEVEL",    "REQUEST_TIMEOUT",
                                        "STOP_DELAY", "STOP_GRACE"};
    static const char *const flags[] = {
        "--listen ",    "--database-url ",    "--database-connections ", "--workers ",
        "--log-level ", "--request-timeout ", "--stop-delay ",           "--stop-grace "};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    config_help(out);
    fclose(out);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_non_null(strstr(text, names[i]));
        assert_non_null(strstr(text, flags[i]));
    }
    free(text);
}

static void config_log_hides_passwords(void **state)
{
    (void)state;
    struct config c;
    struct kit_stderr err;

    assert_int_equal(read_flags(&c, "--database-url=postgresql://u:secret@h/db", NULL), ERR_OK);
    kit_stderr_begin(&err);
    config_log(&c);
    const char *text = kit_stderr_end(&err);
    assert_non_null(strstr(text, "listen=127.0.0.1:50051"));
    assert_non_null(strstr(text, "request_timeout=5000ms"));
    assert_null(strstr(text, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(config_without_settings_is_default, clear),
        cmocka_unit_test_setup(config_flag_wins_over_variable, clear),
        cmocka_unit_test_setup(config_choice_is_one_of_its_words, clear),
        cmocka_unit_test_setup(config_other_arguments_move_to_the_front, clear),
        cmocka_unit_test_setup(config_good_values_are_read, clear),
        cmocka_unit_test_setup(config_bad_value_is_one_clear_line, clear),
        cmocka_unit_test_setup(config_value_of_any_length_fits_the_line, clear),
        cmocka_unit_test_setup(config_unknown_flag_is_named_without_its_value, clear),
        cmocka_unit_test_setup(config_flag_without_value_is_told, clear),
        cmocka_unit_test_setup(config_help_names_every_setting, clear),
        cmocka_unit_test_setup(config_log_hides_passwords, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
