/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * Shortage is an errno, never a signal, and leaves everything as it was: a pool
 * of huge pages, a file system, the limits of the process and a memory group,
 * each too small for a commit. What fits then is committed in the same place.
 *
 * Not under sanitizers, which need memory of their own below the limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/control_group.h"
#include "support/huge_pool.h"
#include "support/small_mount.h"
#include "tap/tap.h"

#define KIB	  (1ull << 10)
#define MIB	  (1ull << 20)
#define POOL	  8u /* huge pages */
#define GROUP	  (32 * MIB)

/* A reservation with nothing in it, and the process as it is with it. */
struct scene {
	struct vas_span span;
	int pipe_ends[2];
	long vmas;
};

/* What the library and the kernel keep once is there before it is looked at. */
static bool begin(struct scene *scene, uint64_t size)
{
	struct vas_report report = { .size = sizeof(report) };
	uint64_t where = 0;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.alignment = HUGE_PAGE;
	if (vas_reserve(MIB, NULL, &scene->span) ||
	    vas_release(vas_span_pointer(scene->span), NULL) ||
	    vas_commit(vas_span_pointer(scene->span), MIB, NULL) != -ENOENT ||
	    vas_report_explain(&report))
		tap_bail("not even one span, and one report");
	tap_baseline();
	if (pipe2(scene->pipe_ends, O_CLOEXEC))
		tap_bail("no pipe");
	if (!is_err(vas_reserve(size, &opts, &scene->span), 0, "reserved") ||
	    !is_err(vas_sync_check(&where), 0, "the books agree with the kernel"))
		return false;
	scene->vmas = tap_count_vmas();
	return true;
}

static void end(struct scene *scene)
{
	enum vas_retired state = VAS_RETIRED_HELD;

	is_err(vas_release(vas_span_pointer(scene->span), &state), 0, "released");
	is_u64(state, VAS_RETIRED_GONE, "and gone");
	close(scene->pipe_ends[0]);
	close(scene->pipe_ends[1]);
}

/* Whether the kernel can read there: asked of the kernel, so that a fault is no signal. */
static bool is_readable(const struct scene *scene, uint64_t address)
{
	char byte;

	if (write(scene->pipe_ends[1], (void *)(uintptr_t)address, 1) != 1)
		return false;
	return read(scene->pipe_ends[0], &byte, 1) == 1;
}

/* As begin left it: reserved in one mapping, and inaccessible. */
static void is_untouched(const struct scene *scene, const char *name)
{
	uint64_t where = 0;

	is_err(vas_sync_check(&where), 0, "%s: the books agree with the kernel", name);
	is_i64(tap_count_vmas(), scene->vmas, "%s: as many mappings as before", name);
	ok(!is_readable(scene, scene->span.start), "%s: the first byte is inaccessible", name);
	ok(!is_readable(scene, scene->span.start + scene->span.size - 1), "%s: so is the last one",
	   name);
}

static int commit(const struct scene *scene, uint64_t size, uint32_t flags, int fd)
{
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = flags;
	opts.fd = fd;
	return vas_commit(vas_span_pointer(scene->span), size, &opts);
}

/* As much as there is works, and every byte of it can be written. */
static void fits(const struct scene *scene, uint64_t size, uint32_t flags, int fd, const char *name)
{
	uint64_t where = 0;

	if (!is_err(commit(scene, size, flags, fd), 0, "%s: committed", name))
		return;
	memset(vas_span_pointer(scene->span), 0x5a, size);
	is_err(vas_sync_check(&where), 0, "%s: the books agree with the kernel", name);
}

/* The reason as it was told at once, before anything was inferred. */
static void is_why(enum vas_why want, const char *name)
{
	struct vas_report report = { .size = sizeof(report) };

	is_err(vas_report_get(&report), 0, "%s: reported", name);
	is_str(vas_why_name(report.why), vas_why_name(want), "%s: reason", name);
}

static void is_explained(enum vas_why want, const char *name)
{
	struct vas_report report = { .size = sizeof(report) };
	char line[512];

	is_err(vas_report_explain(&report), 0, "%s: explained", name);
	is_str(vas_why_name(report.why), vas_why_name(want), "%s: with this reason", name);
	vas_report_format(line, sizeof(line));
	ok(strstr(line, vas_why_name(want)) != NULL, "%s: the line names it", name);
	tap_diag("%s", line);
}

static void case_huge_pool(void *argument)
{
	const uint32_t flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH | VAS_COMMIT_POPULATE;
	int fd = memfd_create("shortage", MFD_CLOEXEC | MFD_HUGETLB);
	/* Others may have left some free. */
	uint64_t before = huge_pool_free(), pages = before + POOL / 2;
	struct scene scene;

	(void)argument;
	if (fd < 0 || ftruncate(fd, (off_t)(pages * HUGE_PAGE)))
		tap_bail("no object of huge pages");
	if (!begin(&scene, pages * HUGE_PAGE))
		return;
	is_err(commit(&scene, pages * HUGE_PAGE, flags, fd), ENOMEM, "more than the pool has");
	is_why(VAS_WHY_MEMORY, "more than the pool has");
	is_explained(VAS_WHY_MEMORY, "more than the pool has");
	is_u64(huge_pool_free(), before, "as many free pages as before");
	is_untouched(&scene, "refused");
	fits(&scene, before * HUGE_PAGE, flags, fd, "all that the pool has");
	is_u64(huge_pool_free(), 0, "now it has no more");
	end(&scene);
	is_u64(huge_pool_free(), before, "and all of them again");
	close(fd);
}

/* A file of 4 MiB in a file system of 1 MiB, which goes with the process. */
static int open_small(void)
{
	int fd = small_mount_file("tmpfs", "size=1m");

	if (ftruncate(fd, (off_t)(4 * MIB)))
		tap_bail("no file");
	return fd;
}

static uint64_t bytes_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) ? UINT64_MAX : (uint64_t)status.st_blocks * 512;
}

static void case_full_files(void *argument)
{
	const uint32_t flags = VAS_COMMIT_SHARED | VAS_COMMIT_POPULATE;
	struct scene scene;
	int fd = open_small();

	(void)argument;
	if (!begin(&scene, 4 * MIB))
		return;
	is_err(commit(&scene, 4 * MIB, flags | VAS_COMMIT_PUNCH, fd), ENOSPC, "more than there is");
	is_why(VAS_WHY_MEMORY, "more than there is");
	is_explained(VAS_WHY_MEMORY, "more than there is");
	is_untouched(&scene, "refused");
	is_u64(bytes_of(fd), 0, "the file is empty again");
	/* Without PUNCH its bytes are the caller's, also those that it was given on the way. */
	is_err(commit(&scene, 4 * MIB, flags, fd), ENOSPC, "more than there is, to be kept");
	is_untouched(&scene, "refused again");
	ok(bytes_of(fd) <= MIB, "the file has %llu KiB", bytes_of(fd) / KIB);
	fits(&scene, 256 * KIB, flags, fd, "a part that fits");
	end(&scene);
	close(fd);
}

/* What an object held before stays, with PUNCH too: nobody can tell whose the other pages are. */
static void case_partly_full(void *argument)
{
	const uint32_t flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH | VAS_COMMIT_POPULATE;
	struct scene scene;
	int fd = open_small();
	char bytes[2] = "";

	(void)argument;
	if (!begin(&scene, 4 * MIB))
		return;
	if (pwrite(fd, "x", 1, 64 * KIB) != 1)
		tap_bail("not even a page: %m");
	is_err(commit(&scene, 4 * MIB, flags, fd), ENOSPC, "more than there is");
	is_untouched(&scene, "refused");
	ok(pread(fd, bytes, 1, 64 * KIB) == 1 && bytes[0] == 'x', "what was written is there");
	ok(pread(fd, bytes, 1, 128 * KIB) == 1 && bytes[0] == 0, "and zeroes where nothing was");
	fits(&scene, 256 * KIB, flags, fd, "a part that fits");
	is_err(vas_decommit(vas_span_pointer(scene.span), 256 * KIB, NULL), 0, "freed");
	ok(pread(fd, bytes, 1, 64 * KIB) == 1 && bytes[0] == 0, "what is freed is punched out");
	end(&scene);
	close(fd);
}

static void set_limit(int resource, uint64_t bytes)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	if (setrlimit(resource, &limit))
		tap_bail("the limit cannot be set");
}

/* The limit is on making files larger: what is that large already is populated all the same. */
static void case_file_limit(void *argument)
{
	const uint32_t flags = VAS_COMMIT_SHARED | VAS_COMMIT_POPULATE;
	int fd = memfd_create("shortage", MFD_CLOEXEC);
	struct scene scene;

	(void)argument;
	if (fd < 0 || ftruncate(fd, (off_t)MIB))
		tap_bail("no object");
	if (signal(SIGXFSZ, SIG_DFL) == SIG_ERR || !begin(&scene, 4 * MIB))
		return;
	set_limit(RLIMIT_FSIZE, 64 * KIB);
	is_err(commit(&scene, 4 * MIB, flags, fd), ERANGE, "more than the object has");
	is_untouched(&scene, "refused");
	fits(&scene, MIB, flags | VAS_COMMIT_PUNCH, fd, "beyond the limit");
	is_u64(bytes_of(fd), MIB, "the object has its bytes");
	is_err(vas_decommit(vas_span_pointer(scene.span), MIB, NULL), 0, "freed");
	is_u64(bytes_of(fd), 0, "and has them no more");
	is_untouched(&scene, "freed");
	end(&scene);
	close(fd);
}

/* A block of a region that is refused its memory is no block, and nothing of it is left. */
static void is_no_block(struct vas_region *region, uint64_t size, uint32_t flags, const char *name)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	VAS_OPTS(vas_commit_opts, commit);
	commit.flags = flags;
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	opts.commit = &commit;
	is_err(vas_region_alloc(region, size, &opts, &block), ENOMEM, "%s: no block", name);
	if (vas_region_stats(region, &stats))
		tap_bail("no statistics");
	ok(stats.blocks == 0 && stats.committed == 0 && stats.largest_free == stats.span.size,
	   "%s: nothing of it is left", name);
}

static struct vas_region *region_of(uint64_t size)
{
	struct vas_region *region;

	if (vas_region_create(size, NULL, &region))
		tap_bail("no region");
	return region;
}

/* With as much as there is, the region is as any other. */
static void ends_well(struct vas_region *region, uint64_t size)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	if (is_err(vas_region_alloc(region, size, &opts, &block), 0, "a block that fits"))
		memset(block.start, 0x5a, size);
	is_err(vas_region_destroy(region, NULL), 0, "the region goes");
}

struct process_limit {
	const char *name;
	int resource;
	enum vas_why why;
};

static const struct process_limit process_limits[] = {
	{ "RLIMIT_DATA", RLIMIT_DATA, VAS_WHY_DATA_LIMIT },
	{ "RLIMIT_AS", RLIMIT_AS, VAS_WHY_ADDRESS_LIMIT },
};

/* Below what is in use already: what replaces reserved pages is no growth to the kernel. */
static void case_process_limit(void *argument)
{
	const struct process_limit *limit = argument;
	struct vas_region *region;
	struct scene scene;

	if (!begin(&scene, 64 * MIB))
		return;
	for (unsigned round = 0; round < 2; round++) {
		uint32_t flags = round ? VAS_COMMIT_POPULATE : 0;

		set_limit(limit->resource, 64 * KIB);
		is_err(commit(&scene, 64 * MIB, flags, -1), ENOMEM, "beyond the limit");
		is_explained(limit->why, "beyond the limit");
		set_limit(limit->resource, RLIM_INFINITY);
		is_untouched(&scene, "refused");
	}
	fits(&scene, 64 * MIB, 0, -1, "without the limit");
	end(&scene);
	region = region_of(64 * MIB);
	for (unsigned round = 0; round < 2; round++) {
		set_limit(limit->resource, 64 * KIB);
		is_no_block(region, 32 * MIB, round ? VAS_COMMIT_POPULATE : 0, "beyond the limit");
		is_explained(limit->why, "a block beyond the limit");
		set_limit(limit->resource, RLIM_INFINITY);
	}
	ends_well(region, 32 * MIB);
}

/* Whether the kernel says that it has killed nobody in the group; each version has a file of its own. */
static bool group_spared(const struct control_group *group)
{
	char text[512];

	return (control_group_read(group, "memory.oom_control", text, sizeof(text)) ||
		control_group_read(group, "memory.events", text, sizeof(text))) &&
	       strstr(text, "oom_kill 0") != NULL;
}

static void case_group(void *argument)
{
	const struct control_group *group = argument;
	const uint32_t flags = VAS_COMMIT_POPULATE;
	struct vas_region *region;
	struct scene scene;

	if (!control_group_enter(group))
		tap_skip_all("no-memory-cgroup", "the group takes nobody");
	if (!begin(&scene, 256 * MIB))
		return;
	is_err(commit(&scene, 256 * MIB, flags, -1), ENOMEM, "more than the group has");
	is_why(VAS_WHY_CGROUP, "more than the group has");
	is_untouched(&scene, "refused");
	/* Room for the first step of populating, and not for the second. */
	ok(control_group_limit(group, 3 * GROUP), "a larger group");
	is_err(commit(&scene, 256 * MIB, flags, -1), ENOMEM, "more than the larger one has");
	is_why(VAS_WHY_CGROUP, "more than the larger one has");
	is_untouched(&scene, "refused half way");
	ok(control_group_limit(group, GROUP), "what was populated is back");
	fits(&scene, 8 * MIB, flags, -1, "what fits");
	end(&scene);
	region = region_of(256 * MIB);
	is_no_block(region, 200 * MIB, flags, "more than the group has");
	is_why(VAS_WHY_CGROUP, "a block of more than the group has");
	is_explained(VAS_WHY_CGROUP, "a block of more than the group has");
	ends_well(region, 8 * MIB);
	ok(group_spared(group), "nobody was killed");
}

static void run_group(void)
{
	struct control_group group;

	if (geteuid() != 0 || !control_group_make(&group, "memory", GROUP)) {
		tap_skip(1, "no-memory-cgroup", "no memory group can be made");
		return;
	}
	tap_case("a memory group", case_group, &group, 30);
	ok(control_group_remove(&group), "the group is removed");
}

int main(void)
{
	tap_plan(0);
	for (size_t i = 0; i < sizeof(process_limits) / sizeof(process_limits[0]); i++) {
		struct process_limit limit = process_limits[i];

		tap_case(limit.name, case_process_limit, &limit, 20);
	}
	tap_case("RLIMIT_FSIZE", case_file_limit, NULL, 20);
	tap_case("a full file system", case_full_files, NULL, 20);
	tap_case("a full file system and a partly full object", case_partly_full, NULL, 20);
	run_group();
	/* Last: others wait for the pool. */
	if (huge_pool_take(POOL))
		tap_case("a pool of huge pages", case_huge_pool, NULL, 20);
	else
		tap_skip(1, "no-huge-pages", "the pool of huge pages cannot be enlarged");
	return tap_done();
}
