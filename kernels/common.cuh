// What every kernel of unmix stands on. `source` in __init__.py puts this text in front of each .cu
// file; nothing is included, neither here nor there, so that no CUDA header has to be installed.
//
// Lengths, strides and positions are `index_t`, 64 bits: arrays of more than 2^31 elements work.
// `int` is used for what is bounded by a block: lanes, tile rows, offsets in shared memory.

typedef long long index_t;

constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr int LANES = 32;
constexpr index_t NO_INDEX = 0x7fffffffffffffffLL;

// Least whole number of `step` that covers `count`.
__host__ __device__ constexpr index_t tiles_of(index_t count, index_t step) {
    return (count + step - 1) / step;
}

__host__ __device__ constexpr int rounded_up(int count, int step) {
    return (count + step - 1) / step * step;
}

__device__ __forceinline__ float modulus(float x) { return fabsf(x); }
__device__ __forceinline__ double modulus(double x) { return fabs(x); }

// The larger of two numbers; one that is NaN loses.
__device__ __forceinline__ float larger(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ double larger(double a, double b) { return fmax(a, b); }

// Sixteen bytes that one instruction moves.
template <typename T>
struct alignas(16) Pack {
    T v[16 / sizeof(T)];
};

template <typename T>
__device__ __forceinline__ Pack<T> load_pack(const T* from) {
    return *reinterpret_cast<const Pack<T>*>(from);
}

// Whether (value, index) goes before (other, other_index): larger, or equal and of lower index.
// A value that is NaN goes before nothing.
template <typename T>
__device__ __forceinline__ bool goes_before(T value, index_t index, T other, index_t other_index) {
    return value > other || (value == other && index < other_index);
}

// The best of a warp's pairs, in every lane. All lanes of the warp must call it.
template <typename T>
__device__ __forceinline__ void warp_best(T& value, index_t& index) {
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        const T other = __shfl_xor_sync(ALL_LANES, value, distance);
        const index_t other_index = __shfl_xor_sync(ALL_LANES, index, distance);
        if (goes_before(other, other_index, value, index)) {
            value = other;
            index = other_index;
        }
    }
}

// The sum over a warp, in every lane, added up in the same order each time. All lanes must call it.
template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }
    return value;
}
