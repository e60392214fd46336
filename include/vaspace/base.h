/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/base.h - what every other header of vaspace builds on: version,
 * visibility, spans, and how options are passed.
 *
 * Habits of the whole interface:
 *
 *  - A function returns 0 or a negative errno. Outputs come last and are left
 *    untouched on failure. The variable errno itself is never changed.
 *  - Addresses and sizes are bytes. An address range is half open.
 *  - At most four positional parameters, then a pointer to an options struct
 *    whose first field is its own size. NULL means the defaults. A caller
 *    built against a newer header may pass a larger struct: bytes that this
 *    library does not know must be zero, else the call answers -E2BIG and
 *    changes nothing. Options, and what they point to, are read during the
 *    call only, unless something else is said.
 *  - "All or nothing" holds for ownership, protections, contents, sizes and
 *    the library's books; not for residency, page tables or time.
 *  - Unless its comment says otherwise, a function may be called from any
 *    thread at any time, and not from a signal handler. No function is a
 *    cancellation point, and none calls malloc.
 */
#ifndef VASPACE_BASE_H
#define VASPACE_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VAS_VERSION_MAJOR 0
#define VAS_VERSION_MINOR 1
#define VAS_VERSION_PATCH 0
#define VAS_VERSION (VAS_VERSION_MAJOR * 10000 + VAS_VERSION_MINOR * 100 + VAS_VERSION_PATCH)

#define VAS_API __attribute__((visibility("default")))

/*
 * VAS_OPTS(vas_reserve_opts, opts) declares a zeroed options struct of that
 * type with its size set. Valid as C and as C++; a statement follows it.
 */
#define VAS_OPTS(type, variable)                                                                   \
	struct type variable;                                                                      \
	memset(&variable, 0, sizeof(variable));                                                    \
	variable.size = sizeof(variable)

/* An address range [start, start + size). A size of 0 is the empty span. */
struct vas_span {
	uint64_t start;
	uint64_t size;
};

/* The first byte of a span of this process, as a pointer. */
static inline void *vas_span_pointer(struct vas_span span)
{
	return (void *)(uintptr_t)span.start;
}

/*
 * The version of the library that runs, as VAS_VERSION is of the header.
 *
 * Cannot fail. Thread-safe; signal-safe.
 */
VAS_API int vas_version(void);

#ifdef __cplusplus
}
#endif
#endif
