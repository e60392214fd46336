/* SPDX-License-Identifier: BSD-2-Clause */
/* An owner index over heap memory. One writer at a time, as the index wants it. */
#include "support/index_world.h"

#include <stdlib.h>
#include <string.h>

#include "tap/tap.h"

static void *index_zeroed(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		tap_bail("no memory for a test");
	return memory;
}

void index_world_make(struct index_world *world, uint64_t page)
{
	memset(world, 0, sizeof(*world));
	world->page = page;
	world->root = index_zeroed(vas_owner_index_root_size(page));
	world->chunks = index_zeroed(vas_owner_index_chunks_size());
	vas_owner_index_init(&world->index, page, world->root, world->chunks);
}

void index_world_end(struct index_world *world)
{
	while (world->fed_count)
		free(world->fed[--world->fed_count]);
	free(world->chunks);
	free(world->root);
}

static void *index_world_keep(struct index_world *world, size_t size)
{
	void *memory = index_zeroed(size);

	if (world->fed_count == INDEX_WORLD_POOL)
		tap_bail("the pool of test memory is too small");
	world->fed[world->fed_count++] = memory;
	return memory;
}

void index_world_feed(struct index_world *world)
{
	struct vas_owner_index *index = &world->index;

	while (vas_owner_index_wants_node(index))
		vas_owner_index_feed_node(index,
					  index_world_keep(world, sizeof(struct vas_index_node)));
	if (vas_owner_index_wants_chunk(index))
		vas_owner_index_feed_chunk(index,
					   index_world_keep(world, sizeof(struct vas_owner_chunk)));
}

struct vas_owner_entry *index_world_own(struct index_world *world, uint64_t start, uint64_t size)
{
	struct vas_owner_entry *entry;

	index_world_feed(world);
	entry = vas_owner_index_take(&world->index);
	vas_owner_index_publish(&world->index, entry, start, size);
	return entry;
}

void index_world_disown(struct index_world *world, struct vas_owner_entry *entry)
{
	vas_owner_index_hide(&world->index, entry);
	vas_owner_index_clear(&world->index, entry);
	vas_owner_index_give(&world->index, entry);
}

bool index_nobody(const struct index_world *world, uint64_t address)
{
	struct vas_owner owner = { 1, { 2, 3 } };

	return !vas_owner_index_find(&world->index, address, &owner) && owner.id == 1 &&
	       owner.span.start == 2 && owner.span.size == 3;
}

bool index_owned_by(const struct index_world *world, uint64_t address,
		    const struct vas_owner_entry *entry)
{
	struct vas_owner owner;

	return vas_owner_index_find(&world->index, address, &owner) &&
	       owner.id == vas_owner_id(entry) && owner.span.start == entry->start &&
	       owner.span.size == entry->size;
}

bool index_owned_whole(const struct index_world *world, const struct vas_owner_entry *entry)
{
	return index_owned_by(world, entry->start, entry) &&
	       index_owned_by(world, entry->start + entry->size / 2, entry) &&
	       index_owned_by(world, entry->start + entry->size - 1, entry);
}

bool index_sound(const struct index_world *world)
{
	return vas_owner_index_check(&world->index);
}

bool index_pristine(const struct index_world *world)
{
	const uint64_t *root = world->root;

	for (size_t i = 0; i < vas_owner_index_root_size(world->page) / sizeof(*root); i++)
		if (root[i])
			return false;
	return world->index.node_free_count == world->index.node_count &&
	       world->index.claims == 0 && index_sound(world);
}
