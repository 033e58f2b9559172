/* Counts what the threads named staithe-loop-* ask of the allocator, of Swift's runtime and of
   the kernel. Loaded before a release build of the proxy by LD_PRELOAD:

       clang -shared -fPIC -O2 -o count.so count.c -ldl
       STAITHE_COUNTS=FILE LD_PRELOAD=./count.so .build/release/staithe run -c ...

   FILE is mapped and holds one 64-bit number for each of `enum what`, in that order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum what {
    ALLOCATIONS, FREES, OBJECTS, RETAINS, RELEASES, ACCESSES, METADATA,
    RECEIVES, SENDS, WAITS, OTHER_CALLS,
    /* The most between two waits of one loop. */
    MOST_CONNECTS, MOST_CLOSES, MOST_BYTES, COUNT
};

static _Atomic uint64_t *counts;

static int on_loop(void) {
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    return strncmp(name, "staithe-loop", 12) == 0;
}

static void count(enum what what) {
    if (counts && on_loop()) atomic_fetch_add_explicit(&counts[what], 1, memory_order_relaxed);
}

static __thread uint64_t in_turn[COUNT];

/* Keeps the highest sum that one turn of a loop has reached. */
static void count_in_turn(enum what what, uint64_t more) {
    if (!counts || !on_loop()) return;
    uint64_t sum = in_turn[what] += more, most = atomic_load(&counts[what]);
    while (sum > most && !atomic_compare_exchange_weak(&counts[what], &most, sum)) {}
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STAITHE_COUNTS");
    if (!path) return;
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, COUNT * sizeof *counts) != 0) abort();
    void *map = mmap(0, COUNT * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) abort();
    close(file);
    counts = map;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* glibc's own names, because dlsym allocates. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

void *malloc(size_t n) { count(ALLOCATIONS); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { count(ALLOCATIONS); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { count(ALLOCATIONS); return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { count(ALLOCATIONS); return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { count(ALLOCATIONS); return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) {
    count(ALLOCATIONS);
    *p = __libc_memalign(a, n);
    return *p ? 0 : 12;
}
void free(void *p) { if (p) count(FREES); __libc_free(p); }

/* Swift's reference counting, as the proxy's own code calls it. Callers may count on registers
   being kept that C does not keep: hence preserve_most. */
#define COUNTED(name, what) \
    __attribute__((preserve_most)) void *name(void *object, uintptr_t more) { \
        static void *(*real)(void *, uintptr_t); \
        if (!real) real = (void *(*)(void *, uintptr_t))dlsym(RTLD_NEXT, #name); \
        count(what); \
        return real(object, more); \
    }
COUNTED(swift_retain, RETAINS)
COUNTED(swift_retain_n, RETAINS)
COUNTED(swift_bridgeObjectRetain, RETAINS)
COUNTED(swift_bridgeObjectRetain_n, RETAINS)
COUNTED(swift_release, RELEASES)
COUNTED(swift_release_n, RELEASES)
COUNTED(swift_bridgeObjectRelease, RELEASES)
COUNTED(swift_bridgeObjectRelease_n, RELEASES)

void *swift_allocObject(const void *type, size_t size, size_t mask) {
    static void *(*real)(const void *, size_t, size_t);
    if (!real) real = (void *(*)(const void *, size_t, size_t))dlsym(RTLD_NEXT, __func__);
    count(OBJECTS);
    return real(type, size, mask);
}

/* Dynamic exclusivity checks, and generics that were not specialised. */
void swift_beginAccess(void *address, void *buffer, uintptr_t flags, void *from) {
    REAL(swift_beginAccess);
    count(ACCESSES);
    real(address, buffer, flags, from);
}
struct metadata { const void *value; size_t state; };
struct metadata swift_getGenericMetadata(size_t request, const void *const *arguments, void *type) {
    REAL(swift_getGenericMetadata);
    count(METADATA);
    return real(request, arguments, type);
}

ssize_t recv(int s, void *b, size_t n, int f) {
    REAL(recv);
    count(RECEIVES);
    ssize_t received = real(s, b, n, f);
    if (received > 0) count_in_turn(MOST_BYTES, received);
    return received;
}
ssize_t send(int s, const void *b, size_t n, int f) { REAL(send); count(SENDS); return real(s, b, n, f); }
ssize_t sendmsg(int s, const struct msghdr *m, int f) { REAL(sendmsg); count(SENDS); return real(s, m, f); }
int epoll_wait(int e, struct epoll_event *v, int n, int t) {
    REAL(epoll_wait);
    count(WAITS);
    memset(in_turn, 0, sizeof in_turn);
    return real(e, v, n, t);
}
int epoll_ctl(int e, int o, int s, struct epoll_event *v) {
    REAL(epoll_ctl);
    count(OTHER_CALLS);
    return real(e, o, s, v);
}
int accept4(int s, struct sockaddr *a, socklen_t *l, int f) {
    REAL(accept4);
    count(OTHER_CALLS);
    return real(s, a, l, f);
}
int connect(int s, const struct sockaddr *a, socklen_t l) {
    REAL(connect);
    count(OTHER_CALLS);
    count_in_turn(MOST_CONNECTS, 1);
    return real(s, a, l);
}
int setsockopt(int s, int l, int o, const void *v, socklen_t n) {
    REAL(setsockopt);
    count(OTHER_CALLS);
    return real(s, l, o, v, n);
}
int shutdown(int s, int h) { REAL(shutdown); count(OTHER_CALLS); return real(s, h); }
int close(int s) {
    REAL(close);
    count(OTHER_CALLS);
    count_in_turn(MOST_CLOSES, 1);
    return real(s);
}
ssize_t read(int f, void *b, size_t n) { REAL(read); count(OTHER_CALLS); return real(f, b, n); }
ssize_t write(int f, const void *b, size_t n) { REAL(write); count(OTHER_CALLS); return real(f, b, n); }
