// Barriers and warp operations: who waits for whom, and what it means if nobody can go on.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "threads.h"
#include "tokens.h"

namespace hostcuda {

Warp warps[32];

namespace {

struct Barrier {
    int arrived, holds, result;
    unsigned generation;
    Place place;
};

Barrier barrier;

bool same(Place a, Place b) { return a.line == b.line && (a.file == b.file || !std::strcmp(a.file, b.file)); }

const char *name(Operation operation) {
    switch (operation) {
        case Operation::syncwarp: return "__syncwarp";
        case Operation::shuffle: return "a shuffle";
        case Operation::ballot: return "a vote";
        case Operation::match: return "a match";
    }
    return "?";
}

unsigned long long answer(const Group &group, const Thread *lanes, const Thread &lane) {
    unsigned long long bits = 0;
    switch (group.operation) {
        case Operation::syncwarp:
            return 0;
        case Operation::shuffle:  // from a lane that takes no part, CUDA promises nothing
            return group.arrived >> lane.source & 1 ? lanes[lane.source].bits : ~0ull;
        case Operation::ballot:
        case Operation::match:
            for (int i = 0; i < 32; ++i)
                if (group.arrived >> i & 1) {
                    bool vote = group.operation == Operation::ballot;
                    bool yes = vote ? lanes[i].bits != 0 : lanes[i].bits == lane.bits;
                    bits |= static_cast<unsigned long long>(yes) << i;
                }
            return static_cast<unsigned long long>(group.arrived) << 32 | bits;
    }
    return 0;
}

// Performs an operation that all lanes of its mask have come to; lanes that have exited are not waited for.
bool complete(Warp &warp, int index) {
    Group &group = warp.groups[index];
    if ((group.mask & warp.alive) != group.arrived) return false;
    Thread *lanes = &threads[(&warp - warps) * 32];
    for (int i = 0; i < 32; ++i)
        if (group.arrived >> i & 1) lanes[i].result = answer(group, lanes, lanes[i]);
    for (int i = 0; i < 32; ++i)
        if (group.arrived >> i & 1) wake(lanes[i]);
    group = warp.groups[--warp.open];
    return true;
}

// The group of the running thread's mask, opened if it is the first.
Group &join(Warp &warp, Operation operation, unsigned mask, Place place) {
    int index = 0;
    while (index < warp.open && warp.groups[index].mask != mask) ++index;
    Group &group = warp.groups[index];
    bool barrier_of_warp = operation == Operation::syncwarp;
    if (index == warp.open) {
        ++warp.open;
        group = {mask, 0, operation, place, barrier_of_warp ? new_token() : nullptr};
    } else if (group.operation != operation || (!barrier_of_warp && !same(group.place, place))) {
        // Lanes of the same mask in two places wait for each other. (A __syncwarp may be met from several.)
        record("divergence",
               "divergent warp operation: lanes %08x wait in %s (line %d, mask %08x), this one comes to %s (line %d)",
               group.arrived, name(group.operation), group.place.line, mask, name(operation), place.line);
        locate(place);
        abandon();
    }
    return group;
}

}  // namespace

void begin_sync() {
    barrier = {};
    for (int w = 0; w * 32 < count; ++w) {
        int lanes = std::min(32, count - w * 32);
        warps[w].alive = lanes == 32 ? ~0u : (1u << lanes) - 1;
        warps[w].open = 0;
    }
}

void leave_warp(Thread &thread) {
    Warp &warp = warps[thread.number / 32];
    warp.alive &= ~(1u << thread.number % 32);
    for (int i = 0; i < warp.open;)
        if (!complete(warp, i)) ++i;
}

void describe_deadlock() {
    char text[900];
    int length = 0, waiting = 0, told = 0;
    auto say = [&](auto... parts) {
        if (length < int(sizeof text)) length += std::snprintf(text + length, sizeof text - length, parts...);
    };
    Thread *first = nullptr;  // that waits: at the barrier, or else in a warp
    for (int i = 0; i < count; ++i) {
        bool in_warp = threads[i].state == State::in_warp, at_barrier = threads[i].state == State::at_barrier;
        if ((in_warp && !first) || (at_barrier && !waiting)) first = &threads[i];
        waiting += at_barrier;
    }
    if (waiting) say("%d of %d threads wait at __syncthreads (line %d)", waiting, count, barrier.place.line);
    if (done) say("%s%d have exited", waiting ? ", " : "", done);
    for (int w = 0; w * 32 < count; ++w)
        for (int g = 0; g < warps[w].open; ++g) {
            const Group &group = warps[w].groups[g];
            unsigned missing = group.mask & warps[w].alive & ~group.arrived;
            if (told++ < 4)
                say("%slanes %08x of warp %d wait in %s (line %d, mask %08x) for lanes %08x", length ? ", " : "",
                    group.arrived, w, name(group.operation), group.place.line, group.mask, missing);
        }
    if (told > 4) say(" and %d more", told - 4);
    if (first) become(*first);
    record("divergence", "%s: %s", waiting ? "divergent __syncthreads" : "divergent warp operation", text);
    if (first) locate(first->place);
    report().located = first != nullptr;
}

}  // namespace hostcuda

using namespace hostcuda;

extern "C" int hostcuda_barrier(int predicate, Place place) {
    Thread &self = *current;
    self.place = place;
    if (!barrier.arrived) {
        barrier.place = place;
    } else if (!same(barrier.place, place)) {
        record("divergence", "divergent __syncthreads: other threads wait at line %d, this one at line %d",
               barrier.place.line, place.line);
        locate(place);
        abandon();
    }
    barrier.holds += predicate != 0;
    char *token = barrier_token(barrier.generation);
    sanitizer::release(token);
    suspend(self, State::at_barrier);
    if (++barrier.arrived == count) {
        barrier = {0, 0, barrier.holds, barrier.generation + 1, {}};
        wake_all();
    }
    reschedule();
    sanitizer::acquire(token);
    return barrier.result;
}

extern "C" unsigned long long hostcuda_warp(Operation operation, unsigned mask, unsigned long long bits, int source,
                                            Place place) {
    Thread &self = *current;
    Warp &warp = warps[self.number / 32];
    unsigned bit = 1u << self.number % 32;
    if (!(mask & bit)) hostcuda_fail("a lane takes part in a warp operation whose mask leaves it out", place);
    Group &group = join(warp, operation, mask, place);
    char *token = group.token;
    if (token) sanitizer::release(token);
    self.place = place;
    self.bits = bits;
    self.source = source & 31;
    group.arrived |= bit;
    suspend(self, State::in_warp);
    complete(warp, int(&group - warp.groups));
    reschedule();
    if (token) sanitizer::acquire(token);
    return self.result;
}
