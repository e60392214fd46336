/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 20 */
/*
 * Fuzz target: any bytes as calls on a block allocator with small nodes and small zones, beside the
 * flat map.
 *
 * The first byte chooses the region; then each call is an operation and a few bytes of
 * arguments. Whatever the bytes are, every answer is what the map says, and the books are in order.
 */
#define VAS_BLOCK_LEAF_MOST	8u
#define VAS_BLOCK_INNER_MOST	8u
#define VAS_BLOCKS_ZONE_SHIFT	21u
#define VAS_BLOCKS_SMALL_IS_ONE 0

#include "support/blocks_all.h"

#include <stdlib.h>

#include "support/blocks_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_MOST = 400 };

struct bytes {
	const uint8_t *data;
	size_t size;
};

static uint64_t next(struct bytes *bytes)
{
	if (bytes->size == 0)
		return 0;
	bytes->size--;
	return *bytes->data++;
}

static uint64_t next_address(struct bytes *bytes, const struct blocks_map *map)
{
	uint64_t byte = next(bytes);

	/* One in sixteen lies inside a granule. */
	return blocks_map_address(map, byte) + (byte % 16 == 15 ? map->granule / 2 : 0);
}

/* A multiple of the granule, or a power of two from 1 byte to 4 GiB. */
static uint64_t next_alignment(struct bytes *bytes, const struct blocks_map *map)
{
	uint64_t byte = next(bytes);

	return byte >= 224 ? UINT64_C(1) << (byte - 224) : byte * map->granule;
}

/* A byte says which options follow. */
static bool call_alloc(struct blocks_map *map, struct bytes *bytes)
{
	static const uint32_t flags[] = { 0, VAS_BLOCKS_LOW, VAS_BLOCKS_HIGH, VAS_BLOCKS_EXACT,
					  VAS_BLOCKS_RANDOM };
	uint64_t options = next(bytes);
	struct vas_block_request request = {
		.size = 1 + next(bytes) * map->granule / 8,
		.flags = flags[options % 5],
		.mark = (uint32_t)bytes->size,
	};

	if (options & 32)
		request.alignment = next_alignment(bytes, map);
	if ((options & 32) && request.alignment > map->granule)
		request.phase = next(bytes) * map->granule % request.alignment;
	if (options & 64)
		request.boundary = UINT64_C(1) << (next(bytes) % 40);
	if (options & 16)
		request.margin = next(bytes) % 8 * map->granule;
	if (options & 128) {
		request.min = next_address(bytes, map);
		request.max = request.min + next(bytes) * map->granule + 1;
	}
	if (request.flags == VAS_BLOCKS_EXACT)
		request.address = blocks_map_address(map, next(bytes));
	return blocks_map_alloc(map, &request);
}

static bool call(struct blocks_map *map, struct bytes *bytes)
{
	uint64_t operation = next(bytes);
	uint64_t address;

	if (operation % 16 < 6)
		return call_alloc(map, bytes);
	address = next_address(bytes, map);
	switch (operation % 16) {
	case 6:
		return blocks_map_resize(map, address, next(bytes) * map->granule / 4);
	case 7:
		return blocks_map_split(map, address, address + next(bytes) * map->granule / 2);
	case 8:
		return blocks_map_merge(map, address, next_address(bytes, map));
	case 9:
		return blocks_map_mark(map, address, (uint32_t)operation, operation / 16 % 3);
	case 10:
		return blocks_map_look(map, address);
	case 11:
		return blocks_map_cut(map, address);
	default:
		return blocks_map_free(map, address);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct blocks_map regions[] = {
		{ .granule = 16, .start = 0, .cells = 250 },
		{ .granule = 4096, .start = 0x10000, .cells = 256 },
		{ .granule = 65536, .start = 0xffffffffff000000 - 65536, .cells = 256 },
		{ .granule = 1 << 21, .start = 3ull << 21, .cells = 40 },
	};
	static struct blocks_map map;
	struct bytes bytes = { data, size };

	map = regions[next(&bytes) % 4];
	blocks_map_open(&map, size, &blocks_map_support);
	for (uint32_t i = 0; i < CALLS_MOST && bytes.size > 0; i++)
		if (!call(&map, &bytes))
			abort();
	if (!blocks_map_check(&map))
		abort();
	blocks_map_close(&map);
	return 0;
}
