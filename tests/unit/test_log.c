/* Log lines: one line is one write, its form is fixed, and nobody can forge a second one. */
#include "kit.h"

#include <regex.h>

#include "base/log.h"

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int no_match = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (no_match)
        fail_msg("\"%s\" does not match %s", text, pattern);
}

static size_t lines(const char *text)
{
    size_t count = 0;

    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

static void log_line_has_time_level_who_and_text(void **state)
{
    (void)state;
    struct kit_stderr err;

    kit_stderr_begin(&err);
    log_info("pool", "%d connections", 4);
    log_error("conn", "%s", "lost");
    assert_matches(kit_stderr_end(&err),
                   "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6}Z "
                   "info  pool: 4 connections\n"
                   "[0-9T:.-]{26}Z error conn: lost\n$");
}

static void log_level_keeps_lower_lines_out(void **state)
{
    (void)state;
    struct kit_stderr err;

    for (enum log_level lowest = LOG_DEBUG; lowest <= LOG_ERROR; lowest++) {
        log_set_level(lowest);
        kit_stderr_begin(&err);
        log_debug("test", "debug");
        log_info("test", "info");
        log_warn("test", "warn");
        log_error("test", "error");
        assert_int_equal(lines(kit_stderr_end(&err)), LOG_ERROR - lowest + 1);
        assert_int_equal(log_wants(LOG_INFO), lowest <= LOG_INFO);
    }
    log_set_level(LOG_INFO);
}

static void log_control_characters_are_replaced(void **state)
{
    (void)state;
    struct kit_stderr err;

    kit_stderr_begin(&err);
    log_info("call", "/a\n2026-01-01T00:00:00.000000Z error\r\t\x1b[31m\x7f na\xc3\xafve");
    const char *text = kit_stderr_end(&err);
    assert_int_equal(lines(text), 1);
    assert_non_null(strstr(text, "/a?2026-01-01T00:00:00.000000Z error???[31m? na\xc3\xafve\n"));
}

static void log_line_of_any_length_is_one_line(void **state)
{
    (void)state;
    struct kit_stderr err;
    size_t longest = 0;

    for (int len = 1900; len < 2200; len++) {
        kit_stderr_begin(&err);
        log_info("test", "%0*d", len, 0);
        const char *text = kit_stderr_end(&err);
        size_t got = strlen(text);
        assert_true(got <= 2048);
        assert_int_equal(lines(text), 1);
        assert_int_equal(text[got - 1], '\n');
        longest = got > longest ? got : longest;
    }
    assert_true(longest > 2000);
    kit_stderr_begin(&err);
    log_info("test", "%*d", 100000, 0);
    assert_int_equal(lines(kit_stderr_end(&err)), 1);
}

static void log_level_is_parsed_by_name(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "Info", "info ", "warning", "0", "inf"};
    enum log_level level = LOG_DEBUG;

    assert_int_equal(log_level_parse("warn", &level), ERR_OK);
    assert_int_equal(level, LOG_WARN);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(log_level_parse(wrong[i], &level), ERR_INVALID);
    assert_int_equal(level, LOG_WARN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_line_has_time_level_who_and_text),
        cmocka_unit_test(log_level_keeps_lower_lines_out),
        cmocka_unit_test(log_control_characters_are_replaced),
        cmocka_unit_test(log_line_of_any_length_is_one_line),
        cmocka_unit_test(log_level_is_parsed_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
