// The parts of the runtime, and what Python (or the stand-alone runner) hands it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../include/abi.h"

namespace hostcuda {

// Untouchable bytes on each side of an argument and of a shared array. They cost nothing but addresses, of which
// TSan has fewer.
#ifdef HOSTCUDA_ASAN
inline constexpr std::ptrdiff_t margin = 16;  // of a red zone
#else
inline constexpr std::ptrdiff_t margin = 0;
#endif
#ifdef HOSTCUDA_TSAN
inline constexpr std::size_t argument_guard = 1 << 20, shared_guard = 1 << 20;
#else
inline constexpr std::size_t argument_guard = 1 << 30, shared_guard = 16 << 20;
#endif

// ---- the interface to Python: plain structs, mirrored by ctypes in plain.py ----

enum Order : std::int32_t { ascending, descending, shuffled };

struct Buffer {
    char *data;          // the caller's array; the kernel sees a guarded copy
    std::uint64_t bytes;
    std::int32_t skew;   // its address modulo 16, kept in the copy
    std::int32_t constant;
};

struct Argument {
    std::int32_t buffer;  // which buffer it points into, or -1 for a value
    std::int32_t padding;
    std::uint64_t offset;
    char value[16];
};

struct Launch {
    std::uint32_t grid[3], block[3];
    std::int32_t order, buffers, arguments, padding;
    std::uint64_t seed, dynamic_bytes, shared_limit;
    double seconds;  // of processor time, after which the kernel counts as hung
};

struct Report {
    std::int32_t failed, located, line, padding;  // in `file`; located: block and thread are known
    std::uint32_t block[3], thread[3];
    std::uint64_t pc;  // in the kernel's library, relative to where it was loaded; 0 if unknown
    char kind[16], file[64], text[1000];
};

// ---- faults.cpp ----
void record(const char *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
Report &report();
void locate(Place);
void begin_watch(double seconds);
void end_watch();
bool time_is_up();
void record_expiry();

// ---- launch.cpp ----
bool describe_address(const char *address, char *text, std::size_t size);  // as bytes of an array

// ---- memory.cpp ----
// A stretch of memory that ends where nothing may be touched for a long way, and begins after such a stretch.
struct Region {
    char *map = nullptr, *data = nullptr;
    std::size_t mapped = 0, bytes = 0, guard = 0;

    void open(std::size_t bytes, std::size_t alignment, std::size_t skew, std::size_t guard);
    void protect();  // from being written
    void close();
    bool intact() const;  // the fill around the data is as it was
    bool contains(const char *address) const { return map - margin <= address && address < map + mapped + margin; }
};

void poison(void *data, std::size_t bytes);  // all bits set: NaN, or -1
void begin_shared(std::size_t dynamic_bytes, std::size_t limit);
void begin_block_memory();
void end_block_memory();
bool shared_memory_intact();
bool describe_shared(const char *address, char *text, std::size_t size);

// ---- block.cpp ----
void begin_threads(const Launch &, const Entry &, void **arguments);
bool run_block(std::uint64_t number);  // false: the report says why
bool running();  // between the first switch to a thread and the last one back
[[noreturn]] void abandon();  // leave the running thread for good; run_block returns false
bool is_stack(const char *address);

}  // namespace hostcuda

extern "C" {
int hostcuda_launch(const hostcuda::Entry *, const hostcuda::Launch *, const hostcuda::Buffer *,
                    const hostcuda::Argument *, hostcuda::Report *);
const char *hostcuda_describe(const hostcuda::Entry *);
}
