// One launch: guarded copies in, blocks one after another, copies out.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "runtime.h"
#include "sanitizer.h"
#include "tokens.h"

namespace hostcuda {
namespace {

std::vector<Region> regions;  // of the buffers
const Entry *entry;
const Argument *arguments;
int argument_count;

// "const char* type_name() [with T = float]" -> "float". A view: signal handlers must not ask for memory.
std::string_view type_of(const Parameter &parameter) {
    std::string_view type = parameter.type;
    if (auto begin = type.find("T = "); begin != type.npos) type.remove_prefix(begin + 4);
    while (!type.empty() && type.back() == ']') type.remove_suffix(1);
    return type;
}

std::ptrdiff_t distance(const Region &region, const char *data, const char *address) {
    if (region.contains(address)) return 0;
    return address < data ? data - address : address - (region.data + region.bytes);
}

// The argument that an address belongs to, or the one it is nearest to. Returns how far away it is, or -1 for none.
std::ptrdiff_t describe_argument(const char *address, char *text, std::size_t size) {
    int found = -1;
    std::ptrdiff_t least = 0;
    for (int i = 0; i < argument_count; ++i) {
        if (arguments[i].buffer < 0) continue;
        const Region &region = regions[std::size_t(arguments[i].buffer)];
        const char *data = region.data + arguments[i].offset;
        std::ptrdiff_t away = distance(region, data, address);
        // Of several in one buffer it is the last that begins before the address.
        bool nearer = found < 0 || away < least;
        bool later = away == least && data <= address && found >= 0 && arguments[i].offset >= arguments[found].offset;
        if (!nearer && !later) continue;
        found = i;
        least = away;
        std::string_view type = type_of(entry->parameters[i]);
        std::snprintf(text, size, "argument %d (%.*s): byte %td of %zu", i, int(type.size()), type.data(),
                      address - data, region.bytes - arguments[i].offset);
    }
    return found < 0 ? -1 : least;
}

std::vector<std::uint64_t> block_order(const Launch &launch) {
    std::vector<std::uint64_t> numbers(std::uint64_t(launch.grid[0]) * launch.grid[1] * launch.grid[2]);
    for (std::uint64_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
    if (launch.order == descending) std::reverse(numbers.begin(), numbers.end());
    if (launch.order == shuffled) {
        std::uint64_t state = launch.seed * 2 + 1;
        for (std::uint64_t i = numbers.size() - 1; i > 0; --i) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            std::swap(numbers[i], numbers[(state >> 33) % (i + 1)]);
        }
    }
    return numbers;
}

void run(const Launch &launch, void **pointers) {
    begin_watch(launch.seconds);
    begin_shared(launch.dynamic_bytes, launch.shared_limit);
    begin_threads(launch, *entry, pointers);
    for (std::uint64_t number : block_order(launch)) {
        if (!run_block(number)) break;
        if (time_is_up()) {
            record_expiry();
            break;
        }
    }
    end_watch();
    sanitizer::acquire(launch_token());
}

void copy_in(const Buffer *buffers, int count) {
    regions.assign(std::size_t(count), Region{});
    for (int b = 0; b < count; ++b) {
        Region &region = regions[std::size_t(b)];
        region.open(buffers[b].bytes, 16, std::size_t(buffers[b].skew), argument_guard);
        if (region.bytes) std::memcpy(region.data, buffers[b].data, region.bytes);
        if (buffers[b].constant) region.protect();
    }
}

void check_and_copy_out(const Buffer *buffers, int count) {
    for (int b = 0; b < count; ++b)
        if (!regions[std::size_t(b)].intact()) {
            int i = 0;
            while (arguments[i].buffer != b) ++i;
            std::string_view type = type_of(entry->parameters[i]);
            record("canary", "the bytes around argument %d (%.*s) were overwritten", i, int(type.size()), type.data());
            return;
        }
    if (!shared_memory_intact()) return;
    for (int b = 0; b < count; ++b) {
        const Region &region = regions[std::size_t(b)];
        if (buffers[b].constant && sanitizer::asan && std::memcmp(buffers[b].data, region.data, region.bytes)) {
            record("access", "the constant array of buffer %d was written", b);
            return;
        }
        if (!buffers[b].constant && region.bytes) std::memcpy(buffers[b].data, region.data, region.bytes);
    }
}

}  // namespace

bool describe_address(const char *address, char *text, std::size_t size) {
    if (describe_shared(address, text, size)) return true;
    char argument[250];
    std::ptrdiff_t away = describe_argument(address, argument, sizeof argument);
    if (away < 0) return false;
    std::snprintf(text, size, "%s%s", away ? "far from every array; the nearest is " : "", argument);
    return true;
}

}  // namespace hostcuda

using namespace hostcuda;

extern "C" int hostcuda_launch(const Entry *kernel, const Launch *launch, const Buffer *buffers, const Argument *values,
                               Report *result) {
    report() = {};
    entry = kernel;
    arguments = values;
    argument_count = launch->arguments;
    copy_in(buffers, launch->buffers);
    std::vector<Argument> by_value(values, values + argument_count);
    std::vector<void *> places(by_value.size()), pointers(by_value.size() + 1);
    for (std::size_t i = 0; i < by_value.size(); ++i) {
        bool points = values[i].buffer >= 0;
        if (points) places[i] = regions[std::size_t(values[i].buffer)].data + values[i].offset;
        pointers[i] = points ? static_cast<void *>(&places[i]) : by_value[i].value;
    }
    run(*launch, pointers.data());
    if (!report().failed) check_and_copy_out(buffers, launch->buffers);
    for (Region &region : regions) region.close();
    regions.clear();
    *result = report();
    return result->failed;
}

// The launch bound, then a line for each parameter: kind, pointer, constant, size, type.
extern "C" const char *hostcuda_describe(const Entry *kernel) {
    static std::string text;
    text = std::to_string(kernel->most_threads) + "\n";
    for (int i = 0; i < kernel->count; ++i) {
        const Parameter &p = kernel->parameters[i];
        text += std::string(1, p.kind) + (p.pointer ? " 1" : " 0") + (p.constant ? " 1 " : " 0 ");
        text += std::to_string(p.size).append(" ").append(type_of(p)).append("\n");
    }
    return text.c_str();
}

#if !defined(HOSTCUDA_TSAN)
extern "C" void hostcuda_fence() {}
extern "C" void hostcuda_atomic(const void *) {}
#endif
#if !defined(HOSTCUDA_TSAN) && !defined(HOSTCUDA_ASAN)
void hostcuda::finish_runner() { __builtin_unreachable(); }
#endif
