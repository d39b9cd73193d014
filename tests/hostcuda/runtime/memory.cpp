// Guarded copies of the arguments, and shared memory.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "runtime.h"
#include "sanitizer.h"

namespace hostcuda {
namespace {

const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE));
constexpr std::uint32_t canary = 0xfff5c3a5;  // a NaN as float and as double, and not -1

std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

Slot *arrays;  // of all kernels so far (a list, because the checkers watch what a container does)
Region dynamic;
std::size_t dynamic_bytes, limit, total;
unsigned long long serial, dynamic_serial, launch_serial;

Region region_of(const Slot &slot) {
    Region region;
    region.map = slot.map;
    region.data = slot.data;
    region.mapped = slot.mapped;
    region.bytes = slot.size;
    region.guard = shared_guard;
    return region;
}

// Past the checkers, to whom mapping memory is writing it: other threads use it without waiting for this one.
void *map_pages(std::size_t bytes) {
    long result = syscall(SYS_mmap, nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (result == -1) std::abort();
    return reinterpret_cast<void *>(result);
}

}  // namespace

void Region::open(std::size_t size, std::size_t alignment, std::size_t skew, std::size_t untouchable) {
    bytes = size;
    guard = untouchable;
    if (sanitizer::asan) {  // whose red zones are as tight as can be
        void *block = nullptr;
        if (posix_memalign(&block, alignment, size + skew)) std::abort();
        map = static_cast<char *>(block);
        mapped = size + skew;
        data = map + skew;
        return;
    }
    std::size_t inside = size ? round_up(size + alignment, page) : 0;
    mapped = inside + 2 * guard;
    map = static_cast<char *>(map_pages(mapped));
    char *end = map + guard + inside;
    data = end;
    if (!size) return;  // every access of an empty array is one too many
    mprotect(map + guard, inside, PROT_READ | PROT_WRITE);
    std::size_t last = reinterpret_cast<std::uintptr_t>(end - size) - skew;
    data = reinterpret_cast<char *>(last / alignment * alignment + skew);
    for (auto *p = reinterpret_cast<std::uint32_t *>(map + guard); p < reinterpret_cast<std::uint32_t *>(end); ++p)
        if (reinterpret_cast<char *>(p) < data || reinterpret_cast<char *>(p + 1) > data + size) *p = canary;
}

bool Region::intact() const {
    if (sanitizer::asan || !bytes) return true;
    auto is_canary = [](const char *p) {
        return *p == reinterpret_cast<const char *>(&canary)[reinterpret_cast<std::uintptr_t>(p) % 4];
    };
    for (const char *p = map + guard; p < data; ++p)
        if (!is_canary(p)) return false;
    for (const char *p = data + bytes; p < map + mapped - guard; ++p)
        if (!is_canary(p)) return false;
    return true;
}

void Region::protect() {
    if (!sanitizer::asan && bytes) mprotect(map + guard, mapped - 2 * guard, PROT_READ);
}

void Region::close() {
    if (!map) return;
    if (sanitizer::asan) std::free(map);
    else munmap(map, mapped);
    *this = Region{};
}

void poison(void *data, std::size_t bytes) {  // volatile: or else a call of memset, which the checkers watch
    auto *bytewise = static_cast<volatile unsigned char *>(data);
    auto *wordwise = static_cast<volatile std::uint64_t *>(data);
    for (std::size_t i = 0; i < bytes / 8; ++i) wordwise[i] = ~std::uint64_t(0);
    for (std::size_t i = bytes / 8 * 8; i < bytes; ++i) bytewise[i] = 0xff;
}

void begin_shared(std::size_t bytes, std::size_t most) {
    dynamic_bytes = bytes;
    limit = most;
    total = bytes;
    launch_serial = serial;
}

void begin_block_memory() { ++serial; }

// The sanitizers get new memory for every block: what a pointer kept from another block points at is gone, and
// two blocks never meet in one place.
void end_block_memory() {
    if (!sanitizer::asan && !sanitizer::tsan) return;
    for (; arrays; arrays = arrays->next) {
        region_of(*arrays).close();
        arrays->data = nullptr;
    }
    dynamic.close();
}

bool shared_memory_intact() {
    for (const Slot *slot = arrays; slot; slot = slot->next)
        if (slot->serial > launch_serial && !region_of(*slot).intact()) {
            record("canary", "the bytes around the shared array `%s` were overwritten", slot->name);
            return false;
        }
    if (dynamic_serial > launch_serial && !dynamic.intact()) {
        record("canary", "the bytes around the dynamic shared memory were overwritten");
        return false;
    }
    return true;
}

bool describe_shared(const char *address, char *text, std::size_t size) {
    for (const Slot *slot = arrays; slot; slot = slot->next)
        if (region_of(*slot).contains(address)) {
            std::ptrdiff_t byte = address - slot->data;
            std::snprintf(text, size, "shared array `%s`: byte %td of %lu", slot->name, byte, slot->size);
            return true;
        }
    if (!dynamic.contains(address)) return false;
    std::snprintf(text, size, "dynamic shared memory: byte %td of %zu", address - dynamic.data, dynamic.bytes);
    return true;
}

}  // namespace hostcuda

using namespace hostcuda;

extern "C" void *hostcuda_shared(Slot *slot) {
    if (slot->serial == serial) return slot->data;
    if (!slot->data) {
        Region region;
        region.open(slot->size, slot->alignment < 16 ? 16 : slot->alignment, 0, shared_guard);
        slot->data = region.data;
        slot->map = region.map;
        slot->mapped = region.mapped;
        slot->next = arrays;
        arrays = slot;
    }
    if (slot->serial <= launch_serial) total += round_up(slot->size, 16);
    slot->serial = serial;
    std::size_t fixed = total - dynamic_bytes;
    if (total > limit || fixed > 48 * 1024) {
        const char *also = fixed > 48 * 1024 ? " (49152 of static)" : "";
        record("shared", "%zu bytes of static and %zu of dynamic shared memory, but %zu is the most%s", fixed,
               dynamic_bytes, limit, also);
        abandon();
    }
    poison(slot->data, slot->size);
    return slot->data;
}

extern "C" void *hostcuda_dynamic_shared() {
    if (dynamic_serial == serial) return dynamic.data;
    if (!dynamic.map || dynamic.bytes != dynamic_bytes) {
        dynamic.close();
        dynamic.open(dynamic_bytes, 16, 0, shared_guard);
    }
    dynamic_serial = serial;
    poison(dynamic.data, dynamic_bytes);
    return dynamic.data;
}
