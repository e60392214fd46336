/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault scenarios of park, unpark, a driver's hook and manifests: one region with private memory
 * of three protections, a guard, a shared object and a driver's part.
 *
 * After every failed call the region is what it was, with its contents; when the reason
 * says that even undoing was refused, it is parked, and comes back once nothing fails.
 */
#include "support/fault_loop.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap/tap.h"

#define PAGES 32u
#define RW    (PROT_READ | PROT_WRITE)

static struct {
	struct vas_region *region;
	unsigned char *plain; /* 4 pages; the third is guarded */
	unsigned char *read_only; /* 2 pages */
	unsigned char *none; /* 1 page of zeroes: the image's last */
	unsigned char *private; /* 1 page of an object, written to */
	unsigned char *object; /* 2 pages, shared */
	unsigned char *driver; /* 2 pages, shared, WHOLE */
	uint64_t page;
	int fd;
	int image;
	struct vas_park_opts opts;
	unsigned char manifest[4096];
	size_t length;
	uint32_t theirs; /* VAS_PARK_THEIRS, or 0 */
} parked;

static unsigned char *block(uint64_t pages, int prot, uint32_t flags, uint64_t offset)
{
	struct vas_block made;

	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = flags;
	opts.fd = parked.fd;
	opts.offset = offset;
	if (vas_region_alloc(parked.region, pages * parked.page, NULL, &made) ||
	    vas_region_commit(parked.region, made.start, made.size, &opts))
		tap_bail("no block");
	if (prot)
		memset(made.start, 0x70 + prot, made.size);
	if (prot != RW && vas_region_protect(parked.region, made.start, made.size, prot))
		tap_bail("no protection");
	return made.start;
}

static void setup(struct fault_world *world)
{
	parked.page = world->page;
	parked.fd = memfd_create("object", MFD_CLOEXEC);
	parked.image = memfd_create("image", MFD_CLOEXEC);
	if (parked.fd < 0 || parked.image < 0 || ftruncate(parked.fd, (off_t)(4 * world->page)) ||
	    vas_region_create(PAGES * world->page, NULL, &parked.region))
		tap_bail("no region");
	parked.private = block(1, RW, VAS_COMMIT_PRIVATE, 0);
	parked.plain = block(4, RW, VAS_COMMIT_HUGE, 0);
	parked.read_only = block(2, PROT_READ, 0, 0);
	parked.none = block(1, PROT_NONE, 0, 0);
	parked.object = block(2, RW, VAS_COMMIT_SHARED, 0);
	parked.driver = block(2, RW, VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE, 2 * world->page);
	if (vas_region_guard(parked.region, parked.plain + 2 * world->page, world->page))
		tap_bail("no guard");
	parked.opts = (struct vas_park_opts){
		.size = sizeof(parked.opts),
		.flags = parked.theirs,
		.image = parked.image,
		.image_size = PAGES * world->page,
	};
}

static void setup_ours(struct fault_world *world)
{
	parked.theirs = 0;
	setup(world);
}

static void setup_theirs(struct fault_world *world)
{
	parked.theirs = VAS_PARK_THEIRS;
	setup(world);
}

static void close_files(void)
{
	if (parked.fd >= 0) {
		close(parked.fd);
		close(parked.image);
	}
	parked.fd = -1;
}

static void finish(struct fault_world *world)
{
	(void)world;
	if (parked.region && vas_region_destroy(parked.region, NULL))
		tap_bail("the region cannot be destroyed");
	parked.region = NULL;
	close_files();
}

static bool holds(const unsigned char *start, uint64_t pages, int value)
{
	for (uint64_t i = 0; i < pages * parked.page; i++)
		if (start[i] != value)
			return false;
	return true;
}

static void check_contents(const char *when)
{
	if (!holds(parked.plain, 2, 0x70 + RW) || !holds(parked.private, 1, 0x70 + RW) ||
	    !holds(parked.plain + 3 * parked.page, 1, 0x70 + RW) ||
	    !holds(parked.read_only, 2, 0x70 + PROT_READ) || !holds(parked.object, 2, 0x70 + RW) ||
	    !holds(parked.driver, 2, 0x70 + RW))
		ok(false, "contents are lost %s", when);
}

/* What a refused undo leaves is a parked region: it comes back when nothing fails. */
static void mend(struct fault_world *world)
{
	struct vas_report report = { .size = sizeof(report) };

	if (world->fault.persistent && vas_report_get(&report) == 0 &&
	    report.why != VAS_WHY_PARKED) {
		/* Memory that was made readable to be copied may not be closed again: then the books say so. */
		world->fault.operation = "nothing";
		if (vas_region_protect(parked.region, parked.none, world->page, PROT_NONE))
			ok(false, "what stayed readable cannot be closed");
	}
	if (report.why != VAS_WHY_PARKED)
		return;
	world->fault.operation = "nothing";
	if (vas_region_unpark(parked.region, &parked.opts))
		ok(false, "what could not be undone cannot be unparked");
}

static int call_park(struct fault_world *world)
{
	int err = vas_region_park(parked.region, &parked.opts);

	if (!err)
		return 0;
	mend(world);
	check_contents("by a failed park");
	return err;
}

static void undo_park(struct fault_world *world)
{
	(void)world;
	if (vas_region_unpark(parked.region, &parked.opts))
		tap_bail("what was parked cannot be unparked");
	check_contents("by a round trip");
}

static void park_now(void)
{
	if (vas_region_park(parked.region, &parked.opts))
		tap_bail("it cannot be parked");
}

static void setup_parked(struct fault_world *world)
{
	setup_ours(world);
	park_now();
}

/* With a hole where the driver was. */
static void setup_hole(struct fault_world *world)
{
	struct vas_sys *sys = &world->recorder.sys;

	setup_theirs(world);
	park_now();
	if (sys->unmap(sys, (uint64_t)(uintptr_t)parked.driver, 2 * world->page) < 0)
		tap_bail("the driver cannot unmap");
}

static void setup_hole_text(struct fault_world *world)
{
	setup_hole(world);
	world->recorder.no_query = true;
	vas_probe_reset();
}

static int call_unpark(struct fault_world *world)
{
	(void)world;
	return vas_region_unpark(parked.region, &parked.opts);
}

static void undo_unpark(struct fault_world *world)
{
	(void)world;
	check_contents("by unpark");
}

/* So that the next call has something to do. */
static void prepare_parked(struct fault_world *world)
{
	struct vas_block got;

	if (vas_region_alloc(parked.region, world->page, NULL, &got) == 0) {
		(void)vas_region_free(parked.region, got.start, NULL);
		park_now();
	}
}

static int call_detached(struct fault_world *world)
{
	return vas_region_detached(parked.region, parked.driver, 2 * world->page);
}

/* The region ends with the hole in it, which is not its any more. */
static int call_destroy(struct fault_world *world)
{
	int err = vas_region_destroy(parked.region, NULL);

	(void)world;
	if (!err) {
		parked.region = NULL;
		close_files();
	}
	return err;
}

static void prepare_destroy(struct fault_world *world)
{
	if (!parked.region)
		setup_hole(world);
}

static void setup_manifest(struct fault_world *world)
{
	setup_parked(world);
	if (vas_region_manifest(parked.region, parked.manifest, sizeof(parked.manifest),
				&parked.length) ||
	    vas_region_destroy(parked.region, NULL))
		tap_bail("no manifest");
	parked.region = NULL;
}

static int call_from_manifest(struct fault_world *world)
{
	(void)world;
	return vas_region_from_manifest(parked.manifest, parked.length, &parked.region);
}

static void undo_from_manifest(struct fault_world *world)
{
	(void)world;
	if (vas_region_destroy(parked.region, NULL))
		tap_bail("the region cannot be destroyed");
	parked.region = NULL;
}

const struct fault_scenario fault_parks[] = {
	{ .name = "park",
	  .function = "vas_region_park",
	  .setup = setup_ours,
	  .call = call_park,
	  .undo = undo_park,
	  .finish = finish },
	{ .name = "park beside a driver",
	  .function = "vas_region_park",
	  .setup = setup_theirs,
	  .call = call_park,
	  .undo = undo_park,
	  .finish = finish },
	{ .name = "unpark",
	  .function = "vas_region_unpark",
	  .setup = setup_parked,
	  .prepare = prepare_parked,
	  .call = call_unpark,
	  .undo = undo_unpark,
	  .finish = finish },
	{ .name = "unpark over a hole",
	  .function = "vas_region_unpark",
	  .setup = setup_hole,
	  .prepare = prepare_parked,
	  .call = call_unpark,
	  .undo = undo_unpark,
	  .finish = finish },
	{ .name = "unpark over a hole, by the text",
	  .function = "vas_region_unpark",
	  .setup = setup_hole_text,
	  .prepare = prepare_parked,
	  .call = call_unpark,
	  .undo = undo_unpark,
	  .finish = finish },
	{ .name = "a driver's hook",
	  .function = "vas_region_detached",
	  .setup = setup_hole,
	  .call = call_detached,
	  .finish = finish },
	{ .name = "destroy beside a hole",
	  .function = "vas_region_destroy",
	  .prepare = prepare_destroy,
	  .call = call_destroy,
	  .finish = finish },
	{ .name = "a region from a manifest",
	  .function = "vas_region_from_manifest",
	  .setup = setup_manifest,
	  .call = call_from_manifest,
	  .undo = undo_from_manifest,
	  .finish = finish },
};

const size_t fault_park_count = sizeof(fault_parks) / sizeof(fault_parks[0]);
