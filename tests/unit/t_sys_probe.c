/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes, on simulated kernels of every kind, under faults, and on the real one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/definitions.h"
#include "sys/environment.h"
#include "sys/fault.h"
#include "sys/probe.h"
#include "sys/sim.h"
#include "tap/tap.h"

static struct vas_sys_sim sim;

static void sim_begin(enum vas_sim_noreplace noreplace, bool no_proc, bool no_query)
{
	struct vas_sim_config config = { .noreplace = noreplace,
					 .no_proc = no_proc,
					 .no_query = no_query };

	if (vas_sys_sim_init(&sim, &config) != 0)
		tap_bail("no memory for a simulated kernel");
}

/* One probe on that kernel, with nothing left behind. */
static enum vas_probe_state probed(enum vas_probe probe, enum vas_sim_noreplace noreplace,
				   bool no_proc, bool no_query, int *error)
{
	struct vas_probes probes = { .state = { 0 } };
	struct vas_probe_info info = { .size = sizeof(info) };
	uint64_t used;
	size_t count;

	sim_begin(noreplace, no_proc, no_query);
	used = sim.address_used;
	count = sim.count;
	vas_probe_describe(&probes, &sim.sys, (size_t)probe, &info);
	*error = info.error;
	if (sim.address_used != used || sim.count != count)
		ok(false, "%s leaves nothing behind", info.name);
	ok(vas_probe_has(&probes, &sim.sys, probe) == (info.state == VAS_PROBE_YES),
	   "%s: the short answer agrees", info.name);
	vas_sys_sim_destroy(&sim);
	return info.state;
}

static void noreplace(void)
{
	int error;

	is_i64(probed(VAS_PROBE_NOREPLACE, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "NOREPLACE is found where it is honoured");
	is_i64(probed(VAS_PROBE_NOREPLACE, VAS_SIM_NOREPLACE_IGNORED, false, false, &error),
	       VAS_PROBE_NO, "not where it is taken for a hint");
	is_err(error, EOPNOTSUPP, "since it did not protect");
	is_i64(probed(VAS_PROBE_NOREPLACE, VAS_SIM_NOREPLACE_PARTIAL, false, false, &error),
	       VAS_PROBE_NO, "nor where partial overlaps are clobbered");
	is_i64(probed(VAS_PROBE_BOTH_BITS, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "both bits are good where NOREPLACE is");
	is_i64(probed(VAS_PROBE_BOTH_BITS, VAS_SIM_NOREPLACE_IGNORED, false, false, &error),
	       VAS_PROBE_NO, "and not tried elsewhere");
}

static void proc(void)
{
	int error;

	is_i64(probed(VAS_PROBE_PROC_MAPS, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "maps can be read");
	is_i64(probed(VAS_PROBE_PROC_MAPS, VAS_SIM_NOREPLACE_HONOURED, true, false, &error),
	       VAS_PROBE_NO, "or not, without /proc");
	is_err(error, ENOENT, "which says so");
	is_i64(probed(VAS_PROBE_PROCMAP_QUERY, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "mappings can be asked for");
	is_i64(probed(VAS_PROBE_PROCMAP_QUERY, VAS_SIM_NOREPLACE_HONOURED, false, true, &error),
	       VAS_PROBE_NO, "or not, in older kernels");
	is_err(error, ENOTTY, "which say so");
	is_i64(probed(VAS_PROBE_SYNC_HOLES, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "msync tells holes");
	is_i64(probed(VAS_PROBE_GUARD, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "guards are known");
	is_i64(probed(VAS_PROBE_POPULATE_WRITE, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "populating is known");
	is_i64(probed(VAS_PROBE_ANON_NAME, VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
	       VAS_PROBE_YES, "names are known");
}

/* Older kernels and sandboxes that deny. */
static void lacking(void)
{
	static const struct {
		enum vas_probe probe;
		struct vas_sim_config config;
		int error;
	} cases[] = {
		{ VAS_PROBE_GUARD, { .no_guards = true }, EINVAL },
		{ VAS_PROBE_GUARD_OBJECT, { .no_guards = true }, EINVAL },
		{ VAS_PROBE_GUARD_OBJECT, { .no_object_guards = true }, EINVAL },
		{ VAS_PROBE_POLICY, { .no_policy = true }, ENOSYS },
		{ VAS_PROBE_GUARD, { .ignores_advice = true }, EOPNOTSUPP },
		{ VAS_PROBE_GUARD_OBJECT, { .ignores_advice = true }, EOPNOTSUPP },
		{ VAS_PROBE_POPULATE_WRITE, { .ignores_advice = true }, EOPNOTSUPP },
		{ VAS_PROBE_WIPE_ON_FORK, { .ignores_advice = true }, EOPNOTSUPP },
		{ VAS_PROBE_DONTNEED_LOCKED, { .ignores_advice = true }, EOPNOTSUPP },
		{ VAS_PROBE_REMOVE, { .ignores_advice = true }, EOPNOTSUPP },
	};
	static const enum vas_probe there[] = { VAS_PROBE_GUARD_OBJECT, VAS_PROBE_WIPE_ON_FORK,
						VAS_PROBE_DONTNEED_LOCKED, VAS_PROBE_REMOVE,
						VAS_PROBE_POLICY };
	struct vas_probe_info info = { .size = sizeof(info) };
	int error;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vas_probes probes = { .state = { 0 } };

		if (vas_sys_sim_init(&sim, &cases[i].config) != 0)
			tap_bail("no memory for a simulated kernel");
		vas_probe_describe(&probes, &sim.sys, (size_t)cases[i].probe, &info);
		is_i64(info.state, VAS_PROBE_NO, "%s: no, where it is missing", info.name);
		is_err(info.error, cases[i].error, "which the error tells");
		vas_sys_sim_destroy(&sim);
	}
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		is_i64(probed(there[i], VAS_SIM_NOREPLACE_HONOURED, false, false, &error),
		       VAS_PROBE_YES, "%s: yes, where it is", vas_probe_name(there[i]));
}

static void faults(void)
{
	struct vas_sys_fault fault;
	struct vas_probes probes = { .state = { 0 } };
	size_t count;

	sim_begin(VAS_SIM_NOREPLACE_HONOURED, false, false);
	count = sim.count;
	vas_sys_fault_init(&fault, &sim.sys);
	for (int probe = 0; probe < VAS_PROBE_COUNT; probe++) {
		vas_probe_forget(&probes);
		vas_sys_fault_arm(&fault, 1, true, ENOMEM);
		ok(!vas_probe_has(&probes, &fault.sys, (enum vas_probe)probe),
		   "%s: a shortage is no", vas_probe_name((enum vas_probe)probe));
		vas_sys_fault_arm(&fault, 0, false, 0);
		ok(vas_probe_has(&probes, &fault.sys, (enum vas_probe)probe),
		   "but only for as long as it lasts");
		vas_probe_forget(&probes);
		vas_sys_fault_arm(&fault, 1, true, EPERM);
		vas_probe_has(&probes, &fault.sys, (enum vas_probe)probe);
		vas_sys_fault_arm(&fault, 0, false, 0);
		vas_probe_has(&probes, &fault.sys, (enum vas_probe)probe);
	}
	vas_probe_forget(&probes);
	for (uint64_t at = 1; at < 80; at++) {
		vas_sys_fault_arm(&fault, at, false, ENOSYS);
		for (int probe = 0; probe < VAS_PROBE_COUNT; probe++)
			(void)vas_probe_has(&probes, &fault.sys, (enum vas_probe)probe);
		vas_probe_forget(&probes);
	}
	vas_sys_fault_arm(&fault, 0, false, 0);
	fault.sys.unmap(&fault.sys, 0, 0);
	for (int probe = 0; probe < VAS_PROBE_COUNT; probe++)
		(void)vas_probe_has(&probes, &fault.sys, (enum vas_probe)probe);
	is_u64(sim.count, count, "after faults at every call, no page is left mapped");
	vas_sys_sim_destroy(&sim);
}

static void switched_off(void)
{
	struct vas_probes probes = { .state = { 0 } };
	struct vas_probe_info info = { .size = sizeof(info) };

	setenv("VASPACE_DISABLE", "noreplace,sync_holes", 1);
	vas_environment_reload();
	sim_begin(VAS_SIM_NOREPLACE_HONOURED, false, false);
	vas_probe_describe(&probes, &sim.sys, VAS_PROBE_NOREPLACE, &info);
	is_i64(info.state, VAS_PROBE_OFF, "a probe can be switched off");
	ok(!vas_probe_has(&probes, &sim.sys, VAS_PROBE_SYNC_HOLES), "and another one with it");
	ok(!vas_probe_has(&probes, &sim.sys, VAS_PROBE_BOTH_BITS),
	   "what depends on it is not tried");
	ok(vas_probe_has(&probes, &sim.sys, VAS_PROBE_PROC_MAPS), "the others are there");
	unsetenv("VASPACE_DISABLE");
	vas_environment_reload();
	vas_probe_forget(&probes);
	ok(vas_probe_has(&probes, &sim.sys, VAS_PROBE_NOREPLACE), "forgotten, it is tried again");
	vas_sys_sim_destroy(&sim);
}

static void real_case(void *arg)
{
	struct vas_probes probes = { .state = { 0 } };
	struct vas_probe_info info = { .size = sizeof(info) };
	size_t index = 0;

	(void)arg;
	for (; vas_probe_describe(&probes, vas_sys_real(), index, &info) == 0; index++) {
		ok(info.state == VAS_PROBE_YES || (info.state == VAS_PROBE_NO && info.error < 0),
		   "%s: %s", info.name, info.state == VAS_PROBE_YES ? "yes" : "no");
		ok(vas_probe_find(info.name, strlen(info.name)) == (int)index, "found by its name");
		ok(info.what[strlen(info.what) - 1] == '.' && info.since[0], "and described");
	}
	is_u64(index, VAS_PROBE_COUNT, "all are described");
	is_i64(vas_probe_find("noreplace", 8), -1, "part of a name is none");
}

int main(void)
{
	tap_plan(0);
	noreplace();
	proc();
	lacking();
	faults();
	switched_off();
	tap_case("the real kernel, with nothing left behind", real_case, NULL, 10);
	return tap_done();
}
