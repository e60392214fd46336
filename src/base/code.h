/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of codes: errno values and reasons, as words for reports. */
#ifndef VAS_BASE_CODE_H
#define VAS_BASE_CODE_H

#include <stddef.h>
#include <string.h>

#include <vaspace/report.h>

/* "ENOMEM" for 12 or -12; "E?" when unknown. Never NULL. */
const char *vas_errno_name(int error);
const char *vas_operation_name(enum vas_operation operation);
/* One sentence: what the reason means, and what to do about it. Never NULL. */
const char *vas_why_sentence(enum vas_why why);
const char *vas_why_remedy(enum vas_why why);
/* (vas_why_name is public.) */

/* A struct that says it is larger than this was not initialised. */
#define VAS_OPTIONS_SIZE_MAX 4096

/*
 * Loads a caller's options struct, whose first field is its size, into known
 * (known_size bytes, zero-filled beyond what the caller gave; its size field
 * set to known_size). NULL options give all zeroes. -EINVAL: size below
 * minimum; -E2BIG: a non-zero byte beyond known_size, or a size beyond belief.
 * known is untouched on failure.
 */
int vas_options_load_slowly(const void *options, void *known, size_t known_size, size_t minimum);
/* In line for a caller of this version: the size is known there, so the copy needs no call. */
static inline __attribute__((always_inline)) int
vas_options_load(const void *options, void *known, size_t known_size, size_t minimum)
{
	size_t size = 0;

	if (options)
		memcpy(&size, options, sizeof(size));
	if (__builtin_expect(size != known_size, 0))
		return vas_options_load_slowly(options, known, known_size, minimum);
	memcpy(known, options, known_size);
	return 0;
}
/*
 * The other way: copies min(size field of out, known_size) bytes of a filled
 * struct to the caller's out, zeroing its unknown tail and keeping its size field.
 * -EINVAL, out untouched: out is NULL, or its size is below minimum or beyond belief.
 * minimum is at least the size of the size field.
 */
int vas_options_store(void *out, const void *known, size_t known_size, size_t minimum);

#endif
