// The mathematics that NVRTC knows without a header. libm does the work: results differ from the device's
// in the last places, and denormals are kept.
#pragma once

#define HOSTCUDA_BOTH(name) /* f(float) and f(double), and the C++ overload of the float one */     \
    extern "C" double name(double);                                                                 \
    extern "C" float name##f(float);                                                                \
    inline float name(float x) { return name##f(x); }
#define HOSTCUDA_BOTH2(name)                                                                        \
    extern "C" double name(double, double);                                                         \
    extern "C" float name##f(float, float);                                                         \
    inline float name(float x, float y) { return name##f(x, y); }
HOSTCUDA_BOTH(acos) HOSTCUDA_BOTH(acosh) HOSTCUDA_BOTH(asin) HOSTCUDA_BOTH(asinh) HOSTCUDA_BOTH(atan)
HOSTCUDA_BOTH(atanh) HOSTCUDA_BOTH(cbrt) HOSTCUDA_BOTH(ceil) HOSTCUDA_BOTH(cos) HOSTCUDA_BOTH(cosh)
HOSTCUDA_BOTH(erf) HOSTCUDA_BOTH(erfc) HOSTCUDA_BOTH(exp) HOSTCUDA_BOTH(exp2) HOSTCUDA_BOTH(expm1)
HOSTCUDA_BOTH(fabs) HOSTCUDA_BOTH(floor) HOSTCUDA_BOTH(lgamma) HOSTCUDA_BOTH(log) HOSTCUDA_BOTH(log10)
HOSTCUDA_BOTH(log1p) HOSTCUDA_BOTH(log2) HOSTCUDA_BOTH(logb) HOSTCUDA_BOTH(nearbyint) HOSTCUDA_BOTH(rint)
HOSTCUDA_BOTH(round) HOSTCUDA_BOTH(sin) HOSTCUDA_BOTH(sinh) HOSTCUDA_BOTH(sqrt) HOSTCUDA_BOTH(tan)
HOSTCUDA_BOTH(tanh) HOSTCUDA_BOTH(tgamma) HOSTCUDA_BOTH(trunc)
HOSTCUDA_BOTH2(atan2) HOSTCUDA_BOTH2(copysign) HOSTCUDA_BOTH2(fdim) HOSTCUDA_BOTH2(fmax) HOSTCUDA_BOTH2(fmin)
HOSTCUDA_BOTH2(fmod) HOSTCUDA_BOTH2(hypot) HOSTCUDA_BOTH2(nextafter) HOSTCUDA_BOTH2(pow) HOSTCUDA_BOTH2(remainder)
#undef HOSTCUDA_BOTH2
#undef HOSTCUDA_BOTH

extern "C" {
double fma(double, double, double);
float fmaf(float, float, float);
double ldexp(double, int);
float ldexpf(float, int);
double scalbn(double, int);
float scalbnf(float, int);
double frexp(double, int *);
float frexpf(float, int *);
double modf(double, double *);
float modff(float, float *);
void sincos(double, double *, double *);
void sincosf(float, float *, float *);
int ilogb(double);
int ilogbf(float);
long lrint(double);
long lrintf(float);
long lround(double);
long lroundf(float);
long long llrint(double);
long long llrintf(float);
long long llround(double);
long long llroundf(float);
int abs(int);
long labs(long);
long long llabs(long long);
int printf(const char *, ...);
}
inline float fma(float x, float y, float z) { return fmaf(x, y, z); }
inline float ldexp(float x, int e) { return ldexpf(x, e); }
inline float frexp(float x, int *e) { return frexpf(x, e); }
inline float modf(float x, float *whole) { return modff(x, whole); }
inline long abs(long x) { return labs(x); }
inline long long abs(long long x) { return llabs(x); }
inline float abs(float x) { return fabsf(x); }
inline double abs(double x) { return fabs(x); }

#define HOSTCUDA_CLASS(name, builtin)                                                               \
    inline bool name(float x) { return builtin(x); }                                                \
    inline bool name(double x) { return builtin(x); }
HOSTCUDA_CLASS(isnan, __builtin_isnan)
HOSTCUDA_CLASS(isinf, __builtin_isinf)
HOSTCUDA_CLASS(isfinite, __builtin_isfinite)
HOSTCUDA_CLASS(signbit, __builtin_signbit)
#undef HOSTCUDA_CLASS

inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rsqrtf(float x) { return float(1.0 / sqrt(double(x))); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline double rcbrt(double x) { return 1.0 / cbrt(x); }
inline float rcbrtf(float x) { return float(1.0 / cbrt(double(x))); }
inline double exp10(double x) { return pow(10.0, x); }
inline float exp10f(float x) { return float(pow(10.0, double(x))); }

// sin and cos of pi x: the argument is reduced exactly, so that whole and half numbers give exact results.
inline void sincospi(double x, double *s, double *c) {
    const double pi = 3.14159265358979323846;
    double half = rint(2 * x), r = (x - half / 2) * pi, sine = sin(r), cosine = cos(r);
    double turn = half - 4 * floor(half / 4);  // the quadrant: 0, 1, 2 or 3
    *s = turn == 0 ? sine : turn == 1 ? cosine : turn == 2 ? -sine : -cosine;
    *c = turn == 0 ? cosine : turn == 1 ? -sine : turn == 2 ? -cosine : sine;
}
inline double sinpi(double x) { double s, c; sincospi(x, &s, &c); return s; }
inline double cospi(double x) { double s, c; sincospi(x, &s, &c); return c; }
inline float sinpif(float x) { return float(sinpi(x)); }
inline float cospif(float x) { return float(cospi(x)); }
inline void sincospif(float x, float *s, float *c) { *s = sinpif(x); *c = cospif(x); }

// min and max with exactly CUDA's overloads: a mixture that is ambiguous there is ambiguous here.
#define HOSTCUDA_MINMAX(R, A, B)                                                                    \
    inline R min(A a, B b) { R x = static_cast<R>(a), y = static_cast<R>(b); return y < x ? y : x; } \
    inline R max(A a, B b) { R x = static_cast<R>(a), y = static_cast<R>(b); return x < y ? y : x; }
HOSTCUDA_MINMAX(int, int, int)
HOSTCUDA_MINMAX(unsigned, unsigned, unsigned)
HOSTCUDA_MINMAX(unsigned, int, unsigned)
HOSTCUDA_MINMAX(unsigned, unsigned, int)
HOSTCUDA_MINMAX(long, long, long)
HOSTCUDA_MINMAX(unsigned long, unsigned long, unsigned long)
HOSTCUDA_MINMAX(unsigned long, long, unsigned long)
HOSTCUDA_MINMAX(unsigned long, unsigned long, long)
HOSTCUDA_MINMAX(long long, long long, long long)
HOSTCUDA_MINMAX(unsigned long long, unsigned long long, unsigned long long)
HOSTCUDA_MINMAX(unsigned long long, long long, unsigned long long)
HOSTCUDA_MINMAX(unsigned long long, unsigned long long, long long)
#undef HOSTCUDA_MINMAX
// Those of floats ignore a NaN if the other is a number.
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(float a, double b) { return fmin(double(a), b); }
inline double max(float a, double b) { return fmax(double(a), b); }
inline double min(double a, float b) { return fmin(a, double(b)); }
inline double max(double a, float b) { return fmax(a, double(b)); }
