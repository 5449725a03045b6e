/* The locale is judged by its name: where it is not installed, as in a container, the terminal
 * shows UTF-8 all the same. */
#include "client/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/table.h"

static size_t look_up_width(void)
{
    const char *columns = getenv("COLUMNS");
    long said = columns ? strtol(columns, NULL, 10) : 0;
    if (said > 0)
        return (size_t)said;
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return TABLE_ANY_WIDTH;
}

/* The first that is set decides, as in setlocale(). */
static bool is_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *name = getenv(variables[i]);
        if (name && *name)
            return strcasestr(name, "UTF-8") || strcasestr(name, "UTF8");
    }
    return false;
}

struct terminal terminal_look(void)
{
    return (struct terminal){.width = look_up_width(), .has_blocks = is_utf8()};
}
