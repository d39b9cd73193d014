// k-means: nearest centres, sums of clusters, and the race of k-means++.
//
// Called by   unmix/cuda/kmeans.py: assign, nearest, race
// Reference   unmix.ops.assign, unmix.ops.nearest, unmix.ops.race
//
// Inputs      rows     n rows of f numbers, float or double, at rows[row * row_step + column *
//                      column_step], steps in elements (C order, Fortran order, or a slice of it).
//             origin   (f,): a point amid the data; every row and every centre is taken from it
//                      first, so that a large common offset costs no digits.
//             centers  (s * k, f), C order: k centres for each of s starts.
//             norms    (n,): |row - origin|^2.
// Outputs     of nearest: labels (s, n) int and |x - c|^2 - |x - o|^2, (s, n);
//             of assign: cells (s * k, f + 1) double, the sums of (row - origin) over each cluster
//             and, last, the number of its rows; the inertia (s,) double; and the largest squared
//             distance (s,) with its row;
//             of race: the least exponential / squared (s,) with its row.
// How equal   To rounding of dot products. Where these are exact (small integers) labels and rows are
//             those of the reference; elsewhere wherever the margin exceeds the rounding.
// Ties        go to the centre of the lowest number and to the lowest row.
// Bits        There are no atomics on floats. A distance does not depend on which thread computes
//             it. Each cell of a sum belongs to one thread, which takes rows in a fixed order; blocks
//             leave partial sums, added up in double as a fixed tree. How rows are cut into blocks
//             depends on the shapes alone, so that every run and every card gives the same bits.
// Shared      kmeans_fused: dynamic, `fused_shared` of the launcher, at most 64 KiB, over 48 KiB by
//             opting in. kmeans_sums: dynamic, at most 48 KiB. kmeans_nearest: static, 23 to 36
//             KiB. The others: static, at most 6 KiB.
//
// Three ways to the sums; the launcher takes the first that fits in shared memory:
//   kmeans_fused      a tile of 64 rows, all centres and all sums lie in shared memory: one read of
//                     the rows, nothing of length n is written. For small k * f.
//   kmeans_nearest, kmeans_spread, kmeans_sums   labels first; then one column per thread with its
//                     sums in shared memory: two reads. For long rows.
//   kmeans_nearest, kmeans_spread, then per start kmeans_count, _place, _segments, _join
//                     labels first, a counting sort of the row numbers by label, and sums along the
//                     sorted order: 1 + s reads. For many centres.
//
// Distances are a matrix product of tile and centres: each lane adds up 4 rows x C centres in
// registers, 16 bytes of a row at a time, and the scores of up to 8 C centres wait in shared memory
// for the search of the least. A tile's rows lie an odd number of 16-byte packs apart: eight lanes
// that read packs of neighbouring rows meet eight different groups of banks.

constexpr int TILE = 64;  // rows of a tile
constexpr int WARPS = 4;  // of a block that has a tile
constexpr int THREADS = WARPS * LANES;
[[maybe_unused]] constexpr int LANE_ROWS = 4;  // rows of one lane in a product, 16 apart
[[maybe_unused]] constexpr int HALF = 16;      // half a warp: each takes other centres
[[maybe_unused]] constexpr int PARTS = 256;    // threads of the kernels that reduce
[[maybe_unused]] constexpr int GROUP = 32;     // partial sums that one thread of kmeans_total adds
[[maybe_unused]] constexpr int SEGMENT = 512;  // sorted positions of one block of kmeans_segments

template <typename T>
constexpr int PACK = 16 / int(sizeof(T));

// Numbers from one row of a tile to the next: an odd number of packs.
template <typename T>
__host__ __device__ constexpr int tile_stride(int columns) {
    return (((columns + PACK<T> - 1) / PACK<T>) | 1) * PACK<T>;
}

// Scores of one centre lie this far from those of the next: the two halves of a warp, C centres
// apart, then write to different banks.
template <int C>
constexpr int SCORE_STRIDE = TILE + HALF / C;

// Copy a piece of COUNT rows x `width` columns into a tile, zeros up to `padded` columns and for
// rows that do not exist, and take `origin` off where there is one to take off.
template <typename T, int COUNT, bool FROM_ORIGIN>
__device__ __forceinline__ void stage(
    T* tile, int stride, const T* __restrict__ table, index_t n, index_t row_step,
    index_t column_step, index_t first, index_t left, int width, int padded,
    const T* __restrict__ origin
) {
    constexpr int BATCH = 8;  // loads in flight
    const int there = int(n - first < COUNT ? n - first : COUNT);
    const T* const corner = table + first * row_step + left * column_step;
    if (column_step == 1) {
        // Lanes run along a row, a power of two of them, and go down with a fixed column: its
        // origin stays in a register, and the next address is one addition away.
        const int bits = padded > 16 ? 5 : padded > 8 ? 4 : padded > 4 ? 3 : 2;
        const int top = threadIdx.x >> bits, down = THREADS >> bits;
        for (int c = threadIdx.x & ((1 << bits) - 1); c < padded; c += 1 << bits) {
            const int end = c < width ? there : 0;
            const T shift = FROM_ORIGIN && c < width ? origin[left + c] : T(0);
            for (int r = top; r < COUNT; r += BATCH * down) {
                T held[BATCH];
#pragma unroll
                for (int u = 0; u < BATCH; ++u) {
                    held[u] = T(0);
                    if (r + u * down < end) held[u] = corner[(r + u * down) * row_step + c] - shift;
                }
#pragma unroll
                for (int u = 0; u < BATCH; ++u) {
                    if (r + u * down < COUNT) tile[(r + u * down) * stride + c] = held[u];
                }
            }
        }
    } else {
        // Lanes run down a column.
        const int r = threadIdx.x % COUNT;
#pragma unroll 4
        for (int c = threadIdx.x / COUNT; c < padded; c += THREADS / COUNT) {
            T x = T(0);
            if (r < there && c < width) {
                x = corner[r * row_step + c * column_step];
                if (FROM_ORIGIN) x -= origin[left + c];
            }
            tile[r * stride + c] = x;
        }
    }
}

// Add the products of this lane's rows and centres over `padded` columns.
template <typename T, int C>
__device__ __forceinline__ void add_products(
    const T* rows, const T* centers, int stride, int padded, T (&sum)[LANE_ROWS][C]
) {
    for (int i = 0; i < padded; i += PACK<T>) {
        Pack<T> x[LANE_ROWS];
#pragma unroll
        for (int r = 0; r < LANE_ROWS; ++r) x[r] = load_pack(rows + r * HALF * stride + i);
#pragma unroll
        for (int c = 0; c < C; ++c) {
            const Pack<T> a = load_pack(centers + c * stride + i);
#pragma unroll
            for (int v = 0; v < PACK<T>; ++v) {
#pragma unroll
                for (int r = 0; r < LANE_ROWS; ++r) sum[r][c] += x[r].v[v] * a.v[v];
            }
        }
    }
}

// Write this lane's scores |a|^2 - 2 x . a; `squares` and `score` begin at its first centre.
template <typename T, int C>
__device__ __forceinline__ void write_scores(
    const T (&sum)[LANE_ROWS][C], const T* squares, int there, T* score
) {
    const int row = threadIdx.x % HALF;
#pragma unroll
    for (int c = 0; c < C; ++c) {
        if (c < there) {
#pragma unroll
            for (int r = 0; r < LANE_ROWS; ++r) {
                score[c * SCORE_STRIDE<C> + row + r * HALF] = squares[c] - 2 * sum[r][c];
            }
        }
    }
}

// Go on looking for the least score of one row among centres `from` to `to` - 1 of its start; the
// scores begin at centre `from`. The centre of the lowest number keeps a tie.
template <typename T, int C>
__device__ __forceinline__ void least_score(
    const T* score, int from, int to, T& least, int& label
) {
    for (int j = from; j < to; ++j) {
        const T value = score[(j - from) * SCORE_STRIDE<C>];
        if (j == 0 || value < least) {
            least = value;
            label = j;
        }
    }
}

// centers - origin and the squared norms of these. Grid (s * k,), THREADS threads.
template <typename T>
__global__ void kmeans_offsets(
    const T* __restrict__ centers, const T* __restrict__ origin, index_t f, T* __restrict__ away,
    T* __restrict__ squares
) {
    __shared__ double part[WARPS];
    double sum = 0;
    for (index_t c = threadIdx.x; c < f; c += THREADS) {
        const T a = centers[blockIdx.x * f + c] - origin[c];
        away[blockIdx.x * f + c] = a;
        sum += double(a) * double(a);
    }
    sum = warp_sum(sum);
    if (threadIdx.x % LANES == 0) part[threadIdx.x / LANES] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < WARPS; ++w) sum += part[w];
        squares[blockIdx.x] = T(sum);
    }
}

// One step of Lloyd's iteration over the rows of this block, in one read of them.
// Grid (ceil(n / rows_per_block),), THREADS threads; dynamic shared memory `fused_shared` of the
// launcher. `copies` of the sums take different rows of a tile where a row has few columns.
template <typename T, int C>
__global__ void __launch_bounds__(128, sizeof(T) == 4 ? 4 : 3) kmeans_fused(
    const T* __restrict__ rows, index_t n, index_t row_step, index_t column_step, index_t f,
    const T* __restrict__ away, const T* __restrict__ squares, const T* __restrict__ origin,
    const T* __restrict__ norms, index_t s, index_t k, index_t rows_per_block, index_t copies,
    double* __restrict__ cells, double* __restrict__ inertia, T* __restrict__ farthest,
    index_t* __restrict__ farthest_row
) {
    constexpr int CHUNK = WARPS * 2 * C;
    const int columns = int(f), of_start = int(k), starts = int(s), n_copies = int(copies);
    const int centers = starts * of_start;
    const int stride = tile_stride<T>(columns), padded = rounded_up(columns, PACK<T>);
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;

    // A start's 64 rows are searched by two warps ("searches"), each with its own totals.
    extern __shared__ __align__(16) unsigned char shared[];
    index_t* const far_row = reinterpret_cast<index_t*>(shared);          // (2 s,)
    double* const energy = reinterpret_cast<double*>(far_row + 2 * starts);  // (2 s,)
    T* const tile = reinterpret_cast<T*>(energy + 2 * starts);            // (64, stride)
    T* const table = tile + TILE * stride;         // (k s up to whole 2 C, stride)
    T* const sums = table + rounded_up(centers, 2 * C) * stride;  // (copies, k s, f)
    T* const score = sums + n_copies * centers * columns;  // (CHUNK, SCORE_STRIDE)
    T* const least = score + CHUNK * SCORE_STRIDE<C>;      // (s, 64)
    T* const far = least + starts * TILE;                  // (2 s,)
    int* const label = reinterpret_cast<int*>(far + 2 * starts);  // (s, 64)
    int* const members = label + starts * TILE;                   // (k s,)

    for (int e = threadIdx.x; e < n_copies * centers * columns; e += THREADS) sums[e] = T(0);
    for (int e = threadIdx.x; e < centers; e += THREADS) members[e] = 0;
    for (int e = threadIdx.x; e < 2 * starts; e += THREADS) {
        far[e] = T(-1);
        far_row[e] = NO_INDEX;
        energy[e] = 0;
    }
    for (int j = warp; j < rounded_up(centers, 2 * C); j += WARPS) {
        for (int c = lane; c < padded; c += LANES) {
            table[j * stride + c] = j < centers && c < columns ? away[j * columns + c] : T(0);
        }
    }

    // Who adds up what: a thread owns one column of the sums, in one copy of them, for every
    // CLASSES-th centre, and passes over the tile's rows alone.
    const int groups = columns < THREADS ? THREADS / columns : 1;
    const int group = columns < THREADS ? int(threadIdx.x) / columns : 0;
    const int own_column = columns < THREADS ? int(threadIdx.x) % columns : int(threadIdx.x);
    int classes = 1;
    while (2 * classes * n_copies <= groups) classes *= 2;
    const int own_copy = group % n_copies, own_class = group / n_copies;
    const bool owner = own_class < classes;

    const index_t begin = blockIdx.x * rows_per_block;
    const index_t end = n - begin < rows_per_block ? n : begin + rows_per_block;
    for (index_t first = begin; first < end; first += TILE) {
        __syncthreads();  // the rows and labels before these were read
        stage<T, TILE, true>(
            tile, stride, rows, end, row_step, column_step, first, 0, columns, padded, origin
        );
        __syncthreads();
        for (int from = 0; from < centers; from += CHUNK) {
            const int of_warp = from + warp * 2 * C;
            if (of_warp < centers) {
                const int own = of_warp + lane / HALF * C;
                T sum[LANE_ROWS][C] = {};
                add_products<T, C>(
                    tile + lane % HALF * stride, table + own * stride, stride, padded, sum
                );
                write_scores<T, C>(
                    sum, squares + own, centers - own, score + (own - from) * SCORE_STRIDE<C>
                );
            }
            __syncthreads();
            const int to = from + CHUNK < centers ? from + CHUNK : centers;
            for (int search = warp; search < 2 * starts; search += WARPS) {
                const int start = search / 2, r = search % 2 * LANES + lane;
                const int its_first = start * of_start, its_end = its_first + of_start;
                if (its_end <= from || its_first >= to) continue;
                const int j0 = its_first > from ? its_first : from;
                const int j1 = its_end < to ? its_end : to;
                T best = j0 == its_first ? T(0) : least[start * TILE + r];
                int number = j0 == its_first ? 0 : label[start * TILE + r];
                least_score<T, C>(
                    score + (j0 - from) * SCORE_STRIDE<C> + r, j0 - its_first, j1 - its_first, best,
                    number
                );
                least[start * TILE + r] = best;
                label[start * TILE + r] = number;
                if (its_end > to) continue;  // its other centres come with the next chunk
                const bool there = first + r < end;
                T squared = T(-1);
                if (there) {
                    squared = larger(best + norms[first + r], T(0));
                    atomicAdd(members + its_first + number, 1);
                }
                const double added = warp_sum(there ? double(squared) : 0.0);
                const bool above = __any_sync(ALL_LANES, squared > far[search]);
                index_t row = first + r;
                if (above) warp_best(squared, row);
                __syncwarp();  // every lane has read `far`
                if (lane == 0) {
                    energy[search] += added;
                    if (above) {
                        far[search] = squared;
                        far_row[search] = row;
                    }
                }
            }
            __syncthreads();
        }
        if (owner) {
            for (int c = own_column; c < columns; c += THREADS) {
                T* const own_sums = sums + own_copy * centers * columns + c;
                for (int start = 0; start < starts; ++start) {
                    const int* const its_labels = label + start * TILE;
#pragma unroll 4
                    for (int r = own_copy; r < TILE; r += n_copies) {
                        const int number = its_labels[r];
                        if ((number & (classes - 1)) == own_class) {
                            own_sums[(start * of_start + number) * columns] += tile[r * stride + c];
                        }
                    }
                }
            }
        }
    }
    __syncthreads();

    for (int e = threadIdx.x; e < centers * (columns + 1); e += THREADS) {
        const int j = e / (columns + 1), c = e % (columns + 1);
        double total = 0;
        if (c == columns) {
            total = members[j];
        } else {
            for (int copy = 0; copy < n_copies; ++copy) {
                total += double(sums[(copy * centers + j) * columns + c]);
            }
        }
        cells[index_t(blockIdx.x) * centers * (f + 1) + e] = total;
    }
    for (int start = threadIdx.x; start < starts; start += THREADS) {
        const int a = 2 * start, b = 2 * start + 1;
        const bool second = goes_before(far[b], far_row[b], far[a], far_row[a]);
        const index_t out = blockIdx.x * s + start;
        inertia[out] = energy[a] + energy[b];
        farthest[out] = second ? far[b] : far[a];
        farthest_row[out] = second ? far_row[b] : far_row[a];
    }
}

// Labels and relative distances, any f and any number of centres: rows and centres pass through
// shared memory 128 bytes of a row at a time. Grid (any,), THREADS threads.
template <typename T, int C>
__global__ void __launch_bounds__(128, 4) kmeans_nearest(
    const T* __restrict__ rows, index_t n, index_t row_step, index_t column_step, index_t f,
    const T* __restrict__ away, const T* __restrict__ squares, const T* __restrict__ origin,
    index_t s, index_t k, int* __restrict__ labels, T* __restrict__ relative
) {
    constexpr int CHUNK = WARPS * 2 * C;
    constexpr int WIDTH = 128 / int(sizeof(T));
    constexpr int STRIDE = tile_stride<T>(WIDTH);
    __shared__ __align__(16) T tile[TILE * STRIDE];
    __shared__ __align__(16) T table[CHUNK * STRIDE];
    __shared__ T score[CHUNK * SCORE_STRIDE<C>];
    // What a start has found so far when its centres go on in the next chunk. Two of each: the
    // next chunk's is written while this one's is read.
    __shared__ T kept_least[2 * TILE];
    __shared__ int kept_label[2 * TILE];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const index_t centers = s * k;

    bool table_stays = false, tile_stays = false;
    for (index_t first = index_t(blockIdx.x) * TILE; first < n; first += index_t(gridDim.x) * TILE) {
        tile_stays = false;
        int turn = 0;
        for (index_t from = 0; from < centers; from += CHUNK, turn ^= 1) {
            const int count = int(centers - from < CHUNK ? centers - from : CHUNK);
            const int own = warp * 2 * C + lane / HALF * C;
            T sum[LANE_ROWS][C] = {};
            for (index_t left = 0; left < f; left += WIDTH) {
                const int width = int(f - left < WIDTH ? f - left : WIDTH);
                const int padded = rounded_up(width, PACK<T>);
                __syncthreads();  // what was staged before was read
                if (!tile_stays) {
                    stage<T, TILE, true>(
                        tile, STRIDE, rows, n, row_step, column_step, first, left, width, padded,
                        origin
                    );
                }
                if (!table_stays) {
                    stage<T, CHUNK, false>(
                        table, STRIDE, away, centers, f, 1, from, left, width, padded, origin
                    );
                }
                tile_stays = f <= WIDTH;
                table_stays = f <= WIDTH && centers <= CHUNK;
                __syncthreads();
                if (warp * 2 * C < count) {
                    add_products<T, C>(
                        tile + lane % HALF * STRIDE, table + own * STRIDE, STRIDE, padded, sum
                    );
                }
            }
            write_scores<T, C>(
                sum, squares + from + own, count - own, score + own * SCORE_STRIDE<C>
            );
            __syncthreads();
            const index_t to = from + count;
            const index_t first_start = from / k, last_start = (to - 1) / k;
            for (index_t search = 2 * first_start + warp; search < 2 * last_start + 2;
                 search += WARPS) {
                const index_t start = search / 2;
                const int r = int(search % 2) * LANES + lane;
                const index_t its_first = start * k, its_end = its_first + k;
                const index_t j0 = its_first > from ? its_first : from;
                const index_t j1 = its_end < to ? its_end : to;
                T best = j0 == its_first ? T(0) : kept_least[turn * TILE + r];
                int number = j0 == its_first ? 0 : kept_label[turn * TILE + r];
                least_score<T, C>(
                    score + int(j0 - from) * SCORE_STRIDE<C> + r, int(j0 - its_first),
                    int(j1 - its_first), best, number
                );
                if (its_end > to) {
                    kept_least[(turn ^ 1) * TILE + r] = best;
                    kept_label[(turn ^ 1) * TILE + r] = number;
                } else if (first + r < n) {
                    labels[start * n + first + r] = number;
                    relative[start * n + first + r] = best;
                }
            }
        }
    }
}

// Put the block's sums together and its best pair: results in thread 0. PARTS threads.
template <typename T>
__device__ void block_totals(double& sum, T& value, index_t& row) {
    __shared__ double warp_total[PARTS / LANES];
    __shared__ T warp_value[PARTS / LANES];
    __shared__ index_t warp_row[PARTS / LANES];
    sum = warp_sum(sum);
    warp_best(value, row);
    if (threadIdx.x % LANES == 0) {
        warp_total[threadIdx.x / LANES] = sum;
        warp_value[threadIdx.x / LANES] = value;
        warp_row[threadIdx.x / LANES] = row;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < PARTS / LANES; ++w) {
            sum += warp_total[w];
            if (goes_before(warp_value[w], warp_row[w], value, row)) {
                value = warp_value[w];
                row = warp_row[w];
            }
        }
    }
}

// Inertia and farthest row of what kmeans_nearest has found. Grid (ceil(n / rows_per_block), s),
// PARTS threads; partial results (gridDim.x, s), as kmeans_fused leaves them.
template <typename T>
__global__ void kmeans_spread(
    const T* __restrict__ relative, const T* __restrict__ norms, index_t n, index_t rows_per_block,
    double* __restrict__ inertia, T* __restrict__ farthest, index_t* __restrict__ farthest_row
) {
    const index_t start = blockIdx.y;
    const index_t begin = blockIdx.x * rows_per_block;
    const index_t end = n - begin < rows_per_block ? n : begin + rows_per_block;
    double sum = 0;
    T far = T(-1);
    index_t row = NO_INDEX;
    for (index_t i = begin + threadIdx.x; i < end; i += PARTS) {
        const T squared = larger(relative[start * n + i] + norms[i], T(0));
        sum += double(squared);
        if (squared > far) {
            far = squared;
            row = i;
        }
    }
    block_totals(sum, far, row);
    if (threadIdx.x == 0) {
        const index_t out = blockIdx.x * index_t(gridDim.y) + start;
        inertia[out] = sum;
        farthest[out] = far;
        farthest_row[out] = row;
    }
}

// Totals of the partial results (partials, s) of one start. Grid (s,), PARTS threads.
template <typename T>
__global__ void kmeans_spread_finish(
    const double* __restrict__ inertia, const T* __restrict__ farthest,
    const index_t* __restrict__ farthest_row, index_t partials, double* __restrict__ total,
    double* __restrict__ largest, index_t* __restrict__ largest_row
) {
    double sum = 0;
    T far = T(-1);
    index_t row = NO_INDEX;
    for (index_t i = threadIdx.x; i < partials; i += PARTS) {
        const index_t at = i * gridDim.x + blockIdx.x;
        sum += inertia[at];
        if (goes_before(farthest[at], farthest_row[at], far, row)) {
            far = farthest[at];
            row = farthest_row[at];
        }
    }
    block_totals(sum, far, row);
    if (threadIdx.x == 0) {
        total[blockIdx.x] = sum;
        largest[blockIdx.x] = double(far);
        largest_row[blockIdx.x] = row;
    }
}

// Sums of clusters from labels (s, n): each thread owns one column, whose sums for all s * k
// centres lie in dynamic shared memory, (s * k, blockDim.x). Column f is the count. No barrier: no
// thread reads what another wrote. Grid (ceil(n / rows_per_block), ceil((f + 1) / blockDim.x)),
// 32, 64 or 128 threads; cells (gridDim.x, s * k, f + 1).
template <typename T>
__global__ void __launch_bounds__(128) kmeans_sums(
    const T* __restrict__ rows, index_t n, index_t row_step, index_t column_step, index_t f,
    const T* __restrict__ origin, const int* __restrict__ labels, index_t s, index_t k,
    index_t rows_per_block, double* __restrict__ cells
) {
    constexpr int BATCH = 8;  // rows in flight
    extern __shared__ __align__(16) unsigned char shared[];
    const int width = blockDim.x, of_start = int(k), starts = int(s);
    T* const sums = reinterpret_cast<T*>(shared) + threadIdx.x;
    const index_t column = index_t(blockIdx.y) * width + threadIdx.x;
    if (column > f) return;
    for (int j = 0; j < starts * of_start; ++j) sums[j * width] = T(0);
    const T shift = column < f ? origin[column] : T(0);
    const index_t begin = blockIdx.x * rows_per_block;
    const index_t end = n - begin < rows_per_block ? n : begin + rows_per_block;
    for (index_t row = begin; row < end; row += BATCH) {
        const int count = int(end - row < BATCH ? end - row : BATCH);
        T x[BATCH];
#pragma unroll
        for (int u = 0; u < BATCH; ++u) {
            x[u] = T(1);
            if (u < count && column < f) {
                x[u] = rows[(row + u) * row_step + column * column_step] - shift;
            }
        }
        for (int start = 0; start < starts; ++start) {
            int number[BATCH];
#pragma unroll
            for (int u = 0; u < BATCH; ++u) {
                number[u] = u < count ? labels[start * n + row + u] : 0;
            }
#pragma unroll
            for (int u = 0; u < BATCH; ++u) {
                if (u < count) sums[(start * of_start + number[u]) * width] += x[u];
            }
        }
    }
    for (int j = 0; j < starts * of_start; ++j) {
        cells[(index_t(blockIdx.x) * starts * of_start + j) * (f + 1) + column] =
            double(sums[j * width]);
    }
}

// Add up GROUP partial sums at a time: (partials, n_cells) -> (ceil(partials / GROUP), n_cells).
// Grid (ceil(n_cells / THREADS) * ceil(partials / GROUP),), THREADS threads.
__global__ void kmeans_total(
    const double* __restrict__ cells, index_t partials, index_t n_cells, double* __restrict__ out
) {
    const index_t across = tiles_of(n_cells, THREADS);
    const index_t group = blockIdx.x / across;
    const index_t cell = blockIdx.x % across * THREADS + threadIdx.x;
    if (cell >= n_cells) return;
    const index_t begin = group * GROUP;
    const index_t end = partials - begin < GROUP ? partials : begin + GROUP;
    double sum = 0;
#pragma unroll 8
    for (index_t i = begin; i < end; ++i) sum += cells[i * n_cells + cell];
    out[group * n_cells + cell] = sum;
}

// Counting sort, first pass: members of each cluster in each piece of rows, (k, gridDim.x), zeroed
// before. Atomics on whole numbers: their order does not matter.
__global__ void kmeans_count(
    const int* __restrict__ labels, index_t n, index_t rows_per_block, int* __restrict__ counts
) {
    const index_t begin = blockIdx.x * rows_per_block;
    const index_t end = n - begin < rows_per_block ? n : begin + rows_per_block;
    for (index_t row = begin + threadIdx.x; row < end; row += blockDim.x) {
        atomicAdd(counts + labels[row] * index_t(gridDim.x) + blockIdx.x, 1);
    }
}

// Second pass: the row numbers ordered by label, and within a label as they come. `ends` are the
// running totals of the counts in the order of memory, so that a piece's rows of one label go to
// the places up to its end; `counts` falls to zero on the way. One warp for each piece.
__global__ void kmeans_place(
    const int* __restrict__ labels, index_t n, index_t rows_per_block,
    const index_t* __restrict__ ends, int* __restrict__ counts, index_t* __restrict__ order
) {
    const int lane = threadIdx.x;
    const index_t begin = blockIdx.x * rows_per_block;
    const index_t end = n - begin < rows_per_block ? n : begin + rows_per_block;
    for (index_t base = begin; base < end; base += LANES) {
        const bool there = base + lane < end;
        const int label = there ? labels[base + lane] : -1;
        const unsigned same = __match_any_sync(ALL_LANES, label);
        const int before = __popc(same & ((1u << lane) - 1));
        const index_t at = label * index_t(gridDim.x) + blockIdx.x;
        if (there) order[ends[at] - counts[at] + before] = base + lane;
        __syncwarp();  // every lane has read the count
        if (there && before == 0) counts[at] -= __popc(same);
        __syncwarp();
    }
}

// Sums along the sorted order: a block takes SEGMENT positions, a thread one column, and each run
// of one label leaves its sum in row (block + label) of `runs`, (gridDim.x + k, f + 1). From run to
// run the block's number, the label's or both go up: no two runs share a row, and rows of `runs`
// that belong to no run are not written. Grid (ceil(n / SEGMENT), any), whole warps up to 128.
template <typename T>
__global__ void __launch_bounds__(128, 8) kmeans_segments(
    const T* __restrict__ rows, index_t n, index_t row_step, index_t column_step, index_t f,
    const T* __restrict__ origin, const int* __restrict__ labels,
    const index_t* __restrict__ order, double* __restrict__ runs
) {
    constexpr int BATCH = 8;  // rows in flight
    __shared__ index_t number[SEGMENT];
    __shared__ int label[SEGMENT];
    const index_t begin = index_t(blockIdx.x) * SEGMENT;
    const int count = int(n - begin < SEGMENT ? n - begin : SEGMENT);
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        number[i] = order[begin + i];
        label[i] = labels[order[begin + i]];
    }
    __syncthreads();
    for (index_t column = index_t(blockIdx.y) * blockDim.x + threadIdx.x; column <= f;
         column += index_t(gridDim.y) * blockDim.x) {
        const T shift = column < f ? origin[column] : T(0);
        double sum = 0;
        int current = label[0];
        for (int i = 0; i < count; i += BATCH) {
            T x[BATCH];
#pragma unroll
            for (int u = 0; u < BATCH; ++u) {
                x[u] = T(1);
                if (i + u < count && column < f) {
                    x[u] = rows[number[i + u] * row_step + column * column_step] - shift;
                }
            }
#pragma unroll
            for (int u = 0; u < BATCH; ++u) {
                if (i + u < count) {
                    if (label[i + u] != current) {
                        runs[(blockIdx.x + current) * (f + 1) + column] = sum;
                        current = label[i + u];
                        sum = 0;
                    }
                    sum += double(x[u]);
                }
            }
        }
        runs[(blockIdx.x + current) * (f + 1) + column] = sum;
    }
}

// The runs of each label, eight lots of them side by side, each in order: cells (k, f + 1).
// `pieces` is the length of a row of `ends`. Grid (k, any), PARTS threads: 8 x 32 columns.
__global__ void kmeans_join(
    const double* __restrict__ runs, const index_t* __restrict__ ends, index_t pieces, index_t f,
    double* __restrict__ cells
) {
    constexpr int LOTS = PARTS / LANES;
    __shared__ double part[LOTS * LANES];
    const int lane = threadIdx.x % LANES, lot = threadIdx.x / LANES;
    const index_t label = blockIdx.x;
    const index_t begin = label > 0 ? ends[label * pieces - 1] : 0;
    const index_t end = ends[(label + 1) * pieces - 1];
    for (index_t left = index_t(blockIdx.y) * LANES; left <= f;
         left += index_t(gridDim.y) * LANES) {
        const index_t column = left + lane;
        double sum = 0;
        if (column <= f && begin < end) {
#pragma unroll 4
            for (index_t block = begin / SEGMENT + lot; block <= (end - 1) / SEGMENT;
                 block += LOTS) {
                sum += runs[(block + label) * (f + 1) + column];
            }
        }
        part[threadIdx.x] = sum;
        __syncthreads();
        if (lot == 0 && column <= f) {
            for (int other = 1; other < LOTS; ++other) sum += part[other * LANES + lane];
            cells[label * (f + 1) + column] = sum;
        }
        __syncthreads();
    }
}

// k-means++: the row of least exponential / squared for each start, those with squared > 0 only;
// where there is none the time is infinite and the row the first. Both tables are (n, s), C order.
// Times are kept negative, so that the largest wins. Grid (ceil(n / rows_per_block),), PARTS
// threads; partial results (s, gridDim.x).
template <typename T>
__global__ void kmeans_race(
    const T* __restrict__ squared, const T* __restrict__ exponentials, index_t n, index_t s,
    index_t rows_per_block, T* __restrict__ best, index_t* __restrict__ best_row
) {
    __shared__ T of_thread[PARTS];
    __shared__ index_t row_of_thread[PARTS];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const index_t begin = blockIdx.x * rows_per_block;
    const index_t end = n - begin < rows_per_block ? n : begin + rows_per_block;
    T zero = T(0);
    const T never = -(T(1) / zero);
    for (index_t first = 0; first < s; first += PARTS) {
        const int starts = int(s - first < PARTS ? s - first : PARTS);
        const int runners = PARTS / starts;  // threads of one start
        const int start = threadIdx.x % starts, runner = threadIdx.x / starts;
        T value = never;
        index_t row = NO_INDEX;
        if (runner < runners) {
            for (index_t i = begin + runner; i < end; i += runners) {
                const index_t at = i * s + first + start;
                const T time = squared[at] > zero ? -(exponentials[at] / squared[at]) : never;
                if (goes_before(time, i, value, row)) {
                    value = time;
                    row = i;
                }
            }
        }
        __syncthreads();  // the starts before these were read
        of_thread[threadIdx.x] = value;
        row_of_thread[threadIdx.x] = row;
        __syncthreads();
        for (int own = warp; own < starts; own += PARTS / LANES) {
            value = never;
            row = NO_INDEX;
            for (int i = lane; i < runners; i += LANES) {
                const int at = i * starts + own;
                if (goes_before(of_thread[at], row_of_thread[at], value, row)) {
                    value = of_thread[at];
                    row = row_of_thread[at];
                }
            }
            warp_best(value, row);
            if (lane == 0) {
                best[(first + own) * gridDim.x + blockIdx.x] = value;
                best_row[(first + own) * gridDim.x + blockIdx.x] = row;
            }
        }
    }
}

// The best of the partial results (s, partials). Grid (s,), PARTS threads.
template <typename T>
__global__ void kmeans_race_finish(
    const T* __restrict__ best, const index_t* __restrict__ best_row, index_t partials,
    T* __restrict__ times, index_t* __restrict__ winners
) {
    T zero = T(0);
    T value = -(T(1) / zero);
    index_t row = NO_INDEX;
    for (index_t i = threadIdx.x; i < partials; i += PARTS) {
        const index_t at = blockIdx.x * partials + i;
        if (goes_before(best[at], best_row[at], value, row)) {
            value = best[at];
            row = best_row[at];
        }
    }
    double nothing = 0;
    block_totals(nothing, value, row);
    if (threadIdx.x == 0) {
        times[blockIdx.x] = -value;
        winners[blockIdx.x] = row == NO_INDEX ? 0 : row;
    }
}
