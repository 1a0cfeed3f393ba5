/* A disk that is full, for one folder of one process: preloaded, it fails what would write there, from the k-th call on.

   It does nothing before full_disk_begin is called.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;
static char *folder;
static size_t folder_length;
static long first;
static int error_number;
static int half_first;
static char *report;

/* folder: absolute, without a slash at its end. number: the first call that fails, from 1; all later ones fail too.
   error: the error number. half: if not 0, that first call writes half of its bytes, if it writes bytes.
   file: a file elsewhere, for the time (CLOCK_MONOTONIC) and the name of the first call that failed. */
void full_disk_begin(const char *path, long number, int error, int half, const char *file)
{
    folder = strdup(path);
    folder_length = strlen(folder);
    first = number;
    error_number = error;
    half_first = half;
    report = strdup(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int inside(const char *path)
{
    return folder_length && strncmp(path, folder, folder_length) == 0
        && (path[folder_length] == '/' || path[folder_length] == '\0');
}

static int names(int directory, const char *path)
{
    char whole[2 * PATH_MAX + 2], link[64], base[PATH_MAX];
    ssize_t length;

    if (!folder_length || path == NULL)
        return 0;
    if (path[0] == '/')
        return inside(path);
    if (directory == AT_FDCWD) {
        if (getcwd(base, sizeof base) == NULL)
            return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        length = readlink(link, base, sizeof base - 1);
        if (length < 0)
            return 0;
        base[length] = '\0';
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return inside(whole);
}

static int holds(int file)
{
    char link[64], path[PATH_MAX];
    ssize_t length;

    if (!folder_length)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return inside(path);
}

/* Counts a call. 0: it may pass. 1: it is the first that fails. 2: a later one. */
static int fails(const char *name)
{
    long number = atomic_fetch_add(&calls, 1) + 1;
    char line[128];
    struct timespec now;
    int file, length;

    if (first <= 0 || number < first)
        return 0;
    if (number > first)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &now);
    length = snprintf(line, sizeof line, "%ld.%09ld %s\n", (long)now.tv_sec, now.tv_nsec, name);
    file = REAL(open)(report, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0 || REAL(write)(file, line, (size_t)length) < 0)
        abort();
    close(file);
    return 1;
}

static int is_full(const char *name)
{
    if (!fails(name))
        return 0;
    errno = error_number;
    return 1;
}

#define WRITES(flags) ((flags) & O_CREAT || ((flags) & O_ACCMODE) != O_RDONLY)
#define MODE(mode, flags) \
    do { \
        if ((flags) & (O_CREAT | O_TMPFILE)) { \
            va_list more; \
            va_start(more, flags); \
            mode = va_arg(more, mode_t); \
            va_end(more); \
        } \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE(mode, flags);
    return WRITES(flags) && names(AT_FDCWD, path) && is_full("open") ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE(mode, flags);
    return WRITES(flags) && names(AT_FDCWD, path) && is_full("open") ? -1 : REAL(open64)(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE(mode, flags);
    return WRITES(flags) && names(directory, path) && is_full("open") ? -1 : REAL(openat)(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE(mode, flags);
    return WRITES(flags) && names(directory, path) && is_full("open") ? -1
                                                                     : REAL(openat64)(directory, path, flags, mode);
}

ssize_t write(int file, const void *bytes, size_t length)
{
    int how = holds(file) ? fails("write") : 0;
    if (how == 1 && half_first && length > 1)
        return REAL(write)(file, bytes, length / 2);
    errno = error_number;
    return how ? -1 : REAL(write)(file, bytes, length);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset)
{
    int how = holds(file) ? fails("pwrite") : 0;
    if (how == 1 && half_first && length > 1)
        return REAL(pwrite)(file, bytes, length / 2, offset);
    errno = error_number;
    return how ? -1 : REAL(pwrite)(file, bytes, length, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset)
{
    int how = holds(file) ? fails("pwrite") : 0;
    if (how == 1 && half_first && length > 1)
        return REAL(pwrite64)(file, bytes, length / 2, offset);
    errno = error_number;
    return how ? -1 : REAL(pwrite64)(file, bytes, length, offset);
}

ssize_t writev(int file, const struct iovec *pieces, int number)
{
    return holds(file) && is_full("writev") ? -1 : REAL(writev)(file, pieces, number);
}

int fsync(int file) { return holds(file) && is_full("fsync") ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return holds(file) && is_full("fdatasync") ? -1 : REAL(fdatasync)(file); }

int ftruncate(int file, off_t length)
{
    return holds(file) && is_full("ftruncate") ? -1 : REAL(ftruncate)(file, length);
}

int ftruncate64(int file, off64_t length)
{
    return holds(file) && is_full("ftruncate") ? -1 : REAL(ftruncate64)(file, length);
}

int fallocate(int file, int mode, off_t offset, off_t length)
{
    return holds(file) && is_full("fallocate") ? -1 : REAL(fallocate)(file, mode, offset, length);
}

int posix_fallocate(int file, off_t offset, off_t length)
{
    return holds(file) && is_full("fallocate") ? error_number : REAL(posix_fallocate)(file, offset, length);
}

int rename(const char *from, const char *to)
{
    return names(AT_FDCWD, to) && is_full("rename") ? -1 : REAL(rename)(from, to);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    return names(to_directory, to) && is_full("rename") ? -1 : REAL(renameat)(from_directory, from, to_directory, to);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned int flags)
{
    return names(to_directory, to) && is_full("rename")
        ? -1
        : REAL(renameat2)(from_directory, from, to_directory, to, flags);
}

int link(const char *from, const char *to)
{
    return names(AT_FDCWD, to) && is_full("link") ? -1 : REAL(link)(from, to);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    return names(to_directory, to) && is_full("link") ? -1
                                                      : REAL(linkat)(from_directory, from, to_directory, to, flags);
}

int mkdir(const char *path, mode_t mode)
{
    struct stat there;
    if (names(AT_FDCWD, path) && stat(path, &there) != 0 && is_full("mkdir"))
        return -1;
    return REAL(mkdir)(path, mode);
}

int mkdirat(int directory, const char *path, mode_t mode)
{
    struct stat there;
    if (names(directory, path) && fstatat(directory, path, &there, 0) != 0 && is_full("mkdir"))
        return -1;
    return REAL(mkdirat)(directory, path, mode);
}
