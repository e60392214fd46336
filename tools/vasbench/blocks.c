/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live blocks kept by the raw system calls: exactly those that the library
 * makes for the same change, on the same layout. Each replaces what is mapped in
 * place, and puts the recipe on again, without which mappings would not merge.
 */
#include "blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

#define MPOL_BIND 2

const char *const recipe_names[RECIPES] = { "plain", "nodump", "nodump, policy" };

static uint64_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

int blocks_init(struct blocks_layout *layout)
{
	uint64_t state = 1;

	layout->starts = calloc(layout->count, sizeof(*layout->starts));
	layout->order = calloc(layout->count, sizeof(*layout->order));
	if (!layout->starts || !layout->order)
		return -ENOMEM;
	/* Never neighbours: then each change splits or joins mappings in the same way. */
	for (unsigned int i = 1; i + 1 < layout->count; i += 2)
		layout->order[layout->order_count++] = i;
	for (unsigned int i = layout->order_count; i > 1; i--) {
		unsigned int other = random_next(&state) % i, kept = layout->order[i - 1];

		layout->order[i - 1] = layout->order[other];
		layout->order[other] = kept;
	}
	return 0;
}

unsigned char *blocks_next(struct blocks_layout *layout)
{
	return layout->starts[layout->order[layout->next++ % layout->order_count]];
}

void blocks_again(struct blocks_layout *layout, unsigned int count)
{
	layout->next -= count;
}

int vmas_count(uint64_t *count)
{
	char text[16384];
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*count = 0;
	while ((got = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < got; i++)
			*count += text[i] == '\n';
	close(fd);
	return got < 0 ? -errno : 0;
}

static int raw_recipe(void *start, uint64_t size, enum recipe recipe)
{
	return recipe >= RECIPE_NODUMP && madvise(start, size, MADV_DONTDUMP) ? -errno : 0;
}

/* On what is committed only, as the library does it. */
static int raw_policy(void *start, uint64_t size, enum recipe recipe)
{
	unsigned long nodes = 1;

	return recipe == RECIPE_NODUMP_POLICY &&
			       syscall(SYS_mbind, start, size, MPOL_BIND, &nodes,
				       8 * sizeof(nodes) + 1, 0) ?
		       -errno :
		       0;
}

static int raw_reserve(void *start, uint64_t size, enum recipe recipe, int fixed, void **got)
{
	*got = mmap(start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
	return *got == MAP_FAILED ? -errno : raw_recipe(*got, size, recipe);
}

/* Access comes last, as in the library: a mapping with access but without the recipe could merge wrongly. */
static int raw_commit(void *start, uint64_t size, enum recipe recipe)
{
	int prot = recipe == RECIPE_PLAIN ? PROT_READ | PROT_WRITE : PROT_NONE, err;

	if (mmap(start, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != start)
		return -errno;
	if (recipe == RECIPE_PLAIN)
		return 0;
	err = raw_recipe(start, size, recipe);
	if (!err)
		err = raw_policy(start, size, recipe);
	return err ? err : mprotect(start, size, PROT_READ | PROT_WRITE) ? -errno : 0;
}

static int raw_decommit(void *start, uint64_t size, enum recipe recipe)
{
	void *got;

	return raw_reserve(start, size, recipe, MAP_FIXED, &got);
}

int blocks_raw_prepare(void *context)
{
	struct blocks_layout *layout = context;
	void *base = NULL;
	int err = blocks_init(layout);

	if (!err)
		err = raw_reserve(NULL, (layout->count + 1) * layout->size, layout->recipe, 0, &base);
	for (unsigned int i = 0; i < layout->count && !err; i++) {
		layout->starts[i] = (unsigned char *)base + i * layout->size;
		if (layout->solid || i % 2)
			err = raw_commit(layout->starts[i], layout->size, layout->recipe);
	}
	return err;
}

static int raw_times(struct blocks_layout *layout, bool commit, unsigned int count, uint64_t *spent)
{
	int (*change)(void *, uint64_t, enum recipe) = commit ? raw_commit : raw_decommit;
	uint64_t start = cpu_ns();
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = change(blocks_next(layout), layout->size, layout->recipe);
	*spent = cpu_ns() - start;
	return err;
}

/* Freeing is decommitting, to the kernel. */
int blocks_raw_run(void *context, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct blocks_layout *layout = context;
	uint64_t other;
	int err;

	if (op == BLOCKS_VMAS)
		return vmas_count(spent);
	err = raw_times(layout, false, count, op == BLOCKS_COMMIT ? &other : spent);

	blocks_again(layout, count);
	return err ? err : raw_times(layout, true, count, op == BLOCKS_COMMIT ? spent : &other);
}
