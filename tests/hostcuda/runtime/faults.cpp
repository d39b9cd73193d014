// The report of a launch, and signals turned into one.
#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "runtime.h"
#include "sanitizer.h"

namespace hostcuda {
namespace {

Report current_report;
volatile sig_atomic_t expired;

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGVTALRM};
char signal_stack[64 * 1024];
struct sigaction old_actions[std::size(signals)];
stack_t old_stack;
timer_t timer;
bool timed;

void describe_fault(const siginfo_t *info, const char *access) {
    auto *address = static_cast<const char *>(info->si_addr);
    char where[300] = "";
    if (is_stack(address))
        record("stack", "a thread's stack is full: too many local variables, or endless recursion");
    else if (info->si_code == SI_KERNEL)
        record("access", "illegal memory access: a vector that is not aligned, or a wild pointer");
    else if (describe_address(address, where, sizeof where))
        record("access", "illegal memory %s: %s", access, where);
    else
        record("access", "illegal memory %s", access);
}

void on_signal(int number, siginfo_t *info, void *context) {
    if (number == SIGVTALRM) expired = 1;
    if (!running() || current_report.failed) {
        if (number != SIGVTALRM) signal(number, SIG_DFL);  // not the kernel's: let it happen again without us
        return;
    }
    const char *access = "access";
    char *pc = nullptr;
#ifdef __x86_64__
    const auto *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
    pc = reinterpret_cast<char *>(registers[REG_RIP]);
    if (number == SIGSEGV) access = registers[REG_ERR] & 2 ? "write" : "read";
#else
    (void)context;
#endif
    if (number == SIGFPE) record("trap", "integer division by zero");
    else if (number == SIGILL) record("trap", "an instruction that must not be reached");
    else if (number == SIGVTALRM) record_expiry();
    else describe_fault(info, access);
    Dl_info library;
    if (pc && dladdr(pc, &library)) current_report.pc = std::uint64_t(pc - static_cast<char *>(library.dli_fbase));
    abandon();
}

}  // namespace

void begin_watch(double seconds) {
    expired = 0;
    if (sanitizer::asan) return;  // which describes faults itself
    stack_t stack{};
    stack.ss_sp = signal_stack;
    stack.ss_size = sizeof signal_stack;
    sigaltstack(&stack, &old_stack);
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // the handler does not return
    for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &action, &old_actions[i]);
    struct sigevent event {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGVTALRM;
    event._sigev_un._tid = pid_t(syscall(SYS_gettid));
    timed = seconds > 0 && !timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer);
    struct itimerspec limit {};
    limit.it_value.tv_sec = time_t(seconds);
    limit.it_value.tv_nsec = long((seconds - double(time_t(seconds))) * 1e9);
    if (timed) timer_settime(timer, 0, &limit, nullptr);
}

void end_watch() {
    if (sanitizer::asan) return;
    if (timed) timer_delete(timer);
    for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &old_actions[i], nullptr);
    sigaltstack(&old_stack, nullptr);
}

bool time_is_up() { return expired; }

void record_expiry() {
    record("time", "still running after its time limit: an endless loop, or a wait for another block");
}

Report &report() { return current_report; }

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

void locate(Place place) {
    current_report.line = place.line;
    std::snprintf(current_report.file, sizeof current_report.file, "%s", place.file);
}

}  // namespace hostcuda

extern "C" void hostcuda_fail(const char *what, hostcuda::Place place) {
    hostcuda::record("trap", "%s", what);
    hostcuda::locate(place);
    hostcuda::abandon();
}
