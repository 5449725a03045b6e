/* Files that are replaced under a running program: each way of it is noticed, once it is over. */
#include "kit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char directory[] = "/tmp/balanced-file-XXXXXX";
static char why[512];

static int enter(void **state)
{
    (void)state;
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    static const char *const names[] = {"a", "b", "link", "next"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(names[i]);
    return rmdir(directory);
}

static void put(const char *name, const char *text)
{
    FILE *out = fopen(name, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void assert_reads(struct file *f, const char *expected)
{
    char *text;
    size_t len;

    if (file_read(f, 100, &text, &len, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
    free(text);
}

static void change_is_noticed_when_it_stands_still(void **state)
{
    struct file f = {.path = "a"};

    (void)state;
    put("a", "one");
    assert_reads(&f, "one");
    assert_false(file_has_changed(&f));
    assert_false(file_has_changed(&f));
    put("a", "three");
    assert_false(file_has_changed(&f));
    put("a", "threefour");
    assert_false(file_has_changed(&f));
    assert_true(file_has_changed(&f));
    assert_reads(&f, "threefour");
    assert_false(file_has_changed(&f));
}

static void other_file_under_the_name_is_a_change(void **state)
{
    struct file f = {.path = "link"};

    (void)state;
    put("a", "one");
    put("b", "two");
    assert_int_equal(symlink("a", "link"), 0);
    assert_reads(&f, "one");
    assert_int_equal(symlink("b", "next"), 0);
    assert_int_equal(rename("next", "link"), 0);
    assert_false(file_has_changed(&f));
    assert_true(file_has_changed(&f));
    assert_reads(&f, "two");
}

static void missing_file_is_told_once(void **state)
{
    struct file f = {.path = "a"};
    char *text;
    size_t len;

    (void)state;
    put("a", "one");
    assert_reads(&f, "one");
    unlink("a");
    assert_false(file_has_changed(&f));
    assert_true(file_has_changed(&f));
    assert_int_equal(file_read(&f, 100, &text, &len, why, sizeof why), ERR_INVALID);
    assert_string_equal(why, "a cannot be read: No such file or directory");
    assert_false(file_has_changed(&f));
    put("a", "one");
    assert_false(file_has_changed(&f));
    assert_true(file_has_changed(&f));
}

static void what_cannot_be_read_is_named(void **state)
{
    struct file here = {.path = "."}, large = {.path = "a"};
    char *text;
    size_t len;

    (void)state;
    assert_int_equal(file_read(&here, 100, &text, &len, why, sizeof why), ERR_INVALID);
    assert_string_equal(why, ". is not a regular file");
    put("a", "1234");
    assert_int_equal(file_read(&large, 3, &text, &len, why, sizeof why), ERR_INVALID);
    assert_string_equal(why, "a has more than 3 bytes");
    assert_int_equal(file_read(&large, 4, &text, &len, why, sizeof why), ERR_OK);
    free(text);
}

static void file_that_all_may_read_is_known(void **state)
{
    struct file f = {.path = "a"};

    (void)state;
    put("a", "one");
    assert_int_equal(chmod("a", 0640), 0);
    assert_reads(&f, "one");
    assert_false(f.world_readable);
    assert_int_equal(chmod("a", 0644), 0);
    assert_reads(&f, "one");
    assert_true(f.world_readable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_is_noticed_when_it_stands_still),
        cmocka_unit_test(other_file_under_the_name_is_a_change),
        cmocka_unit_test(missing_file_is_told_once),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(file_that_all_may_read_is_known),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
