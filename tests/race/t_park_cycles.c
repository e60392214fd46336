/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 20 */
/* links: dl */
/*
 * Ten thousand times park and unpark, while other threads load libraries, allocate,
 * start threads, and map memory right where the region is, if they can.
 *
 * Ours: everything is replaced in place, so nobody ever gets in. Theirs: a driver
 * unmaps by itself, so somebody may; then he is named, and never overwritten. The control does the
 * same with munmap and MAP_FIXED, as programs without this library do, and overwrites others.
 */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/crew.h"
#include "tap/tap.h"

#define CYCLES	   10000u
#define PAGES	   64u /* of the region */
#define PART_PAGES 8u /* of each kind of memory in it */
#define NAP	   200000 /* ns */
#define RW	   (PROT_READ | PROT_WRITE)
#define KNOWN	   64u /* intruders that are there now, at most */

enum cycle_class { CLASS_OURS, CLASS_THEIRS, CLASS_CONTROL };

static struct {
	enum cycle_class class;
	uint64_t page;
	uint64_t seed;
	uint64_t cycles;
	struct vas_span span;
	struct vas_region *region;
	unsigned char *anonymous; /* PART_PAGES each */
	unsigned char *shared;
	unsigned char *driver;
	int object;
	int image;
	bool stop; /* atomic */
	/* Counters, atomic: */
	uint64_t inside; /* mappings that landed in the span */
	uint64_t clobbered; /* of these: overwritten */
	uint64_t named; /* intruders that unpark has told */
} field;

static bool stopped(void)
{
	return __atomic_load_n(&field.stop, __ATOMIC_RELAXED);
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* --- the others --- */

/* Raw calls: what sanitizers make of hints is not the subject. */
static unsigned char *map_at(uint64_t hint, uint64_t size)
{
	long got = syscall(SYS_mmap, hint, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);

	return got == -1 ? NULL : (unsigned char *)got;
}

static bool lies_inside(const unsigned char *start)
{
	return (uint64_t)(uintptr_t)start - field.span.start < field.span.size;
}

/*
 * Read and written through the kernel: what was there may be anything by now, or nothing. By raw calls,
 * since who wrote to an address before is not the subject either.
 */
static bool copy_eight(int pipe_fd[2], void *to, const void *from)
{
	uint64_t lost;

	if (syscall(SYS_write, pipe_fd[1], from, sizeof(lost)) != sizeof(lost))
		return false;
	if (syscall(SYS_read, pipe_fd[0], to, sizeof(lost)) == sizeof(lost))
		return true;
	(void)syscall(SYS_read, pipe_fd[0], &lost, sizeof(lost));
	return false;
}

static uint64_t peek(int pipe_fd[2], const void *address)
{
	uint64_t value = 0;

	return copy_eight(pipe_fd, &value, address) ? value : 0;
}

static void poke(int pipe_fd[2], void *address, uint64_t value)
{
	(void)copy_eight(pipe_fd, address, &value);
}

/* Maps in the middle of the region, if it can; stamps what it got, and looks whether that stays. */
static void intruder(unsigned int number)
{
	uint64_t state = field.seed + number, stamp;
	unsigned char *start;
	int pipe_fd[2];

	if (pipe(pipe_fd))
		tap_bail("no pipe");
	while (!stopped()) {
		uint64_t at = vas_random_next(&state) % PAGES;

		start = map_at(field.span.start + at * field.page, field.page);
		if (!start)
			continue;
		stamp = vas_random_next(&state) | 1;
		if (!lies_inside(start)) {
			syscall(SYS_munmap, start, field.page);
			continue;
		}
		count(&field.inside);
		poke(pipe_fd, start, stamp);
		sched_yield();
		if (peek(pipe_fd, start) == stamp)
			syscall(SYS_munmap, start, field.page);
		else
			count(&field.clobbered);
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* Leaves the processors to the cycles now and then. */
static void nap(void)
{
	nanosleep(&(struct timespec){ 0, NAP }, NULL);
}

static void load_libraries(void)
{
	static const char *const names[] = { "libresolv.so.2", "libutil.so.1", "libanl.so.1" };

	for (unsigned int i = 0; !stopped(); i++) {
		void *library = dlopen(names[i % 3], RTLD_NOW);

		if (library)
			dlclose(library);
		nap();
	}
}

static void allocate(unsigned int number)
{
	uint64_t state = field.seed + 77 * number;

	while (!stopped()) {
		size_t size = 4096 + vas_random_next(&state) % (1u << 20);
		unsigned char *memory = malloc(size);

		if (!memory)
			continue;
		memory[0] = memory[size - 1] = (unsigned char)number;
		if (memory[0] != memory[size - 1])
			crew_fault("allocated memory does not hold what is written");
		free(memory);
		nap();
	}
}

static void *nothing(void *argument)
{
	return argument;
}

static void start_threads(void)
{
	while (!stopped()) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, nothing, NULL))
			continue;
		pthread_join(thread, NULL);
		nap();
	}
}

/* --- the cycles --- */

static void commit(unsigned char *start, uint32_t flags, uint64_t offset)
{
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = flags;
	opts.fd = field.object;
	opts.offset = offset;
	if (vas_region_commit(field.region, start, PART_PAGES * field.page, &opts))
		tap_bail("no memory");
}

static unsigned char *make_block(void)
{
	struct vas_block block;

	if (vas_region_alloc(field.region, PART_PAGES * field.page, NULL, &block))
		tap_bail("no block");
	return block.start;
}

static void make_region(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	if (vas_region_create(PAGES * field.page, NULL, &field.region) ||
	    vas_region_stats(field.region, &stats))
		tap_bail("no region");
	field.span = stats.span;
	field.object = memfd_create("cycles", MFD_CLOEXEC);
	field.image = memfd_create("image", MFD_CLOEXEC);
	if (field.object < 0 || field.image < 0 ||
	    ftruncate(field.object, (off_t)(2 * PART_PAGES * field.page)))
		tap_bail("no memfd");
	field.anonymous = make_block();
	field.shared = make_block();
	field.driver = make_block();
	commit(field.anonymous, 0, 0);
	commit(field.shared, VAS_COMMIT_SHARED, 0);
	commit(field.driver, VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE, PART_PAGES * field.page);
}

static void end_region(void)
{
	if (vas_region_destroy(field.region, NULL))
		crew_fault("the region cannot be destroyed");
	close(field.object);
	close(field.image);
}

static void stamp_all(uint64_t value)
{
	for (unsigned int i = 0; i < PART_PAGES; i += 3) {
		*(uint64_t *)(void *)(field.anonymous + i * field.page) = value + i;
		*(uint64_t *)(void *)(field.shared + i * field.page) = value + i;
		*(uint64_t *)(void *)(field.driver + i * field.page) = value + i;
	}
}

static bool holds_all(uint64_t value)
{
	for (unsigned int i = 0; i < PART_PAGES; i += 3)
		if (*(uint64_t *)(void *)(field.anonymous + i * field.page) != value + i ||
		    *(uint64_t *)(void *)(field.shared + i * field.page) != value + i ||
		    *(uint64_t *)(void *)(field.driver + i * field.page) != value + i)
			return false;
	return true;
}

/* Until nobody is in the way any more. Each that is named lies in the region. */
static int unpark(struct vas_park_opts *opts)
{
	struct vas_intruder list[KNOWN];
	size_t intruders = 0;
	int err;

	opts->intruders = list;
	opts->intruder_capacity = KNOWN;
	opts->intruder_count = &intruders;
	while ((err = vas_region_unpark(field.region, opts)) == -EEXIST) {
		__atomic_fetch_add(&field.named, intruders, __ATOMIC_RELAXED);
		if (field.class == CLASS_OURS)
			crew_fault("somebody is in the way");
		for (size_t i = 0; i < intruders && i < KNOWN; i++)
			if (list[i].span.start < (uint64_t)(uintptr_t)field.driver ||
			    list[i].span.start + list[i].span.size >
				    (uint64_t)(uintptr_t)field.driver + PART_PAGES * field.page)
				crew_fault("an intruder where nobody unmapped");
		sched_yield();
	}
	return err;
}

/* What a driver does by itself; its hook is called in most cycles. */
static void driver_detaches(uint64_t cycle)
{
	uint64_t size = PART_PAGES * field.page;
	int err;

	syscall(SYS_munmap, field.driver, size);
	if (cycle % 4 == 0)
		return;
	err = vas_region_detached(field.region, field.driver, size);
	if (err && err != -EEXIST)
		crew_fault("detached: %d", err);
}

static void cycle_library(uint64_t cycle)
{
	VAS_OPTS(vas_park_opts, opts);
	int err;

	opts.image = field.image;
	opts.image_size = PART_PAGES * field.page;
	if (field.class == CLASS_THEIRS)
		opts.flags = VAS_PARK_THEIRS;
	stamp_all(cycle * 1000);
	err = vas_region_park(field.region, &opts);
	if (err)
		crew_fault("park: %d", err);
	if (!err && field.class == CLASS_THEIRS)
		driver_detaches(cycle);
	if (!err)
		err = unpark(&opts);
	if (err)
		crew_fault("unpark: %d", err);
	else if (!holds_all(cycle * 1000))
		crew_fault("contents are lost in cycle %" PRIu64, cycle);
}

/* As it is done without this library. */
static void cycle_naive(void)
{
	syscall(SYS_munmap, field.driver, PART_PAGES * field.page);
	sched_yield();
	if (syscall(SYS_mmap, field.driver, PART_PAGES * field.page, RW, MAP_SHARED | MAP_FIXED,
		    field.object, (long)(PART_PAGES * field.page)) != (long)(uintptr_t)field.driver)
		crew_fault("the control cannot map");
}

static void run_cycles(void)
{
	for (uint64_t i = 1; i <= field.cycles && !crew_failed(); i++) {
		if (field.class == CLASS_CONTROL)
			cycle_naive();
		else
			cycle_library(i);
	}
	__atomic_store_n(&field.stop, true, __ATOMIC_RELAXED);
}

static void work(void *argument, unsigned int number)
{
	(void)argument;
	crew_meet();
	if (field.class == CLASS_CONTROL && number > 0) {
		/* Only these: a library or a stack that is overwritten ends the whole process. */
		intruder(number);
		return;
	}
	switch (number) {
	case 0:
		run_cycles();
		break;
	case 1:
		load_libraries();
		break;
	case 2:
		allocate(number);
		break;
	case 3:
		start_threads();
		break;
	default:
		intruder(number);
	}
}

static void run_class(enum cycle_class class, uint64_t cycles)
{
	field.class = class;
	field.cycles = cycles;
	field.stop = false;
	field.inside = field.clobbered = field.named = 0;
	make_region();
	crew_run(class == CLASS_CONTROL ? 3 : 6, work, NULL);
	is_u64(crew_faults(), 0, "%" PRIu64 " cycles: nothing is lost", cycles);
	tap_diag("%" PRIu64 " came in, %" PRIu64 " overwritten, %" PRIu64 " named", field.inside,
		 field.clobbered, field.named);
}

static void ours_case(void *unused)
{
	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	run_class(CLASS_OURS, tap_scaled(CYCLES));
	is_u64(field.inside, 0, "nobody ever came in");
	ok(vas_sync_check(NULL) == 0, "books and mappings agree");
	end_region();
}

static void theirs_case(void *unused)
{
	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	run_class(CLASS_THEIRS, tap_scaled(CYCLES));
	is_u64(field.clobbered, 0, "nobody who came in was overwritten");
	ok(vas_sync_check(NULL) == 0, "books and mappings agree");
	end_region();
}

/* Until it has overwritten somebody: soon. */
static void control_case(void *unused)
{
	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	run_class(CLASS_CONTROL, CYCLES);
	ok(field.inside > 0, "others come in");
	ok(field.clobbered > 0, "and are overwritten");
	close(field.object);
	close(field.image);
}

int main(void)
{
	field.page = (uint64_t)sysconf(_SC_PAGESIZE);
	field.seed = tap_seed();
	tap_plan(0);
	tap_case("ours", ours_case, NULL, 100);
	tap_case("theirs", theirs_case, NULL, 100);
	tap_case("control: munmap and MAP_FIXED", control_case, NULL, 100);
	return tap_done();
}
