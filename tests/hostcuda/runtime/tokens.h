// What orders memory between threads, for the race checker; without one, all of this is nothing.
//
// TSan learns of an order from a release and an acquire on one address, a token. A token is never used for two
// events: threads that come to the second would inherit an order that the first made for others.
#pragma once
#include "runtime.h"
#include "sanitizer.h"

namespace hostcuda {

// A thread as TSan knows it, with a stack of its own: where two of them used one, it would see races.
struct TsanThread {
    void *fiber = nullptr;
    char *stack = nullptr;
};

[[noreturn]] void finish_runner();  // the sanitized runner writes its report and exits

#ifdef HOSTCUDA_TSAN
void begin_tokens();  // of a block
void end_tokens();
char *new_token();
char *barrier_token(unsigned generation);
char *launch_token();
void begin_fibers(sanitizer::Fiber &main, int threads);  // of a launch
void start_fibers();                                     // of a block
TsanThread &tsan_thread(int number);
#else
inline void begin_tokens() {}
inline void end_tokens() {}
inline char *new_token() { return nullptr; }
inline char *barrier_token(unsigned) { return nullptr; }
inline char *launch_token() { return nullptr; }
inline void begin_fibers(sanitizer::Fiber &, int) {}
inline void start_fibers() {}
inline TsanThread nobody;
inline TsanThread &tsan_thread(int) { return nobody; }
#endif

}  // namespace hostcuda
