// One launch: guarded copies in, blocks one after another, copies out; and faults turned into reports.
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "runtime.h"
#include "sanitizer.h"
#include "tokens.h"

namespace hostcuda {
namespace {

Report current_report;
std::vector<Region> regions;
const Entry *entry;
const Argument *arguments;
int argument_count;

std::string type_of(const Parameter &parameter) {  // "const char* type_name() [with T = float]" -> "float"
    const char *begin = std::strstr(parameter.type, "T = ");
    std::string type = begin ? begin + 4 : parameter.type;
    while (!type.empty() && type.back() == ']') type.pop_back();
    return type;
}

// ---- faults ----

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGVTALRM};
constexpr std::size_t signal_stack_bytes = 64 * 1024;

// The argument that an address belongs to, or the one it is nearest to; how far from its end, or 0 inside of its region.
std::ptrdiff_t describe_argument(const char *address, char *text, std::size_t size) {
    int found = -1;
    std::ptrdiff_t least = 0;
    for (int i = 0; i < argument_count; ++i) {
        if (arguments[i].buffer < 0) continue;
        const Region &region = regions[arguments[i].buffer];
        const char *data = region.data + arguments[i].offset;
        std::ptrdiff_t away = region.contains(address) ? 0 : address < data ? data - address : address - (region.data + region.bytes);
        // Of several in one buffer it is the last that begins before the address.
        bool nearer = found < 0 || away < least;
        if (!nearer && (away > least || data > address || arguments[i].offset < arguments[found].offset)) continue;
        found = i;
        least = away;
        std::snprintf(text, size, "argument %d (%s): byte %td of %zu", i, type_of(entry->parameters[i]).c_str(),
                      address - data, region.bytes - arguments[i].offset);
    }
    return found < 0 ? -1 : least;
}

void describe_fault(const siginfo_t *info, const char *access) {
    auto *address = static_cast<const char *>(info->si_addr);
    char where[300];
    if (is_stack(address))
        record("stack", "a thread's stack is full: too many local variables, or endless recursion");
    else if (info->si_code == SI_KERNEL)
        record("access", "illegal memory access: a vector that is not aligned, or a wild pointer");
    else
        record("access", describe_address(address, where, sizeof where) ? "illegal memory %s: %s" : "illegal memory %s", access, where);
}

void on_signal(int number, siginfo_t *info, void *context) {
    if (!running() || current_report.failed) {  // not the kernel's: let it happen again without us
        signal(number, SIG_DFL);
        return;
    }
    const char *access = "access";
#ifdef __x86_64__
    const auto *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
    auto *pc = reinterpret_cast<char *>(registers[REG_RIP]);
    if (number == SIGSEGV) access = registers[REG_ERR] & 2 ? "write" : "read";
#else
    char *pc = nullptr;
    (void)context;
#endif
    if (number == SIGFPE) record("trap", "integer division by zero");
    else if (number == SIGILL) record("trap", "an instruction that must not be reached");
    else if (number == SIGVTALRM) record("time", "still running after its time limit: an endless loop, or a wait for another block");
    else describe_fault(info, access);
    Dl_info library;
    if (pc && dladdr(pc, &library)) current_report.pc = pc - static_cast<char *>(library.dli_fbase);
    abandon();
}

// Handlers, their stack and the time limit, put in place for one launch.
class Watch {
  public:
    explicit Watch(double seconds) {
        if (sanitizer::asan) return;  // which describes faults itself
        static char memory[signal_stack_bytes];
        stack_t stack{};
        stack.ss_sp = memory;
        stack.ss_size = sizeof memory;
        sigaltstack(&stack, &old_stack_);
        struct sigaction action {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // the handler does not return
        for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &action, &old_[i]);
        struct sigevent event {};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGVTALRM;
        event._sigev_un._tid = pid_t(syscall(SYS_gettid));
        timed_ = seconds > 0 && !timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_);
        struct itimerspec limit {};
        limit.it_value.tv_sec = time_t(seconds);
        limit.it_value.tv_nsec = long((seconds - double(time_t(seconds))) * 1e9);
        if (timed_) timer_settime(timer_, 0, &limit, nullptr);
    }
    ~Watch() {
        if (sanitizer::asan) return;
        if (timed_) timer_delete(timer_);
        for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &old_[i], nullptr);
        sigaltstack(&old_stack_, nullptr);
    }

  private:
    stack_t old_stack_{};
    struct sigaction old_[std::size(signals)];
    timer_t timer_{};
    bool timed_ = false;
};

// ---- blocks ----

std::vector<std::uint64_t> block_order(std::uint64_t blocks, const Launch &launch) {
    std::vector<std::uint64_t> numbers(blocks);
    for (std::uint64_t i = 0; i < blocks; ++i) numbers[i] = launch.order == descending ? blocks - 1 - i : i;
    if (launch.order == shuffled) {
        std::uint64_t state = launch.seed * 2 + 1;
        for (std::uint64_t i = blocks - 1; i > 0; --i) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            std::swap(numbers[i], numbers[(state >> 33) % (i + 1)]);
        }
    }
    return numbers;
}

void run(const Launch &launch, void **pointers) {
    Watch watch(launch.seconds);
    begin_shared(launch.dynamic_bytes, launch.shared_limit);
    begin_threads(launch, *entry, pointers);
    std::uint64_t blocks = std::uint64_t(launch.grid[0]) * launch.grid[1] * launch.grid[2];
    for (std::uint64_t number : block_order(blocks, launch))
        if (!run_block(number)) return;
    sanitizer::acquire(launch_token());
}

void check_and_copy_out(const Buffer *buffers, int count) {
    for (int b = 0; b < count; ++b)
        if (!regions[b].intact()) {
            int argument = 0;
            while (arguments[argument].buffer != b) ++argument;
            record("canary", "the bytes around argument %d (%s) were overwritten", argument, type_of(entry->parameters[argument]).c_str());
            return;
        }
    if (!shared_memory_intact()) return;
    for (int b = 0; b < count; ++b)
        if (!buffers[b].constant && buffers[b].bytes) std::memcpy(buffers[b].data, regions[b].data, buffers[b].bytes);
}

}  // namespace

Report &report() { return current_report; }

void locate(Place place) {
    current_report.line = place.line;
    std::snprintf(current_report.file, sizeof current_report.file, "%s", place.file);
}

bool describe_address(const char *address, char *text, std::size_t size) {
    if (describe_shared(address, text, size)) return true;
    char argument[250];
    std::ptrdiff_t away = describe_argument(address, argument, sizeof argument);
    if (away < 0) return false;
    std::snprintf(text, size, "%s%s", away ? "far from every array; the nearest is " : "", argument);
    return true;
}

void record(const char *kind, const char *format, ...) {
    current_report.failed = 1;
    std::snprintf(current_report.kind, sizeof current_report.kind, "%s", kind);
    va_list list;
    va_start(list, format);
    std::vsnprintf(current_report.text, sizeof current_report.text, format, list);
    va_end(list);
    current_report.located = running();
    const Here &here = hostcuda_here;
    std::memcpy(current_report.block, &here.block, sizeof here.block);
    std::memcpy(current_report.thread, &here.thread, sizeof here.thread);
}

}  // namespace hostcuda

using namespace hostcuda;

extern "C" void hostcuda_fail(const char *what, Place place) {
    record("trap", "%s", what);
    locate(place);
    abandon();
}

extern "C" int hostcuda_launch(const Entry *kernel, const Launch *launch, const Buffer *buffers, const Argument *values, Report *result) {
    current_report = {};
    entry = kernel;
    arguments = values;
    argument_count = launch->arguments;
    regions.assign(launch->buffers, Region{});
    for (int b = 0; b < launch->buffers; ++b) {
        Region &region = regions[b];
        region.open(buffers[b].bytes, 16, buffers[b].skew, argument_guard);
        if (region.bytes) std::memcpy(region.data, buffers[b].data, region.bytes);
        if (buffers[b].constant) region.protect();
    }
    std::vector<Argument> by_value(values, values + argument_count);
    std::vector<void *> places(argument_count), pointers(argument_count + 1);
    for (int i = 0; i < argument_count; ++i) {
        if (values[i].buffer >= 0) places[i] = regions[values[i].buffer].data + values[i].offset;
        pointers[i] = values[i].buffer >= 0 ? static_cast<void *>(&places[i]) : by_value[i].value;
    }
    run(*launch, pointers.data());
    if (!current_report.failed) check_and_copy_out(buffers, launch->buffers);
    for (Region &region : regions) region.close();
    regions.clear();
    *result = current_report;
    return current_report.failed;
}

// The launch bound, then a line for each parameter: kind, pointer, constant, size, type.
extern "C" const char *hostcuda_describe(const Entry *kernel) {
    static std::string text;
    text = std::to_string(kernel->most_threads) + "\n";
    for (int i = 0; i < kernel->count; ++i) {
        const Parameter &p = kernel->parameters[i];
        text += std::string(1, p.kind) + (p.pointer ? " 1" : " 0") + (p.constant ? " 1 " : " 0 ") + std::to_string(p.size) + " " + type_of(p) + "\n";
    }
    return text.c_str();
}

#if !defined(HOSTCUDA_TSAN)
extern "C" void hostcuda_fence() {}
extern "C" void hostcuda_atomic(const void *) {}
#endif
#if !defined(HOSTCUDA_TSAN) && !defined(HOSTCUDA_ASAN)
void hostcuda::finish_runner() { __builtin_unreachable(); }
#endif
