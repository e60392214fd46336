/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registry of call sites: every place in the source that calls the kernel
 * through VAS_CALL, in builds with VASPACE_CALL_SITES.
 *
 * The macro puts one static struct per place into the linker section
 * vas_call_sites; the linker marks its two ends with __start_ and __stop_
 * symbols. Both are weak, so that a program that took no such object from the
 * static library links too and counts none. Entering a site counts a hit and
 * remembers the site for the thread, so that the faulting table can say where
 * it struck.
 *
 * Concurrency: counters are atomic; the current site is the thread's own.
 */
#include "sys/sys.h"

#ifdef VASPACE_CALL_SITES

extern struct vas_call_site __start_vas_call_sites[] __attribute__((weak, visibility("hidden")));
extern struct vas_call_site __stop_vas_call_sites[] __attribute__((weak, visibility("hidden")));

static __thread struct vas_call_site *call_site_current;

void vas_call_site_enter(struct vas_call_site *site)
{
	__atomic_fetch_add(&site->hits, 1, __ATOMIC_RELAXED);
	call_site_current = site;
}

struct vas_call_site *vas_call_site_current(void)
{
	return call_site_current;
}

size_t vas_call_site_count(void)
{
	return (size_t)(__stop_vas_call_sites - __start_vas_call_sites);
}

struct vas_call_site *vas_call_site_get(size_t index)
{
	return index < vas_call_site_count() ? &__start_vas_call_sites[index] : NULL;
}

#else

/* ISO C wants a declaration in every translation unit. */
struct vas_call_site;

#endif
