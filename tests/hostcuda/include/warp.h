// Barriers, shuffles and votes. The runtime matches the lanes of a mask; what a lane reads from where is
// worked out here. Every place of a call is passed along, for messages.
#pragma once
#include "abi.h"

#define HOSTCUDA_PLACE hostcuda::Place place = {__builtin_FILE(), __builtin_LINE()}

inline void __syncthreads(HOSTCUDA_PLACE) { hostcuda_barrier(0, place); }
inline int __syncthreads_count(int p, HOSTCUDA_PLACE) { return hostcuda_barrier(p, place); }
inline int __syncthreads_or(int p, HOSTCUDA_PLACE) { return hostcuda_barrier(p, place) != 0; }
inline int __syncthreads_and(int p, HOSTCUDA_PLACE) { return hostcuda_barrier(!p, place) == 0; }
inline void __syncwarp(unsigned mask = 0xffffffff, HOSTCUDA_PLACE) {
    hostcuda_warp(hostcuda::Operation::syncwarp, mask, 0, 0, place);
}

namespace hostcuda {

inline int segment(int width, Place place) {  // the first lane of this lane's segment
    if (width < 1 || width > 32 || (width & (width - 1)))
        hostcuda_fail("the width of a shuffle is not a power of two up to 32", place);
    return hostcuda_here.lane & ~(width - 1);
}

template <class T> T exchange(unsigned mask, T value, int source, Place place) {
    static_assert(sizeof(T) <= 8);
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    bits = hostcuda_warp(Operation::shuffle, mask, bits, source, place);
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}

inline unsigned long long vote(unsigned mask, int predicate, Place place) {  // who took part, and who said yes
    return hostcuda_warp(Operation::ballot, mask, predicate != 0, 0, place);
}

}  // namespace hostcuda

#define HOSTCUDA_SHUFFLES(T)                                                                        \
    inline T __shfl_sync(unsigned mask, T v, int lane, int width = 32, HOSTCUDA_PLACE) { \
        return hostcuda::exchange(mask, v, hostcuda::segment(width, place) | (lane & (width - 1)), place); \
    }                                                                                               \
    inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, HOSTCUDA_PLACE) { \
        int from = hostcuda_here.lane - int(delta);                                                 \
        return hostcuda::exchange(mask, v, from < hostcuda::segment(width, place) ? hostcuda_here.lane : from, place); \
    }                                                                                               \
    inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, HOSTCUDA_PLACE) { \
        unsigned from = hostcuda_here.lane + delta, end = hostcuda::segment(width, place) + width;   \
        return hostcuda::exchange(mask, v, from >= end ? hostcuda_here.lane : int(from), place);     \
    }                                                                                               \
    inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, HOSTCUDA_PLACE) { \
        int from = hostcuda_here.lane ^ bits, end = hostcuda::segment(width, place) + width;         \
        return hostcuda::exchange(mask, v, from < 0 || from >= end ? hostcuda_here.lane : from, place); \
    }
HOSTCUDA_SHUFFLES(int)
HOSTCUDA_SHUFFLES(unsigned int)
HOSTCUDA_SHUFFLES(long)
HOSTCUDA_SHUFFLES(unsigned long)
HOSTCUDA_SHUFFLES(long long)
HOSTCUDA_SHUFFLES(unsigned long long)
HOSTCUDA_SHUFFLES(float)
HOSTCUDA_SHUFFLES(double)
#undef HOSTCUDA_SHUFFLES

inline unsigned __ballot_sync(unsigned mask, int p, HOSTCUDA_PLACE) { return unsigned(hostcuda::vote(mask, p, place)); }
inline int __any_sync(unsigned mask, int p, HOSTCUDA_PLACE) { return unsigned(hostcuda::vote(mask, p, place)) != 0; }
inline int __all_sync(unsigned mask, int p, HOSTCUDA_PLACE) { return unsigned(hostcuda::vote(mask, !p, place)) == 0; }

// Convergence is never promised, so the least that CUDA may answer is the answer here.
inline unsigned __activemask() { return 1u << hostcuda_here.lane; }

#define HOSTCUDA_MATCHES(T)                                                                         \
    inline unsigned __match_any_sync(unsigned mask, T v, HOSTCUDA_PLACE) {             \
        unsigned long long bits = 0;                                                                \
        __builtin_memcpy(&bits, &v, sizeof(T));                                                     \
        return unsigned(hostcuda_warp(hostcuda::Operation::match, mask, bits, 0, place));            \
    }                                                                                               \
    inline unsigned __match_all_sync(unsigned mask, T v, int *same, HOSTCUDA_PLACE) {  \
        unsigned long long bits = 0;                                                                \
        __builtin_memcpy(&bits, &v, sizeof(T));                                                     \
        bits = hostcuda_warp(hostcuda::Operation::match, mask, bits, 0, place);                      \
        *same = unsigned(bits) == unsigned(bits >> 32);                                             \
        return *same ? unsigned(bits) : 0;                                                          \
    }
HOSTCUDA_MATCHES(int)
HOSTCUDA_MATCHES(unsigned int)
HOSTCUDA_MATCHES(long)
HOSTCUDA_MATCHES(unsigned long)
HOSTCUDA_MATCHES(long long)
HOSTCUDA_MATCHES(unsigned long long)
HOSTCUDA_MATCHES(float)
HOSTCUDA_MATCHES(double)
#undef HOSTCUDA_MATCHES
