// One product with the scatter matrix of a table: Y = X' Q, Z = X'^T Y, and the sums of X', where
// X' = X * scale - center is never written anywhere.
//
// Called by   unmix/cuda/svd.py: sketch
// Reference   unmix.ops.sketch
//
// Inputs      rows     n samples of f features at rows[sample * row_step + feature * column_step],
//                      unsigned char, unsigned short or float: detector counts are converted as
//                      they come.
//             scale, center   (f,) of float. directions (f, L) of float, L = 16, 32 or 64, zero
//                      beyond the l columns that are asked for.
// Outputs     sketch_rows      y       (slices, n, L) of float: X' Q over one slice of the features
//             sketch_features  product (groups, f, L) and total (groups, f) of double: sums over
//                      one group of the rows
//             sketch_sum       the sum over slices or groups, added in double in their order
// How equal   A row of Y is a sum over at most `slice` features in float, the rest in double; a sum
//             over rows is one of at most FLUSH rows in float, the rest in double. Rows are centred
//             in one rounding as they are loaded, so that an offset far above the variation costs
//             no digits; the launcher turns center, rounded to float, back into the exact one by
//             corrections of rank one.
// Bits        Slices and groups follow from the shapes alone and each number is added up by one
//             thread: the same on every card and in every order of threads. No atomics.
// Bytes       X twice (a part of up to the size of the L2 cache is found there the second time), n L
//             floats of Y per slice, written and read once (Q: once for 128 rows), 8 f L per group.
// Shared      static: sketch_rows 20, 22, 26 KiB for L = 16, 32, 64; sketch_features 18, 20, 24 KiB.
//
// Why so. A row of Y needs all features of the row before Z can use it. To read X once, a block would
// keep the rows in shared memory and a Z of its own, f x L, in registers, which is room for 500
// features; tables that narrow have their covariance summed instead. With l near 26 an element of X
// takes 52 multiplications in both products together for 2 bytes: arithmetic binds, not memory.
// Both kernels are one tile scheme: 128 x 32 numbers of X' in shared memory, and each of 128 threads
// holds 8 x L / 8 sums: 8 + L / 8 numbers loaded for L multiplications.

constexpr int TILE = 128;       // rows of sketch_rows, features of sketch_features
constexpr int DEPTH = 32;       // the other side of a tile of X'
constexpr int THREADS = 128;
constexpr int SIDE = 8;         // sums of a thread along the tile
constexpr int FLUSH = 512;      // rows after which sums go into double
constexpr int ROW_PITCH = DEPTH + 4;  // so that 4 rows, 16 bytes of each, lie in different banks

// N numbers that one instruction loads.
template <int N>
struct alignas(4 * N) Numbers {
    float v[N];
};
template <int N>
__device__ __forceinline__ Numbers<N> load(const float* from) {
    return *reinterpret_cast<const Numbers<N>*>(from);
}

// The columns of a thread are PIECES times V next to each other, 32 apart: the 8 threads that share
// a row of sums then load 128 bytes side by side.
template <int L>
struct Columns {
    static constexpr int V = L < 32 ? L / 8 : 4, PIECES = L / (8 * V), COUNT = L / 8;
    __device__ static __forceinline__ int first(int piece) {
        return piece * 32 + int(threadIdx.x % 8) * V;
    }
};

template <typename T>
__device__ __forceinline__ float centred(T value, float scale, float center) {
    return fmaf(float(value), scale, -center);
}

// A slice of Y. Grid (ceil(n / TILE), slices).
template <typename T, int L>
__global__ void __launch_bounds__(THREADS, L < 64 ? 4 : 3) sketch_rows(
    const T* __restrict__ rows, index_t n, index_t f, index_t row_step, index_t column_step,
    const float* __restrict__ scale, const float* __restrict__ center,
    const float* __restrict__ directions, index_t slice, float* __restrict__ y
) {
    typedef Columns<L> Own;
    __shared__ __align__(16) float tile[TILE * ROW_PITCH];
    __shared__ __align__(16) float q[DEPTH * L];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES, first_row = threadIdx.x / 8;
    const index_t top = index_t(blockIdx.x) * TILE;
    const index_t start = index_t(blockIdx.y) * slice;
    const index_t stop = start + slice < f ? start + slice : f;
    float sum[SIDE][Own::COUNT];
#pragma unroll
    for (int r = 0; r < SIDE; ++r) {
#pragma unroll
        for (int c = 0; c < Own::COUNT; ++c) sum[r][c] = 0.0f;
    }
    for (index_t left = start; left < stop; left += DEPTH) {
        __syncthreads();  // the tile before this one was read
        const index_t feature = left + lane;
        const bool there = feature < stop;
        const float s = there ? scale[feature] : 0.0f, c = there ? center[feature] : 0.0f;
#pragma unroll 8
        for (int r = warp; r < TILE; r += THREADS / LANES) {
            const bool inside = there && top + r < n;
            tile[r * ROW_PITCH + lane] =
                inside ? centred(rows[(top + r) * row_step + feature * column_step], s, c) : 0.0f;
        }
        for (int e = threadIdx.x; e < DEPTH * L; e += THREADS) {
            q[e] = left + e / L < stop ? directions[left * L + e] : 0.0f;
        }
        __syncthreads();
#pragma unroll 2
        for (int k = 0; k < DEPTH; k += 4) {
            Numbers<Own::V> d[4][Own::PIECES];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
#pragma unroll
                for (int p = 0; p < Own::PIECES; ++p) {
                    d[i][p] = load<Own::V>(q + (k + i) * L + Own::first(p));
                }
            }
#pragma unroll
            for (int r = 0; r < SIDE; ++r) {
                const Numbers<4> x =
                    load<4>(tile + (first_row + r * (TILE / SIDE)) * ROW_PITCH + k);
#pragma unroll
                for (int i = 0; i < 4; ++i) {
#pragma unroll
                    for (int c = 0; c < Own::COUNT; ++c) {
                        sum[r][c] += x.v[i] * d[i][c / Own::V].v[c % Own::V];
                    }
                }
            }
        }
    }
    float* const out = y + index_t(blockIdx.y) * n * L;
#pragma unroll
    for (int r = 0; r < SIDE; ++r) {
        const index_t row = top + first_row + r * (TILE / SIDE);
        if (row >= n) continue;
#pragma unroll
        for (int c = 0; c < Own::COUNT; ++c) {
            out[row * L + Own::first(c / Own::V) + c % Own::V] = sum[r][c];
        }
    }
}

// Add to a number that this thread alone writes; the first time there is nothing in it.
__device__ __forceinline__ void gather(double* to, double value, bool is_first) {
    *to = is_first ? value : *to + value;
}

// Sums over a group of rows. Grid (ceil(f / TILE), groups).
template <typename T, int L>
__global__ void __launch_bounds__(THREADS, L < 64 ? 4 : 3) sketch_features(
    const T* __restrict__ rows, index_t n, index_t f, index_t row_step, index_t column_step,
    const float* __restrict__ scale, const float* __restrict__ center, const float* __restrict__ y,
    index_t group, double* __restrict__ product, double* __restrict__ total
) {
    typedef Columns<L> Own;
    constexpr int WARPS = THREADS / LANES, EACH = TILE / LANES;
    __shared__ __align__(16) float tile[DEPTH * TILE];
    __shared__ __align__(16) float of_y[DEPTH * L];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int first_feature = threadIdx.x / 8 * 4;  // and 3 more, and 4 that lie TILE / 2 further
    const index_t left = index_t(blockIdx.x) * TILE;
    const index_t start = index_t(blockIdx.y) * group;
    const index_t stop = start + group < n ? start + group : n;
    float s[EACH], c[EACH];
#pragma unroll
    for (int j = 0; j < EACH; ++j) {
        const index_t feature = left + lane + j * LANES;
        s[j] = feature < f ? scale[feature] : 0.0f;
        c[j] = feature < f ? center[feature] : 0.0f;
    }
    for (index_t base = start; base < stop; base += FLUSH) {
        const index_t end = base + FLUSH < stop ? base + FLUSH : stop;
        float sum[SIDE][Own::COUNT], sums[EACH];
#pragma unroll
        for (int r = 0; r < SIDE; ++r) {
#pragma unroll
            for (int j = 0; j < Own::COUNT; ++j) sum[r][j] = 0.0f;
        }
#pragma unroll
        for (int j = 0; j < EACH; ++j) sums[j] = 0.0f;
        for (index_t top = base; top < end; top += DEPTH) {
            __syncthreads();  // the tile before this one was read
            float of_tile[EACH];
#pragma unroll
            for (int j = 0; j < EACH; ++j) of_tile[j] = 0.0f;
#pragma unroll 2
            for (int r = warp; r < DEPTH; r += WARPS) {
#pragma unroll
                for (int j = 0; j < EACH; ++j) {
                    const index_t feature = left + lane + j * LANES;
                    float x = 0.0f;
                    if (top + r < end && feature < f) {
                        x = centred(rows[(top + r) * row_step + feature * column_step], s[j], c[j]);
                    }
                    tile[r * TILE + lane + j * LANES] = x;
                    of_tile[j] += x;
                }
            }
#pragma unroll
            for (int j = 0; j < EACH; ++j) sums[j] += of_tile[j];
            for (int e = threadIdx.x; e < DEPTH * L; e += THREADS) {
                of_y[e] = top + e / L < end ? y[top * L + e] : 0.0f;
            }
            __syncthreads();
#pragma unroll 4
            for (int k = 0; k < DEPTH; ++k) {
                Numbers<Own::V> d[Own::PIECES];
#pragma unroll
                for (int p = 0; p < Own::PIECES; ++p) {
                    d[p] = load<Own::V>(of_y + k * L + Own::first(p));
                }
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const Numbers<4> x = load<4>(tile + k * TILE + first_feature + half * (TILE / 2));
#pragma unroll
                    for (int i = 0; i < 4; ++i) {
#pragma unroll
                        for (int j = 0; j < Own::COUNT; ++j) {
                            sum[half * 4 + i][j] += x.v[i] * d[j / Own::V].v[j % Own::V];
                        }
                    }
                }
            }
        }

        const bool is_first = base == start;
        double* const products = product + (index_t(blockIdx.y) * f + left) * L;
#pragma unroll
        for (int r = 0; r < SIDE; ++r) {
            const int feature = first_feature + r / 4 * (TILE / 2) + r % 4;
            if (left + feature >= f) continue;
#pragma unroll
            for (int j = 0; j < Own::COUNT; ++j) {
                const int column = Own::first(j / Own::V) + j % Own::V;
                gather(products + index_t(feature) * L + column, sum[r][j], is_first);
            }
        }
        // sums over features lie with the warps: lay them side by side in the tile, which is free
        __syncthreads();
#pragma unroll
        for (int j = 0; j < EACH; ++j) tile[warp * TILE + lane + j * LANES] = sums[j];
        __syncthreads();
        if (left + threadIdx.x < f) {
            double all = 0.0;
            for (int w = 0; w < WARPS; ++w) all += tile[w * TILE + threadIdx.x];
            gather(total + index_t(blockIdx.y) * f + left + threadIdx.x, all, is_first);
        }
    }
}

// out[i] = the sum of parts[p * count + i] over p. Grid (any,).
template <typename T>
__global__ void __launch_bounds__(256) sketch_sum(
    const T* __restrict__ parts, index_t n_parts, index_t count, T* __restrict__ out
) {
    for (index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += index_t(gridDim.x) * blockDim.x) {
        double sum = 0.0;
        for (index_t p = 0; p < n_parts; ++p) sum += double(parts[p * count + i]);
        out[i] = T(sum);
    }
}
