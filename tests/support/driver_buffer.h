/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver's memory that is there without hardware: the buffer of a software event. */
#ifndef TESTS_SUPPORT_DRIVER_BUFFER_H
#define TESTS_SUPPORT_DRIVER_BUFFER_H

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor to map 1 + 2^n pages of from offset 0, shared; negative where perf events are refused. */
static inline int driver_buffer_open(void)
{
	struct perf_event_attr attributes = {
		.size = sizeof(attributes),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000,
		.disabled = 1,
		.exclude_kernel = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

#endif
