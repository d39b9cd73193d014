// CUDA's intrinsics on single numbers: bits, conversions, rounded and fast arithmetic.
#pragma once
#include "device_math.h"

namespace hostcuda {
template <class To, class From> To bits_as(From value) {
    static_assert(sizeof(To) == sizeof(From));
    To result;
    __builtin_memcpy(&result, &value, sizeof(To));
    return result;
}
// A conversion that saturates, with NaN as 0: in C++ both are undefined. `low` and `end` are powers of two.
template <class To, class From> To saturated(From x, From low, From end) {
    if (!(x == x)) return 0;
    if (x < low) return To(low);
    if (x >= end) return To(~To(low));  // the largest: all bits but the sign's
    return To(x);
}
}  // namespace hostcuda

inline unsigned __float_as_uint(float x) { return hostcuda::bits_as<unsigned>(x); }
inline int __float_as_int(float x) { return hostcuda::bits_as<int>(x); }
inline float __uint_as_float(unsigned x) { return hostcuda::bits_as<float>(x); }
inline float __int_as_float(int x) { return hostcuda::bits_as<float>(x); }
inline long long __double_as_longlong(double x) { return hostcuda::bits_as<long long>(x); }
inline double __longlong_as_double(long long x) { return hostcuda::bits_as<double>(x); }
inline int __double2hiint(double x) { return int(__double_as_longlong(x) >> 32); }
inline int __double2loint(double x) { return int(__double_as_longlong(x)); }
inline double __hiloint2double(int high, int low) {
    unsigned long long bits = static_cast<unsigned long long>(unsigned(high)) << 32 | unsigned(low);
    return hostcuda::bits_as<double>(bits);
}

#define HOSTCUDA_TO_INTEGER(To, name, From, rounding, low, end)                                     \
    inline To name(From x) { return hostcuda::saturated<To, From>(rounding(x), From(low), From(end)); }
#define HOSTCUDA_TO_INTEGERS(From, rounding, suffix)                                                \
    HOSTCUDA_TO_INTEGER(int, __##From##2int_##suffix, From, rounding, -0x1p31, 0x1p31)              \
    HOSTCUDA_TO_INTEGER(unsigned, __##From##2uint_##suffix, From, rounding, 0, 0x1p32)              \
    HOSTCUDA_TO_INTEGER(long long, __##From##2ll_##suffix, From, rounding, -0x1p63, 0x1p63)         \
    HOSTCUDA_TO_INTEGER(unsigned long long, __##From##2ull_##suffix, From, rounding, 0, 0x1p64)
HOSTCUDA_TO_INTEGERS(float, rintf, rn)
HOSTCUDA_TO_INTEGERS(float, truncf, rz)
HOSTCUDA_TO_INTEGERS(float, floorf, rd)
HOSTCUDA_TO_INTEGERS(float, ceilf, ru)
HOSTCUDA_TO_INTEGERS(double, rint, rn)
HOSTCUDA_TO_INTEGERS(double, trunc, rz)
HOSTCUDA_TO_INTEGERS(double, floor, rd)
HOSTCUDA_TO_INTEGERS(double, ceil, ru)
#undef HOSTCUDA_TO_INTEGERS
#undef HOSTCUDA_TO_INTEGER
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }
inline float __ll2float_rn(long long x) { return float(x); }
inline float __ull2float_rn(unsigned long long x) { return float(x); }
inline double __int2double_rn(int x) { return x; }
inline double __uint2double_rn(unsigned x) { return x; }
inline double __ll2double_rn(long long x) { return double(x); }
inline double __ull2double_rn(unsigned long long x) { return double(x); }
inline float __double2float_rn(double x) { return float(x); }

// Rounded once and never contracted, which is what these promise on the device too.
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dsub_rn(double x, double y) { return x - y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __ddiv_rn(double x, double y) { return x / y; }
inline double __drcp_rn(double x) { return 1 / x; }
inline double __dsqrt_rn(double x) { return sqrt(x); }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }

// The fast ones are no less exact here.
inline float __fdividef(float x, float y) { return x / y; }
inline double fdivide(double x, double y) { return x / y; }
inline float fdividef(float x, float y) { return x / y; }
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return exp10f(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline void __sincosf(float x, float *s, float *c) { sincosf(x, s, c); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned r = 0;
    for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i);
    return r;
}
inline unsigned long long __brevll(unsigned long long x) {
    return static_cast<unsigned long long>(__brev(unsigned(x))) << 32 | __brev(unsigned(x >> 32));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned select) {
    unsigned long long bytes = static_cast<unsigned long long>(y) << 32 | x;
    unsigned r = 0;
    for (int i = 0; i < 4; ++i) r |= unsigned(bytes >> 8 * (select >> 4 * i & 7) & 0xff) << 8 * i;
    return r;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return unsigned(((static_cast<unsigned long long>(high) << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return unsigned((static_cast<unsigned long long>(high) << 32 | low) >> (shift & 31));
}
inline int __mulhi(int x, int y) { return int(static_cast<long long>(x) * y >> 32); }
inline unsigned __umulhi(unsigned x, unsigned y) { return unsigned(static_cast<unsigned long long>(x) * y >> 32); }
inline long long __mul64hi(long long x, long long y) {
    return static_cast<long long>(static_cast<__int128>(x) * y >> 64);
}
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(x) * y >> 64);
}
inline int __mul24(int x, int y) { return int(unsigned(x << 8 >> 8) * unsigned(y << 8 >> 8)); }
inline unsigned __umul24(unsigned x, unsigned y) { return (x & 0xffffff) * (y & 0xffffff); }
inline int __hadd(int x, int y) { return int((static_cast<long long>(x) + y) >> 1); }
inline unsigned __usad(unsigned x, unsigned y, unsigned z) { return (x > y ? x - y : y - x) + z; }

template <class T> T __ldg(const T *address) { return *address; }
template <class T> T __ldcg(const T *address) { return *address; }
template <class T> T __ldcs(const T *address) { return *address; }
template <class T> void __stcg(T *address, T value) { *address = value; }
template <class T> void __stcs(T *address, T value) { *address = value; }
