// CUDA's words, for a host compiler. A kernel is compiled behind this header with nothing else before it, so
// it sees what NVRTC would show it without headers, and no more (no <cstdint>, no INFINITY, no std::).
#pragma once
#define HOSTCUDA 1

#include "abi.h"
#include "atomics.h"
#include "intrinsics.h"
#include "vectors.h"
#include "warp.h"

using size_t = decltype(sizeof 0);
using ptrdiff_t = decltype(static_cast<char *>(nullptr) - static_cast<char *>(nullptr));

#define __global__
#define __device__
#define __host__
#define __constant__
#define __launch_bounds__(...)
#define __grid_constant__
#define __noinline__ __attribute__((noinline))
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) alignas(n)
// __shared__ is rewritten before the compiler sees it (source.py).

inline const int warpSize = 32;
#define threadIdx (static_cast<const uint3 &>(hostcuda_here.thread))
#define blockIdx (static_cast<const uint3 &>(hostcuda_here.block))
#define blockDim (static_cast<const dim3 &>(hostcuda_here.block_dim))
#define gridDim (static_cast<const dim3 &>(hostcuda_here.grid_dim))

[[noreturn]] inline void __trap(HOSTCUDA_PLACE) { hostcuda_fail("__trap was called", place); }
inline void __nanosleep(unsigned) {}
#define HOSTCUDA_HOLDS(condition, text)                                                             \
    ((condition) ? void() : hostcuda_fail(text " does not hold: " #condition, {__FILE__, __LINE__}))
#define __builtin_assume(condition) HOSTCUDA_HOLDS(condition, "__builtin_assume")
#define assert(condition) HOSTCUDA_HOLDS(condition, "an assertion")

// What the runtime must know of a kernel is read off its type.
namespace hostcuda {

template <class T> const char *type_name() { return __PRETTY_FUNCTION__; }

template <class T, class U> inline constexpr bool same = false;
template <class T> inline constexpr bool same<T, T> = true;

template <class T, bool is_pointer, bool is_constant> struct Points {
    using type = T;
    static constexpr bool pointer = is_pointer, constant = is_constant;
};
template <class T> struct Pointee : Points<T, false, false> {};
template <class T> struct Pointee<T *> : Points<T, true, false> {};
template <class T> struct Pointee<const T *> : Points<T, true, true> {};
template <class T> struct Pointee<volatile T *> : Points<T, true, false> {};
template <class T> struct Plain { using type = T; };
template <class T> struct Plain<const T> { using type = T; };
template <class T> struct Plain<T *__restrict__> { using type = T *; };

template <class T> constexpr char kind() {
    if (same<T, bool>) return 'b';
    if (same<T, float> || same<T, double>) return 'f';
    if (same<T, void>) return 'v';
    if (__is_class(T) || __is_union(T)) return 's';
    if constexpr (Pointee<T>::pointer || __is_class(T) || __is_union(T)) return 'u';
    else return T(-1) < T(0) ? 'i' : 'u';
}
template <> constexpr char kind<void>() { return 'v'; }
template <class T> inline constexpr unsigned size = sizeof(T);
template <> inline constexpr unsigned size<void> = 0;

template <class A> Parameter parameter() {
    using P = Pointee<typename Plain<A>::type>;
    return {kind<typename P::type>(), P::pointer, P::constant, size<typename P::type>, type_name<A>()};
}

template <auto kernel> struct Kernel;
template <class... A, void (*kernel)(A...)> struct Kernel<kernel> {
    template <int... I> struct Numbers {};
    template <int n, int... I> struct Count : Count<n - 1, n - 1, I...> {};
    template <int... I> struct Count<0, I...> { using type = Numbers<I...>; };
    template <int... I> static void call(void **arguments, Numbers<I...>) {
        kernel(*static_cast<typename Plain<A>::type *>(arguments[I])...);
    }
    static void call(void **arguments) { call(arguments, typename Count<sizeof...(A)>::type{}); }
    static Entry entry(int most_threads) {
        static const Parameter parameters[] = {parameter<A>()..., Parameter{}};
        return {most_threads, int(sizeof...(A)), parameters, call};
    }
};

}  // namespace hostcuda
