/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bounds of an address space, found by trying, and the margins inside it.
 *
 * What for: limits are intersected with what this kernel gives at all, and no
 * claim may sit where a stack or the program break is about to grow.
 *
 * Strategy for the width: for each number of bits, from the widest, one page
 * near the top of 2^bits is claimed with MAP_FIXED_NOREPLACE and given back.
 * Success or EEXIST proves that the address exists; beyond the end of user
 * space the answer is ENOMEM. Nearly all tries fail, and a failed one costs a
 * fraction of a microsecond. Without NOREPLACE the address is a hint: only
 * landing on it proves anything, so a second place is tried when the first may
 * be taken. x86-64 keeps the last page below 2^bits to itself; one more try tells.
 *
 * The default window is what the kernel uses without a hint above it. The
 * main stack stands at its top, so the stack's address tells its width on
 * every architecture; where it is not known, the architecture's constant does.
 *
 * ENOMEM is also what RLIMIT_AS and the VMA limit answer. The width implied by
 * the stack is therefore a lower bound for the result.
 *
 * Concurrency: none needed; each claim is given back at once, and two threads
 * that probe the same page see EEXIST, which proves as much.
 */
#include "layout/bounds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/number.h"
#include "base/text.h"
#include "sys/definitions.h"
#include "sys/environment.h"
#include "sys/strays.h"

#define WIDTH_MAX   57u
#define WIDTH_MIN   32u
#define FLOOR_LEAST 0x10000u
#define FLOOR_MOST  0x1000000u

#if defined(__x86_64__)
#define DEFAULT_WIDTH 47u
#elif defined(__aarch64__)
#define DEFAULT_WIDTH 48u
#else
#define DEFAULT_WIDTH 47u
#endif

static int known_error(int64_t error)
{
	switch (-error) {
	case EPERM:
	case EACCES:
	case ENOSYS:
	case ENOMEM:
		return (int)error;
	default:
		return -EIO;
	}
}

/* 1: the page at address exists; 0: it does not, as far as one can see; -errno: mapping is denied. */
static int page_exists(struct vas_sys *sys, bool noreplace, uint64_t address)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	int64_t got;

	if (noreplace)
		flags |= MAP_FIXED_NOREPLACE;
	got = VAS_CALL(sys, map, address, sys->page_size, PROT_NONE, flags, -1, 0);
	if (got >= 0) {
		vas_strays_drop(sys, (uint64_t)got, sys->page_size);
		return (uint64_t)got == address;
	}
	if (got == -EEXIST)
		return 1;
	if (got == -ENOMEM || got == -EINVAL || got == -EAGAIN)
		return 0;
	return known_error(got);
}

/* Whether user space reaches to 2^bits, but for its last page. */
static int width_exists(struct vas_sys *sys, bool noreplace, unsigned int bits)
{
	uint64_t top = UINT64_C(1) << bits;
	int exists = page_exists(sys, noreplace, top - 2 * sys->page_size);

	if (exists != 0 || noreplace)
		return exists;
	return page_exists(sys, false, top - top / 8);
}

static uint64_t find_high_max(struct vas_sys *sys, bool noreplace, unsigned int least, int *error)
{
	unsigned int bits;
	uint64_t top;
	int exists = 0;

	for (bits = WIDTH_MAX; bits >= WIDTH_MIN; bits--) {
		exists = width_exists(sys, noreplace, bits);
		if (exists != 0)
			break;
	}
	*error = exists < 0 ? exists : 0;
	if (exists < 0)
		return 0;
	if (exists == 0 && least == 0) {
		*error = -ENOMEM;
		return 0;
	}
	if (bits < least || exists == 0)
		bits = least;
	top = UINT64_C(1) << bits;
	/* Without proof the last page is left out: it is never missed. */
	return page_exists(sys, noreplace, top - sys->page_size) > 0 ? top : top - sys->page_size;
}

/* vm.mmap_min_addr as the kernel tells it; 0 when it does not. */
static uint64_t read_floor(struct vas_sys *sys)
{
	int64_t fd = VAS_CALL(sys, open, "/proc/sys/vm/mmap_min_addr", O_RDONLY);
	char digits[24];
	const char *cursor = digits;
	uint64_t value = 0;
	int64_t got;

	if (fd < 0)
		return 0;
	got = VAS_CALL(sys, read, (int)fd, digits, sizeof(digits));
	VAS_CALL(sys, close, (int)fd);
	if (got <= 0 || got > (int64_t)sizeof(digits))
		return 0;
	if (!vas_text_parse_decimal(&cursor, digits + got, &value))
		return 0;
	return value;
}

/* The lowest power of two from 64 KiB that may be mapped. */
static uint64_t probe_floor(struct vas_sys *sys, bool noreplace)
{
	uint64_t floor;

	for (floor = FLOOR_LEAST; floor < FLOOR_MOST; floor *= 2) {
		if (page_exists(sys, noreplace, floor) > 0)
			return floor;
	}
	return FLOOR_LEAST;
}

static uint64_t find_floor(struct vas_sys *sys, bool noreplace)
{
	uint64_t floor = read_floor(sys);
	uint64_t aligned;

	if (floor == 0 || floor > FLOOR_MOST)
		floor = probe_floor(sys, noreplace);
	if (floor < FLOOR_LEAST)
		floor = FLOOR_LEAST;
	return vas_align_up(floor, sys->page_size, &aligned) ? aligned : floor;
}

int vas_bounds_find(struct vas_sys *sys, struct vas_probes *probes, struct vas_bounds *bounds)
{
	bool noreplace = vas_probe_has(probes, sys, VAS_PROBE_NOREPLACE);
	unsigned int stack_bits = sys->stack_address ? vas_log2_floor(sys->stack_address) + 1 : 0;
	unsigned int bits = stack_bits ? stack_bits : DEFAULT_WIDTH;
	uint64_t high_max;
	uint64_t kept;
	int err;

	high_max = find_high_max(sys, noreplace, stack_bits, &err);
	if (err)
		return err;
	bounds->min = find_floor(sys, noreplace);
	bounds->high_max = high_max;
	bounds->max = high_max;
	/* The page that the kernel keeps at the very top it keeps at the top of the default window too. */
	kept = (high_max & sys->page_size) ? sys->page_size : 0;
	if (bits < vas_log2_floor(high_max - 1) + 1)
		bounds->max = (UINT64_C(1) << bits) - kept;
	bounds->stack_top = 0;
	if (sys->stack_address)
		(void)vas_align_up(sys->stack_address + 1, sys->page_size, &bounds->stack_top);
	return 0;
}

void vas_margins_find(struct vas_sys *sys, uint64_t stack, uint64_t brk,
		      struct vas_margins *margins)
{
	const struct vas_environment *environment = vas_environment_get();
	uint64_t guard = VAS_STACK_GUARD_PAGES * sys->page_size;
	struct vas_sys_limit limit;

	margins->brk = brk ? brk : environment->brk_margin;
	if (!margins->brk)
		margins->brk = VAS_BRK_MARGIN;
	margins->stack = stack ? stack : environment->stack_margin;
	if (!margins->stack) {
		if (VAS_CALL(sys, get_limit, RLIMIT_STACK, &limit) < 0)
			limit.current = 0;
		if (limit.current > VAS_STACK_MARGIN_MAX - guard)
			limit.current = VAS_STACK_MARGIN_MAX - guard;
		margins->stack = limit.current + guard;
	}
	(void)vas_align_up(margins->stack, sys->page_size, &margins->stack);
	(void)vas_align_up(margins->brk, sys->page_size, &margins->brk);
}

struct vas_span vas_margin_below_stack(const struct vas_margins *margins, uint64_t top)
{
	uint64_t size = margins->stack < top ? margins->stack : top;

	return (struct vas_span){ .start = top - size, .size = size };
}

struct vas_span vas_margin_above_brk(const struct vas_margins *margins, uint64_t brk)
{
	uint64_t room = UINT64_MAX - brk;

	return (struct vas_span){ .start = brk, .size = margins->brk < room ? margins->brk : room };
}

uint64_t vas_bounds_brk(struct vas_sys *sys)
{
	int64_t brk = VAS_CALL(sys, get_brk);
	uint64_t aligned;

	if (brk <= 0 || !vas_align_up((uint64_t)brk, sys->page_size, &aligned))
		return 0;
	return aligned;
}

static int avoid_span(struct vas_spanset *avoid, struct vas_span span)
{
	return vas_spanset_add(avoid, span.start, vas_span_end(span));
}

int vas_bounds_avoid(struct vas_sys *sys, const struct vas_bounds *bounds,
		     const struct vas_margins *margins, struct vas_spanset *avoid)
{
	uint64_t brk = vas_bounds_brk(sys);
	int err = 0;

	if (bounds->stack_top)
		err = avoid_span(avoid, vas_margin_below_stack(margins, bounds->stack_top));
	if (!err && brk)
		err = avoid_span(avoid, vas_margin_above_brk(margins, brk));
	return err;
}
