/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Environment settings: one table, read once by a constructor, ignored under
 * AT_SECURE, errors kept beside the value. Also the process facts that the
 * kernel hands over in the auxiliary vector.
 */
#ifndef VAS_SYS_ENVIRONMENT_H
#define VAS_SYS_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/system.h>

enum vas_claim_mode { VAS_CLAIM_AUTO, VAS_CLAIM_HINT };
enum vas_route { VAS_ROUTE_AUTO, VAS_ROUTE_RAW, VAS_ROUTE_LIBC };
enum vas_slot_source { VAS_SLOT_AUTO, VAS_SLOT_THREAD };

#define VAS_BALLAST_DEFAULT 8u
#define VAS_BALLAST_MAX 1024u

struct vas_environment {
	uint32_t disabled; /* VASPACE_DISABLE=noreplace,...: bit per enum vas_probe */
	enum vas_claim_mode
		claim; /* VASPACE_CLAIM=auto|hint: hint forces the fallback without NOREPLACE */
	enum vas_route route; /* VASPACE_ROUTE=auto|raw|libc: how calls reach the kernel */
	uint64_t stack_margin; /* VASPACE_STACK_MARGIN=8M; 0 = default */
	uint64_t brk_margin; /* VASPACE_BRK_MARGIN=64M; 0 = default */
	bool trace; /* VASPACE_TRACE=1: print each kernel call on standard error */
	int log_level; /* VASPACE_LOG=error|warning|info|debug; -1 = silent */
	char module_path
		[256]; /* VASPACE_MODULE_PATH: where modules are looked for first; "" = default */
	uint32_t ballast; /* VASPACE_BALLAST=8: spare kernel mappings; 0 = none */
	enum vas_slot_source slot; /* VASPACE_SLOT=auto|thread: thread does without what the kernel tells */
	uint32_t debug; /* VASPACE_DEBUG=redzones,fill,...: VAS_REGION_ bits for every region */
};

const struct vas_environment *vas_environment_get(void);
int vas_environment_describe(size_t index, struct vas_setting *setting); /* -ENOENT past the last */
void vas_environment_reload(void); /* for tests */

/* 64 bits of the randomness that the kernel gave this process (AT_RANDOM), mixed with salt. */
uint64_t vas_environment_seed(uint64_t salt);
/* Which sanitizer runtimes are in this process, by weak symbols. */
enum vas_sanitizer {
	VAS_SANITIZER_NONE,
	VAS_SANITIZER_ADDRESS,
	VAS_SANITIZER_THREAD,
	VAS_SANITIZER_MEMORY
};
enum vas_sanitizer vas_environment_sanitizer(void);

#endif
