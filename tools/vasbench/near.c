/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Near an anchor: +-2 GiB around it filled by mappings but for one hole, with
 * too-small decoys, or with no hole at all; found and claimed, or proved to be
 * impossible, against one query per mapping in the window and one reading of
 * all mappings.
 */
#include "claims.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "layouts.h"

#define ANCHOR 0x4a0000000000ull
#define REACH (2ull << 30)
#define KIB 1024ull
#define MIB (1ull << 20)

/* From the kernel's interface of 6.11; Debian 12's headers lack it. */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)
#define COVERING_OR_NEXT 0x10

struct near {
	struct vas_reserve_opts opts;
	uint64_t size;
	int expect; /* 0 or -ENOSPC */
};

static int near_run(void *context, unsigned int count)
{
	struct near *near = context;
	struct vas_span span;

	for (unsigned int i = 0; i < count; i++) {
		int err = vas_reserve(near->size, &near->opts, &span);

		if (err != near->expect)
			return err ? err : -EEXIST;
		if (!err)
			vas_release(vas_span_pointer(span), NULL);
	}
	return 0;
}

/* One query per mapping in the window, with a fresh descriptor as a library would. */
static int queries_run(void *context, unsigned int count)
{
	(void)context;
	for (unsigned int i = 0; i < count; i++) {
		int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
		uint64_t address = ANCHOR - REACH;

		if (fd < 0)
			return -errno;
		while (address < ANCHOR + REACH) {
			struct procmap_query query = { .size = sizeof(query),
						       .query_flags = COVERING_OR_NEXT,
						       .query_addr = address };

			if (ioctl(fd, PROCMAP_QUERY, &query)) {
				if (errno == ENOENT)
					break;
				close(fd);
				return -errno;
			}
			address = query.vma_end;
		}
		close(fd);
	}
	return 0;
}

struct near_case {
	struct group_context *group;
	const char *name;
	unsigned int mappings; /* in the window */
	unsigned int outside; /* elsewhere */
	uint64_t size;
	uint64_t hole_distance; /* of the one hole, above (or, if odd case, below) the anchor; 0 = none */
	bool below;
	unsigned int decoys;
	uint64_t decoy_size;
	double bound_ns;
};

/* Sorted holes: decoys spread over the window, the real one among them. */
static unsigned int case_holes(const struct near_case *item, struct hole *holes)
{
	uint64_t real = item->below ? ANCHOR - item->hole_distance : ANCHOR + item->hole_distance;
	uint64_t step = 2 * REACH / (item->decoys + 1);
	unsigned int count = 0;
	bool placed = item->hole_distance == 0;

	for (unsigned int i = 0; i < item->decoys; i++) {
		uint64_t at = (ANCHOR - REACH + (i + 1) * step) & ~0xfffull;

		if (!placed && real < at + item->decoy_size) {
			holes[count++] = (struct hole){ real, item->size };
			placed = true;
			if (at < real + item->size + MIB)
				continue;
		}
		holes[count++] = (struct hole){ at, item->decoy_size };
	}
	if (!placed)
		holes[count++] = (struct hole){ real, item->size };
	return count;
}

static int near_measure(void *context)
{
	struct near_case *item = context;
	struct near near = { .size = item->size, .expect = item->hole_distance ? 0 : -ENOSPC };
	struct contender contenders[] = {
		{ "one query per mapping in the window", queries_run, NULL, .batch = 8 },
		{ "reading and parsing all mappings", read_maps_run, NULL, .batch = 8 },
		{ "near", near_run, &near, .batch = 8, .bound_ns = item->bound_ns },
	};
	struct hole holes[128];
	unsigned int failed = 0, queries = 0;
	double cheaper;
	int err;

	near.opts.size = sizeof(near.opts);
	near.opts.place = VAS_PLACE_NEAR;
	near.opts.address = ANCHOR;
	near.opts.reach = REACH;
	near.opts.alignment = 4096;
	err = layout_low(item->outside);
	if (!err)
		err = layout_fill(ANCHOR - REACH - 64 * MIB, ANCHOR + REACH + 64 * MIB,
				  item->mappings, holes, case_holes(item, holes));
	if (!err && queries_run(NULL, 1)) {
		contenders[0] = contenders[1]; /* a kernel without queries */
		queries = 1;
	}
	if (!err)
		err = measure(contenders, 3, item->group->rounds, &failed);
	if (err) {
		fprintf(stderr, "vasbench: near, %s: %s: error %d\n", item->name,
			contenders[failed].name, -err);
		return err;
	}
	cheaper = contenders[0].ns < contenders[1].ns ? contenders[0].ns : contenders[1].ns;
	if (!item->hole_distance)
		contenders[2].bound_ns = 1.3 * cheaper;
	output_group(item->group->output, item->name, contenders + queries, 3 - queries);
	output_note(item->group->output, "near costs %.2f of the cheaper way to look",
		    contenders[2].ns / cheaper);
	return 0;
}

int bench_near(struct group_context *group)
{
	struct near_case cases[] = {
		{ group, "near: 100 mappings, hole 1.2 GiB above", 100, 0, 4 * MIB, 1229 * MIB, false, 0, 0, 15000 },
		{ group, "near: 100 mappings, hole 1.9 GiB below", 100, 0, 4 * MIB, 1946 * MIB, true, 0, 0, 15000 },
		{ group, "near: 100 mappings, 64 KiB hole 100 MiB above", 100, 0, 64 * KIB, 100 * MIB, false, 0, 0, 15000 },
		{ group, "near: 100 mappings, hole across 1 GiB", 100, 0, 4 * MIB, 1022 * MIB, false, 0, 0, 15000 },
		{ group, "near: 100 mappings, 10 decoys", 100, 0, 4 * MIB, 1229 * MIB, false, 10, 1 * MIB, 15000 },
		{ group, "near: 100 mappings, 50 decoys", 100, 0, 4 * MIB, 1229 * MIB, false, 50, 1 * MIB, 15000 },
		{ group, "near: 100 mappings, 10,000 outside", 100, 10000, 4 * MIB, 1229 * MIB, false, 0, 0, 15000 },
		{ group, "near: none, 100 mappings", 100, 0, 4 * MIB, 0, false, 0, 0, 0 },
		{ group, "near: none, 100 mappings, 50 decoys", 100, 0, 4 * MIB, 0, false, 50, 1 * MIB, 0 },
		{ group, "near: none, 10,000 mappings, 100 decoys", 10000, 0, 256 * KIB, 0, false, 100, 64 * KIB, 0 },
		{ group, "near: none, 100 mappings, 10,000 outside", 100, 10000, 4 * MIB, 0, false, 50, 1 * MIB, 0 },
	};
	int err = 0;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]) && !err; i++)
		err = group_in_child(group, near_measure, &cases[i]);
	return err;
}
