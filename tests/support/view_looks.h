/* SPDX-License-Identifier: BSD-2-Clause */
/* Views in tests on the real kernel: what they are, where, what touching them ends in, and what is counted. */
#ifndef TESTS_SUPPORT_VIEW_LOOKS_H
#define TESTS_SUPPORT_VIEW_LOOKS_H

#include <setjmp.h>
#include <signal.h>

#include "support/arena_looks.h"

static inline struct vas_view_info view_look(struct vas_view *view)
{
	struct vas_view_info info = { .size = sizeof(info) };

	if (vas_view_get(view, &info))
		tap_bail("the view tells nothing");
	return info;
}

static inline unsigned char *view_start(struct vas_view *view)
{
	return vas_span_pointer(view_look(view).span);
}

/* Bytes that the library counts as committed. */
static inline uint64_t committed(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };

	return vas_stats_get(&stats) ? UINT64_MAX : stats.committed;
}

static sigjmp_buf touch_back;
static volatile sig_atomic_t touch_signal;

static inline void on_touch(int number)
{
	touch_signal = number;
	siglongjmp(touch_back, 1);
}

/* The signal that touching ends in; 0 = none. */
static inline int touch(unsigned char *at, bool writing)
{
	touch_signal = 0;
	signal(SIGSEGV, on_touch);
	signal(SIGBUS, on_touch);
	if (sigsetjmp(touch_back, 1) == 0) {
		if (writing)
			*(volatile unsigned char *)at = *(volatile unsigned char *)at;
		else
			(void)*(volatile unsigned char *)at;
	}
	return touch_signal;
}

#endif
