/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parked regions as manifests, and from them.
 *
 * WHAT FOR. Another process, or a later run, takes the region over at the same addresses.
 *
 * STRATEGY. A manifest tells the caller's blocks, and what belongs into each; it is
 * written in two walks over the same books, one that counts and one that writes. Made again, a
 * region is first an ordinary one on an exact reservation; its blocks are taken one by one at their
 * addresses; then the books are told what belongs there, and it is parked from the start.
 *
 * CONCURRENCY. While a manifest is written, moving keeps unpark away. A region that
 * is being made is nobody else's yet.
 *
 * WHAT IT DOES NOT DO. It maps nothing but the reservation. Descriptors are not in a manifest: unpark
 * asks for them.
 */
#include "region/park.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "region/manifest.h"
#include "space/park.h"

_Static_assert(VAS_MANIFEST_NO_IMAGE == VAS_PARK_NO_IMAGE, "nothing has the same number");
_Static_assert(VAS_MANIFEST_NAME == sizeof(((struct vas_ledger_line *)0)->name), "names fit");

/* --- writing --- */

/* One walk over the blocks and what belongs into them. */
struct describe {
	struct vas_region *region;
	struct vas_manifest manifest; /* its counts grow */
	struct vas_manifest_writer *blocks; /* NULL: only counted */
	struct vas_manifest_writer *parts;
	uint64_t image; /* contents so far */
	uint32_t policies_before; /* the holding's table in the manifest */
};

static bool has_image(const struct describe *describe, const struct vas_part *part)
{
	return describe->region->user.holding->park->image_size != 0 &&
	       part->state == VAS_PART_COMMITTED && !(part->flags & VAS_COMMIT_SHARED);
}

static void describe_part(struct describe *describe, const struct vas_part *part, uint64_t end)
{
	struct vas_manifest_part item = {
		.span = part->span,
		.state = part->state == VAS_PART_GUARD ? VAS_MANIFEST_GUARD : 0,
		.prot = part->prot,
		.flags = part->flags,
		.device = part->device,
		.inode = part->inode,
		.offset = part->offset,
		.policy = part->policy ? describe->policies_before + part->policy :
					 VAS_MANIFEST_NO_POLICY,
		.image = VAS_MANIFEST_NO_IMAGE,
	};

	if (vas_span_end(item.span) > end)
		item.span.size = end - item.span.start;
	if (has_image(describe, part)) {
		item.image = describe->image;
		describe->image += item.span.size;
	}
	describe->manifest.parts++;
	if (describe->parts)
		vas_manifest_put_part(describe->parts, &item);
}

static void describe_block(struct describe *describe, const struct vas_block *block)
{
	struct vas_region *region = describe->region;
	uint64_t position = (uint64_t)(uintptr_t)block->start;
	uint64_t end = position + block->size;
	struct vas_part part;

	describe->manifest.blocks++;
	if (describe->blocks)
		vas_manifest_put_block(describe->blocks, &(struct vas_manifest_block){
								 .span = { position, block->size },
								 .tag = block->tag });
	for (; position < end; position = vas_span_end(part.span)) {
		vas_part_at(region->space, region->user.holding, position, &part);
		if (part.state == VAS_PART_COMMITTED || part.state == VAS_PART_GUARD)
			describe_part(describe, &part, end);
	}
}

static void describe_walk(struct describe *describe)
{
	uint64_t position = describe->region->span.start;
	struct vas_failure failure;
	struct vas_block block;

	while (vas_block_next(describe->region, position, &failure, &block) == 0) {
		describe_block(describe, &block);
		position = (uint64_t)(uintptr_t)block.start + block.size;
	}
}

static void describe_header(const struct vas_region *region, struct vas_manifest *manifest)
{
	const struct vas_holding *holding = region->user.holding;

	*manifest = (struct vas_manifest){
		.page_size = region->space->sys->page_size,
		.span = region->span,
		.granule = region->granule,
		.seed = region->seed,
		.cap = region->cap,
		.cache_bytes = region->cache_bytes,
		.cache_block = region->cache_block,
		.cache_age = region->cache_age,
		.region_flags = region->flags,
		.fork = holding->fork,
		.image_size = holding->park->image_size,
		.policies = (holding->policy ? 1 : 0) + holding->backings.policies.count,
		.policy = holding->policy ? 1 : VAS_MANIFEST_NO_POLICY,
	};
	if (holding->recipe & VAS_RECIPE_NODUMP)
		manifest->reserve_flags |= VAS_RESERVE_NODUMP;
	if (vas_span_end(region->span) > region->space->bounds.max)
		manifest->reserve_flags |= VAS_RESERVE_HIGH_WINDOW;
	memcpy(manifest->name, holding->line->name, sizeof(manifest->name));
}

/* Writes blocks and parts behind the header, each list from where it begins. */
static void describe_write(struct describe *describe, void *buffer)
{
	const struct vas_holding *holding = describe->region->user.holding;
	const struct vas_policies *policies = &holding->backings.policies;
	struct vas_manifest_writer blocks, parts;

	vas_manifest_begin(&blocks, &describe->manifest, buffer);
	if (holding->policy)
		vas_manifest_put_policy(&blocks, holding->policy);
	for (uint32_t i = 0; i < policies->count; i++)
		vas_manifest_put_policy(&blocks, &policies->items[i]);
	vas_manifest_split(&blocks, &describe->manifest, &parts);
	describe->manifest.blocks = 0;
	describe->manifest.parts = 0;
	describe->image = 0;
	describe->blocks = &blocks;
	describe->parts = &parts;
	describe_walk(describe);
	VAS_ASSERT(blocks.next == blocks.limit);
	vas_manifest_end(&parts);
}

int vas_region_describe(struct vas_region *region, void *buffer, size_t capacity,
			struct vas_failure *failure, size_t *length)
{
	struct describe describe = { .region = region };
	uint64_t size = 0;
	int err = vas_region_hold_parked(region, failure);

	if (err)
		return err;
	describe_header(region, &describe.manifest);
	describe.policies_before = region->user.holding->policy ? 1 : 0;
	describe_walk(&describe);
	/* I: only blocks have contents: what was cached or waited was given back. */
	VAS_ASSERT(describe.image == describe.manifest.image_size);
	if (!vas_manifest_size(&describe.manifest, &size) || size > SIZE_MAX)
		err = vas_region_refuse(failure, VAS_WHY_ARGUMENT, -ENOSPC);
	else if (size > capacity)
		err = vas_region_refuse(failure, VAS_WHY_ARGUMENT, -ENOSPC);
	else
		describe_write(&describe, buffer);
	*length = (size_t)size;
	vas_region_settled(region, VAS_REGION_PARKED);
	return err;
}

/* --- reading --- */

struct revive {
	struct vas_region *region;
	const void *memory;
	struct vas_manifest manifest;
	struct vas_failure *failure;
};

/* The region on an exact reservation, without blocks. */
static int revive_make(struct revive *revive, struct vas_space *space)
{
	const struct vas_manifest *manifest = &revive->manifest;
	struct vas_reserve_opts reserve = {
		.size = sizeof(reserve),
		.place = VAS_PLACE_EXACT,
		.address = manifest->span.start,
		.flags = manifest->reserve_flags,
		.name = manifest->name[0] ? manifest->name : NULL,
		.fork = (enum vas_fork)manifest->fork,
	};
	struct vas_region_opts opts = {
		.size = sizeof(opts),
		.reserve = &reserve,
		.granule = manifest->granule,
		.seed = manifest->seed,
		.cap = manifest->cap,
		.cache_bytes = manifest->cache_bytes,
		.cache_block = manifest->cache_block,
		.cache_age = manifest->cache_age,
		.flags = manifest->region_flags,
	};
	struct vas_policy policy;

	if (manifest->policy != VAS_MANIFEST_NO_POLICY) {
		vas_manifest_policy(revive->memory, manifest, manifest->policy - 1, &policy);
		reserve.policy = &policy;
	}
	return vas_region_make(space, manifest->span.size, &opts, revive->failure, &revive->region);
}

/* The block will be freed with memory in it, for which the engine must have promised room. */
static int revive_promise(struct revive *revive, uint64_t start)
{
	struct vas_region *region = revive->region;
	struct vas_block_info info;
	int err = vas_region_lock(region, revive->failure);

	if (err)
		return err;
	err = vas_region_promise(region, revive->failure);
	if (err)
		return err;
	err = vas_blocks_at(region->blocks, start, &info);
	VAS_ASSERT(err == 0);
	region->promises--;
	vas_block_mark(region, info.span.start, info.mark | VAS_MARK_PROMISED);
	vas_region_unlock(region);
	return 0;
}

/* *part: the first that ends above the block's start; moves on past those that end in it. */
static bool revive_has_parts(const struct revive *revive, struct vas_span block, uint64_t *index)
{
	struct vas_manifest_part part;
	bool any = false;

	for (; *index < revive->manifest.parts; (*index)++) {
		vas_manifest_part(revive->memory, &revive->manifest, *index, &part);
		if (part.span.start >= vas_span_end(block))
			break;
		any = any || vas_span_end(part.span) > block.start;
		/* It may reach into the next block. */
		if (vas_span_end(part.span) > vas_span_end(block))
			break;
	}
	return any;
}

static int revive_blocks(struct revive *revive)
{
	struct vas_alloc_opts opts = { .size = sizeof(opts), .flags = VAS_ALLOC_EXACT };
	struct vas_manifest_block item;
	struct vas_block block;
	uint64_t part = 0;
	int err = 0;

	for (uint64_t i = 0; i < revive->manifest.blocks && !err; i++) {
		vas_manifest_block(revive->memory, &revive->manifest, i, &item);
		opts.address = (void *)(uintptr_t)item.span.start;
		opts.tag = item.tag;
		err = vas_block_alloc(revive->region, item.span.size, &opts, revive->failure,
				      &block);
		if (!err && revive_has_parts(revive, item.span, &part))
			err = revive_promise(revive, item.span.start);
	}
	return err;
}

static int revive_part(struct revive *revive, const struct vas_manifest_part *item)
{
	struct vas_holding *holding = revive->region->user.holding;
	struct vas_space *space = revive->region->space;
	bool guard = item->state & VAS_MANIFEST_GUARD;
	struct vas_policy policy;
	struct vas_part part = {
		.span = item->span,
		.state = guard ? VAS_PART_GUARD : VAS_PART_COMMITTED,
		.prot = item->prot,
		.flags = item->flags,
		.fd = -1,
		.device = item->device,
		.inode = item->inode,
		.offset = item->offset,
	};
	int err;

	if (item->policy != VAS_MANIFEST_NO_POLICY) {
		vas_manifest_policy(revive->memory, &revive->manifest, item->policy - 1, &policy);
		err = vas_parked_policy(space, holding, &policy, &part.policy);
		if (err)
			return err;
	}
	return vas_parked_put(space, holding, &part);
}

static int revive_parts(struct revive *revive)
{
	struct vas_region *region = revive->region;
	struct vas_manifest_part item;
	int err =
		vas_parked_begin(region->space, region->user.holding, revive->manifest.image_size);

	for (uint64_t i = 0; i < revive->manifest.parts && !err; i++) {
		vas_manifest_part(revive->memory, &revive->manifest, i, &item);
		err = revive_part(revive, &item);
	}
	if (err)
		revive->failure->why = VAS_WHY_BOOKS;
	return err;
}

int vas_region_revive(struct vas_space *space, const void *memory, size_t length,
		      struct vas_failure *failure, struct vas_region **region)
{
	struct revive revive = { .memory = memory, .failure = failure };
	struct vas_failure ignored = *failure;
	enum vas_retired state;
	int err = vas_manifest_read(memory, length, &revive.manifest);

	if (!err && (revive.manifest.region_flags & ~VAS_REGION_ALL))
		err = -EBADMSG;
	if (!err && revive.manifest.page_size != space->sys->page_size)
		err = -EOPNOTSUPP;
	if (err)
		return vas_region_refuse(failure, VAS_WHY_MANIFEST, err);
	err = revive_make(&revive, space);
	if (err)
		return err;
	err = revive_blocks(&revive);
	if (!err)
		err = revive_parts(&revive);
	if (err) {
		(void)vas_region_unmake(revive.region, &state, &ignored);
		return err;
	}
	vas_region_settled(revive.region, VAS_REGION_PARKED);
	*region = revive.region;
	return 0;
}
