/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors and small files: ownership by cleanup attribute, CLOEXEC everywhere. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#define array_size(a)                 (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* Local that closes its fd (>= 0) when it leaves the scope: `fd_auto int fd = open(...)`. */
#define fd_auto __attribute__((cleanup(fd_cleanup), unused))
/* Local that free()s its pointer: `free_auto char *s = NULL`. */
#define free_auto __attribute__((cleanup(free_cleanup), unused))

void fd_cleanup(int *fd);
void free_cleanup(void *ptr_to_ptr);

/* fd_close - close *@fd unless it is negative and set it to -1; errno is kept. */
void fd_close(int *fd);

/* Take the fd (pointer) out of its cleaned-up variable; the caller owns it from then on. */
static inline int steal_fd(int *fd)
{
    int r = *fd;
    *fd = -1;
    return r;
}
#define steal_ptr(pp)                      \
    __extension__({                        \
        __auto_type steal_pp_ = (pp);      \
        __auto_type steal_p_ = *steal_pp_; \
        *steal_pp_ = NULL;                 \
        steal_p_;                          \
    })

/**
 * fd_close_later - close *@fd without waiting for what its last close entails, and set it to -1; errno is kept
 *
 * The last close of an inotify instance, a packet socket or the like waits for an RCU grace period or two, some 15 ms
 * in which a program that ends does nothing else. Here the descriptor is left in flight in a socket that nobody can
 * reach, and the kernel's garbage collector for such sockets (net/unix/garbage.c) closes it from a worker of its own.
 * Where that is not possible it is closed at once.
 */
void fd_close_later(int *fd);

int fd_set_cloexec(int fd, bool on);
int fd_set_nonblock(int fd, bool on);

/**
 * fd_close_all_but - close every fd from @first on, except those in @keep
 * @keep: fds to leave open, in any order, entries < @first and duplicates are ignored; may be NULL
 *
 * close_range(2), or /proc/self/fd walking where the kernel is older than 5.9.
 */
int fd_close_all_but(int first, const int *keep, size_t n);

/* fd_write_all / fd_read_full - loop over short transfers and EINTR on a blocking fd. Return 0 / bytes read (short only at EOF) or -errno. */
int fd_write_all(int fd, const void *buf, size_t len);
ssize_t fd_read_full(int fd, void *buf, size_t len);

/**
 * file_read - read a whole small file
 * @dirfd: as for openat(2), AT_FDCWD included
 * @max: refuse (-EFBIG) a file with more bytes than this
 * @ret: malloc()ed, NUL-terminated copy; the caller frees it
 * @ret_len: its length without the NUL; may be NULL
 *
 * Opens with O_CLOEXEC|O_NONBLOCK|O_NOCTTY, so a FIFO does not block; reads to EOF, so /proc files work.
 */
int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);
int file_read_fd(int fd, size_t max, char **ret, size_t *ret_len);

/* file_write - write @text in ONE write(2) into an existing file (what /proc files need). Return 0 or -errno. */
int file_write(int dirfd, const char *path, const char *text);

/**
 * file_create - create (O_EXCL|O_NOFOLLOW) a file with @mode exactly (umask ignored) and the given content
 * Return: 0 or -errno; nothing is left behind on failure.
 */
int file_create(int dirfd, const char *path, const void *data, size_t len, mode_t mode);
