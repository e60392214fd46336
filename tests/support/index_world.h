/* SPDX-License-Identifier: BSD-2-Clause */
/* An owner index over heap memory, for tests of the index by itself. */
#ifndef TESTS_SUPPORT_INDEX_WORLD_H
#define TESTS_SUPPORT_INDEX_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/owner_index.h"

#define INDEX_TOP	 (1ull << VAS_INDEX_ADDRESS_BITS)
#define INDEX_WORLD_POOL 4096u

/* An index with the memory that was fed to it. */
struct index_world {
	struct vas_owner_index index;
	uint64_t page;
	void *root;
	void *chunks;
	void *fed[INDEX_WORLD_POOL];
	unsigned fed_count;
};

void index_world_make(struct index_world *world, uint64_t page);
void index_world_end(struct index_world *world);
/* Feeds what the next claim could need, and no more. */
void index_world_feed(struct index_world *world);
struct vas_owner_entry *index_world_own(struct index_world *world, uint64_t start, uint64_t size);
void index_world_disown(struct index_world *world, struct vas_owner_entry *entry);

/* Signal-safe. Nobody owns the address, and the look-up left its output alone. */
bool index_nobody(const struct index_world *world, uint64_t address);
bool index_owned_by(const struct index_world *world, uint64_t address,
		    const struct vas_owner_entry *entry);
/* At both ends and in the middle. */
bool index_owned_whole(const struct index_world *world, const struct vas_owner_entry *entry);

bool index_sound(const struct index_world *world);
/* No entry left, no slot used, every node back. */
bool index_pristine(const struct index_world *world);

#endif
