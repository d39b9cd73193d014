// Spectra of sliding windows: mean off, taper, FFT, modulus; and their projection on given vectors.
//
// Called by   unmix/cuda/spectra.py: window_fft, window_project, window_fft_any
// Reference   unmix.ops.window_fft, unmix.ops.window_project
//
// Inputs      image    stack of images: pixel (y, x) of image s at image[s * stack_step + y * row_step
//                      + x]. All windows of ny x nx pixels are cut from it that lie at multiples of
//                      the step: window = (s * grid_y + window_y) * grid_x + window_x.
//                      Pixels: unsigned char, unsigned short, short, half precision (its bits, tag
//                      `half_bits`), float; window_gather takes double too.
//             tables   taper along y (ny), taper along x (nx), W_128^m = exp(-2 pi i m / 128) as
//                      (re, im) for m = 0 to 127. The taper along y carries 1 / sqrt(ny nx), which
//                      makes the transform unitary, and a half for the two rows that become one.
//             places   columns of the real FFT to keep (columns), no two alike; then for each row of
//                      the FFT the row that it becomes in the output, or -1 (ny).
// Outputs     window_fft      (windows, rows, columns) of float: |F| or |F|^2.
//             window_project  (windows, l) of float: described . matrix - offset. The described
//                      window never leaves the block. matrix is (features rounded up to 4, lanes),
//                      lanes = 8, 16 or 32, zero beyond l columns; packing weights are in it already.
// How equal   float32 rounding of log2(ny nx) butterflies, relative to the largest entry of its own
//             window. Integers take their mean exactly; others in two steps, so that an offset far
//             above the contrast costs no digits. |F| below 1e-19 becomes 0 and above 1e19 infinite.
// Bits        A window's numbers depend on its own pixels alone: not on what lies beside it in a
//             block, not on the order of threads. No atomics.
// Shared      dynamic, as _fft_shape.py counts it: 20 KiB for 64 x 64, under 48 KiB for all shapes but
//             128 x 128 (71 KiB: opt-in). window_project holds the described windows beside it: for 8
//             of 64 x 64 another 66 KiB (opt-in), or as few as fit.
//
// Why so. Both rows of a pair (y, y + ny / 2) are real, so they go through one complex FFT as re and
// im; that halves the work as well as two windows in one FFT do, needs half the shared memory, and a
// bright window spills no rounding over a dark one. Columns are then transformed for kx = 0 to nx / 2
// alone, and of these only the ones that are kept.
//   load      a thread takes 32 pixels, as butterflies of the first pass, into registers: each pixel
//             is read once, the mean is that of the registers.
//   rows      nx = A x B: butterflies of A points, twiddles, through shared memory, butterflies of B.
//   columns   ny = C x D: column kx of rows y and y + ny / 2 is made of Z(kx) and Z(-kx) as they are
//             loaded. The results of a butterfly go back to the very places that it read (columns 0
//             and nx / 2, whose mirror image they are themselves, have places nx and nx + 1 of the
//             row), so that three passes need one buffer and no barrier but that between them.
//   write     the last butterflies take the modulus and write it: |F| is never in shared memory.
// Rows of the buffer are padded so that the lanes of a half warp (8 bytes each) meet 16 banks.

// A tag: pixels are the bits of IEEE half precision.
struct half_bits {};

// How a pixel is stored, and the number that it stands for.
template <typename T>
struct Pixel {
    typedef T bits;
    static constexpr bool whole = T(0.5) == T(0);
    __device__ static __forceinline__ T value(T pixel) { return pixel; }
};

template <>
struct Pixel<half_bits> {
    typedef unsigned short bits;
    static constexpr bool whole = false;
    __device__ static __forceinline__ float value(unsigned short pixel) {
        float number;
#ifdef __CUDA_ARCH__
        asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(pixel));
#else  // a host compiler has no such instruction
        const unsigned size = pixel & 0x7fffu;
        if (size >= 0x7c00u) {  // infinite or NaN
            number = __uint_as_float((size << 13) | 0x7f800000u);
        } else if (size >= 0x0400u) {
            number = __uint_as_float((size << 13) + (112u << 23));
        } else {  // subnormal: a whole number of 2^-24
            number = float(int(size)) * 5.9604644775390625e-08f;
        }
        if (pixel & 0x8000u) number = -number;
#endif
        return number;
    }
};

constexpr int PIXELS = 32;      // of one thread of window_fft and window_project
constexpr int ROOTS = 128;      // the table of twiddles holds W_128^m
constexpr int BATCH = 8;        // windows that window_project multiplies at once
constexpr int SLICED = 256;     // lanes that share their features, at least
constexpr float HALF_ROOT = 0.70710678118654752f;

// A window's side as first x second points, and the float2 from one row of the buffer to the next.
// 8 and 16 need one pass.
template <int N>
struct Side;
template <>
struct Side<8> {
    static constexpr int first = 8, second = 1, pitch = 11;
};
template <>
struct Side<16> {
    static constexpr int first = 16, second = 1, pitch = 19;
};
template <>
struct Side<32> {
    static constexpr int first = 4, second = 8, pitch = 36;
};
template <>
struct Side<64> {
    static constexpr int first = 8, second = 8, pitch = 72;
};
template <>
struct Side<128> {
    static constexpr int first = 8, second = 16, pitch = 136;
};

__device__ __forceinline__ int first_of(int n) { return n == 16 ? 16 : n == 32 ? 4 : 8; }

__device__ __forceinline__ int pitch_of(int nx) {
    return nx <= 8     ? Side<8>::pitch
           : nx == 16  ? Side<16>::pitch
           : nx == 32  ? Side<32>::pitch
           : nx == 64  ? Side<64>::pitch
                       : Side<128>::pitch;
}

__device__ __forceinline__ float2 plus(float2 a, float2 b) {
    return make_float2(a.x + b.x, a.y + b.y);
}
__device__ __forceinline__ float2 minus(float2 a, float2 b) {
    return make_float2(a.x - b.x, a.y - b.y);
}
__device__ __forceinline__ float2 times(float2 a, float2 b) {
    return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}
// The square root to one or two last digits, in one instruction; a host compiler has no such one.
__device__ __forceinline__ float root(float square) {
#ifdef __CUDA_ARCH__
    float number;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(number) : "f"(square));
    return number;
#else
    return sqrtf(square);
#endif
}
// Times -i.
__device__ __forceinline__ float2 turned(float2 a) { return make_float2(a.y, -a.x); }

__device__ __forceinline__ void dft4(float2& a, float2& b, float2& c, float2& d) {
    const float2 s = plus(a, c), t = minus(a, c), u = plus(b, d), v = turned(minus(b, d));
    a = plus(s, u);
    b = plus(t, v);
    c = minus(s, u);
    d = minus(t, v);
}

// Forward transform of R numbers in registers, results in order of frequency.
template <int R>
__device__ __forceinline__ void butterfly(float2 (&z)[R]) {
    static_assert(R == 4 || R == 8 || R == 16, "radix");
    if constexpr (R == 4) {
        dft4(z[0], z[1], z[2], z[3]);
    } else if constexpr (R == 8) {
        dft4(z[0], z[2], z[4], z[6]);
        dft4(z[1], z[3], z[5], z[7]);
        const float2 a = z[1], b = z[3], c = turned(z[5]), d = z[7];
        const float2 w = make_float2(HALF_ROOT * (b.x + b.y), HALF_ROOT * (b.y - b.x));
        const float2 v = make_float2(HALF_ROOT * (d.y - d.x), -HALF_ROOT * (d.x + d.y));
        const float2 e = z[0], f = z[2], g = z[4], h = z[6];
        z[0] = plus(e, a);
        z[4] = minus(e, a);
        z[1] = plus(f, w);
        z[5] = minus(f, w);
        z[2] = plus(g, c);
        z[6] = minus(g, c);
        z[3] = plus(h, v);
        z[7] = minus(h, v);
    } else {
        constexpr float cosine = 0.92387953251128674f, sine = 0.38268343236508977f;  // of pi / 8
        dft4(z[0], z[4], z[8], z[12]);
        dft4(z[1], z[5], z[9], z[13]);
        dft4(z[2], z[6], z[10], z[14]);
        dft4(z[3], z[7], z[11], z[15]);
        // z[i + 4 k] *= W_16^(i k)
        z[5] = times(z[5], make_float2(cosine, -sine));
        z[6] = make_float2(HALF_ROOT * (z[6].x + z[6].y), HALF_ROOT * (z[6].y - z[6].x));
        z[7] = times(z[7], make_float2(sine, -cosine));
        z[9] = make_float2(HALF_ROOT * (z[9].x + z[9].y), HALF_ROOT * (z[9].y - z[9].x));
        z[10] = turned(z[10]);
        z[11] = make_float2(HALF_ROOT * (z[11].y - z[11].x), -HALF_ROOT * (z[11].x + z[11].y));
        z[13] = times(z[13], make_float2(sine, -cosine));
        z[14] = make_float2(HALF_ROOT * (z[14].y - z[14].x), -HALF_ROOT * (z[14].x + z[14].y));
        z[15] = times(z[15], make_float2(-cosine, sine));
        dft4(z[0], z[1], z[2], z[3]);
        dft4(z[4], z[5], z[6], z[7]);
        dft4(z[8], z[9], z[10], z[11]);
        dft4(z[12], z[13], z[14], z[15]);
        // z[4 k + j] is the result k + 4 j
#pragma unroll
        for (int k = 0; k < 4; ++k) {
#pragma unroll
            for (int j = k + 1; j < 4; ++j) {
                const float2 swap = z[4 * k + j];
                z[4 * k + j] = z[4 * j + k];
                z[4 * j + k] = swap;
            }
        }
    }
}

// z[k] *= W_N^(i k): powers 1, 2, 4 from the table and the others as their products, which cost less
// than to load them and keep errors at one rounding.
template <int N, int R>
__device__ __forceinline__ void twiddle(float2 (&z)[R], const float2* roots, int i) {
    static_assert(R == 4 || R == 8, "radix");
    const int step = i * (ROOTS / N);
    const float2 one = roots[step], two = roots[2 * step];
    const float2 three = times(one, two);
    z[1] = times(z[1], one);
    z[2] = times(z[2], two);
    z[3] = times(z[3], three);
    if constexpr (R == 8) {
        const float2 four = roots[4 * step];
        z[4] = times(z[4], four);
        z[5] = times(z[5], times(one, four));
        z[6] = times(z[6], times(two, four));
        z[7] = times(z[7], times(three, four));
    }
}

// The same number, of which the compiler does not know that it is. Five codes for rows and five for
// columns stand in one kernel; what it would compute for all of them ahead of the loop over windows
// does not fit in registers.
__device__ __forceinline__ int afresh(int number) {
#ifdef __CUDA_ARCH__
    asm volatile("" : "+r"(number));
#endif
    return number;
}

// What a block works with; all but the image lies in shared memory.
template <typename T>
struct Block {
    const typename Pixel<T>::bits* image;
    index_t row_step;
    int ny, nx, columns;
    int together;          // windows at a time
    const index_t* start;  // (together,) first pixels
    const float* taper_y;  // (ny,)
    const float* taper_x;  // (nx,) pixel a * B + b at b * A + a: what a butterfly takes lies together
    const float2* roots;   // (ROOTS,)
    const int* column;     // (columns,)
    const int* row_place;  // (ny,) row in the output times columns, or negative; that of the result
                           // k1 + C * k2 at k1 * D + k2: what a butterfly gives lies together
    float2* buffer;        // (together, ny / 2, pitch)
    void* parts;           // (2, 32) numbers of 4 bytes
    bool power;
};

// Where moduli go: window g of those at a time to base + g * step, if g < count.
struct Target {
    float* base;
    index_t step;
    int count;
};

// The sum over the threads of one window, in all of them, in the same order each time: `share`
// threads, a power of two from 2 to 512.
template <typename S>
__device__ __forceinline__ S window_sum(S value, int share, S* parts) {
    for (int distance = (share < LANES ? share : LANES) / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }
    if (share > LANES) {  // the same for the whole block
        const int warp = threadIdx.x / LANES, warps = share / LANES;
        if (threadIdx.x % LANES == 0) parts[warp] = value;
        __syncthreads();
        const int first = warp & ~(warps - 1);
        value = parts[first];
        for (int i = 1; i < warps; ++i) value += parts[first + i];
    }
    return value;
}

// Take the mean of the window off the pixels that its threads hold.
template <typename T, int N>
__device__ __forceinline__ void take_mean_off(
    float2 (&z)[PIXELS / 2 / N][N], int area, int share, void* parts
) {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PIXELS / 2 / N; ++i) {
#pragma unroll
        for (int a = 0; a < N; ++a) sum += z[i][a].x + z[i][a].y;
    }
    float mean, rest;
    if constexpr (Pixel<T>::whole) {
        // 32 numbers of 16 bits are exact in float, 128 x 128 of them in int
        const int total = window_sum(int(sum), share, static_cast<int*>(parts));
        mean = float(total >> (__ffs(area) - 1));  // rounded down
        rest = float(total & (area - 1)) / float(area);
    } else {
        const float scale = 1.0f / float(area);  // a power of two
        mean = window_sum(sum, share, static_cast<float*>(parts)) * scale;
        float left = 0.0f;
#pragma unroll
        for (int i = 0; i < PIXELS / 2 / N; ++i) {
#pragma unroll
            for (int a = 0; a < N; ++a) left += (z[i][a].x - mean) + (z[i][a].y - mean);
        }
        rest = window_sum(left, share, static_cast<float*>(parts) + LANES) * scale;
    }
#pragma unroll
    for (int i = 0; i < PIXELS / 2 / N; ++i) {
#pragma unroll
        for (int a = 0; a < N; ++a) {
            z[i][a].x = (z[i][a].x - mean) - rest;
            z[i][a].y = (z[i][a].y - mean) - rest;
        }
    }
}

// Load windows and transform their rows: afterwards row r of the buffer holds, for kx = 0 to nx - 1,
// the transform of row r plus i times that of row r + ny / 2, both tapered.
template <typename T, int N>
__device__ void transform_rows(const Block<T>& block) {
    constexpr int A = Side<N>::first, B = Side<N>::second, PITCH = Side<N>::pitch;
    constexpr int ITEMS = PIXELS / 2 / A;
    const int ny = afresh(block.ny), half = ny / 2;
    const int area = ny * N, share = area / PIXELS;
    const int window = threadIdx.x >> (__ffs(share) - 1), t = threadIdx.x & (share - 1);
    float2* const buffer = block.buffer + window * half * PITCH;
    {
        const int b = t % B, first_row = t / B, rows_on = share / B;
        const index_t down = half * block.row_step;
        const typename Pixel<T>::bits* from =
            block.image + block.start[window] + first_row * block.row_step + b;
        float2 z[ITEMS][A];
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
#pragma unroll
            for (int a = 0; a < A; ++a) {
                z[i][a].x = Pixel<T>::value(from[a * B]);
                z[i][a].y = Pixel<T>::value(from[down + a * B]);
            }
            from += rows_on * block.row_step;
        }
        take_mean_off<T, A>(z, area, share, block.parts);
        const float* const taper = block.taper_x + b * A;
        float2* to = buffer + first_row * PITCH + A * b + A * b / B;
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
            const int row = first_row + i * rows_on;
            const float upper = block.taper_y[row], lower = block.taper_y[row + half];
#pragma unroll
            for (int a = 0; a < A; a += 4) {
                const Pack<float> weight = load_pack(taper + a);
#pragma unroll
                for (int v = 0; v < 4; ++v) {
                    z[i][a + v].x *= upper * weight.v[v];
                    z[i][a + v].y *= lower * weight.v[v];
                }
            }
            butterfly<A>(z[i]);
            if constexpr (B > 1) twiddle<N, A>(z[i], block.roots, b);
            // place p lies at p + p / B, so that both passes meet all banks
#pragma unroll
            for (int k = 0; k < A; ++k) to[k] = z[i][k];
            to += rows_on * PITCH;
        }
    }
    __syncthreads();
    if constexpr (B > 1) {
        const int k = t % A, first_row = t / A, rows_on = share / A;
        float2* row = buffer + first_row * PITCH + k;
#pragma unroll
        for (int i = 0; i < PIXELS / 2 / B; ++i) {
            float2 z[B];
#pragma unroll
            for (int b = 0; b < B; ++b) z[b] = row[A * b + A * b / B];
            butterfly<B>(z);
            __syncwarp();  // the A lanes of this row have read it: it may be written in plain order
#pragma unroll
            for (int b = 0; b < B; ++b) row[A * b] = z[b];
            row += rows_on * PITCH;
        }
        __syncthreads();
    }
}

// The column, the butterfly (0 to `count` - 1, a power of two) and the window that an item stands
// for. Lanes run over blocks of 16, 8 or 4 columns, which meet different banks, then over
// butterflies, then over windows; the columns that are left over come last.
struct Item {
    int column, i, window;
    __device__ __forceinline__ Item(int item, int log_count, int log_together, int columns) {
        const int log_width = columns >= 16 ? 4 : columns >= 8 ? 3 : columns >= 4 ? 2 : 0;
        const int full = columns >> log_width << log_width;
        const int main = full << log_count << log_together;
        const bool rest = item >= main;
        if (rest) item -= main;
        column = rest ? full : item & ((1 << log_width) - 1);
        if (!rest) item >>= log_width;
        i = item & ((1 << log_count) - 1);
        item >>= log_count;
        window = item & ((1 << log_together) - 1);
        item >>= log_together;
        column += rest ? item : item << log_width;
    }
};

template <typename T, int R>
__device__ __forceinline__ void write_moduli(
    const Block<T>& block, const Target& target, const Item& item, const int* row_place,
    const float2 (&z)[R]
) {
    if (item.window >= target.count) return;
    float* const line = target.base + item.window * target.step + item.column;
#pragma unroll
    for (int k = 0; k < R; k += 4) {
        const Pack<int> place = load_pack(row_place + k);
#pragma unroll
        for (int v = 0; v < 4; ++v) {
            const float square = z[k + v].x * z[k + v].x + z[k + v].y * z[k + v].y;
            if (place.v[v] >= 0) line[place.v[v]] = block.power ? square : root(square);
        }
    }
}

// Transform the columns that are kept and write the moduli of the rows that are kept.
template <typename T, int N>
__device__ void transform_columns(const Block<T>& block, const Target& target) {
    constexpr int C = Side<N>::first, D = Side<N>::second;
    constexpr int LOG_C = C == 4 ? 2 : C == 8 ? 3 : 4;
    constexpr int LOG_D = D == 1 ? 0 : D == 8 ? 3 : 4;
    const int nx = afresh(block.nx), pitch = pitch_of(nx), columns = afresh(block.columns);
    const int log_together = __ffs(block.together) - 1;
    for (int e = threadIdx.x; e < block.together * D * columns; e += blockDim.x) {
        const Item item(e, LOG_D, log_together, columns);
        const int kx = block.column[item.column];
        float2* const row = block.buffer + (item.window * (N / 2) + item.i) * pitch;
        float2* const own = row + kx;
        const float2* const mirror = row + (kx == 0 ? 0 : nx - kx);
        float2 z[C];
#pragma unroll
        for (int a = 0; a < C / 2; ++a) {
            const float2 p = own[a * D * pitch], m = mirror[a * D * pitch];
            z[a] = make_float2(p.x + m.x, p.y - m.y);
            z[a + C / 2] = make_float2(p.y + m.y, m.x - p.x);
        }
        butterfly<C>(z);
        if constexpr (D == 1) {
            write_moduli<T, C>(block, target, item, block.row_place, z);
        } else {
            twiddle<N, C>(z, block.roots, item.i);
            float2* const other = row + (2 * kx == nx ? nx + 1 : nx - kx);
#pragma unroll
            for (int a = 0; a < C / 2; ++a) {
                own[a * D * pitch] = z[a];
                other[a * D * pitch] = z[a + C / 2];
            }
        }
    }
    if constexpr (D > 1) {
        __syncthreads();
        for (int e = threadIdx.x; e < block.together * C * columns; e += blockDim.x) {
            const Item item(e, LOG_C, log_together, columns);
            const int kx = block.column[item.column];
            const int at = item.i < C / 2 ? kx : 2 * kx == nx ? nx + 1 : nx - kx;
            const float2* const from =
                block.buffer + (item.window * (N / 2) + item.i % (C / 2) * D) * pitch + at;
            float2 z[D];
#pragma unroll
            for (int d = 0; d < D; ++d) z[d] = from[d * pitch];
            butterfly<D>(z);
            write_moduli<T, D>(block, target, item, block.row_place + item.i * D, z);
        }
    }
}

// One code for each side: a kernel holds five for rows and five for columns, and a block runs one of
// each.
template <typename T>
__device__ __forceinline__ void transform(const Block<T>& block, const Target& target) {
    switch (block.nx) {
        case 8: transform_rows<T, 8>(block); break;
        case 16: transform_rows<T, 16>(block); break;
        case 32: transform_rows<T, 32>(block); break;
        case 64: transform_rows<T, 64>(block); break;
        default: transform_rows<T, 128>(block);
    }
    switch (block.ny) {
        case 8: transform_columns<T, 8>(block, target); break;
        case 16: transform_columns<T, 16>(block, target); break;
        case 32: transform_columns<T, 32>(block, target); break;
        case 64: transform_columns<T, 64>(block, target); break;
        default: transform_columns<T, 128>(block, target);
    }
}

// First pixel of a window. Those past the last are the last one again.
__device__ __forceinline__ index_t first_pixel(
    index_t window, index_t windows, index_t grid_y, index_t grid_x, index_t step_y, index_t step_x,
    index_t stack_step, index_t row_step
) {
    if (window >= windows) window = windows - 1;
    const index_t x = window % grid_x, line = window / grid_x;
    return line / grid_y * stack_step + line % grid_y * step_y * row_step + x * step_x;
}

// Lay out shared memory and fill in what all windows of a block use.
template <typename T>
__device__ __forceinline__ void prepare(
    Block<T>& block, unsigned char* shared, const float* tables, const int* places
) {
    const int ny = block.ny, nx = block.nx, columns = block.columns;
    float2* const roots = reinterpret_cast<float2*>(shared);
    float2* const buffer = roots + ROOTS;
    float* const taper = reinterpret_cast<float*>(
        buffer + block.together * (ny / 2) * pitch_of(nx)
    );
    int* const row_place = reinterpret_cast<int*>(taper + ny + nx);
    int* const parts = row_place + ny;
    index_t* const start = reinterpret_cast<index_t*>(parts + 2 * LANES);
    int* const column = reinterpret_cast<int*>(start + block.together);
    block.roots = roots;
    block.buffer = buffer;
    block.taper_y = taper;
    block.taper_x = taper + ny;
    block.row_place = row_place;
    block.parts = parts;
    block.start = start;
    block.column = column;
    const int a = first_of(nx), c = first_of(ny);
    for (int e = threadIdx.x; e < ny; e += blockDim.x) {
        taper[e] = tables[e];
        const int place = places[columns + e % (ny / c) * c + e / (ny / c)];
        row_place[e] = place * columns;
    }
    for (int e = threadIdx.x; e < nx; e += blockDim.x) {
        taper[ny + e] = tables[ny + e % a * (nx / a) + e / a];
    }
    for (int e = threadIdx.x; e < ROOTS; e += blockDim.x) {
        roots[e] = make_float2(tables[ny + nx + 2 * e], tables[ny + nx + 2 * e + 1]);
    }
    for (int e = threadIdx.x; e < columns; e += blockDim.x) column[e] = places[e];
}

// Grid (any,), threads = max(128, ny nx / 32): a thread for each 32 pixels of the windows at a time.
template <typename T>
__global__ void __launch_bounds__(512, 2) window_fft(
    const typename Pixel<T>::bits* __restrict__ image, const float* __restrict__ tables,
    const int* __restrict__ places, float* __restrict__ out, index_t windows, index_t grid_y,
    index_t grid_x, index_t step_y, index_t step_x, index_t stack_step, index_t row_step, index_t ny,
    index_t nx, index_t columns, index_t rows, index_t power
) {
    extern __shared__ __align__(16) unsigned char shared[];
    Block<T> block;
    block.image = image;
    block.row_step = row_step;
    block.ny = int(ny);
    block.nx = int(nx);
    block.columns = int(columns);
    block.together = int(blockDim.x) * PIXELS / int(ny * nx);
    block.power = power != 0;
    prepare(block, shared, tables, places);
    index_t* const start = const_cast<index_t*>(block.start);
    for (index_t first = index_t(blockIdx.x) * block.together; first < windows;
         first += index_t(gridDim.x) * block.together) {
        if (int(threadIdx.x) < block.together) {
            start[threadIdx.x] = first_pixel(
                first + threadIdx.x, windows, grid_y, grid_x, step_y, step_x, stack_step, row_step
            );
        }
        __syncthreads();  // also: the windows before these are written
        const index_t left = windows - first;
        const Target target = {
            out + first * rows * columns, rows * columns,
            left < block.together ? int(left) : block.together
        };
        transform(block, target);
    }
}

// Each block describes `per_block` windows, a multiple of those at a time, into shared memory, and
// multiplies them with the matrix, which so is read once for all of them. Grid (ceil(windows /
// per_block),), threads as for window_fft or twice as many.
template <typename T>
__global__ void __launch_bounds__(512, 2) window_project(
    const typename Pixel<T>::bits* __restrict__ image, const float* __restrict__ tables,
    const int* __restrict__ places, const float* __restrict__ matrix,
    const float* __restrict__ offset, float* __restrict__ out, index_t windows, index_t grid_y,
    index_t grid_x, index_t step_y, index_t step_x, index_t stack_step, index_t row_step, index_t ny,
    index_t nx, index_t columns, index_t rows, index_t power, index_t per_block, index_t l,
    index_t lanes
) {
    extern __shared__ __align__(16) unsigned char shared[];
    const int features = int(rows * columns), feature_step = rounded_up(features, 4);
    float* const described = reinterpret_cast<float*>(shared);  // (per_block, feature_step)
    Block<T> block;
    block.image = image;
    block.row_step = row_step;
    block.ny = int(ny);
    block.nx = int(nx);
    block.columns = int(columns);
    block.together = int(blockDim.x) * PIXELS / int(ny * nx);
    block.power = power != 0;
    prepare(
        block, reinterpret_cast<unsigned char*>(described + per_block * feature_step), tables, places
    );
    index_t* const start = const_cast<index_t*>(block.start);
    for (int e = threadIdx.x; e < int(per_block) * (feature_step - features); e += blockDim.x) {
        const int over = feature_step - features;
        described[e / over * feature_step + features + e % over] = 0.0f;
    }
    const index_t first = index_t(blockIdx.x) * per_block;
    const int count = int(windows - first < per_block ? windows - first : per_block);
    for (int done = 0; done < count; done += block.together) {
        if (int(threadIdx.x) < block.together) {
            start[threadIdx.x] = first_pixel(
                first + done + threadIdx.x, windows, grid_y, grid_x, step_y, step_x, stack_step, row_step
            );
        }
        __syncthreads();
        const Target target = {described + done * feature_step, feature_step, count - done};
        transform(block, target);
    }

    // A group of lanes takes every `slices`-th quadruple of features, and the sums of the slices are
    // added up in turn. How many there are follows from the window alone, and so do all the bits.
    const int width = int(lanes), log_width = __ffs(width) - 1;
    const int column = threadIdx.x & (width - 1), groups = int(blockDim.x) >> log_width;
    const int area = block.ny * block.nx;
    const int slices = (area > SLICED * PIXELS ? area / PIXELS : SLICED) >> log_width;
    float* const partial = reinterpret_cast<float*>(block.buffer);  // (slices, BATCH, width)
    for (int done = 0; done < count; done += BATCH) {
        __syncthreads();  // windows are described; partial sums before these were read
        const int here = count - done < BATCH ? count - done : BATCH;
        for (int slice = threadIdx.x >> log_width; slice < slices; slice += groups) {
            float sum[BATCH];
#pragma unroll
            for (int w = 0; w < BATCH; ++w) sum[w] = 0.0f;
            for (int f = 4 * slice; f < feature_step; f += 4 * slices) {
                float m[4];
#pragma unroll
                for (int i = 0; i < 4; ++i) m[i] = matrix[index_t(f + i) * width + column];
#pragma unroll
                for (int w = 0; w < BATCH; ++w) {
                    if (w < here) {
                        const Pack<float> d = load_pack(described + (done + w) * feature_step + f);
#pragma unroll
                        for (int i = 0; i < 4; ++i) sum[w] += d.v[i] * m[i];
                    }
                }
            }
#pragma unroll
            for (int w = 0; w < BATCH; ++w) {
                if (w < here) partial[(slice * BATCH + w) * width + column] = sum[w];
            }
        }
        __syncthreads();
        for (int e = threadIdx.x; e < here * width; e += blockDim.x) {
            const int w = e >> log_width, j = e & (width - 1);
            if (j >= int(l)) continue;
            float total = 0.0f;
            for (int s = 0; s < slices; ++s) total += partial[(s * BATCH + w) * width + j];
            out[(first + done + w) * l + j] = total - offset[j];
        }
    }
}

// The two kernels around cuFFT, for windows and outputs that window_fft does not make.

// The sum over a block of whole warps, in all threads, in the same order each time.
template <typename R>
__device__ __forceinline__ R block_sum(R value, R* parts) {
    value = warp_sum(value);
    __syncthreads();  // a sum before this one was read
    if (threadIdx.x % LANES == 0) parts[threadIdx.x / LANES] = value;
    __syncthreads();
    R sum = parts[0];
    for (int w = 1; w < int(blockDim.x) / LANES; ++w) sum += parts[w];
    return sum;
}

// Walks over a block of pixels row by row, blockDim.x pixels at a time, without a division.
struct Walk {
    int y, x;
    __device__ __forceinline__ explicit Walk(int width)
        : y(int(threadIdx.x) / width), x(int(threadIdx.x) % width), width(width),
          step_y(int(blockDim.x) / width), step_x(int(blockDim.x) % width) {}
    __device__ __forceinline__ void next() {
        x += step_x;
        y += step_y + (x >= width);
        x -= x >= width ? width : 0;
    }

  private:
    int width, step_y, step_x;
};

// Windows `first` to `first` + `count` - 1 with their mean off, tapered, in the corner of a field of
// fft_y x fft_x zeros. tables: taper y (ny), taper x (nx). A block takes windows in turn and reads
// each three times, twice of them from cache. Grid (any,), 256 threads.
template <typename T, typename R>
__global__ void __launch_bounds__(256) window_gather(
    const typename Pixel<T>::bits* __restrict__ image, const R* __restrict__ tables,
    R* __restrict__ out, index_t first, index_t count, index_t windows, index_t grid_y,
    index_t grid_x, index_t step_y, index_t step_x, index_t stack_step, index_t row_step, index_t ny,
    index_t nx, index_t fft_y, index_t fft_x
) {
    __shared__ R parts[8];
    const R scale = R(1) / (R(ny) * R(nx));
    for (index_t w = blockIdx.x; w < count; w += gridDim.x) {
        const typename Pixel<T>::bits* const from = image + first_pixel(
            first + w, windows, grid_y, grid_x, step_y, step_x, stack_step, row_step
        );
        R sum = R(0);
        for (Walk at{int(nx)}; at.y < ny; at.next()) {
            sum += R(Pixel<T>::value(from[at.y * row_step + at.x]));
        }
        const R mean = block_sum(sum, parts) * scale;
        sum = R(0);
        for (Walk at{int(nx)}; at.y < ny; at.next()) {
            sum += R(Pixel<T>::value(from[at.y * row_step + at.x])) - mean;
        }
        const R rest = block_sum(sum, parts) * scale;
        R* const to = out + w * fft_y * fft_x;
        for (Walk at{int(fft_x)}; at.y < fft_y; at.next()) {
            R value = R(0);
            if (at.y < ny && at.x < nx) {
                value = R(Pixel<T>::value(from[at.y * row_step + at.x])) - mean - rest;
                value *= tables[at.y] * tables[ny + at.x];
            }
            to[at.y * fft_x + at.x] = value;
        }
    }
}

__device__ __forceinline__ float length(float x, float y) { return hypotf(x, y); }
__device__ __forceinline__ double length(double x, double y) { return hypot(x, y); }

// What is asked for of real FFTs: spectra (count, fft_y, half_x) as (re, im), places: the columns to
// keep (columns), then the rows (rows). mode 0: |F|, 1: |F|^2, 2: F as (re, im). One read, one write.
// Grid (ceil(count rows / 8),), threads (32, 8): a warp for each line of the output.
// count * rows < 2^31: the launcher's portions are far smaller.
template <typename R>
__global__ void __launch_bounds__(256) spectrum_parts(
    const R* __restrict__ spectra, const int* __restrict__ places, R* __restrict__ out,
    index_t count, index_t fft_y, index_t half_x, index_t columns, index_t rows, index_t mode
) {
    const unsigned line = blockIdx.x * blockDim.y + threadIdx.y;
    if (line >= count * rows) return;
    const unsigned window = line / unsigned(rows), row = line % unsigned(rows);
    const R* const from = spectra + (window * fft_y + places[columns + row]) * half_x * 2;
    for (int c = threadIdx.x; c < int(columns); c += LANES) {
        const R re = from[2 * places[c]], im = from[2 * places[c] + 1];
        const index_t to = line * columns + c;
        if (mode == 0) {
            out[to] = length(re, im);
        } else if (mode == 1) {
            out[to] = re * re + im * im;
        } else {
            out[2 * to] = re;
            out[2 * to + 1] = im;
        }
    }
}
