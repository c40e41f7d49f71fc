/* Stands between a process and its system (LD_PRELOAD), for bench/faults/faults.py: a clock that jumps, names that are not
 * found for a while, and a diary of what was written to the store and when it was synced, from which the bench makes
 * the disk that a power cut would have left.
 *
 * FAULTY_CLOCK="2.5,86400"   2.5 s after the start the time of day is 86,400 s later
 * FAULTY_NAMES="1,3"         from 1 s to 3 s after the start no name is resolved
 * FAULTY_DIARY=/path         what happens to files called runs.db and runs.db-wal
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct entry { /* = "<cc6xdqq" of bench/faults/_faulty_disk.py */
    char kind, file;
    char pad[6];
    double when;
    int64_t offset, length;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static double started;
static int diary = -1;

static double monotonic(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULTY_DIARY");
    started = monotonic();
    if (path) diary = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* Two numbers of an environment variable. */
static int pair(const char *name, double *first, double *second) {
    const char *text = getenv(name);
    return text && sscanf(text, "%lf,%lf", first, second) == 2;
}

static double shift(void) {
    double after, by;
    return pair("FAULTY_CLOCK", &after, &by) && monotonic() - started >= after ? by : 0;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int result = syscall(SYS_clock_gettime, id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += (time_t)shift();
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int result = syscall(SYS_gettimeofday, at, zone);
    at->tv_sec += (time_t)shift();
    return result;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    real = dlsym(RTLD_NEXT, "getaddrinfo");
    double from, to, now = monotonic() - started;
    int number = node && node[0] >= '0' && node[0] <= '9';
    if (!number && pair("FAULTY_NAMES", &from, &to) && now >= from && now < to) return EAI_AGAIN;
    return real(node, service, hints, found);
}

/* 'd' for the database, 'w' for its log, 0 for anything else. */
static char which(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    const char *name = strrchr(path, '/');
    if (!name) return 0;
    return !strcmp(name, "/runs.db") ? 'd' : !strcmp(name, "/runs.db-wal") ? 'w' : 0;
}

static void note(char kind, int fd, int64_t offset, const void *data, int64_t length) {
    if (diary < 0) return;
    char file = which(fd);
    if (!file) return;
    struct entry entry = {kind, file, {0}, monotonic(), offset, length};
    pthread_mutex_lock(&turn);
    if (write(diary, &entry, sizeof entry) != sizeof entry || (data && write(diary, data, length) != length)) abort();
    pthread_mutex_unlock(&turn);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    ssize_t written = real(fd, data, length, offset);
    if (written > 0) note('W', fd, offset, data, written);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

int ftruncate64(int fd, off64_t length) {
    int (*real)(int, off64_t) = dlsym(RTLD_NEXT, "ftruncate64");
    int result = real(fd, length);
    if (result == 0) note('T', fd, length, NULL, 0);
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int result = real(fd);
    if (result == 0) note('S', fd, 0, NULL, 0);
    return result;
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    int result = real(fd);
    if (result == 0) note('S', fd, 0, NULL, 0);
    return result;
}
