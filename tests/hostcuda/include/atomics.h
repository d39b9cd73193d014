// Atomics: relaxed, as CUDA's are. The compiler's own atomics do the work, so that the race checker sees an
// atomic access; which of them order memory (those after a __threadfence) is the runtime's business.
#pragma once
#include "abi.h"

namespace hostcuda {

inline void performed([[maybe_unused]] const void *address) {
#ifdef HOSTCUDA_TSAN
    hostcuda_atomic(address);
#endif
}

template <class T, class F> T read_modify_write(T *address, F change) {
    T old, desired;
    __atomic_load(address, &old, __ATOMIC_RELAXED);
    do desired = change(old);
    while (!__atomic_compare_exchange(address, &old, &desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    performed(address);
    return old;
}

}  // namespace hostcuda

#define HOSTCUDA_ATOMIC(name, T, expression)                                                        \
    inline T name(T *address, T v) {                                                                \
        return hostcuda::read_modify_write(address, [v]([[maybe_unused]] T old) -> T { return expression; }); \
    }
#define HOSTCUDA_ATOMIC_INTEGERS(name, expression)                                                  \
    HOSTCUDA_ATOMIC(name, int, expression)                                                          \
    HOSTCUDA_ATOMIC(name, unsigned int, expression)                                                 \
    HOSTCUDA_ATOMIC(name, unsigned long long, expression)

// Sums of signed integers wrap, as they do on the device.
HOSTCUDA_ATOMIC(atomicAdd, int, int(unsigned(old) + unsigned(v)))
HOSTCUDA_ATOMIC(atomicAdd, unsigned int, old + v)
HOSTCUDA_ATOMIC(atomicAdd, unsigned long long, old + v)
HOSTCUDA_ATOMIC(atomicAdd, float, old + v)
HOSTCUDA_ATOMIC(atomicAdd, double, old + v)
HOSTCUDA_ATOMIC(atomicSub, int, int(unsigned(old) - unsigned(v)))
HOSTCUDA_ATOMIC(atomicSub, unsigned int, old - v)
HOSTCUDA_ATOMIC_INTEGERS(atomicExch, v)
HOSTCUDA_ATOMIC(atomicExch, float, v)
HOSTCUDA_ATOMIC_INTEGERS(atomicMax, old < v ? v : old)
HOSTCUDA_ATOMIC(atomicMax, long long, old < v ? v : old)
HOSTCUDA_ATOMIC_INTEGERS(atomicMin, v < old ? v : old)
HOSTCUDA_ATOMIC(atomicMin, long long, v < old ? v : old)
HOSTCUDA_ATOMIC_INTEGERS(atomicAnd, old & v)
HOSTCUDA_ATOMIC(atomicAnd, long long, old & v)
HOSTCUDA_ATOMIC_INTEGERS(atomicOr, old | v)
HOSTCUDA_ATOMIC(atomicOr, long long, old | v)
HOSTCUDA_ATOMIC_INTEGERS(atomicXor, old ^ v)
HOSTCUDA_ATOMIC(atomicXor, long long, old ^ v)
HOSTCUDA_ATOMIC(atomicInc, unsigned int, old >= v ? 0 : old + 1)
HOSTCUDA_ATOMIC(atomicDec, unsigned int, old == 0 || old > v ? v : old - 1)
#undef HOSTCUDA_ATOMIC_INTEGERS
#undef HOSTCUDA_ATOMIC

#define HOSTCUDA_CAS(T)                                                                             \
    inline T atomicCAS(T *address, T expected, T desired) {                                         \
        return hostcuda::read_modify_write(address, [=](T old) { return old == expected ? desired : old; }); \
    }
HOSTCUDA_CAS(int)
HOSTCUDA_CAS(unsigned int)
HOSTCUDA_CAS(unsigned short)
HOSTCUDA_CAS(unsigned long long)
#undef HOSTCUDA_CAS

inline void __threadfence() { hostcuda_fence(); }
inline void __threadfence_block() { hostcuda_fence(); }
inline void __threadfence_system() { hostcuda_fence(); }
