#include "base/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/metrics.h"

/* The 22nd word of /proc/self/stat is when the process began, in ticks since the machine's start.
 * The second one may have blanks in it, and ends with the last parenthesis. */
enum { WORDS_BEFORE_START = 20 };

static void print_one(struct http_answer *out, const char *family, const char *type,
                      const char *help, int64_t value)
{
    metric_print_family(out, family, type, help);
    metric_print(out, family, "", value);
}

static void print_cpu(struct http_answer *out)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) != 0)
        return;
    metric_print_family(out, "process_cpu_seconds_total", "counter",
                        "seconds of processor time, of the user and of the system");
    metric_print_micros(out, "process_cpu_seconds_total", "",
                        (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                            used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void print_memory(struct http_answer *out)
{
    FILE *file = fopen("/proc/self/statm", "re");
    int64_t virtual_pages, resident_pages;
    const int64_t page = sysconf(_SC_PAGESIZE);

    if (!file)
        return;
    if (fscanf(file, "%" SCNd64 " %" SCNd64, &virtual_pages, &resident_pages) == 2) {
        print_one(out, "process_resident_memory_bytes", "gauge", "bytes of memory in use",
                  resident_pages * page);
        print_one(out, "process_virtual_memory_bytes", "gauge", "bytes of address space",
                  virtual_pages * page);
    }
    fclose(file);
}

static int64_t count_files(void)
{
    DIR *open_files = opendir("/proc/self/fd");
    int64_t count = -3; /* the directory's two names, and the one that reads it */

    if (!open_files)
        return 0;
    while (readdir(open_files))
        count++;
    closedir(open_files);
    return count;
}

static void print_files(struct http_answer *out)
{
    struct rlimit limit;

    print_one(out, "process_open_fds", "gauge", "open file descriptors", count_files());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        print_one(out, "process_max_fds", "gauge", "file descriptors that may be open",
                  (int64_t)limit.rlim_cur);
}

static void print_start(struct http_answer *out)
{
    FILE *stat = fopen("/proc/self/stat", "re"), *system = fopen("/proc/stat", "re");
    char line[1024];
    int64_t ticks = 0, boot = 0;

    if (stat && fgets(line, sizeof line, stat)) {
        char *at = strrchr(line, ')');
        for (int i = 0; at && i < WORDS_BEFORE_START; i++)
            at = strchr(at + 1, ' ');
        if (at)
            (void)sscanf(at, "%" SCNd64, &ticks);
    }
    while (system && boot == 0 && fgets(line, sizeof line, system))
        (void)sscanf(line, "btime %" SCNd64, &boot);
    if (stat)
        fclose(stat);
    if (system)
        fclose(system);
    print_one(out, "process_start_time_seconds", "gauge",
              "seconds from 1970 to the start of the process", boot + ticks / sysconf(_SC_CLK_TCK));
}

void process_print(struct http_answer *out)
{
    print_cpu(out);
    print_memory(out);
    print_files(out);
    print_start(out);
}
