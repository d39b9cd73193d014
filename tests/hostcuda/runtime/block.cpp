// The threads of one block: a fiber each, run one at a time.
//
// The thread that runs is always the ready one of the lowest rank, so one warp gets as far ahead of the others as the
// barriers allow: what a missing barrier lets through shows. Rank is the thread's number, its reverse, or shuffled anew
// at each barrier.
#include <sys/mman.h>

#include <cstring>
#include <utility>
#include <vector>

#include "threads.h"
#include "tokens.h"

hostcuda::Here hostcuda_here;

namespace hostcuda {

Thread threads[1024], *current;
int count, done;

namespace {

constexpr std::size_t stack_bytes = 256 * 1024, guard_bytes = 256 * 1024;

Thread *by_rank[1024];
std::uint64_t ready[16], random_state;  // ready: one bit for each rank
unsigned ready_words;
Order order;
void (*call)(void **);
void **call_arguments;
Context main_context;
sanitizer::Fiber main_fiber;
std::vector<char *> free_stacks;
std::vector<char *> stack_maps;
bool in_kernel;

// ---- who runs ----

std::uint64_t random_number() {  // splitmix64
    std::uint64_t z = (random_state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void set_all(State state) {  // new ranks, and everybody is ready
    if (order == shuffled)
        for (int i = count - 1; i > 0; --i) std::swap(by_rank[i], by_rank[random_number() % (i + 1)]);
    for (int i = 0; i < count; ++i) {
        by_rank[i]->rank = i;
        by_rank[i]->state = state;
    }
    int words = (count + 63) / 64;
    for (int w = 0; w < words; ++w) ready[w] = ~std::uint64_t(0);
    if (count % 64) ready[words - 1] = (std::uint64_t(1) << count % 64) - 1;
    ready_words = (1u << words) - 1;
}

Thread *next_thread() {
    if (!ready_words) return nullptr;
    int word = __builtin_ctz(ready_words);
    return by_rank[word * 64 + __builtin_ctzll(ready[word])];
}

// ---- stacks and switches ----

char *new_stack() {
    if (free_stacks.empty()) {
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void *map = mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (map == MAP_FAILED) {
            record("memory", "no memory for the stack of a thread");
            abandon();
        }
        mprotect(map, guard_bytes, PROT_NONE);
        stack_maps.push_back(static_cast<char *>(map));
        free_stacks.push_back(stack_maps.back() + guard_bytes);
    }
    char *stack = free_stacks.back();
    free_stacks.pop_back();
    return stack;
}

void fiber_main();

void start(Thread &thread) {
    thread.state = State::ready;
    if (!sanitizer::tsan) thread.stack = new_stack();
    // Not all at the same place of a page, or a cache would hold only a few of them.
    prepare_context(thread.context, thread.stack, stack_bytes - thread.number % 16 * 256, fiber_main);
    thread.fiber.stack = thread.stack;
    thread.fiber.bytes = stack_bytes;
}

// From one stack to the next thread's, or to the main one if there is nobody left to run.
void leave(Context &from, Thread *next, bool for_good) {
    Context *to = &main_context;
    sanitizer::Fiber *fiber = &main_fiber;
    if (next) {
        if (next->state == State::fresh) start(*next);
        become(*next);
        to = &next->context;
        fiber = &next->fiber;
    }
    if (for_good) sanitizer::dying(*fiber);
    else sanitizer::leave(*fiber);
    switch_context(from, *to);
    sanitizer::arrived();
}

void fiber_main() {
    sanitizer::arrived();
    for (;;) {
        Thread &self = *current;
        call(call_arguments);
        suspend(self, State::done);
        ++done;
        sanitizer::release(launch_token());
        leave_warp(self);
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

void forget_threads() {  // wherever they are
    std::memset(ready, 0, sizeof ready);
    ready_words = 0;
    free_stacks.clear();
    for (char *map : stack_maps) free_stacks.push_back(map + guard_bytes);
}

}  // namespace

void suspend(Thread &thread, State state) {
    thread.state = state;
    std::uint64_t &word = ready[thread.rank / 64];
    word &= ~(std::uint64_t(1) << thread.rank % 64);
    if (!word) ready_words &= ~(1u << thread.rank / 64);
}

void wake(Thread &thread) {
    thread.state = State::ready;
    ready[thread.rank / 64] |= std::uint64_t(1) << thread.rank % 64;
    ready_words |= 1u << thread.rank / 64;
}

void wake_all() { set_all(State::ready); }

void become(Thread &thread) {
    current = &thread;
    hostcuda_here.thread = thread.index;
    hostcuda_here.lane = thread.number % 32;
}

void reschedule() {
    Thread &self = *current, *next = next_thread();
    if (next != &self) leave(self.context, next, false);
}

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
    std::uint64_t row = number / grid.x;
    hostcuda_here.block = {unsigned(number % grid.x), unsigned(row % grid.y), unsigned(row / grid.y)};
    done = 0;
    begin_block_memory();
    begin_tokens();
    begin_sync();
    start_fibers();
    for (int i = 0; sanitizer::tsan && i < count; ++i) {
        TsanThread &known = tsan_thread(i);
        if (!known.stack) known.stack = new_stack();
        threads[i].stack = known.stack;
        threads[i].fiber.handle = known.fiber;
    }
    set_all(State::fresh);
    in_kernel = true;
    leave(main_context, next_thread(), false);
    in_kernel = false;
    if (!report().failed && done < count) describe_deadlock();
    if (report().failed) {
        if (sanitizer::tsan || sanitizer::asan) finish_runner();
        forget_threads();
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
    switch_context(nowhere, main_context);
    __builtin_unreachable();
}

bool is_stack(const char *address) {
    for (const char *map : stack_maps)
        if (map <= address && address < map + guard_bytes + stack_bytes) return true;
    return false;
}

}  // namespace hostcuda
