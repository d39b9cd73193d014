// What the sanitizers must be told about fibers, and about which operations order memory. The runtime itself is
// compiled without instrumentation, so nothing here counts as an access of the kernel's.
#pragma once
#include <cstddef>

namespace hostcuda::sanitizer {

struct Fiber {
    void *handle = nullptr;       // TSan's thread
    const char *stack = nullptr;  // for ASan
    std::size_t bytes = 0;
};

#if defined(HOSTCUDA_TSAN)
inline constexpr bool tsan = true, asan = false;
#elif defined(HOSTCUDA_ASAN)
inline constexpr bool tsan = false, asan = true;
#else
inline constexpr bool tsan = false, asan = false;
#endif

#ifdef HOSTCUDA_TSAN
extern "C" {
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_set_fiber_name(void *fiber, const char *name);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
}
inline void release(void *token) { __tsan_release(token); }
inline void acquire(void *token) { __tsan_acquire(token); }
inline void leave(Fiber &to) { __tsan_switch_to_fiber(to.handle, 1); }  // 1: a switch orders nothing
inline void dying(Fiber &to) { leave(to); }
inline void arrived() {}
#elif defined(HOSTCUDA_ASAN)
extern "C" {
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, std::size_t *size);
}
// Every fiber leaves its fake stack behind unused: the runner turns stack-use-after-return off.
inline void leave(Fiber &to) { void *unused; __sanitizer_start_switch_fiber(&unused, to.stack, to.bytes); }
inline void dying(Fiber &to) { __sanitizer_start_switch_fiber(nullptr, to.stack, to.bytes); }
inline void arrived() { __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr); }
inline void release(void *) {}
inline void acquire(void *) {}
#else
inline void leave(Fiber &) {}
inline void dying(Fiber &) {}
inline void arrived() {}
inline void release(void *) {}
inline void acquire(void *) {}
#endif

}  // namespace hostcuda::sanitizer
