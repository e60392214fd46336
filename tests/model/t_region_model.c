/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 45 */
/*
 * A million random operations on several regions over simulated kernels, of
 * three page sizes, with objects, with a cache of warm memory, and at the limit of
 * mappings, against the flat model.
 */
#include "tap/tap.h"

#include <string.h>
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "support/region_model.h"
#include "sys/sim.h"

static struct vas_sys_sim sim;

static const struct setup {
	const char *name;
	uint32_t share; /* of a thousand operations */
	struct vas_sim_config config;
	bool object, limited;
	uint64_t cache_pages;
	uint32_t flags;
} setups[] = {
	{ "4 KiB pages", 250, { .page_size = 4096 }, false, false, 0, 0 },
	{ "4 KiB pages and an object", 250, { .page_size = 4096 }, true, false, 0, 0 },
	{ "16 KiB pages", 50, { .page_size = 16384 }, true, false, 0, 0 },
	{ "64 KiB pages", 50, { .page_size = 65536 }, true, false, 0, 0 },
	{ "at most 120 mappings", 200, { .page_size = 4096, .max_map_count = 120 }, true, true, 0, 0 },
	{ "with a cache of warm memory", 100, { .page_size = 4096 }, false, false, 64, 0 },
	{ "with quarantine", 100, { .page_size = 4096 }, false, false, 0, VAS_REGION_QUARANTINE },
};

static bool on_check(struct region_target *target)
{
	const char *reason = "";

	(void)target;
	if (vas_sys_sim_check(&sim, &reason))
		return true;
	tap_diag("simulator: %s", reason);
	return false;
}

static void on_view(struct region_target *target, uint64_t start, struct region_view *view,
		    unsigned count)
{
	uint64_t end = start + count * target->page;

	for (size_t i = 0; i < sim.count; i++) {
		const struct vas_sim_mapping *mapping = &sim.mappings[i];

		for (uint64_t address = mapping->start > start ? mapping->start : start;
		     address < mapping->end && address < end; address += target->page) {
			struct region_view *page = &view[(address - start) / target->page];

			page->mapped = true;
			page->prot = (uint8_t)mapping->prot;
			page->object = mapping->fd >= 0;
			page->offset =
				(uint16_t)((mapping->offset + address - mapping->start) / target->page);
		}
	}
}

static void run(void *argument)
{
	const struct setup *setup = argument;
	struct region_target target = {
		.name = setup->name,
		.page = setup->config.page_size,
		.fd = -1,
		.limited = setup->limited,
		.flags = setup->flags,
		.cache_bytes = setup->cache_pages * setup->config.page_size,
		.sys = &sim.sys,
		.view = on_view,
		.check = on_check,
	};

	struct vas_space *space;

	if (vas_sys_sim_init(&sim, &setup->config))
		tap_bail("no simulator");
	sim.sys.thread_id = vas_sys_real()->thread_id;
	vas_space_forget();
	if (vas_space_default_over(&sim.sys, vas_sys_real()))
		tap_bail("no space");
	if (vas_space_default(&space))
		tap_bail("no default space");
	/* Where regions are placed repeats with the seed, too. */
	space->random = tap_seed();
	if (setup->object) {
		target.fd = (int)sim.sys.create(&sim.sys, "model", MFD_CLOEXEC);
		if (target.fd < 0 ||
		    sim.sys.truncate(&sim.sys, target.fd, REGION_MODEL_OBJECT * target.page) < 0)
			tap_bail("no object");
	}
	tap_ignore_leaks(TAP_LEAK_VMAS);
	region_model_run(&target, tap_scaled(1000 * setup->share), 0, tap_seed());
	sim.config.max_map_count = 1u << 20;
	vas_space_forget();
	vas_sys_sim_destroy(&sim);
}

int main(void)
{
	tap_plan(sizeof(setups) / sizeof(setups[0]));
	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++)
		tap_case(setups[i].name, run, (void *)(uintptr_t)&setups[i], 120);
	return tap_done();
}
