/* What Swift's Glibc module leaves out of Linux, and wrappers for what Swift cannot import. */
#ifndef STAITHE_CLINUX_H
#define STAITHE_CLINUX_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <features.h>
/* _GNU_SOURCE renames a member of fd_set, and Swift's Glibc module has the other name: two
   definitions of one type do not compile. Nothing here uses select(2). */
#undef __USE_XOPEN
#include <sys/select.h>
#define __USE_XOPEN 1
#include <linux/filter.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* _GNU_SOURCE makes every sockaddr parameter a transparent union, which Swift does not import
   as a plain pointer: hence the wrappers that take one. */
static inline int linux_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    return accept4(fd, address, length, flags);
}
static inline int linux_bind(int fd, const struct sockaddr *address, socklen_t length) {
    return bind(fd, address, length);
}
static inline int linux_connect(int fd, const struct sockaddr *address, socklen_t length) {
    return connect(fd, address, length);
}
static inline int linux_getsockname(int fd, struct sockaddr *address, socklen_t *length) {
    return getsockname(fd, address, length);
}

/* open(2), fcntl(2) and prctl(2) are variadic. */
static inline int linux_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }
static inline int linux_open(const char *path, int flags, mode_t mode) {
    return open(path, flags, mode);
}
static inline int linux_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

/* A filter that takes no SYN: nobody new gets into the queue, handshakes under way end well. The
   14th byte of a TCP header holds the flags. */
static inline int linux_stop_queueing(int fd) {
    struct sock_filter code[] = {
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, 13},
        {BPF_JMP | BPF_JSET | BPF_K, 0, 1, 0x02},
        {BPF_RET | BPF_K, 0, 0, 0},
        {BPF_RET | BPF_K, 0, 0, 0xFFFFFFFF},
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* struct ucred exists for _GNU_SOURCE only. */
static inline int linux_peer(int fd, int *process, unsigned *user, unsigned *group) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
    *process = peer.pid;
    *user = peer.uid;
    *group = peer.gid;
    return 0;
}

/* CPU_COUNT and CPU_SET are macros. */
static inline int linux_cpu_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* perf_event_open(2) has no wrapper, and its attributes are bit fields. Counts how often this
   thread comes to the `number`-th function that allocates: the processor stops there. The four
   are as many as it can watch. */
static inline int linux_count_calls(int number) {
    void *functions[] = {
        (void *)malloc, (void *)calloc, (void *)realloc, (void *)posix_memalign,
    };
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_BREAKPOINT;
    attributes.bp_type = HW_BREAKPOINT_X;
    attributes.bp_addr = (uint64_t)(uintptr_t)functions[number];
    attributes.bp_len = sizeof(long);
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}
#endif
