/* Faults of a disk and of a clock, for processes that have this library preloaded.
 *
 * FAULTS names a file of five integers, which tests change while the process runs: the errors of
 * writes, of syncs and of reads of files with ".db" in their path (errno, 0 for none), how many
 * calls go well before each that fails, and by how many seconds the clock of the day is wrong.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
    int64_t write, sync, read, spared, seconds;
};

static struct faults none;
static volatile struct faults *faults = &none;

/* The function of this name in the library that follows. */
#define NEXT(type, name, ...)                                        \
    static type (*next)(__VA_ARGS__);                                \
    if (!next) next = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void open_faults(void) {
    const char *path = getenv("FAULTS");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) faults = mapped;
    close(file);
}

static int fails(int file, int64_t error) {
    static unsigned calls;
    char link[64], path[4096];
    if (!error) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, ".db")) return 0;
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % (unsigned)(faults->spared + 1)) return 0;
    errno = (int)error;
    return 1;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    if (!fails(file, faults->write)) return next(file, data, size, offset);
    /* A disk that becomes full takes a part. */
    return errno == ENOSPC && size > 1 ? next(file, data, size / 2, offset) : -1;
}

ssize_t write(int file, const void *data, size_t size) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    return fails(file, faults->write) ? -1 : next(file, data, size);
}

int fsync(int file) {
    NEXT(int, "fsync", int);
    return fails(file, faults->sync) ? -1 : next(file);
}

int fdatasync(int file) {
    NEXT(int, "fdatasync", int);
    return fails(file, faults->sync) ? -1 : next(file);
}

ssize_t pread64(int file, void *data, size_t size, off64_t offset) {
    NEXT(ssize_t, "pread64", int, void *, size_t, off64_t);
    return fails(file, faults->read) ? -1 : next(file, data, size, offset);
}

int clock_gettime(clockid_t clock, struct timespec *instant) {
    NEXT(int, "clock_gettime", clockid_t, struct timespec *);
    int failed = next(clock, instant);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        instant->tv_sec += faults->seconds;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict instant, void *restrict zone) {
    NEXT(int, "gettimeofday", struct timeval *, void *);
    int failed = next(instant, zone);
    instant->tv_sec += faults->seconds;
    return failed;
}

time_t time(time_t *instant) {
    NEXT(time_t, "time", time_t *);
    time_t now = next(NULL) + faults->seconds;
    if (instant) *instant = now;
    return now;
}
