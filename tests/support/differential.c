/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The differential test's machine: the same call to the real kernel and to the
 * simulated one, in a forked child, so that nothing else is hit.
 *
 * The child isolates what it has (a page of shared memory beside each mapping,
 * so that nothing new merges with what the simulator knows nothing about),
 * copies its whole layout into the simulator, and makes the calls. Each result
 * must be the same number: errno, or the chosen address. Every few calls
 * /proc/self/maps must have the same ranges, protections and offsets.
 *
 * Calls that replace or change stay inside a private window of a few hundred
 * pages with free space around, or inside mappings that a call made, or carry
 * arguments that every kernel refuses before it does anything.
 *
 * The child allocates nothing once the layout is copied, and calls the kernel
 * raw, past sanitizers.
 */
#include "support/differential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "support/differential_maps.h"
#include "support/differential_objects.h"
#include "sys/definitions.h"
#include "sys/sim_vma.h"
#include "tap/tap.h"

#define PAGE	     4096ull
#define WINDOW	     (DIFFERENTIAL_WINDOW * PAGE)
#define MARGIN	     (DIFFERENTIAL_WINDOW * PAGE) /* free on either side */
#define ELSEWHERE    24
#define POPULATE_MAX (64 * PAGE)
#define TASK_END     ((1ull << 47) - PAGE)

struct elsewhere {
	uint64_t start, size;
};

struct world {
	struct vas_sys_sim sim;
	uint64_t window; /* address of its first page */
	uint64_t filler_start, filler_end; /* mappings that only fill the table; equal = none */
	uint64_t filler_count;
	struct elsewhere elsewhere[ELSEWHERE];
	uint32_t elsewhere_count;
	struct differential_objects objects;
	bool compare_pages;
	struct differential_round *round;
};

static struct world world;

/* The real kernel. */

static int64_t raw(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
		   uint64_t f)
{
	int64_t got = syscall(number, a, b, c, d, e, f);

	return got == -1 ? -errno : got;
}

static int64_t raw_map(uint64_t address, uint64_t size, int prot, int flags, int fd,
		       uint64_t offset)
{
	return raw(SYS_mmap, address, size, (uint64_t)prot, (uint64_t)flags, (uint64_t)(int64_t)fd,
		   offset);
}

static int64_t real_step(const struct differential_step *step, uint64_t address, int fd)
{
	switch (step->kind) {
	case STEP_MAP:
		return raw_map(address, step->size, step->prot, step->flags, fd, step->offset);
	case STEP_UNMAP:
		return raw(SYS_munmap, address, step->size, 0, 0, 0, 0);
	case STEP_PROTECT:
		return raw(SYS_mprotect, address, step->size, (uint64_t)step->prot, 0, 0, 0);
	case STEP_ADVISE:
		return raw(SYS_madvise, address, step->size, (uint64_t)step->prot, 0, 0, 0);
	case STEP_SYNC:
		return raw(SYS_msync, address, step->size, (uint64_t)step->prot, 0, 0, 0);
	case STEP_NAME:
		return raw(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, step->size,
			   (uintptr_t)(step->prot ? "first" : "second"), 0);
	default:
		return objects_real(&world.objects, step, address, world.window + step->offset);
	}
}

static int64_t sim_step(const struct differential_step *step, uint64_t address, int fd)
{
	struct vas_sys *sys = &world.sim.sys;

	switch (step->kind) {
	case STEP_MAP:
		return sys->map(sys, address, step->size, step->prot, step->flags, fd,
				step->offset);
	case STEP_UNMAP:
		return sys->unmap(sys, address, step->size);
	case STEP_PROTECT:
		return sys->protect(sys, address, step->size, step->prot);
	case STEP_ADVISE:
		return sys->advise(sys, address, step->size, step->prot);
	case STEP_SYNC:
		return sys->sync(sys, address, step->size, step->prot);
	case STEP_NAME:
		return sys->set_name(sys, address, step->size, step->prot ? "first" : "second");
	default:
		return objects_simulated(&world.objects, &world.sim, step, address,
					 world.window + step->offset);
	}
}

/* Comparing. */

static __attribute__((format(printf, 2, 3))) void fail(uint32_t at, const char *format, ...)
{
	__builtin_va_list list;

	if (world.round->failed)
		return;
	world.round->failed = true;
	world.round->failed_at = at;
	__builtin_va_start(list, format);
	vsnprintf(world.round->message, sizeof(world.round->message), format, list);
	__builtin_va_end(list);
}

struct comparison {
	size_t index; /* next of the simulator's */
	uint32_t at;
};

static bool compare_line(const struct maps_entry *entry, void *context)
{
	struct comparison *comparison = context;
	const struct vas_sim_mapping *mapping = &world.sim.mappings[comparison->index];
	bool own, same;

	if (entry->start >= TASK_END)
		return true;
	if (comparison->index == world.sim.count) {
		fail(comparison->at, "real has %llx-%llx, the simulator nothing",
		     (unsigned long long)entry->start, (unsigned long long)entry->end);
		return false;
	}
	comparison->index++;
	own = !(mapping->flags & VAS_SIM_SPECIAL);
	same = mapping->start == entry->start && mapping->end == entry->end &&
	       mapping->prot == entry->prot;
	if (own)
		same = same && !(mapping->flags & MAP_SHARED) == !entry->shared &&
		       (vas_sim_is_anonymous(mapping) ? 0 : mapping->offset) == entry->offset;
	if (!same)
		fail(comparison->at,
		     "real has %llx-%llx %u %u %llx, the simulator %llx-%llx %u %u %llx",
		     (unsigned long long)entry->start, (unsigned long long)entry->end, entry->prot,
		     entry->shared, (unsigned long long)entry->offset,
		     (unsigned long long)mapping->start, (unsigned long long)mapping->end,
		     mapping->prot, mapping->flags & MAP_SHARED,
		     (unsigned long long)mapping->offset);
	return same;
}

static void compare_maps(uint32_t at)
{
	struct comparison comparison = { .index = 0, .at = at };
	char message[256];
	const char *reason;

	/* What lies above the filler is told by the calls' results; reading it would take long. */
	if (!maps_each(world.filler_count ? world.filler_start : UINT64_MAX, compare_line,
		       &comparison))
		fail(at, "maps cannot be read");
	if (!world.round->failed && world.compare_pages &&
	    !objects_compare(&world.objects, &world.sim, world.window, world.window + WINDOW,
			     message, sizeof(message)))
		fail(at, "%s", message);
	if (!vas_sys_sim_check(&world.sim, &reason))
		fail(at, "invariant: %s", reason);
}

/* One step. */

static uint64_t step_address(const struct differential_step *step)
{
	const struct elsewhere *elsewhere;

	if (step->place == PLACE_ABSOLUTE)
		return (uint64_t)step->address;
	if (step->place == PLACE_WINDOW || world.elsewhere_count == 0)
		return world.window + (uint64_t)step->address % WINDOW;
	elsewhere = &world.elsewhere[step->which % world.elsewhere_count];
	return elsewhere->start + (uint64_t)step->address % elsewhere->size;
}

/* Keeps a step whose place is no more what it was made for from leaving safe ground. */
static void step_contain(struct differential_step *step, uint64_t address)
{
	const struct elsewhere *elsewhere;
	uint64_t room;

	/* Of several mappings at once newer kernels move all. */
	if (step->kind == STEP_MOVE) {
		size_t index = vas_sim_find(&world.sim, address);

		if (index < world.sim.count && world.sim.mappings[index].start <= address &&
		    world.sim.mappings[index].end - address < step->size)
			step->size = world.sim.mappings[index].end - address;
	}
	if (step->place != PLACE_ELSEWHERE || step->kind == STEP_MAP || step->kind == STEP_SYNC)
		return;
	if (world.elsewhere_count == 0) {
		room = world.window + WINDOW + MARGIN / 2 - address;
	} else {
		elsewhere = &world.elsewhere[step->which % world.elsewhere_count];
		room = elsewhere->start + elsewhere->size - address;
	}
	if (step->size > room)
		step->size = room;
	/* What takes memory or page tables for each page must not do so for a terabyte. */
	if (step->kind == STEP_ADVISE && step->size > POPULATE_MAX)
		step->size = POPULATE_MAX;
}

static void elsewhere_add(uint64_t start, uint64_t size)
{
	struct elsewhere *oldest = &world.elsewhere[0];

	size = (size + PAGE - 1) & ~(PAGE - 1);
	if (world.elsewhere_count == ELSEWHERE) {
		(void)raw(SYS_munmap, oldest->start, oldest->size, 0, 0, 0, 0);
		(void)world.sim.sys.unmap(&world.sim.sys, oldest->start, oldest->size);
		memmove(oldest, oldest + 1, (ELSEWHERE - 1) * sizeof(*oldest));
		world.elsewhere_count--;
	}
	world.elsewhere[world.elsewhere_count++] = (struct elsewhere){ start, size };
}

/* Whether a touch would make a mapping above it grow down. */
static bool grows_there(uint64_t address)
{
	size_t index = vas_sim_find(&world.sim, address);

	return index < world.sim.count && world.sim.mappings[index].start > address &&
	       (world.sim.mappings[index].flags & MAP_GROWSDOWN);
}

static int step_fd(const int *files, const struct differential_step *step)
{
	return step->file < 0 ? -1 : files[step->file];
}

static void run_step(uint32_t at)
{
	struct differential_step step = world.round->steps[at];
	uint64_t address = step_address(&step);
	int64_t real, simulated;

	step_contain(&step, address);
	if (step.kind == STEP_TOUCH && grows_there(address))
		return;
	real = real_step(&step, address, step_fd(world.objects.real, &step));
	simulated = sim_step(&step, address, step_fd(world.objects.simulated, &step));
	if (real != simulated) {
		fail(at, "real answers %lld (%llx), the simulator %lld (%llx)", (long long)real,
		     (unsigned long long)real, (long long)simulated, (unsigned long long)simulated);
		return;
	}
	if (real < 0)
		world.round->refused++;
	if (real == -EAGAIN)
		world.round->exhausted++;
	if (step.kind == STEP_MAP && real >= 0 &&
	    ((uint64_t)real < world.window || (uint64_t)real >= world.window + WINDOW))
		elsewhere_add((uint64_t)real, step.size);
}

/* The child's world. */

struct layout {
	struct maps_entry entries[512];
	size_t count;
};

static struct layout layout;

static bool layout_line(const struct maps_entry *entry, void *context)
{
	(void)context;
	if (entry->start >= TASK_END)
		return true;
	/* What only fills the table counts as one. */
	if (entry->start > world.filler_start && entry->end <= world.filler_end) {
		layout.entries[layout.count - 1].end = entry->end;
		return true;
	}
	if (layout.count == sizeof(layout.entries) / sizeof(layout.entries[0]))
		return false;
	layout.entries[layout.count++] = *entry;
	return true;
}

static bool layout_read(void)
{
	layout.count = 0;
	return maps_each(UINT64_MAX, layout_line, NULL);
}

static void fence(uint64_t address)
{
	(void)raw_map(address, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		      -1, 0);
}

static void put_fences(void)
{
	for (size_t i = 0; i < layout.count; i++) {
		if (layout.entries[i].stack)
			continue;
		fence(layout.entries[i].start - PAGE);
		fence(layout.entries[i].end);
	}
}

/* As many mappings as leave room below the limit: every other page of a large one readable. */
static bool put_filler(uint64_t limit, uint64_t room)
{
	uint64_t have = layout.count + 2; /* with its own fences */
	uint64_t wanted = limit > have + room ? limit - have - room : 0;
	int64_t start = raw_map(0, wanted * PAGE, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start < 0)
		return false;
	for (uint64_t page = 1; page < wanted; page += 2)
		if (raw(SYS_mprotect, (uint64_t)start + page * PAGE, PAGE, PROT_READ, 0, 0, 0) != 0)
			return false;
	fence((uint64_t)start - PAGE);
	fence((uint64_t)start + wanted * PAGE);
	world.filler_start = (uint64_t)start;
	world.filler_end = (uint64_t)start + wanted * PAGE;
	world.filler_count = wanted;
	return true;
}

static bool import_layout(void)
{
	world.sim.mmap_base = 0;
	for (size_t i = 0; i < layout.count; i++) {
		const struct maps_entry *entry = &layout.entries[i];
		struct vas_sim_mapping mapping = { .start = entry->start,
						   .end = entry->end,
						   .prot = entry->prot,
						   .flags = MAP_PRIVATE | VAS_SIM_SPECIAL,
						   .fd = -1 };

		if (entry->stack)
			mapping.flags |= MAP_GROWSDOWN;
		else if (!entry->kernel && entry->end > world.sim.mmap_base)
			world.sim.mmap_base = entry->end;
		if (vas_sys_sim_put(&world.sim, &mapping) < 0)
			return false;
	}
	return true;
}

/* Whether sizes of whole huge pages are placed aligned, which only some kernels do. */
static bool huge_alignment(void)
{
	bool aligned = true;

	for (int i = 0; i < 3; i++) {
		int64_t odd = raw_map(0, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int64_t huge = raw_map(0, 4 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int64_t next = raw_map(0, 4 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		aligned = aligned && huge > 0 && huge % (2 << 20) == 0 && next % (2 << 20) == 0;
		(void)raw(SYS_munmap, (uint64_t)odd, 3 * PAGE, 0, 0, 0, 0);
		(void)raw(SYS_munmap, (uint64_t)huge, 4 << 20, 0, 0, 0, 0);
		(void)raw(SYS_munmap, (uint64_t)next, 4 << 20, 0, 0, 0, 0);
	}
	return aligned;
}

static bool may_map_zero(void)
{
	int64_t got = raw_map(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			      -1, 0);

	if (got >= 0)
		(void)raw(SYS_munmap, (uint64_t)got, PAGE, 0, 0, 0, 0);
	return got == 0;
}

/* What a hint at the first page becomes: the sysctl and the security module's minimum together. */
static uint64_t lowest_hint(void)
{
	int64_t got = raw_map(PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)raw(SYS_munmap, (uint64_t)got, PAGE, 0, 0, 0, 0);
	return got > 0 && got < 1 << 20 ? (uint64_t)got : 0;
}

static bool anon_names(void)
{
	int64_t page = raw_map(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t got = raw(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, (uint64_t)page, PAGE,
			  (uintptr_t) "first", 0);

	(void)raw(SYS_munmap, (uint64_t)page, PAGE, 0, 0, 0, 0);
	return got == 0;
}

static uint64_t setting(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return strtoull(text, NULL, 10);
}

static bool world_configure(struct vas_sim_config *config, uint64_t max_map_count)
{
	struct sysinfo info;

	memset(config, 0, sizeof(*config));
	if (sysinfo(&info) != 0)
		return false;
	config->empty = true;
	config->min_address = lowest_hint();
	config->refused_below = setting("/proc/sys/vm/mmap_min_addr");
	config->privileged = may_map_zero();
	config->no_huge = !huge_alignment();
	config->no_names = !anon_names();
	if (setting("/proc/sys/vm/overcommit_memory") == 0)
		config->commit_limit = (info.totalram + info.totalswap) * info.mem_unit;
	config->max_map_count = max_map_count;
	return true;
}

static bool world_window(void)
{
	int64_t got = raw_map(0, WINDOW + 2 * MARGIN, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (got < 0)
		return false;
	world.window = (uint64_t)got + MARGIN;
	return raw(SYS_munmap, (uint64_t)got, WINDOW + 2 * MARGIN, 0, 0, 0, 0) == 0;
}

static bool world_limit(uint64_t room)
{
	struct rlimit limit = { .rlim_cur = world.sim.address_used + room,
				.rlim_max = RLIM_INFINITY };

	if (!room)
		return true;
	world.sim.config.address_limit = limit.rlim_cur;
	return setrlimit(RLIMIT_AS, &limit) == 0;
}

static bool world_begin(const struct differential_scenario *scenario)
{
	struct vas_sim_config config;
	uint64_t limit = setting("/proc/sys/vm/max_map_count");

	if (!world_configure(&config, limit) || vas_sys_sim_init(&world.sim, &config) != 0 ||
	    vas_sim_room(&world.sim, 4000) != 0 || !objects_open(&world.objects, &world.sim))
		return false;
	if (!layout_read())
		return false;
	put_fences();
	if (!layout_read())
		return false;
	if (scenario->mapping_room && !put_filler(limit, scenario->mapping_room))
		return false;
	if (!world_window() || !layout_read() || !import_layout())
		return false;
	if (world.filler_count)
		world.sim.config.max_map_count -= world.filler_count - 1;
	return world_limit(scenario->address_room);
}

/* Should a call get more memory than it was meant to, this process is the one to go. */
static void offer_to_die(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "1000", 4);
	close(fd);
}

static void child(struct differential_round *round, const struct differential_scenario *scenario)
{
	memset(&world, 0, sizeof(world));
	world.round = round;
	world.compare_pages = scenario->objects;
	offer_to_die();
	if (!world_begin(scenario)) {
		fail(0, "the child could not set itself up: %s", strerror(errno));
		_exit(0);
	}
	compare_maps(0);
	for (uint32_t at = 0; at < round->count && !round->failed; at++) {
		if (round->steps[at].skipped)
			continue;
		run_step(at);
		if (at % round->compare_every == 0 || at + 1 == round->count)
			compare_maps(at);
	}
	round->finished = true;
	_exit(0);
}

struct differential_round *differential_new(void)
{
	void *memory = mmap(NULL, sizeof(struct differential_round), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

bool differential_run(struct differential_round *round,
		      const struct differential_scenario *scenario)
{
	int status = 0;
	pid_t pid;

	round->finished = false;
	round->failed = false;
	round->failed_at = round->count;
	round->refused = 0;
	round->exhausted = 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(round, scenario);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		round->failed = true;
		snprintf(round->message, sizeof(round->message), "no child: %s", strerror(errno));
		return false;
	}
	if (!round->finished && !round->failed) {
		round->failed = true;
		snprintf(round->message, sizeof(round->message), "the child died, status 0x%x",
			 status);
	}
	return !round->failed;
}

static void print_step(uint32_t at, const struct differential_step *step)
{
	static const char *const kinds[] = { "map",    "unmap", "protect",  "advise",
					     "sync",   "name",	"allocate", "truncate",
					     "policy", "lock",	"move",	    "touch" };
	static const char *const places[] = { "window", "elsewhere", "absolute" };

	tap_diag("  %u: %s(%s[%u] + 0x%llx, 0x%llx, prot or advice %d, flags 0x%x, "
		 "file %d at 0x%llx)",
		 at, kinds[step->kind], places[step->place], step->which,
		 (unsigned long long)step->address, (unsigned long long)step->size, step->prot,
		 (unsigned)step->flags, step->file, (unsigned long long)step->offset);
}

/* Skips [from, from + count) if the round fails without them too. */
static bool shrink_try(struct differential_round *round,
		       const struct differential_scenario *scenario, uint32_t from, uint32_t count)
{
	static bool before[DIFFERENTIAL_STEPS];
	bool any = false;

	for (uint32_t i = from; i < from + count && i < round->count; i++) {
		before[i] = round->steps[i].skipped;
		any = any || !before[i];
		round->steps[i].skipped = true;
	}
	if (any && !differential_run(round, scenario))
		return true;
	for (uint32_t i = from; i < from + count && i < round->count; i++)
		round->steps[i].skipped = before[i];
	return false;
}

void differential_shrink(struct differential_round *round,
			 const struct differential_scenario *scenario)
{
	round->compare_every = 1;
	if (differential_run(round, scenario)) {
		tap_diag("it does not fail again when the maps are compared after each call");
		return;
	}
	if (round->failed_at + 1 < round->count)
		round->count = round->failed_at + 1;
	for (uint32_t piece = round->count / 2; piece > 0; piece /= 2)
		for (uint32_t from = 0; from + piece < round->count; from += piece)
			(void)shrink_try(round, scenario, from, piece);
	(void)differential_run(round, scenario);
	tap_diag("%s", round->message);
	for (uint32_t i = 0; i < round->count; i++)
		if (!round->steps[i].skipped)
			print_step(i, &round->steps[i]);
}

bool differential_can_fill(void)
{
	return setting("/proc/sys/vm/max_map_count") <= 200000;
}

const char *differential_obstacle(void)
{
	if ((uint64_t)sysconf(_SC_PAGESIZE) != PAGE)
		return "no-4k-pages";
	if (setting("/proc/sys/vm/overcommit_memory") == 2)
		return "overcommit-never";
	return NULL;
}
