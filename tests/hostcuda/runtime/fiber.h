// Switching between stacks: ten instructions on x86-64, ucontext elsewhere (about five times slower).
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) && !defined(HOSTCUDA_UCONTEXT)

struct Context {
    void *stack_pointer;
};

// Saves what a function must preserve on the old stack and takes it from the new one.
extern "C" void hostcuda_switch(void **save, void *load);
asm(R"(
    .pushsection .text
    .hidden hostcuda_switch
    .weak hostcuda_switch
    .type hostcuda_switch, @function
hostcuda_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size hostcuda_switch, .-hostcuda_switch
    .popsection
)");

inline void switch_context(Context &from, Context &to) { hostcuda_switch(&from.stack_pointer, to.stack_pointer); }

// The first switch to `context` calls `entry`, which must never return.
inline void prepare_context(Context &context, char *stack, std::size_t bytes, void (*entry)()) {
    auto top = reinterpret_cast<std::uintptr_t>(stack + bytes) & ~std::uintptr_t(15);
    auto *words = reinterpret_cast<void **>(top);
    *--words = nullptr;  // where entry's caller would be: ends a backtrace, and aligns the stack as a call does
    *--words = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; ++i) *--words = nullptr;
    context.stack_pointer = words;
}

#else

#include <ucontext.h>

struct Context {
    ucontext_t context;
};

inline void switch_context(Context &from, Context &to) { swapcontext(&from.context, &to.context); }

inline void prepare_context(Context &context, char *stack, std::size_t bytes, void (*entry)()) {
    getcontext(&context.context);
    context.context.uc_stack.ss_sp = stack;
    context.context.uc_stack.ss_size = bytes;
    context.context.uc_link = nullptr;
    makecontext(&context.context, entry, 0);
}

#endif
