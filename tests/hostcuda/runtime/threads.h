// The threads of the block that runs, as block.cpp (who runs) and sync.cpp (who waits for whom) see them.
#pragma once
#include "fiber.h"
#include "runtime.h"
#include "sanitizer.h"

namespace hostcuda {

enum class State : unsigned char { fresh, ready, at_barrier, in_warp, done };

struct Thread {
    Context context;
    sanitizer::Fiber fiber;
    char *stack;
    uint3 index;
    int number, rank;
    State state;
    Place place;  // where it waits
    int source;   // what it brought to the warp, and what it gets
    unsigned long long bits, result;
};

// Lanes on their way to one operation under one mask.
struct Group {
    unsigned mask, arrived;
    Operation operation;
    Place place;
    char *token;
};

struct Warp {
    unsigned alive;
    int open;  // groups
    Group groups[32];
};

extern Thread threads[1024], *current;
extern Warp warps[32];
extern int count, done;

void suspend(Thread &, State);
void wake(Thread &);
void wake_all();
void become(Thread &);
void reschedule();  // after the running thread may have been suspended, or others woken

// ---- sync.cpp ----
void begin_sync();
void leave_warp(Thread &);  // for good
void describe_deadlock();

}  // namespace hostcuda
