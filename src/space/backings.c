/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of backings of one holding.
 *
 * WHAT FOR. An extent says what it is backed by in four bytes; spans that only
 * ever hold anonymous memory pay nothing.
 *
 * STRATEGY. Searched from end to end, the last find first: few objects back one
 * span. Nothing counts who uses an item. When the table is full, one walk over the extents
 * marks what is in use and the rest is reused; it grows when that frees less
 * than half, so a walk comes once in as many new objects. Policies that no item names are
 * forgotten when their table is full.
 *
 * CONCURRENCY. Guarded by the holding's lock; growing also needs the space's.
 *
 * WHAT IT DOES NOT DO. It opens and closes nothing.
 */
#include "space/backings.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "space/extents.h"

#define BACKINGS_FIRST 4u
#define BACKINGS_MAX   ((2u << 20) / sizeof(struct vas_backing))

const struct vas_backing vas_backings_anonymous = { .ops = &vas_backing_anonymous, .fd = -1 };

static bool backing_same(const struct vas_backing *a, const struct vas_backing *b)
{
	return a->ops == b->ops && a->fd == b->fd && a->flags == b->flags &&
	       a->device == b->device && a->inode == b->inode && a->page_size == b->page_size &&
	       a->policy == b->policy;
}

/* Forgets what no extent uses: ops NULL. Returns how many are free. */
static uint32_t backings_sweep(struct vas_backings *backings, struct vas_extents *extents)
{
	uint32_t unused = 0;
	uint64_t position = 0;
	struct vas_extent piece;

	for (uint32_t i = 0; i < backings->count; i++)
		backings->items[i].delta = 1;
	while (vas_extents_next(extents, &position, UINT64_MAX, &piece))
		if (piece.backing)
			backings->items[piece.backing - 1].delta = 0;
	for (uint32_t i = 0; i < backings->count; i++) {
		if (backings->items[i].delta == 0)
			continue;
		backings->items[i] = (struct vas_backing){ 0 };
		unused++;
	}
	return unused;
}

static int backings_grow(struct vas_backings *backings, struct vas_pages *pages)
{
	uint64_t capacity = backings->capacity ? 2 * backings->capacity : BACKINGS_FIRST;
	void *memory;
	int err;

	if (capacity > BACKINGS_MAX)
		capacity = BACKINGS_MAX;
	if (capacity <= backings->capacity)
		return -ENOMEM;
	err = vas_pages_take(pages, capacity * sizeof(struct vas_backing), &memory);
	if (err)
		return err;
	if (backings->count) {
		memcpy(memory, backings->items, backings->count * sizeof(struct vas_backing));
		vas_pages_give(pages, backings->items,
			       backings->capacity * sizeof(struct vas_backing));
	}
	backings->items = memory;
	backings->capacity = (uint32_t)capacity;
	return 0;
}

/* A free place in the table, as its number; 0 = none. */
static uint32_t backings_free(struct vas_backings *backings)
{
	for (uint32_t i = 0; i < backings->count; i++)
		if (!backings->items[i].ops)
			return i + 1;
	return backings->count < backings->capacity ? ++backings->count : 0;
}

/* The same, made if there is none. */
static int backings_place(struct vas_backings *backings, struct vas_extents *extents,
			  struct vas_pages *pages, uint32_t *number)
{
	uint32_t unused = 0;
	int err;

	*number = backings_free(backings);
	if (*number)
		return 0;
	if (backings->count && !backings->kept)
		unused = backings_sweep(backings, extents);
	if (unused <= backings->count / 2) {
		err = backings_grow(backings, pages);
		if (err && unused == 0)
			return err;
	}
	*number = backings_free(backings);
	return 0;
}

int vas_backings_number(struct vas_backings *backings, struct vas_extents *extents,
			struct vas_pages *pages, const struct vas_backing *backing,
			uint32_t *number)
{
	struct vas_backing item = *backing;
	int err;

	item.delta = 0;
	if (backings->last && backing_same(&backings->items[backings->last - 1], &item)) {
		*number = backings->last;
		return 0;
	}
	for (uint32_t i = 0; i < backings->count; i++) {
		if (backing_same(&backings->items[i], &item)) {
			*number = backings->last = i + 1;
			return 0;
		}
	}
	err = backings_place(backings, extents, pages, number);
	if (err)
		return err;
	backings->items[*number - 1] = item;
	backings->last = *number;
	return 0;
}

/* A mark while the table is swept; no policy has such a flag. */
#define POLICY_UNNAMED 0x40000000u

/* Forgets the policies that no item names. Returns how many. */
static uint32_t policies_sweep(struct vas_backings *backings)
{
	struct vas_policies *policies = &backings->policies;
	uint32_t unused = 0;

	for (uint32_t i = 0; i < policies->count; i++)
		policies->items[i].flags |= POLICY_UNNAMED;
	for (uint32_t i = 0; i < backings->count; i++)
		if (backings->items[i].ops && backings->items[i].policy)
			policies->items[backings->items[i].policy - 1].flags &= ~POLICY_UNNAMED;
	for (uint32_t i = 0; i < policies->count; i++) {
		if (!(policies->items[i].flags & POLICY_UNNAMED))
			continue;
		policies->items[i] = (struct vas_policy){ 0 };
		unused++;
	}
	return unused;
}

int vas_backings_policy(struct vas_backings *backings, struct vas_extents *extents,
			struct vas_pages *pages, const struct vas_policy *policy, uint32_t *number)
{
	uint32_t unused = 0;
	int err;

	*number = vas_policies_find(&backings->policies, policy);
	if (!*number)
		*number = vas_policies_add(&backings->policies, policy);
	if (*number)
		return 0;
	if (!backings->kept) {
		(void)backings_sweep(backings, extents);
		unused = policies_sweep(backings);
	}
	if (unused <= backings->policies.count / 2) {
		err = vas_policies_grow(&backings->policies, pages);
		if (err && unused == 0)
			return err;
	}
	*number = vas_policies_add(&backings->policies, policy);
	return 0;
}

int vas_backings_import(struct vas_backings *backings, struct vas_pages *pages,
			const struct vas_backings *from, const struct vas_backing *backing,
			uint32_t *number)
{
	struct vas_backing item = *backing;
	int err;

	VAS_ASSERT(backings->kept);
	if (item.policy) {
		err = vas_backings_policy(backings, NULL, pages,
					  vas_policies_get(&from->policies, item.policy),
					  &item.policy);
		if (err)
			return err;
	}
	return vas_backings_number(backings, NULL, pages, &item, number);
}

int vas_backings_copy(const struct vas_backings *backings, struct vas_pages *pages,
		      struct vas_backings *copy)
{
	struct vas_backings made = *backings;
	void *memory;
	int err = vas_policies_copy(&backings->policies, pages, &made.policies);

	if (err)
		return err;
	if (backings->capacity) {
		err = vas_pages_take(pages, backings->capacity * sizeof(struct vas_backing), &memory);
		if (err) {
			vas_policies_free(&made.policies, pages);
			return err;
		}
		made.items = memory;
		memcpy(memory, backings->items, backings->count * sizeof(struct vas_backing));
	}
	*copy = made;
	return 0;
}

struct vas_backing vas_backings_get(const struct vas_backings *backings, uint32_t number,
				    uint64_t delta)
{
	struct vas_backing backing;

	if (number == 0)
		return vas_backings_anonymous;
	VAS_ASSERT(number <= backings->count);
	backing = backings->items[number - 1];
	backing.delta = delta;
	return backing;
}

void vas_backings_free(struct vas_backings *backings, struct vas_pages *pages)
{
	if (backings->items)
		vas_pages_give(pages, backings->items,
			       backings->capacity * sizeof(struct vas_backing));
	vas_policies_free(&backings->policies, pages);
	*backings = (struct vas_backings){ 0 };
}
