// A program that runs one launch under a sanitizer: `program input output`, or `program` alone to list the parameters.
//
// The input is the structs of runtime.h as they are, with offsets for pointers, then the arrays. The output is the
// report, and the arrays after a launch without fault.
#if defined(HOSTCUDA_TSAN) || defined(HOSTCUDA_ASAN)
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "runtime.h"
#include "tokens.h"

extern "C" {
void __sanitizer_set_death_callback(void (*)());
#ifdef HOSTCUDA_ASAN
void *__asan_get_report_address(void);
int __asan_report_present(void);
#endif
}

namespace {

const char *output_path;

void write_all(int file, const void *data, std::size_t bytes) {
    auto *next = static_cast<const char *>(data);
    while (bytes) {
        ssize_t n = write(file, next, bytes);
        if (n <= 0) _exit(70);
        next += n;
        bytes -= std::size_t(n);
    }
}

int open_output() {
    int file = open(output_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) _exit(70);
    return file;
}

void at_death() {  // after a sanitizer's report: where it was
    if (!hostcuda::running()) return;
    const hostcuda::Here &h = hostcuda_here;
    std::fprintf(stderr, "hostcuda-thread: %u %u %u %u %u %u\n", h.block.x, h.block.y, h.block.z, h.thread.x,
                 h.thread.y, h.thread.z);
#ifdef HOSTCUDA_ASAN
    char text[300];
    auto *address = static_cast<char *>(__asan_get_report_address());
    if (__asan_report_present() && hostcuda::describe_address(address, text, sizeof text))
        std::fprintf(stderr, "hostcuda-place: %s\n", text);
#endif
}

}  // namespace

extern "C" void __ubsan_on_report() { at_death(); }  // which has a runtime of its own that never calls back

void hostcuda::finish_runner() {
    write_all(open_output(), &report(), sizeof(Report));
    _exit(0);
}

int main(int count, char **words) {
    using namespace hostcuda;
    if (count < 3) return std::fputs(hostcuda_describe(&hostcuda_entry), stdout) < 0;
    output_path = words[2];
    std::FILE *input = std::fopen(words[1], "rb");
    if (!input) return 71;
    std::fseek(input, 0, SEEK_END);
    std::vector<char> bytes(std::size_t(std::ftell(input)));
    std::rewind(input);
    if (std::fread(bytes.data(), 1, bytes.size(), input) != bytes.size()) return 71;
    std::fclose(input);

    auto *launch = reinterpret_cast<Launch *>(bytes.data());
    auto *buffers = reinterpret_cast<Buffer *>(launch + 1);
    auto *arguments = reinterpret_cast<Argument *>(buffers + launch->buffers);
    for (int b = 0; b < launch->buffers; ++b)
        buffers[b].data = bytes.data() + reinterpret_cast<std::uintptr_t>(buffers[b].data);

    __sanitizer_set_death_callback(at_death);
    Report result;
    hostcuda_launch(&hostcuda_entry, launch, buffers, arguments, &result);
    int output = open_output();
    write_all(output, &result, sizeof result);
    for (int b = 0; !result.failed && b < launch->buffers; ++b) write_all(output, buffers[b].data, buffers[b].bytes);
    _exit(0);  // no leak checks, no destructors: the process was for this launch alone
}
#endif
