/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Churn over jemalloc: in an array of slots, a random one is freed and filled
 * again with a random size, small ones as often as large ones. Each page of new
 * memory is written, as a program would.
 *
 * jemalloc comes by LD_PRELOAD into a program of its own, so that it is set up
 * by MALLOC_CONF and has nothing but this. All slots are of one arena, made alike for every source.
 */
#include "churn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef VASBENCH_JEMALLOC

#include <dlfcn.h>
#include <jemalloc/jemalloc.h>

#include "blocks.h"
#include "jemalloc_hooks.h"
#include "measure.h"

#define SLOTS 2000u
#define SMALLEST_LOG2 6u
#define SIZES_LOG2 14u /* 64 bytes to 1 MiB */
#define REGION_SIZE (64ull << 30)
#define CACHE (256ull << 20)
#define PAGE 4096u

struct churn {
	enum churn_source source;
	struct jemalloc_region hooks;
	unsigned char *slots[SLOTS];
	size_t sizes[SLOTS];
	uint64_t bytes;
	uint64_t random;
	uint64_t vmas_start;
	uint64_t vmas_most;
	/* Of the jemalloc that was preloaded; Debian's has no prefix. */
	int (*mallctl)(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
	void *(*mallocx)(size_t size, int flags);
	void (*dallocx)(void *memory, int flags);
};

static uint32_t churn_random(struct churn *churn)
{
	churn->random = churn->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(churn->random >> 33);
}

static size_t churn_size(struct churn *churn)
{
	unsigned int log2 = SMALLEST_LOG2 + churn_random(churn) % SIZES_LOG2;

	return ((size_t)1 << log2) + churn_random(churn) % ((size_t)1 << log2);
}

static void churn_free(struct churn *churn, unsigned int slot)
{
	if (!churn->slots[slot])
		return;
	churn->dallocx(churn->slots[slot], 0);
	churn->bytes -= churn->sizes[slot];
	churn->slots[slot] = NULL;
}

static int churn_fill(struct churn *churn, unsigned int slot)
{
	size_t size = churn_size(churn);
	unsigned char *memory = churn->mallocx(size, 0);

	if (!memory)
		return -ENOMEM;
	for (size_t at = 0; at < size; at += PAGE)
		memory[at] = 1;
	memory[size - 1] = 1;
	churn->slots[slot] = memory;
	churn->sizes[slot] = size;
	churn->bytes += size;
	return 0;
}

static int churn_symbols(struct churn *churn)
{
	*(void **)&churn->mallctl = dlsym(RTLD_DEFAULT, "mallctl");
	*(void **)&churn->mallocx = dlsym(RTLD_DEFAULT, "mallocx");
	*(void **)&churn->dallocx = dlsym(RTLD_DEFAULT, "dallocx");
	return churn->mallctl && churn->mallocx && churn->dallocx ? 0 : -ENOPKG;
}

static int churn_hooks(struct churn *churn, extent_hooks_t **hooks)
{
	struct vas_region *region;
	int err;

	VAS_OPTS(vas_region_opts, opts);
	if (churn->source == CHURN_CACHE)
		opts.cache_bytes = CACHE;
	if (churn->source == CHURN_MMAP)
		return 0;
	err = vas_region_create(REGION_SIZE, &opts, &region);
	if (err)
		return err;
	jemalloc_region_init(&churn->hooks, region,
			     churn->source == CHURN_KEEP ? JEMALLOC_REGION_KEEP :
							   JEMALLOC_REGION_GIVE);
	*hooks = &churn->hooks.hooks;
	return 0;
}

static int churn_prepare(void *context)
{
	struct churn *churn = context;
	extent_hooks_t *hooks = NULL;
	unsigned int arena;
	size_t size = sizeof(arena);
	int err = churn_symbols(churn);

	if (!err)
		err = churn_hooks(churn, &hooks);
	if (!err)
		err = vmas_count(&churn->vmas_start);
	if (!err)
		err = -churn->mallctl("arenas.create", &arena, &size, hooks ? &hooks : NULL,
				      hooks ? sizeof(hooks) : 0);
	if (!err)
		err = -churn->mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
	for (unsigned int i = 0; i < SLOTS && !err; i++)
		err = churn_fill(churn, i);
	return err;
}

static int churn_some(struct churn *churn, unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		unsigned int slot = churn_random(churn) % SLOTS;

		churn_free(churn, slot);
		err = churn_fill(churn, slot);
	}
	return err;
}

static int churn_run(void *context, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct churn *churn = context;
	uint64_t start = cpu_ns(), vmas;
	int err;

	if (op != CHURN_OP) {
		*spent = op == CHURN_VMAS ? churn->vmas_most - churn->vmas_start : churn->bytes;
		return 0;
	}
	err = churn_some(churn, count);
	*spent = cpu_ns() - start;
	if (!err)
		err = vmas_count(&vmas);
	if (!err && vmas > churn->vmas_most)
		churn->vmas_most = vmas;
	return err;
}

int churn_main(const char *argument)
{
	static struct churn churn;
	struct worker_job job = { churn_prepare, churn_run, &churn };

	churn.source = (enum churn_source)strtoul(argument, NULL, 10);
	churn.random = 1;
	return worker_serve(&job, WORKER_COMMANDS, WORKER_ANSWERS) ? 2 : 0;
}

int churn_start(struct worker *worker, enum churn_source source, const char *settings)
{
	char number[16], conf[256];
	char *arguments[] = { (char[]){ "vasbench" }, (char[]){ "--churn" }, number, NULL };
	char *environment[] = { (char[]){ "LD_PRELOAD=libjemalloc.so.2" }, conf, NULL };

	snprintf(number, sizeof(number), "%u", (unsigned int)source);
	snprintf(conf, sizeof(conf), "MALLOC_CONF=%s", settings);
	return worker_spawn(worker, arguments, environment);
}

#else

int churn_main(const char *argument)
{
	(void)argument;
	return 2;
}

int churn_start(struct worker *worker, enum churn_source source, const char *settings)
{
	(void)worker;
	(void)source;
	(void)settings;
	return -ENOPKG;
}

#endif
