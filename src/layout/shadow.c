/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a sanitizer's shadow leaves to the application.
 *
 * What for: ThreadSanitizer and MemorySanitizer compute the shadow of an
 * address by arithmetic that holds in a few application windows only. Memory
 * anywhere else can be mapped, but crashes at first touch. AddressSanitizer
 * maps its shadow, and the gap in it, so claims there are refused anyway.
 *
 * Strategy: the windows of the runtimes that gcc 12 and clang 14 bring are in a
 * table. Whether they are the ones at work is tried on both ends of each:
 * the runtime's own mmap refuses (EINVAL) MAP_FIXED outside its windows. It is
 * asked for MAP_FIXED and MAP_FIXED_NOREPLACE together, so that what is mapped
 * answers EEXIST and is not touched; that was found safe before. If the answers
 * contradict the table, the space is scanned in steps of 2^39 bytes, and what
 * the runtime accepts at both ends of a step counts as a window. Where it cannot
 * be asked, the table is taken as it is.
 *
 * Concurrency: none needed; what is mapped for a try is given back at once.
 */
#include "layout/bounds.h"

#include <errno.h>
#include <sys/mman.h>

#include "sys/definitions.h"
#include "sys/environment.h"
#include "sys/strays.h"

#define WINDOWS_MAX 6
#define STEP	    (UINT64_C(1) << 39)
#define SCAN_END    (UINT64_C(1) << 48)

struct window {
	uint64_t start;
	uint64_t end;
};

struct runtime {
	enum vas_sanitizer sanitizer;
	uint64_t top; /* user space of this table ends here */
	struct window windows[WINDOWS_MAX]; /* ascending; the first empty one ends the list */
};

static const struct runtime runtimes[] = {
#if defined(__x86_64__)
	{ VAS_SANITIZER_THREAD,
	  UINT64_C(1) << 47,
	  { { 0x1000, 0x8000000000 },
	    { 0x550000000000, 0x568000000000 },
	    { 0x7e8000000000, 0x800000000000 } } },
	{ VAS_SANITIZER_MEMORY,
	  UINT64_C(1) << 47,
	  { { 0, 0x10000000000 },
	    { 0x510000000000, 0x600000000000 },
	    { 0x700000000000, 0x800000000000 } } },
#elif defined(__aarch64__)
	{ VAS_SANITIZER_THREAD,
	  UINT64_C(1) << 48,
	  { { 0x1000, 0x200000000 },
	    { 0xaaaa00000000, 0xaaaf00000000 },
	    { 0xffff00000000, 0x1000000000000 } } },
	{ VAS_SANITIZER_THREAD,
	  UINT64_C(1) << 42,
	  { { 0x1000, 0x1000000000 },
	    { 0x2aa00000000, 0x2af00000000 },
	    { 0x3f000000000, 0x40000000000 } } },
	{ VAS_SANITIZER_THREAD,
	  UINT64_C(1) << 39,
	  { { 0x1000, 0x400000000 },
	    { 0x5500000000, 0x5600000000 },
	    { 0x7c00000000, 0x8000000000 } } },
#endif
	{ VAS_SANITIZER_NONE, 0, { { 0, 0 } } },
};

/* Whether the runtime lets the application have this page. */
static bool accepts(struct vas_sys *sys, uint64_t address)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED | MAP_FIXED_NOREPLACE;
	int64_t got = VAS_CALL(sys, map, address, sys->page_size, PROT_NONE, flags, -1, 0);

	if (got >= 0) {
		vas_strays_drop(sys, (uint64_t)got, sys->page_size);
		return (uint64_t)got == address;
	}
	/* EPERM is the kernel's, below mmap_min_addr. */
	return got != -EINVAL && got != -ENOMEM;
}

/* Whether one window is a window of the runtime at work: just inside accepted, just outside not. */
static bool window_holds(struct vas_sys *sys, const struct window *window)
{
	uint64_t page = sys->page_size;
	uint64_t first = window->start < (1u << 20) ? 1u << 20 : window->start;

	if (!accepts(sys, first) || !accepts(sys, window->end - 2 * page))
		return false;
	return window->start < (1u << 20) || !accepts(sys, window->start - page);
}

static size_t count_windows(const struct runtime *runtime)
{
	size_t count = 0;

	while (count < WINDOWS_MAX && runtime->windows[count].end)
		count++;
	return count;
}

static bool runtime_holds(struct vas_sys *sys, const struct runtime *runtime)
{
	for (size_t i = 0; i < count_windows(runtime); i++) {
		if (!window_holds(sys, &runtime->windows[i]))
			return false;
	}
	return true;
}

/* Everything between the windows, and from the last one on. */
static int avoid_outside(const struct window *windows, size_t count, struct vas_spanset *avoid)
{
	uint64_t position = 0;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		if (position < windows[i].start)
			err = vas_spanset_add(avoid, position, windows[i].start);
		position = windows[i].end;
	}
	return err ? err : vas_spanset_add(avoid, position, UINT64_MAX);
}

static size_t scan(struct vas_sys *sys, struct window *windows)
{
	size_t count = 0;

	for (uint64_t start = 0; start < SCAN_END; start += STEP) {
		uint64_t low = start ? start : 1u << 20;

		/* What was tried cannot be given back: enough. */
		if (vas_strays_any(sys))
			return 0;
		if (!accepts(sys, low) || !accepts(sys, start + STEP - 2 * sys->page_size))
			continue;
		if (count > 0 && windows[count - 1].end == start) {
			windows[count - 1].end = start + STEP;
			continue;
		}
		if (count == WINDOWS_MAX)
			break;
		windows[count++] = (struct window){ start, start + STEP };
	}
	return count;
}

int vas_shadow_avoid(struct vas_sys *sys, struct vas_spanset *avoid)
{
	enum vas_sanitizer sanitizer = vas_environment_sanitizer();
	struct window found[WINDOWS_MAX];
	struct vas_probes probes = { .state = { 0 } };
	const struct runtime *first = NULL;
	bool can_try;
	size_t count;

	if (sanitizer != VAS_SANITIZER_THREAD && sanitizer != VAS_SANITIZER_MEMORY)
		return 0;
	/* A simulated kernel has no shadow. */
	if (sys != vas_sys_real() && sys != vas_sys_current())
		return 0;
	can_try = vas_probe_has(&probes, sys, VAS_PROBE_BOTH_BITS);
	for (size_t i = 0; runtimes[i].sanitizer != VAS_SANITIZER_NONE; i++) {
		if (runtimes[i].sanitizer != sanitizer)
			continue;
		if (can_try && runtime_holds(sys, &runtimes[i]))
			return avoid_outside(runtimes[i].windows, count_windows(&runtimes[i]),
					     avoid);
		if (!first)
			first = &runtimes[i];
	}
	count = can_try ? scan(sys, found) : 0;
	if (count > 0 && (count > 1 || found[0].start > 0))
		return avoid_outside(found, count, avoid);
	/* Nothing was refused: the runtime was not asked (VASPACE_ROUTE=raw). The table is the better guess. */
	return first ? avoid_outside(first->windows, count_windows(first), avoid) : 0;
}
