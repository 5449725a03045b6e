/* For LD_PRELOAD: the time of day of a process, moved by as many microseconds as stand in the file
 * that MOVED_CLOCK names, as eight bytes. Whoever writes there moves it at any moment; the clocks
 * that only measure are left alone. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *moved_us;

__attribute__((constructor)) static void open_clock(void)
{
    const char *path = getenv("MOVED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map =
        file < 0 ? MAP_FAILED : mmap(NULL, sizeof *moved_us, PROT_READ, MAP_SHARED, file, 0);

    if (map == MAP_FAILED)
        abort();
    close(file);
    moved_us = map;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *t)
{
    const int failed = (int)syscall(SYS_clock_gettime, clock, t);

    if (failed != 0 || clock != CLOCK_REALTIME || !moved_us)
        return failed;
    const int64_t us = (int64_t)t->tv_sec * 1000000 + t->tv_nsec / 1000 + atomic_load(moved_us);
    t->tv_sec = us / 1000000;
    t->tv_nsec = us % 1000000 * 1000;
    return 0;
}
