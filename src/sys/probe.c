/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The probes: what kernels and sandboxes differ in, each tried once on pages
 * of our own.
 *
 * A probe answers 0 for yes, UNDECIDED when it could not be tried (a shortage,
 * or another thread interfered each time), anything else for no. Undecided is
 * treated as no for this call and tried again by the next one.
 *
 * The probe of MAP_FIXED_NOREPLACE must find kernels that ignore the flag
 * (before 4.17, some sandboxes) and those that honour it for a mapping at the
 * asked address but clobber one that begins behind it (4.17, 4.18). It never
 * asks for a byte that was not its own a moment before, and asks in a way that
 * cannot harm a mapping that another thread put into its hole: the hole is a
 * single page, and a mapping that begins right at the asked address is refused
 * by every kernel that knows the flag.
 *
 * Concurrency: results are atomic bytes, the error is written before the
 * state. Two threads may try the same probe at once; both come to the same
 * result on pages of their own.
 */
#include "sys/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "sys/definitions.h"
#include "sys/environment.h"
#include "sys/strays.h"
#include "sys/watcher.h"

#define UNDECIDED 1
/* How often a probe is repeated that another thread spoilt. */
#define PROBE_TRIES 4
/* No kernel knows it. */
#define ADVICE_OF_NOBODY 0x76617370

struct probe_entry {
	const char *name;
	const char *what;
	const char *since;
	int (*try)(struct vas_sys *sys);
};

/* Anonymous pages that nobody knows, without access. */
static int64_t probe_pages(struct vas_sys *sys, unsigned int count, int prot)
{
	return VAS_CALL(sys, map, 0, count * sys->page_size, prot,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void probe_drop(struct vas_sys *sys, uint64_t address, unsigned int count)
{
	vas_strays_drop(sys, address, count * sys->page_size);
}

/*
 * Claims [address, address + count pages), over what is ours at least in part,
 * and takes a mapping made elsewhere away again.
 */
static int64_t probe_claim(struct vas_sys *sys, uint64_t address, unsigned int count, int flags)
{
	int64_t got = VAS_CALL(sys, map, address, count * sys->page_size, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (got >= 0 && (uint64_t)got != address)
		probe_drop(sys, (uint64_t)got, count);
	return got;
}

/* -EEXIST is what it should be; any success means that the flag does not protect. */
static int probe_refusal(int64_t got)
{
	if (got == -EEXIST)
		return 0;
	return got >= 0 ? -EOPNOTSUPP : (int)got;
}

/* With pages [base + 1, base + 3) ours and base free. Leaves the same behind, or base ours. */
static int probe_noreplace_overlaps(struct vas_sys *sys, uint64_t base, bool *base_taken)
{
	uint64_t page = sys->page_size;
	int64_t got;
	int error;

	/* All of it is ours. */
	error = probe_refusal(probe_claim(sys, base + page, 2, MAP_FIXED_NOREPLACE));
	if (error)
		return error;
	/* Begins free, runs into ours. */
	got = probe_claim(sys, base, 2, MAP_FIXED_NOREPLACE);
	error = probe_refusal(got);
	if (error) {
		*base_taken = got >= 0 && (uint64_t)got == base;
		return error;
	}
	/* The refusal counts if base was free: then it can be had, exactly there. */
	got = probe_claim(sys, base, 1, MAP_FIXED_NOREPLACE);
	if (got == -EEXIST)
		return UNDECIDED;
	if (got < 0)
		return (int)got;
	*base_taken = (uint64_t)got == base;
	return *base_taken ? 0 : -EOPNOTSUPP;
}

static int probe_noreplace(struct vas_sys *sys)
{
	int result = UNDECIDED;

	for (int i = 0; i < PROBE_TRIES && result == UNDECIDED; i++) {
		int64_t base = probe_pages(sys, 3, PROT_NONE);
		bool base_taken = false;

		if (base < 0)
			return UNDECIDED;
		probe_drop(sys, (uint64_t)base, 1);
		result = probe_noreplace_overlaps(sys, (uint64_t)base, &base_taken);
		if (base_taken)
			probe_drop(sys, (uint64_t)base, 3);
		else
			probe_drop(sys, (uint64_t)base + sys->page_size, 2);
	}
	return result;
}

/*
 * Both bits at once: sanitizers' interceptors leave MAP_FIXED alone. Safe only
 * where NOREPLACE is known, since it would replace elsewhere. Our page only.
 */
static int probe_both_bits(struct vas_sys *sys)
{
	int64_t base = probe_pages(sys, 1, PROT_NONE);
	int result;

	if (base < 0)
		return UNDECIDED;
	result =
		probe_refusal(probe_claim(sys, (uint64_t)base, 1, MAP_FIXED | MAP_FIXED_NOREPLACE));
	probe_drop(sys, (uint64_t)base, 1);
	return result;
}

static int probe_procmap_query(struct vas_sys *sys)
{
	struct vas_sys_query query = { .name = NULL };
	int64_t base, fd, got;

	fd = VAS_CALL(sys, open, "/proc/self/maps", O_RDONLY);
	if (fd < 0)
		return (int)fd;
	base = probe_pages(sys, 1, PROT_NONE);
	if (base < 0) {
		(void)VAS_CALL(sys, close, (int)fd);
		return UNDECIDED;
	}
	got = VAS_CALL(sys, query, (int)fd, (uint64_t)base, 0, &query);
	if (got == 0 && (query.start > (uint64_t)base || query.end <= (uint64_t)base))
		got = -EOPNOTSUPP;
	probe_drop(sys, (uint64_t)base, 1);
	(void)VAS_CALL(sys, close, (int)fd);
	return (int)got;
}

static int probe_sync_holes(struct vas_sys *sys)
{
	uint64_t page = sys->page_size;
	int64_t base, whole, holed;

	if (vas_watcher_is_valgrind())
		return -EOPNOTSUPP;
	for (int i = 0; i < PROBE_TRIES; i++) {
		base = probe_pages(sys, 3, PROT_NONE);
		if (base < 0)
			return UNDECIDED;
		whole = VAS_CALL(sys, sync, (uint64_t)base, 3 * page, MS_ASYNC);
		probe_drop(sys, (uint64_t)base + page, 1);
		holed = VAS_CALL(sys, sync, (uint64_t)base, 3 * page, MS_ASYNC);
		probe_drop(sys, (uint64_t)base, 1);
		probe_drop(sys, (uint64_t)base + 2 * page, 1);
		if (whole < 0)
			return (int)whole;
		if (holed == -ENOMEM)
			return 0;
		if (holed < 0)
			return (int)holed;
	}
	return -EOPNOTSUPP;
}

/*
 * One page of memory without a file: MAP_PRIVATE or MAP_SHARED. Emulators (qemu-user) answer 0 to all that they do
 * not know, and do nothing: then no advice counts.
 */
static int probe_advice(struct vas_sys *sys, int advice, int type)
{
	int64_t base = VAS_CALL(sys, map, 0, sys->page_size, PROT_READ | PROT_WRITE,
				type | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int64_t got;

	if (base < 0)
		return UNDECIDED;
	got = VAS_CALL(sys, advise, (uint64_t)base, sys->page_size, advice);
	if (got == 0 && VAS_CALL(sys, advise, (uint64_t)base, sys->page_size, ADVICE_OF_NOBODY) == 0)
		got = -EOPNOTSUPP;
	probe_drop(sys, (uint64_t)base, 1);
	return (int)got;
}

static int probe_populate_write(struct vas_sys *sys)
{
	return probe_advice(sys, MADV_POPULATE_WRITE, MAP_PRIVATE);
}

static int probe_guard(struct vas_sys *sys)
{
	return probe_advice(sys, MADV_GUARD_INSTALL, MAP_PRIVATE);
}

static int probe_guard_object(struct vas_sys *sys)
{
	return probe_advice(sys, MADV_GUARD_INSTALL, MAP_SHARED);
}

static int probe_wipe_on_fork(struct vas_sys *sys)
{
	return probe_advice(sys, MADV_WIPEONFORK, MAP_PRIVATE);
}

static int probe_dontneed_locked(struct vas_sys *sys)
{
	return probe_advice(sys, MADV_DONTNEED_LOCKED, MAP_PRIVATE);
}

static int probe_remove(struct vas_sys *sys)
{
	return probe_advice(sys, MADV_REMOVE, MAP_SHARED);
}

/* Setting the policy that the page has already: sandboxes that deny mbind deny that too. */
static int probe_policy(struct vas_sys *sys)
{
	int64_t base = probe_pages(sys, 1, PROT_NONE);
	int64_t got;

	if (base < 0)
		return UNDECIDED;
	got = VAS_CALL(sys, set_policy, (uint64_t)base, sys->page_size, VAS_MPOL_DEFAULT, NULL, 0,
		       0);
	probe_drop(sys, (uint64_t)base, 1);
	return (int)got;
}

static int probe_anon_name(struct vas_sys *sys)
{
	int64_t base = probe_pages(sys, 1, PROT_NONE);
	int64_t got;

	if (base < 0)
		return UNDECIDED;
	got = VAS_CALL(sys, set_name, (uint64_t)base, sys->page_size, "vaspace");
	probe_drop(sys, (uint64_t)base, 1);
	return (int)got;
}

static int probe_proc_maps(struct vas_sys *sys)
{
	char byte;
	int64_t fd, got;

	fd = VAS_CALL(sys, open, "/proc/self/maps", O_RDONLY);
	if (fd < 0)
		return (int)fd;
	got = VAS_CALL(sys, read, (int)fd, &byte, 1);
	(void)VAS_CALL(sys, close, (int)fd);
	if (got < 0)
		return (int)got;
	return got == 1 ? 0 : -EOPNOTSUPP;
}

static const struct probe_entry probe_table[VAS_PROBE_COUNT] = {
	[VAS_PROBE_NOREPLACE] = {
		"noreplace",
		"MAP_FIXED_NOREPLACE refuses partial overlaps too and obeys the address.",
		"4.19",
		probe_noreplace,
	},
	[VAS_PROBE_PROCMAP_QUERY] = {
		"procmap_query",
		"One mapping can be asked for by ioctl on /proc/self/maps.",
		"6.11",
		probe_procmap_query,
	},
	[VAS_PROBE_SYNC_HOLES] = {
		"sync_holes",
		"msync(MS_ASYNC) fails exactly when the range has a hole.",
		"2.6",
		probe_sync_holes,
	},
	[VAS_PROBE_POPULATE_WRITE] = {
		"populate_write",
		"MADV_POPULATE_WRITE gives memory or an errno, not a signal.",
		"5.14",
		probe_populate_write,
	},
	[VAS_PROBE_GUARD] = {
		"guard",
		"MADV_GUARD_INSTALL makes pages fault without a mapping of their own.",
		"6.13",
		probe_guard,
	},
	[VAS_PROBE_ANON_NAME] = {
		"anon_name",
		"Anonymous mappings can be given a name that maps shows.",
		"5.17",
		probe_anon_name,
	},
	[VAS_PROBE_PROC_MAPS] = {
		"proc_maps",
		"/proc/self/maps can be read.",
		"2.6",
		probe_proc_maps,
	},
	[VAS_PROBE_BOTH_BITS] = {
		"both_bits",
		"MAP_FIXED with MAP_FIXED_NOREPLACE claims, and interceptors let it pass.",
		"4.19",
		probe_both_bits,
	},
	[VAS_PROBE_GUARD_OBJECT] = {
		"guard_object",
		"MADV_GUARD_INSTALL works in mappings of files and shared memory too.",
		"6.15",
		probe_guard_object,
	},
	[VAS_PROBE_WIPE_ON_FORK] = {
		"wipe_on_fork",
		"MADV_WIPEONFORK gives a forked child pages of zeroes.",
		"4.14",
		probe_wipe_on_fork,
	},
	[VAS_PROBE_DONTNEED_LOCKED] = {
		"dontneed_locked",
		"MADV_DONTNEED_LOCKED takes the bytes of locked memory.",
		"5.18",
		probe_dontneed_locked,
	},
	[VAS_PROBE_REMOVE] = {
		"remove",
		"MADV_REMOVE takes the bytes of shared memory, without a descriptor.",
		"2.6",
		probe_remove,
	},
	[VAS_PROBE_POLICY] = {
		"policy",
		"mbind sets the memory policy of a range, and no sandbox denies it.",
		"2.6",
		probe_policy,
	},
};

const char *vas_probe_name(enum vas_probe probe)
{
	VAS_ASSERT((unsigned int)probe < VAS_PROBE_COUNT);
	return probe_table[probe].name;
}

int vas_probe_find(const char *name, size_t length)
{
	for (int i = 0; i < VAS_PROBE_COUNT; i++)
		if (strlen(probe_table[i].name) == length &&
		    !memcmp(probe_table[i].name, name, length))
			return i;
	return -1;
}

static enum vas_probe_state probe_store(struct vas_probes *probes, enum vas_probe probe,
					enum vas_probe_state state, int error)
{
	__atomic_store_n(&probes->error[probe], error, __ATOMIC_RELAXED);
	__atomic_store_n(&probes->state[probe], (int8_t)state, __ATOMIC_RELEASE);
	return state;
}

/* Errors that tell of this moment and not of the kernel. */
static bool probe_shortage(int error)
{
	return error == -ENOMEM || error == -EAGAIN || error == -EMFILE || error == -ENFILE;
}

static __attribute__((noinline)) enum vas_probe_state
probe_try(struct vas_probes *probes, struct vas_sys *sys, enum vas_probe probe)
{
	int got;

	if (vas_environment_get()->disabled & (1u << probe))
		return probe_store(probes, probe, VAS_PROBE_OFF, 0);
	if (probe == VAS_PROBE_BOTH_BITS && !vas_probe_has(probes, sys, VAS_PROBE_NOREPLACE))
		got = probes->state[VAS_PROBE_NOREPLACE] ? -EOPNOTSUPP : UNDECIDED;
	else
		got = probe_table[probe].try(sys);
	if (got == UNDECIDED || probe_shortage(got))
		return VAS_PROBE_UNKNOWN;
	return probe_store(probes, probe, got ? VAS_PROBE_NO : VAS_PROBE_YES, got);
}

static enum vas_probe_state probe_state(struct vas_probes *probes, struct vas_sys *sys,
					enum vas_probe probe)
{
	enum vas_probe_state state =
		(enum vas_probe_state)__atomic_load_n(&probes->state[probe], __ATOMIC_ACQUIRE);

	return state == VAS_PROBE_UNKNOWN ? probe_try(probes, sys, probe) : state;
}

bool vas_probe_has(struct vas_probes *probes, struct vas_sys *sys, enum vas_probe probe)
{
	VAS_ASSERT_DEBUG((unsigned int)probe < VAS_PROBE_COUNT);
	return probe_state(probes, sys, probe) == VAS_PROBE_YES;
}

bool vas_probe_undecided(const struct vas_probes *probes, enum vas_probe probe)
{
	return __atomic_load_n(&probes->state[probe], __ATOMIC_ACQUIRE) == VAS_PROBE_UNKNOWN;
}

void vas_probe_forget(struct vas_probes *probes)
{
	for (int i = 0; i < VAS_PROBE_COUNT; i++)
		probe_store(probes, (enum vas_probe)i, VAS_PROBE_UNKNOWN, 0);
}

int vas_probe_describe(struct vas_probes *probes, struct vas_sys *sys, size_t index,
		       struct vas_probe_info *info)
{
	if (index >= VAS_PROBE_COUNT)
		return -ENOENT;
	info->state = probe_state(probes, sys, (enum vas_probe)index);
	info->error = __atomic_load_n(&probes->error[index], __ATOMIC_RELAXED);
	info->name = probe_table[index].name;
	info->what = probe_table[index].what;
	info->since = probe_table[index].since;
	return 0;
}
