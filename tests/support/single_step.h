/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A SIGTRAP after each instruction between STEP_ON() and STEP_OFF(); UNSTEPPABLE is defined where
 * there is no such thing. A handler ends it by clearing STEP_FLAG in the flags it returns to.
 */
#ifndef TESTS_SUPPORT_SINGLE_STEP_H
#define TESTS_SUPPORT_SINGLE_STEP_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define UNSTEPPABLE 1
#endif
#endif
/* Thread and memory sanitizers defer signals; with expensive assertions a publish is 10^7 instructions. */
#if defined(__SANITIZE_THREAD__) || !defined(__x86_64__) || defined(VASPACE_EXPENSIVE_ASSERTS)
#define UNSTEPPABLE 1
#endif

#define STEP_FLAG 0x100

/* The trap flag. The stack below the red zone is used, as a leaf function may keep data in it. */
#define STEP_CHANGE(instruction)                                                                   \
	__asm__ __volatile__("leaq -128(%%rsp), %%rsp\n\t"                                         \
			     "pushfq\n\t" instruction "\n\t"                                       \
			     "popfq\n\t"                                                           \
			     "leaq 128(%%rsp), %%rsp" ::                                           \
				     : "memory", "cc")
#define STEP_ON()  STEP_CHANGE("orq $0x100, (%%rsp)")
#define STEP_OFF() STEP_CHANGE("andq $~0x100, (%%rsp)")

#endif
