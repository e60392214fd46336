/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * The simulated kernel's huge pages against the real one's, at random, with
 * a pool of eight, or whatever pool this machine has, an empty one too: most of what matters is
 * refused. Mappings of a hugetlb object, shared and private, in a window of 16
 * huge pages: the same errno, the same maps, the same size and bytes held.
 *
 * With a pool, only MAP_NORESERVE: reservations are not simulated.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/random.h"
#include "support/differential_maps.h"
#include "support/huge_pool.h"
#include "sys/definitions.h"
#include "sys/sim_vma.h"
#include "tap/tap.h"

#define HUGE		((uint64_t)2 << 20)
#define PAGE		((uint64_t)4096)
#define WINDOW		(16 * HUGE)
#define OBJECT		(12 * HUGE)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct vas_sys_sim sim;
static struct vas_sys *real;
static uint64_t reserved, window;
static uint64_t pool; /* free huge pages */
static int fds[2]; /* the same object: real, simulated */
static int zero;
static uint64_t random_state;

struct call {
	const char *name;
	uint64_t start, size, offset;
	int prot, flags;
};

static uint64_t below(uint64_t bound)
{
	return vas_random_below(&random_state, bound);
}

/* Free huge pages of this size, none of them promised. */
static uint64_t pool_free(void)
{
	const char *files[] = { "free_hugepages", "resv_hugepages" };
	uint64_t values[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		char path[128], text[32] = "";
		int fd;

		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s",
			 files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		if (fd >= 0)
			close(fd);
		values[i] = strtoull(text, NULL, 10);
	}
	return values[0] - values[1];
}

/* Multiples of a huge page, seldom not. */
static uint64_t pick(uint64_t most)
{
	uint64_t huge = below(most) * HUGE;

	return below(12) ? huge : huge + PAGE;
}

static struct call pick_call(void)
{
	static const char *const names[] = { "map",	 "map",	     "map",    "plain",	 "unmap",
					     "protect",	 "protect",  "advise", "advise", "advise",
					     "allocate", "truncate", "touch",  "policy" };
	static const int advice[] = {
		MADV_DONTNEED,	     MADV_DONTNEED_LOCKED, MADV_REMOVE,	      MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_GUARD_INSTALL,   MADV_GUARD_REMOVE, MADV_FREE,
		MADV_WIPEONFORK,     MADV_DONTFORK,	   MADV_DOFORK,	      MADV_DONTDUMP,
		MADV_DODUMP,	     MADV_NOHUGEPAGE,	   MADV_COLD
	};
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE };
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct call call = { .name = names[below(COUNT_OF(names))],
			     .start = window + pick(12),
			     .size = pick(4) + HUGE,
			     .offset = pick(10),
			     .prot = prots[below(3)] };

	if (!strcmp(call.name, "map"))
		call.flags = (below(3) ? MAP_SHARED : MAP_PRIVATE) |
			     (pool || below(2) ? MAP_NORESERVE : 0);
	else if (!strcmp(call.name, "advise"))
		call.flags = advice[below(COUNT_OF(advice))];
	else if (!strcmp(call.name, "allocate"))
		call.flags = modes[below(3)];
	else if (!strcmp(call.name, "protect") && below(8) == 0)
		call.size = PAGE;
	/* Where huge pages begin in the middle, whole ones merge, which is the kernel's own affair. */
	if (!strcmp(call.name, "protect") || !strcmp(call.name, "policy"))
		call.start -= call.start % HUGE;
	return call;
}

static int64_t make(struct vas_sys *sys, int fd, const struct call *call)
{
	uint64_t nodes = 1;

	if (!strcmp(call->name, "map"))
		return sys->map(sys, call->start, call->size, call->prot, call->flags | MAP_FIXED,
				fd, call->offset);
	if (!strcmp(call->name, "plain"))
		return sys->map(sys, call->start, call->size, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (!strcmp(call->name, "unmap"))
		return sys->unmap(sys, call->start, call->size);
	if (!strcmp(call->name, "protect"))
		return sys->protect(sys, call->start, call->size, call->prot);
	if (!strcmp(call->name, "advise"))
		return sys->advise(sys, call->start, call->size, call->flags);
	if (!strcmp(call->name, "allocate"))
		return sys->allocate(sys, fd, call->flags, call->offset, call->size);
	if (!strcmp(call->name, "truncate"))
		return sys->truncate(sys, fd, call->offset);
	if (!strcmp(call->name, "policy"))
		return sys->set_policy(sys, call->start, call->size,
				       call->prot ? VAS_MPOL_BIND : VAS_MPOL_DEFAULT,
				       call->prot ? &nodes : NULL, call->prot ? 64 : 0, 0);
	if (sys == real) {
		ssize_t got = read(zero, (void *)(uintptr_t)call->start, 1);

		return got < 0 ? -errno : got;
	}
	return vas_sys_sim_touch(&sim, call->start & ~(PAGE - 1), PAGE) ? -EFAULT : 1;
}

struct comparison {
	size_t index;
	bool same;
};

static bool compare_line(const struct maps_entry *entry, void *context)
{
	struct comparison *comparison = context;
	const struct vas_sim_mapping *mapping = &sim.mappings[comparison->index];

	if (entry->end <= window)
		return true;
	comparison->same =
		comparison->index < sim.count && mapping->prot == entry->prot &&
		mapping->start == (entry->start > window ? entry->start : window) &&
		mapping->end == (entry->end < window + WINDOW ? entry->end : window + WINDOW) &&
		(mapping->fd < 0 ? 0 : mapping->offset) == entry->offset;
	if (!comparison->same)
		tap_diag("real has %llx-%llx %u %llx", (unsigned long long)entry->start,
			 (unsigned long long)entry->end, entry->prot,
			 (unsigned long long)entry->offset);
	comparison->index++;
	return comparison->same;
}

static bool compare(void)
{
	struct comparison comparison = { .same = true };
	struct vas_sys_stat first, second;
	const char *reason;

	if (!maps_each(window + WINDOW, compare_line, &comparison) || !comparison.same ||
	    comparison.index != sim.count) {
		for (size_t i = 0; i < sim.count; i++)
			tap_diag("simulated %llx-%llx %u %llx",
				 (unsigned long long)sim.mappings[i].start,
				 (unsigned long long)sim.mappings[i].end, sim.mappings[i].prot,
				 (unsigned long long)sim.mappings[i].offset);
		return false;
	}
	if (!vas_sys_sim_check(&sim, &reason)) {
		tap_diag("%s", reason);
		return false;
	}
	if (real->stat(real, fds[0], VAS_STAT_KIND, &first) != 0 ||
	    sim.sys.stat(&sim.sys, fds[1], VAS_STAT_KIND, &second) != 0)
		return false;
	if (first.size == second.size && first.held == second.held && first.kind == second.kind &&
	    first.page_size == second.page_size)
		return true;
	tap_diag("real has size %llx and holds %llx, simulated %llx and %llx",
		 (unsigned long long)first.size, (unsigned long long)first.held,
		 (unsigned long long)second.size, (unsigned long long)second.held);
	return false;
}

static void begin(void)
{
	struct vas_sim_config config = { .empty = true, .huge_pages = pool };
	int64_t got = real->map(real, 0, WINDOW + 2 * HUGE, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (got < 0 || vas_sys_sim_init(&sim, &config) != 0)
		tap_bail("no memory");
	reserved = (uint64_t)got;
	window = (reserved + HUGE) / HUGE * HUGE;
	/* Nothing outside merges with what is inside. */
	real->map(real, window - PAGE, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0);
	real->map(real, window + WINDOW, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0);
	sim.sys.map(&sim.sys, window, WINDOW, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	fds[0] = (int)real->create(real, "huge", MFD_HUGETLB);
	fds[1] = (int)sim.sys.create(&sim.sys, "huge", MFD_HUGETLB);
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	vas_sim_pages_room(&sim.private_pages, 4096);
	vas_sim_pages_room(&sim.guards, 4096);
	vas_sim_pages_room(&sim.objects[0].held, 4096);
}

static void end(void)
{
	real->unmap(real, reserved, WINDOW + 2 * HUGE);
	real->close(real, fds[0]);
	close(zero);
	vas_sys_sim_destroy(&sim);
}

/* Returns how many calls agreed, having said what did not. */
static uint64_t run(uint64_t calls, uint64_t *refused)
{
	for (uint64_t i = 0; i < calls; i++) {
		struct call call = pick_call();
		int64_t first = make(real, fds[0], &call);
		int64_t second = make(&sim.sys, fds[1], &call);

		*refused += first < 0;
		if (first == second && compare())
			continue;
		tap_diag("%s(window + %llx, %llx, %x, %x, at %llx)", call.name,
			 (unsigned long long)(call.start - window), (unsigned long long)call.size,
			 (unsigned)call.prot, (unsigned)call.flags,
			 (unsigned long long)call.offset);
		tap_diag("real answers %lld, the simulator %lld", (long long)first,
			 (long long)second);
		return i;
	}
	return calls;
}

static void huge_case(void *arg)
{
	uint64_t calls = tap_scaled(20000), same = 0, refused = 0;

	(void)arg;
	/* Somebody else may take from the pool, or give to it: then this run says nothing. */
	for (int attempt = 0; attempt < 3 && same < calls; attempt++) {
		pool = pool_free();
		refused = 0;
		begin();
		same = run(calls, &refused);
		end();
		if (pool_free() == pool)
			break;
	}
	ok(same == calls && refused > 0 && refused < calls,
	   "%llu calls agree, %llu of them refused", (unsigned long long)same,
	   (unsigned long long)refused);
}

int main(void)
{
	tap_plan(0);
	real = vas_sys_real();
	if (real->page_size != PAGE)
		tap_skip_all("no-4k-pages", "huge pages have other sizes here");
	random_state = tap_seed();
	/* Without a pool of its own it compares with an empty one, or what is there. */
	(void)huge_pool_take(8);
	tap_case("huge pages", huge_case, NULL, 60);
	return tap_done();
}
