// The threads of one block: a fiber each, run one at a time.
//
// The thread that runs is always the ready one of the lowest rank, so one warp gets as far ahead of the others as the
// barriers allow: what a missing barrier lets through shows. Rank is the thread's number, its reverse, or shuffled anew
// at each barrier.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <vector>

#include "fiber.h"
#include "runtime.h"
#include "sanitizer.h"
#include "tokens.h"

hostcuda::Here hostcuda_here;

namespace hostcuda {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024, guard_bytes = 256 * 1024;

enum class State : unsigned char { fresh, ready, at_barrier, in_warp, done };

bool operator==(Place a, Place b) { return a.line == b.line && (a.file == b.file || !std::strcmp(a.file, b.file)); }

struct Thread {
    Context context;
    sanitizer::Fiber fiber;
    uint3 index;
    int number, rank;
    State state;
    char *stack;
    // what it brought to the warp, or waits for at the barrier
    unsigned mask;
    Place place;
    int source;
    unsigned long long bits, result;
};

// Lanes on their way to one operation under one mask.
struct Group {
    unsigned mask, arrived;
    Operation operation;
    Place place;
    char *token;
};

struct Warp {
    unsigned alive;
    int open;
    Group groups[32];
};

struct Barrier {
    int arrived, holds, result;
    unsigned generation;
    Place place;
};

Thread threads[1024], *current;
Warp warps[32];
Barrier barrier;
Thread *by_rank[1024];
std::uint64_t ready[16], random_state;
unsigned ready_words;
int count, done;
Order order;
void (*call)(void **);
void **call_arguments;
Context main_context;
sanitizer::Fiber main_fiber;
std::vector<char *> free_stacks;
std::vector<std::pair<char *, std::size_t>> stack_maps;
bool in_kernel;

std::uint64_t random_number() {  // splitmix64
    std::uint64_t z = (random_state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

// ---- who runs ----

void make_ready(Thread &thread) {
    ready[thread.rank / 64] |= std::uint64_t(1) << thread.rank % 64;
    ready_words |= 1u << thread.rank / 64;
}

void suspend(Thread &thread, State state) {
    thread.state = state;
    if (!(ready[thread.rank / 64] &= ~(std::uint64_t(1) << thread.rank % 64))) ready_words &= ~(1u << thread.rank / 64);
}

void wake(Thread &thread) {
    thread.state = State::ready;
    make_ready(thread);
}

Thread *next_thread() {
    if (!ready_words) return nullptr;
    int word = __builtin_ctz(ready_words);
    return by_rank[word * 64 + __builtin_ctzll(ready[word])];
}

void give_ranks() {  // to threads that are all ready
    if (order == shuffled)
        for (int i = count - 1; i > 0; --i) std::swap(by_rank[i], by_rank[random_number() % (i + 1)]);
    for (int i = 0; i < count; ++i) by_rank[i]->rank = i;
}

// ---- stacks and switches ----

char *new_stack() {
    if (free_stacks.empty()) {
        std::size_t bytes = stack_bytes + guard_bytes;
        auto *map = static_cast<char *>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (map == MAP_FAILED) {
            record("memory", "no memory for the stack of a thread");
            abandon();
        }
        mprotect(map, guard_bytes, PROT_NONE);
        stack_maps.emplace_back(map, bytes);
        free_stacks.push_back(map + guard_bytes);
    }
    char *stack = free_stacks.back();
    free_stacks.pop_back();
    return stack;
}

void fiber_main();

void become(Thread &thread) {
    current = &thread;
    hostcuda_here.thread = thread.index;
    hostcuda_here.lane = thread.number % 32;
}

// From one stack to the next thread's, or to the main one if there is nobody left to run.
void leave(Context &from, Thread *next, bool for_good) {
    Context *to = &main_context;
    sanitizer::Fiber *fiber = &main_fiber;
    if (next) {
        if (next->state == State::fresh) {
            next->state = State::ready;
            if (!sanitizer::tsan) next->stack = new_stack();
            // Not all at the same place of a page, or a cache would hold only a few of them.
            std::size_t bytes = stack_bytes - next->number % 16 * 256;
            prepare_context(next->context, next->stack, bytes, fiber_main);
            next->fiber.stack = next->stack;
            next->fiber.bytes = stack_bytes;
        }
        become(*next);
        to = &next->context;
        fiber = &next->fiber;
    }
    if (for_good) sanitizer::dying(*fiber);
    else sanitizer::leave(*fiber);
    switch_context(from, *to);
    sanitizer::arrived();
}

void reschedule() {  // the running thread may have been suspended
    Thread &self = *current, *next = next_thread();
    if (next != &self) leave(self.context, next, false);
}

// ---- warps ----

unsigned long long answer(const Group &group, const Thread *lanes, const Thread &lane) {
    unsigned long long bits = 0;
    switch (group.operation) {
        case Operation::syncwarp:
            return 0;
        case Operation::shuffle:  // from a lane that takes no part, CUDA promises nothing
            return group.arrived >> lane.source & 1 ? lanes[lane.source].bits : ~0ull;
        case Operation::ballot:
        case Operation::match:
            for (int i = 0; i < 32; ++i)
                if (group.arrived >> i & 1) {
                    bool yes = group.operation == Operation::ballot ? lanes[i].bits != 0 : lanes[i].bits == lane.bits;
                    bits |= static_cast<unsigned long long>(yes) << i;
                }
            return static_cast<unsigned long long>(group.arrived) << 32 | bits;
    }
    return 0;
}

// Performs an operation that all lanes of its mask have come to; lanes that have exited are not waited for.
bool complete(Warp &warp, int index) {
    Group &group = warp.groups[index];
    if ((group.mask & warp.alive) != group.arrived) return false;
    Thread *lanes = &threads[(&warp - warps) * 32];
    for (int i = 0; i < 32; ++i)
        if (group.arrived >> i & 1) lanes[i].result = answer(group, lanes, lanes[i]);
    for (int i = 0; i < 32; ++i)
        if (group.arrived >> i & 1) wake(lanes[i]);
    group = warp.groups[--warp.open];
    return true;
}

void retire(Thread &self) {
    suspend(self, State::done);
    ++done;
    sanitizer::release(launch_token());
    Warp &warp = warps[self.number / 32];
    warp.alive &= ~(1u << self.number % 32);
    for (int i = 0; i < warp.open;)
        if (!complete(warp, i)) ++i;
}

void fiber_main() {
    sanitizer::arrived();
    for (;;) {
        Thread &self = *current;
        call(call_arguments);
        retire(self);
        Thread *next = next_thread();
        if (next && next->state == State::fresh && !sanitizer::tsan) {  // without a switch, on this stack
            next->state = State::ready;
            next->stack = self.stack;
            next->fiber = self.fiber;
            become(*next);
            continue;
        }
        if (!sanitizer::tsan) free_stacks.push_back(self.stack);
        leave(self.context, next, true);
    }
}

// ---- what went wrong when nobody can run ----

const char *name(Operation operation) {
    switch (operation) {
        case Operation::syncwarp: return "__syncwarp";
        case Operation::shuffle: return "a shuffle";
        case Operation::ballot: return "a vote";
        case Operation::match: return "a match";
    }
    return "?";
}

void describe_deadlock() {
    char text[900];
    int length = 0, waiting = 0;
    auto say = [&](auto... parts) {
        if (length < int(sizeof text)) length += std::snprintf(text + length, sizeof text - length, parts...);
    };
    Thread *first = nullptr;  // that waits: at the barrier, or else in a warp
    for (int i = 0; i < count; ++i) {
        bool in_warp = threads[i].state == State::in_warp, at_barrier = threads[i].state == State::at_barrier;
        if ((in_warp && !first) || (at_barrier && !waiting)) first = &threads[i];
        waiting += at_barrier;
    }
    if (waiting) say("%d of %d threads wait at __syncthreads (line %d)", waiting, count, barrier.place.line);
    if (done) say("%s%d have exited", waiting ? ", " : "", done);
    int told = 0;
    for (int w = 0; w * 32 < count; ++w)
        for (int g = 0; g < warps[w].open; ++g) {
            const Group &group = warps[w].groups[g];
            if (told++ < 4)
                say("%slanes %08x of warp %d wait in %s (line %d, mask %08x) for lanes %08x", length ? ", " : "",
                    group.arrived, w, name(group.operation), group.place.line, group.mask, group.mask & warps[w].alive & ~group.arrived);
        }
    if (told > 4) say(" and %d more", told - 4);
    if (first) become(*first);
    record("divergence", "%s: %s", waiting ? "divergent __syncthreads" : "divergent warp operation", text);
    if (first) locate(first->place);
    report().located = first != nullptr;
}

}  // namespace

void begin_threads(const Launch &launch, const Entry &entry, void **arguments) {
    count = int(launch.block[0] * launch.block[1] * launch.block[2]);
    order = Order(launch.order);
    random_state = launch.seed;
    call = entry.call;
    call_arguments = arguments;
    hostcuda_here.block_dim = {launch.block[0], launch.block[1], launch.block[2]};
    hostcuda_here.grid_dim = {launch.grid[0], launch.grid[1], launch.grid[2]};
    for (int i = 0; i < count; ++i) {
        unsigned x = launch.block[0], y = launch.block[1], n = unsigned(i);
        threads[i].index = {n % x, n / x % y, n / x / y};
        threads[i].number = i;
        by_rank[order == descending ? count - 1 - i : i] = &threads[i];
    }
    begin_fibers(main_fiber, count);
}

bool run_block(std::uint64_t number) {
    auto grid = hostcuda_here.grid_dim;
    hostcuda_here.block = {unsigned(number % grid.x), unsigned(number / grid.x % grid.y), unsigned(number / grid.x / grid.y)};
    begin_block_memory();
    begin_tokens();
    give_ranks();
    for (int i = 0; i < count; ++i) {
        threads[i].state = State::fresh;
        make_ready(threads[i]);
    }
    for (int w = 0; w * 32 < count; ++w) {
        int lanes = std::min(32, count - w * 32);
        warps[w].alive = lanes == 32 ? ~0u : (1u << lanes) - 1;
        warps[w].open = 0;
    }
    barrier = {};
    done = 0;
    start_fibers();
    for (int i = 0; sanitizer::tsan && i < count; ++i) {
        TsanThread &known = tsan_thread(i);
        if (!known.stack) known.stack = new_stack();
        threads[i].stack = known.stack;
        threads[i].fiber.handle = known.fiber;
    }
    in_kernel = true;
    leave(main_context, next_thread(), false);
    in_kernel = false;
    if (!report().failed && done < count) describe_deadlock();
    if (report().failed && (sanitizer::tsan || sanitizer::asan)) finish_runner();
    if (report().failed) {  // threads may be anywhere: forget them
        std::memset(ready, 0, sizeof ready);
        ready_words = 0;
        free_stacks.clear();
        for (auto &[map, bytes] : stack_maps) free_stacks.push_back(map + guard_bytes);
        return false;
    }
    end_tokens();
    end_block_memory();
    return true;
}

bool running() { return in_kernel; }

void abandon() {
    if (sanitizer::tsan || sanitizer::asan) finish_runner();
    Context nowhere;
    sanitizer::leave(main_fiber);
    switch_context(nowhere, main_context);
    __builtin_unreachable();
}

bool is_stack(const char *address) {
    for (auto &[map, bytes] : stack_maps)
        if (map <= address && address < map + bytes) return true;
    return false;
}

}  // namespace hostcuda

using namespace hostcuda;

extern "C" int hostcuda_barrier(int predicate, Place place) {
    Thread &self = *current;
    self.place = place;
    if (!barrier.arrived) {
        barrier.place = place;
    } else if (!(barrier.place == place)) {
        record("divergence", "divergent __syncthreads: other threads wait at line %d, this one at line %d", barrier.place.line, place.line);
        locate(place);
        abandon();
    }
    barrier.holds += predicate != 0;
    char *token = barrier_token(barrier.generation);
    sanitizer::release(token);
    suspend(self, State::at_barrier);
    if (++barrier.arrived == count) {
        barrier = {0, 0, barrier.holds, barrier.generation + 1, {}};
        give_ranks();
        for (int i = 0; i < count; ++i) wake(threads[i]);
    }
    reschedule();
    sanitizer::acquire(token);
    return barrier.result;
}

extern "C" unsigned long long hostcuda_warp(Operation operation, unsigned mask, unsigned long long bits, int source, Place place) {
    Thread &self = *current;
    Warp &warp = warps[self.number / 32];
    unsigned bit = 1u << self.number % 32;
    if (!(mask & bit)) hostcuda_fail("a lane takes part in a warp operation whose mask leaves it out", place);
    int index = 0;
    while (index < warp.open && warp.groups[index].mask != mask) ++index;
    Group &group = warp.groups[index];
    if (index == warp.open) {
        ++warp.open;
        group = {mask, 0, operation, place, operation == Operation::syncwarp ? new_token() : nullptr};
    } else if (group.operation != operation || (!(group.place == place) && operation != Operation::syncwarp)) {
        // Lanes of the same mask in two places wait for each other. (A __syncwarp may be met from several.)
        record("divergence", "divergent warp operation: lanes %08x wait in %s (line %d, mask %08x), this one comes to %s (line %d)",
               group.arrived, name(group.operation), group.place.line, mask, name(operation), place.line);
        locate(place);
        abandon();
    }
    char *token = group.token;
    if (token) sanitizer::release(token);
    self.mask = mask;
    self.place = place;
    self.bits = bits;
    self.source = source & 31;
    group.arrived |= bit;
    suspend(self, State::in_warp);
    complete(warp, index);
    reschedule();
    if (token) sanitizer::acquire(token);
    return self.result;
}
