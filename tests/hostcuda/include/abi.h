// What a compiled kernel and the runtime say to each other. Free of system headers, because the kernel
// must not see a name that NVRTC would not give it.
#pragma once
#include "vectors.h"

namespace hostcuda {

// Where the running thread is. The runtime writes it at every switch.
struct Here {
    uint3 thread, block;
    dim3 block_dim, grid_dim;
    int lane;
};

// Where something was called.
struct Place {
    const char *file;
    int line;
};

// One parameter of a kernel; of a pointer, kind, size and const are those of what it points at.
struct Parameter {
    char kind;  // 'b'ool, 'i'nteger, 'u'nsigned, 'f'loat, 's'truct, 'v'oid
    bool pointer, constant;
    unsigned size;
    const char *type;  // as the compiler spells it, for messages
};

// One instance of a kernel.
struct Entry {
    int most_threads, count;
    const Parameter *parameters;
    void (*call)(void **arguments);
};

// One __shared__ array of a kernel: a static in the code, given memory anew in every block. The code sets the
// first three.
struct Slot {
    const char *name;
    unsigned long size, alignment;
    unsigned long long serial;  // of the block that it was filled for
    char *data, *map;
    unsigned long mapped;
    Slot *next;
};

enum class Operation : int { syncwarp, shuffle, ballot, match };

}  // namespace hostcuda

extern "C" {
extern hostcuda::Here hostcuda_here;
extern const hostcuda::Entry hostcuda_entry;  // each kernel library defines its own

int hostcuda_barrier(int predicate, hostcuda::Place);  // the number of threads whose predicate holds
unsigned long long hostcuda_warp(hostcuda::Operation, unsigned mask, unsigned long long bits, int source,
                                 hostcuda::Place);
void *hostcuda_shared(hostcuda::Slot *);
void *hostcuda_dynamic_shared();
void hostcuda_fence();
void hostcuda_atomic(const void *);  // only called where TSan watches
[[noreturn]] void hostcuda_fail(const char *what, hostcuda::Place);
}
