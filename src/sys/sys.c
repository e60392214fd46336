/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which table of operations is in force.
 *
 * Ordinarily the real one; a trace in front of it when VASPACE_TRACE asks for
 * one; or what a test put in place. The default is decided by the constructor
 * in environment.c, which calls vas_sys_set_trace before there are threads.
 *
 * Concurrency: one pointer, read on every public call, written before threads.
 */
#include "sys/sys.h"

#include <unistd.h>

#include "sys/environment.h"
#include "sys/trace.h"

static struct vas_sys *sys_replacement;
static struct vas_sys *sys_default;
static struct vas_sys_trace sys_trace;

void vas_sys_set_trace(bool on)
{
	if (on && !sys_trace.next)
		vas_sys_trace_init(&sys_trace, vas_sys_real(), STDERR_FILENO);
	__atomic_store_n(&sys_default, on ? &sys_trace.sys : vas_sys_real(), __ATOMIC_RELEASE);
}

struct vas_sys *vas_sys_current(void)
{
	struct vas_sys *sys = __atomic_load_n(&sys_replacement, __ATOMIC_ACQUIRE);

	if (sys)
		return sys;
	sys = __atomic_load_n(&sys_default, __ATOMIC_ACQUIRE);
	if (__builtin_expect(sys != NULL, 1))
		return sys;
	/* A constructor of another object is earlier than ours. */
	(void)vas_environment_get();
	return __atomic_load_n(&sys_default, __ATOMIC_ACQUIRE);
}

void vas_sys_replace(struct vas_sys *sys)
{
	__atomic_store_n(&sys_replacement, sys, __ATOMIC_RELEASE);
}
