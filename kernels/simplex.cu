// Largest modulus of linear forms over all points: the search of N-FINDR.
//
// Called by   unmix/cuda/simplex.py: largest_forms
// Reference   unmix.ops.largest_forms
//
// Inputs      points   n rows of d numbers, float or double, at points[row * row_step + column *
//                      column_step], steps in elements: C order, Fortran order, or a slice of
//                      either. Rows `first` to `last` - 1 are searched.
//             forms, offsets   (s, d) and (s,), C order, of the points' type: one form for each
//                      vertex of each start.
// Outputs     values, positions   (s,): max over rows of |points[row] . form + offset|, and the row.
// How equal   Values to rounding: a dot product is summed in another order than BLAS does. Where
//             sums are exact (small integers), values and positions are those of the reference.
// Ties        go to the lowest row. A value that is NaN never wins; where all are, the value is NaN
//             and the position `first`.
// Bits        A value does not depend on which thread computes it, and (larger, then lower row) is a
//             total order: any grid and any order of threads give the same bits.
// Reads       simplex_search reads the points once for all forms that fit in shared memory (over
//             200 for float, over 80 for double at d = 24); simplex_wide once for 16 forms.
// Shared      simplex_search: dynamic, `search_shared` of the launcher, at most 48 KiB.
//             simplex_wide: static, 19 KiB for float, 38 KiB for double. simplex_finish: static.
//
// Why so. A warp walks over the points alone, with no barrier of the block. What each warp keeps per
// form, the peak so far, lies in shared memory; a new one is rare (about log n times), so that
// beyond the multiplications a form costs each lane one comparison and the warp one vote.

constexpr int WARPS = 4;          // of a block of simplex_search and simplex_wide
[[maybe_unused]] constexpr int WIDE_FORMS = 16;    // forms that simplex_wide takes at once
[[maybe_unused]] constexpr int WIDE_COLUMNS = 16;  // columns that it stages at once
[[maybe_unused]] constexpr int WIDE_ROWS = 2;      // rows of one lane of it

// Rows that one lane of simplex_search holds in registers: more of them use a form that was loaded
// more often, but 24 columns of double alone fill 48 registers.
template <typename T, int D>
constexpr int rows_of_lane() {
    constexpr int words = D * int(sizeof(T)) / 4;
    return words <= 8 ? 4 : words <= 24 ? 2 : 1;
}

// Some lane of the warp has a value above the peak: find the best and write it down.
template <typename T, int ROWS>
__device__ __forceinline__ void record_peak(
    const T (&value)[ROWS], const index_t (&row)[ROWS], T* peak, index_t* peak_row
) {
    T best = T(-1);
    index_t at = NO_INDEX;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {  // rows ascend: an equal value later is no better
        if (modulus(value[r]) > best) {
            best = modulus(value[r]);
            at = row[r];
        }
    }
    warp_best(best, at);
    __syncwarp();  // every lane has read the old peak
    if (threadIdx.x % LANES == 0) {
        *peak = best;
        *peak_row = at;
    }
}

// The best of the warps of this block for each of `count` forms goes to column blockIdx.x of the
// partial results, (s, gridDim.x).
template <typename T>
__device__ void write_peaks(
    const T* peak, const index_t* peak_row, int count, index_t first_form, T* best, index_t* best_row
) {
    __syncthreads();
    for (int form = threadIdx.x; form < count; form += blockDim.x) {
        T value = peak[form];
        index_t row = peak_row[form];
        for (int w = 1; w < WARPS; ++w) {
            if (goes_before(peak[w * count + form], peak_row[w * count + form], value, row)) {
                value = peak[w * count + form];
                row = peak_row[w * count + form];
            }
        }
        const index_t out = (first_form + form) * gridDim.x + blockIdx.x;
        best[out] = value;
        best_row[out] = row;
    }
}

// d <= D columns. Grid (any, ceil(s / per_block)), 128 threads.
template <typename T, int D>
__global__ void __launch_bounds__(128, 4) simplex_search(
    const T* __restrict__ points, index_t first, index_t last, index_t row_step,
    index_t column_step, index_t d, const T* __restrict__ forms, const T* __restrict__ offsets,
    index_t s, index_t per_block, T* __restrict__ best, index_t* __restrict__ best_row
) {
    constexpr int ROWS = rows_of_lane<T, D>();
    constexpr int V = 16 / int(sizeof(T));
    const index_t first_form = blockIdx.y * per_block;
    const int count = int(s - first_form < per_block ? s - first_form : per_block);
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int columns = int(d);

    // 33 numbers for 32: then 32 lanes that read at any stride meet no two in one bank
    extern __shared__ __align__(16) unsigned char shared[];
    index_t* const peak_row = reinterpret_cast<index_t*>(shared);    // (WARPS, count)
    T* const form_table = reinterpret_cast<T*>(peak_row + WARPS * per_block);  // (per_block, D)
    T* const offset_table = form_table + per_block * D;              // (per_block,)
    T* const peak = offset_table + per_block;                        // (WARPS, count)
    T* const staged = peak + WARPS * per_block + warp * (LANES + 1) * D;  // of this warp

    for (int e = threadIdx.x; e < count * D; e += blockDim.x) {
        const int form = e / D, column = e % D;
        form_table[e] = column < columns ? forms[(first_form + form) * d + column] : T(0);
    }
    for (int e = threadIdx.x; e < count; e += blockDim.x) {
        offset_table[e] = offsets[first_form + e];
    }
    for (int e = threadIdx.x; e < WARPS * count; e += blockDim.x) {
        peak[e] = T(-1);
        peak_row[e] = first;
    }
    __syncthreads();

    const bool packed = column_step == 1 && row_step == d;
    const index_t step = index_t(gridDim.x) * WARPS * ROWS * LANES;
    for (index_t base = (index_t(blockIdx.x) * WARPS + warp) * ROWS * LANES + first; base < last;
         base += step) {
        T x[ROWS][D];
        index_t row[ROWS];
        // Lanes past the end take the last row again: a repeated row changes no maximum.
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const index_t mine = base + r * LANES + lane;
            row[r] = mine < last ? mine : last - 1;
        }
        if (packed) {
            // 32 rows are one piece of memory: lane l loads numbers l, l + 32, ... of it, and the
            // warp turns them round in shared memory.
            T held[ROWS][D];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                const index_t start = (base + r * LANES < last ? base + r * LANES : last - 1) * d;
#pragma unroll
                for (int j = 0; j < D; ++j) {
                    const index_t e = start + lane + j * LANES;
                    held[r][j] = j < columns && e < last * d ? points[e] : T(0);
                }
            }
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                const index_t start = base + r * LANES < last ? base + r * LANES : last - 1;
                const int place = int(row[r] - start) * columns;
                __syncwarp();  // the rows before these were read
#pragma unroll
                for (int j = 0; j < D; ++j) {
                    if (j < columns) staged[lane + j * (LANES + 1)] = held[r][j];
                }
                __syncwarp();
#pragma unroll
                for (int i = 0; i < D; ++i) {
                    const int e = place + i;
                    x[r][i] = i < columns ? staged[e + e / LANES] : T(0);
                }
            }
        } else {
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
#pragma unroll
                for (int i = 0; i < D; ++i) {
                    x[r][i] = i < columns ? points[row[r] * row_step + i * column_step] : T(0);
                }
            }
            __syncwarp();  // the peaks of the rows before these are written
        }

        for (int form = 0; form < count; ++form) {
            T value[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) value[r] = offset_table[form];
#pragma unroll
            for (int i = 0; i < D; i += V) {
                const Pack<T> a = load_pack(form_table + form * D + i);
#pragma unroll
                for (int v = 0; v < V; ++v) {
#pragma unroll
                    for (int r = 0; r < ROWS; ++r) value[r] += a.v[v] * x[r][i + v];
                }
            }
            T top = modulus(value[0]);
#pragma unroll
            for (int r = 1; r < ROWS; ++r) top = larger(top, modulus(value[r]));
            if (__any_sync(ALL_LANES, top > peak[warp * count + form])) {
                record_peak<T, ROWS>(
                    value, row, peak + warp * count + form, peak_row + warp * count + form
                );
            }
        }
    }
    write_peaks(peak, peak_row, count, first_form, best, best_row);
}

// Any d: forms and points pass through shared memory 16 columns at a time, and each lane adds up
// 2 rows x 16 forms in registers. Grid (any, ceil(s / 16)), 128 threads.
template <typename T>
__global__ void __launch_bounds__(128) simplex_wide(
    const T* __restrict__ points, index_t first, index_t last, index_t row_step,
    index_t column_step, index_t d, const T* __restrict__ forms, const T* __restrict__ offsets,
    index_t s, T* __restrict__ best, index_t* __restrict__ best_row
) {
    constexpr int V = 16 / int(sizeof(T));
    constexpr int TILE = WIDE_ROWS * LANES;
    constexpr int STRIDE = WIDE_COLUMNS + 1;  // odd: lanes one row apart meet different banks
    __shared__ T staged[WARPS * TILE * STRIDE];
    __shared__ __align__(16) T form_table[WIDE_COLUMNS * WIDE_FORMS];
    __shared__ T peak[WARPS * WIDE_FORMS];
    __shared__ index_t peak_row[WARPS * WIDE_FORMS];

    const index_t first_form = index_t(blockIdx.y) * WIDE_FORMS;
    const int count = int(s - first_form < WIDE_FORMS ? s - first_form : WIDE_FORMS);
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    T* const mine = staged + warp * TILE * STRIDE;
    for (int e = threadIdx.x; e < WARPS * count; e += blockDim.x) {
        peak[e] = T(-1);
        peak_row[e] = first;
    }

    // the tiles of a block's warps lie side by side, so that all meet at the same barriers
    for (index_t base = index_t(blockIdx.x) * WARPS * TILE + first; base < last;
         base += index_t(gridDim.x) * WARPS * TILE) {
        const index_t start = base + warp * TILE;
        index_t row[WIDE_ROWS];
        T value[WIDE_ROWS][WIDE_FORMS];
#pragma unroll
        for (int r = 0; r < WIDE_ROWS; ++r) {
            row[r] = start + r * LANES + lane < last ? start + r * LANES + lane : last - 1;
#pragma unroll
            for (int form = 0; form < WIDE_FORMS; ++form) {
                value[r][form] = form < count ? offsets[first_form + form] : T(0);
            }
        }
        for (index_t left = 0; left < d; left += WIDE_COLUMNS) {
            __syncthreads();  // what was staged before was read
            for (int e = threadIdx.x; e < WIDE_COLUMNS * WIDE_FORMS; e += blockDim.x) {
                const int form = e / WIDE_COLUMNS, column = e % WIDE_COLUMNS;
                const bool there = form < count && left + column < d;
                form_table[column * WIDE_FORMS + form] =
                    there ? forms[(first_form + form) * d + left + column] : T(0);
            }
#pragma unroll 8
            for (int e = lane; e < TILE * WIDE_COLUMNS; e += LANES) {
                // lanes run along whichever axis is dense in memory
                const bool dense = column_step == 1;
                const int r = dense ? e / WIDE_COLUMNS : e % TILE;
                const int column = dense ? e % WIDE_COLUMNS : e / TILE;
                const index_t from = start + r < last ? start + r : last - 1;
                mine[r * STRIDE + column] =
                    left + column < d
                        ? points[from * row_step + (left + column) * column_step]
                        : T(0);
            }
            __syncthreads();
#pragma unroll 4
            for (int column = 0; column < WIDE_COLUMNS; ++column) {
                T x[WIDE_ROWS];
#pragma unroll
                for (int r = 0; r < WIDE_ROWS; ++r) {
                    x[r] = mine[(r * LANES + lane) * STRIDE + column];
                }
#pragma unroll
                for (int i = 0; i < WIDE_FORMS; i += V) {
                    const Pack<T> a = load_pack(form_table + column * WIDE_FORMS + i);
#pragma unroll
                    for (int v = 0; v < V; ++v) {
#pragma unroll
                        for (int r = 0; r < WIDE_ROWS; ++r) value[r][i + v] += a.v[v] * x[r];
                    }
                }
            }
        }
#pragma unroll
        for (int form = 0; form < WIDE_FORMS; ++form) {
            if (form < count) {
                T of_form[WIDE_ROWS];
                T top = T(-1);
#pragma unroll
                for (int r = 0; r < WIDE_ROWS; ++r) {
                    of_form[r] = value[r][form];
                    top = larger(top, modulus(of_form[r]));
                }
                const int at = warp * count + form;
                if (__any_sync(ALL_LANES, top > peak[at])) {
                    record_peak<T, WIDE_ROWS>(of_form, row, peak + at, peak_row + at);
                }
            }
        }
    }
    write_peaks(peak, peak_row, count, first_form, best, best_row);
}

// The best of each form's partial results. Grid (s,), any number of whole warps up to 8.
template <typename T>
__global__ void simplex_finish(
    const T* __restrict__ best, const index_t* __restrict__ best_row, index_t partials,
    T* __restrict__ values, index_t* __restrict__ positions
) {
    __shared__ T warp_value[8];
    __shared__ index_t warp_row[8];
    T value = T(-1);
    index_t row = NO_INDEX;
    for (index_t i = threadIdx.x; i < partials; i += blockDim.x) {
        const index_t at = blockIdx.x * partials + i;
        if (goes_before(best[at], best_row[at], value, row)) {
            value = best[at];
            row = best_row[at];
        }
    }
    warp_best(value, row);
    if (threadIdx.x % LANES == 0) {
        warp_value[threadIdx.x / LANES] = value;
        warp_row[threadIdx.x / LANES] = row;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < int(blockDim.x) / LANES; ++w) {
            if (goes_before(warp_value[w], warp_row[w], value, row)) {
                value = warp_value[w];
                row = warp_row[w];
            }
        }
        const T zero = T(0);
        values[blockIdx.x] = value < zero ? zero / zero : value;
        positions[blockIdx.x] = row;
    }
}
