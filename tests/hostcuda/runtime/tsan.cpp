// The race checker's view of a launch: which threads there are, and what orders their accesses.
#ifdef HOSTCUDA_TSAN
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "runtime.h"
#include "tokens.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char *, int);
void AnnotateIgnoreReadsEnd(const char *, int);
int __tsan_get_report_data(void *, const char **, int *, int *, int *, int *, int *, int *, int *, void **,
                           unsigned long);
int __tsan_get_report_mop(void *, unsigned long, int *, void **, int *, int *, int *, void **, unsigned long);
}

namespace hostcuda {
namespace {

// What the containers here do happens in the name of the running thread, but is none of its accesses.
struct Unwatched {
    Unwatched() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
    ~Unwatched() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

// Addresses that stand for events; eight bytes apart, because TSan knows no finer ones.
struct Tokens {
    static constexpr long bytes = 8 << 20;
    char *begin = nullptr, *next = nullptr;

    char *take() {
        if (!begin) {
            constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
            long map = syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
            if (map == -1) std::abort();
            begin = next = reinterpret_cast<char *>(map);
        }
        if (next == begin + bytes) {
            record("memory", "more than a million warp barriers or fences: check a smaller case for races");
            finish_runner();
        }
        return next += 8, next - 8;
    }
    void drop() {  // TSan forgets what it knew of them
        if (begin) munmap(begin, bytes);
        begin = nullptr;
    }
};

Tokens of_block, of_launch;
char *end_of_launch = of_launch.take(), *barriers[2];

// A fence publishes what its thread knows to whoever later meets one of the thread's atomics.
char *fenced[1024];
std::unordered_map<const void *, std::vector<char *>> published;

}  // namespace

void begin_tokens() {
    for (char *&token : fenced) token = nullptr;
    for (char *&token : barriers) token = of_block.take();
}

void end_tokens() { of_block.drop(); }

char *new_token() { return of_block.take(); }

// Two in turn are enough: when a thread comes to the barrier after the next, all have left this one, and know
// all that it could tell them.
char *barrier_token(unsigned generation) { return barriers[generation % 2]; }

char *launch_token() { return end_of_launch; }

// A thread costs TSan over a megabyte and a millisecond, so blocks take turns at a few sets of threads. A set that
// comes again still knows what the block before it knew, so a race with that block goes unseen; one with the blocks in
// between does not.
constexpr int enough_fibers = 256;
std::vector<TsanThread> fibers;
int per_block, sets, turn;

void begin_fibers(sanitizer::Fiber &main, int threads) {
    main.handle = sanitizer::__tsan_get_current_fiber();
    per_block = threads;
    sets = std::max(2, enough_fibers / threads);
    fibers.resize(std::size_t(sets * threads));
}

// TSan orders a thread after the one that made it: all are made by the main one, which learns nothing from any.
void start_fibers() {
    turn = (turn + 1) % sets;
    uint3 block = hostcuda_here.block;
    for (int i = 0; i < per_block; ++i) {
        void *&fiber = tsan_thread(i).fiber;
        if (!fiber) fiber = sanitizer::__tsan_create_fiber(0);
        unsigned n = unsigned(i), x = hostcuda_here.block_dim.x, y = hostcuda_here.block_dim.y;
        char name[80];
        std::snprintf(name, sizeof name, "block (%u, %u, %u) thread (%u, %u, %u)", block.x, block.y, block.z, n % x,
                      n / x % y, n / x / y);
        sanitizer::__tsan_set_fiber_name(fiber, name);
    }
}

TsanThread &tsan_thread(int number) { return fibers[std::size_t(turn * per_block + number)]; }

int thread_number() {
    const Here &here = hostcuda_here;
    return int((here.thread.z * here.block_dim.y + here.thread.y) * here.block_dim.x + here.thread.x);
}

}  // namespace hostcuda

using namespace hostcuda;

extern "C" void hostcuda_fence() {
    char *token = of_launch.take();
    sanitizer::release(token);
    fenced[thread_number()] = token;
}

// An atomic takes over what was published at its address (without a fence of the reader's, which NVIDIA's own example
// of a last block leaves out), and publishes what its thread knew at its last fence.
extern "C" void hostcuda_atomic(const void *address) {
    Unwatched unwatched;
    std::vector<char *> &tokens = published[address];
    for (char *token : tokens) sanitizer::acquire(token);
    char *own = fenced[thread_number()];
    if (own && (tokens.empty() || tokens.back() != own)) tokens.push_back(own);
}

// Called by TSan before it prints a report.
extern "C" void __tsan_on_report(void *report) {
    int unused, accesses = 0, thread, size, write, atomic;
    const char *kind;
    void *address = nullptr, *trace[1];
    char text[300];
    __tsan_get_report_data(report, &kind, &unused, &unused, &accesses, &unused, &unused, &unused, &unused, trace, 0);
    if (!accesses) return;
    __tsan_get_report_mop(report, 0, &thread, &address, &size, &write, &atomic, trace, 1);
    if (address && describe_address(static_cast<char *>(address), text, sizeof text))
        std::fprintf(stderr, "hostcuda-place: %s\n", text);
}
#endif
