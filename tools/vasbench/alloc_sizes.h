/* SPDX-License-Identifier: BSD-2-Clause */
/* The sizes of requests: log-uniform from 4 KiB to 4 MiB, in whole granules. */
#ifndef VASBENCH_ALLOC_SIZES_H
#define VASBENCH_ALLOC_SIZES_H

#include <stdint.h>

#define ALLOC_SIZES 4096u

/* Each is as likely as the others. */
static inline void alloc_sizes_init(uint32_t sizes[ALLOC_SIZES])
{
	double size = 4096;

	for (unsigned int i = 0; i < ALLOC_SIZES; i++) {
		sizes[i] = ((uint32_t)size + 4095) / 4096 * 4096;
		size *= 1.00169344388; /* 1024^(1 / ALLOC_SIZES) */
	}
}

#endif
