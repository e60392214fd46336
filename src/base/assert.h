/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three tiers of assertions.
 *
 *  VAS_ASSERT		in every build: cheap, and going on would harm the process
 *  VAS_ASSERT_DEBUG	with VASPACE_DEBUG_ASSERTS: invariants of this library, a few ns each
 *  VAS_ASSERT_EXPENSIVE	with VASPACE_EXPENSIVE_ASSERTS: whole-structure checkers
 *
 * The build decides by these two switches alone; NDEBUG means nothing here.
 *
 * A broken assertion calls vas_assert_failed, which hands the text to the hook
 * (the lowest layer cannot write by itself) and traps.
 *
 * VAS_ALWAYS(x) and VAS_NEVER(x) mark conditions that cannot be false or true
 * but are handled all the same: they assert in debug builds, give x otherwise,
 * and are constants when branch coverage is measured (VASPACE_COVERAGE).
 */
#ifndef VAS_BASE_ASSERT_H
#define VAS_BASE_ASSERT_H

#include <stdbool.h>

__attribute__((noreturn, cold)) void vas_assert_failed(const char *expression, const char *file,
						       int line);
/* Called with one line before the trap; sys sets one that writes to standard error. */
void vas_assert_set_hook(void (*hook)(const char *line));

#define VAS_ASSERT(x)                                                                              \
	(__builtin_expect(!!(x), 1) ? (void)0 : vas_assert_failed(#x, __FILE__, __LINE__))

#ifdef VASPACE_DEBUG_ASSERTS
#define VAS_ASSERT_DEBUG(x) VAS_ASSERT(x)
#else
#define VAS_ASSERT_DEBUG(x) ((void)sizeof(!!(x)))
#endif

#ifdef VASPACE_EXPENSIVE_ASSERTS
#define VAS_ASSERT_EXPENSIVE(x) VAS_ASSERT(x)
#else
#define VAS_ASSERT_EXPENSIVE(x) ((void)sizeof(!!(x)))
#endif

#if defined(VASPACE_COVERAGE)
#define VAS_ALWAYS(x) (true)
#define VAS_NEVER(x)  (false)
#elif defined(VASPACE_DEBUG_ASSERTS)
#define VAS_ALWAYS(x) (__builtin_expect(!!(x), 1) || (vas_assert_failed(#x, __FILE__, __LINE__), 0))
#define VAS_NEVER(x)                                                                               \
	(__builtin_expect(!!(x), 0) && (vas_assert_failed("never: " #x, __FILE__, __LINE__), 1))
#else
#define VAS_ALWAYS(x) (__builtin_expect(!!(x), 1))
#define VAS_NEVER(x)  (__builtin_expect(!!(x), 0))
#endif

#endif
