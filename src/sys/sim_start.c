/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated process when its main begins: image, heap, libraries, stack,
 * vvar and vdso, laid out as x86-64 Linux lays out a position-independent
 * program, at places that the seed shuffles.
 *
 * The stack ends a random way below the default window's end; mmap_base lies
 * below it by RLIMIT_STACK (at least 128 MiB) and more randomness; libraries
 * hang from mmap_base; the image is at two thirds of the window with the heap
 * behind it. Randomness shrinks with the width.
 */
#include <sys/mman.h>

#include "base/number.h"
#include "base/random.h"
#include "sys/definitions.h"
#include "sys/sim_vma.h"

#define IMAGE_FD   100 /* no descriptors: identities of files */
#define LIBRARY_FD 101

struct start_piece {
	uint64_t pages;
	uint32_t prot;
};

static uint64_t start_random_pages(struct vas_sys_sim *sim, uint64_t *random, unsigned int bits)
{
	return vas_random_below(random, (uint64_t)1 << bits) * sim->sys.page_size;
}

static int start_put(struct vas_sys_sim *sim, uint64_t start, uint64_t pages, uint32_t prot,
		     uint32_t flags)
{
	struct vas_sim_mapping mapping = { .start = start,
					   .end = start + pages * sim->sys.page_size,
					   .prot = prot,
					   .flags = MAP_PRIVATE | flags,
					   .fd = -1 };

	if (prot & PROT_WRITE) {
		mapping.flags |= VAS_SIM_ACCOUNT;
		mapping.anon = ++sim->last_anon;
	}
	if (flags & VAS_SIM_SPECIAL)
		mapping.name = prot & PROT_EXEC ? "[vdso]" : "[vvar]";
	return vas_sys_sim_put(sim, &mapping);
}

/* A file mapped as the loader does. Returns the end in *end. */
static int start_put_file(struct vas_sys_sim *sim, uint64_t start, int fd, const char *name,
			  uint64_t *end)
{
	static const struct start_piece pieces[] = {
		{ 8, PROT_READ }, { 64, PROT_READ | PROT_EXEC }, { 16, PROT_READ },
		{ 2, PROT_READ }, { 4, PROT_READ | PROT_WRITE },
	};
	uint64_t offset = 0;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		uint64_t size = pieces[i].pages * sim->sys.page_size;
		struct vas_sim_mapping mapping = { .start = start,
						   .end = start + size,
						   .offset = offset,
						   .prot = pieces[i].prot,
						   .flags = MAP_PRIVATE,
						   .fd = fd,
						   .name = name };
		int error;

		if (pieces[i].prot & PROT_WRITE) {
			mapping.flags |= VAS_SIM_ACCOUNT;
			mapping.anon = ++sim->last_anon;
		}
		error = vas_sys_sim_put(sim, &mapping);
		if (error)
			return error;
		start += size;
		offset += size;
	}
	*end = start;
	return 0;
}

static int start_image(struct vas_sys_sim *sim, uint64_t *random, unsigned int bits)
{
	uint64_t base = sim->window_end / 3 * 2 & ~(sim->sys.page_size - 1);
	uint64_t end;
	int error;

	base += start_random_pages(sim, random, bits);
	error = start_put_file(sim, base, IMAGE_FD, "/usr/bin/program", &end);
	if (error)
		return error;
	sim->brk_start = end + start_random_pages(sim, random, bits > 13 ? 13 : bits);
	sim->brk = sim->brk_start + 33 * sim->sys.page_size;
	return start_put(sim, sim->brk_start, 33, PROT_READ | PROT_WRITE, 0);
}

static int start_stack(struct vas_sys_sim *sim, uint64_t top)
{
	uint64_t page = sim->sys.page_size;
	int error = start_put(sim, top - 33 * page, 33, PROT_READ | PROT_WRITE, MAP_GROWSDOWN);

	sim->stack_start = top - page;
	sim->sys.stack_address = sim->stack_start;
	if (!error)
		error = start_put(sim, top + 16 * page, 4, PROT_READ, VAS_SIM_SPECIAL);
	if (!error)
		error = start_put(sim, top + 20 * page, 2, PROT_READ | PROT_EXEC, VAS_SIM_SPECIAL);
	return error;
}

/* Bits of pages that places are shuffled by: 28 in 47 bits with 4 KiB, as x86-64 has. */
static unsigned int start_random_bits(const struct vas_sys_sim *sim)
{
	unsigned int window_bits = vas_log2_floor(sim->window_end - 1) + 1;
	unsigned int page_bits = vas_log2_floor(sim->sys.page_size);
	unsigned int bits = window_bits - 7 - page_bits;

	return bits > 28 ? 28 : bits;
}

int vas_sim_start(struct vas_sys_sim *sim)
{
	unsigned int bits = start_random_bits(sim);
	uint64_t random = sim->config.seed;
	uint64_t page = sim->sys.page_size;
	uint64_t gap = sim->config.stack_limit;
	uint64_t top, end;
	int error;

	if (gap < (uint64_t)128 << 20)
		gap = (uint64_t)128 << 20;
	if (gap > sim->window_end / 6 * 5)
		gap = sim->window_end / 6 * 5;
	gap = vas_sim_page_align(sim, gap);
	top = sim->window_end - 64 * page - start_random_pages(sim, &random, bits > 22 ? 22 : bits);
	sim->mmap_base = (top - gap - start_random_pages(sim, &random, bits) -
			  VAS_STACK_GUARD_PAGES * page) &
			 ~(page - 1);
	sim->legacy_base = sim->window_end / 3 & ~(page - 1);
	if (sim->config.empty)
		return 0;
	error = start_image(sim, &random, bits);
	if (!error)
		error = start_stack(sim, top & ~(page - 1));
	if (!error)
		error = start_put_file(sim, sim->mmap_base - 94 * page, LIBRARY_FD,
				       "/usr/lib/ld-linux-x86-64.so.2", &end);
	if (!error)
		error = start_put_file(sim, sim->mmap_base - 256 * page, LIBRARY_FD + 1,
				       "/usr/lib/x86_64-linux-gnu/libc.so.6", &end);
	if (!error)
		error = start_put(sim, sim->mmap_base - 261 * page, 3, PROT_READ | PROT_WRITE, 0);
	return error;
}
