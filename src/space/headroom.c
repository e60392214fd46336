/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readings of what is left under the kernel's limits.
 *
 * What for: the kernel says ENOMEM for half a dozen reasons. These are the
 * numbers by which they can be told apart afterwards.
 *
 * Strategy: ask the kernel for its own counts, in the units that its checks
 * use: total_vm (first field of statm) is what RLIMIT_AS is compared with,
 * VmData what RLIMIT_DATA is, VmLck what RLIMIT_MEMLOCK is. Where /proc is not there, the
 * limits by getrlimit remain and the rest cannot be told.
 *
 * Structure: a function per group of limits, so that a caller pays for what it
 * asks: one small file each, but for the count of mappings, which costs a reading of
 * all of them.
 *
 * Concurrency: no lock, no shared state. Other threads map meanwhile, so two
 * numbers of one reading may be a little apart.
 *
 * Not here: what the numbers mean for a failure (space/explain.c).
 */
#include "space/headroom.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "base/number.h"
#include "base/text.h"
#include "layout/reader.h"
#include "space/cgroup.h"
#include "space/procfile.h"

#define KIB 1024u

void vas_headroom_clear(struct vas_headroom *headroom)
{
	*headroom = (struct vas_headroom){
		.vmas_used = UINT64_MAX,
		.vmas_limit = UINT64_MAX,
		.address_used = UINT64_MAX,
		.address_limit = UINT64_MAX,
		.data_used = UINT64_MAX,
		.data_limit = UINT64_MAX,
		.locked_used = UINT64_MAX,
		.locked_limit = UINT64_MAX,
		.memory = UINT64_MAX,
		.commit_used = UINT64_MAX,
		.commit_limit = UINT64_MAX,
		.cgroup_room = UINT64_MAX,
		.overcommit_mode = UINT32_MAX,
	};
}

static void limit_read(struct vas_sys *sys, int resource, uint64_t *value)
{
	struct vas_sys_limit limit;

	if (VAS_CALL(sys, get_limit, resource, &limit) >= 0)
		*value = limit.current;
}

/* A line such as "VmLck:      64 kB" that is looked for, and where its value goes. */
struct field {
	const char *key; /* with its colon */
	uint64_t *bytes;
};

/* Reads the fields that a file has; the others keep their values. */
static void fields_read(struct vas_sys *sys, const char *path, const struct field *fields,
			size_t count)
{
	struct vas_procfile_lines lines;
	uint64_t kibibytes;
	char buffer[512];
	size_t length;
	char *line;

	if (vas_procfile_open(&lines, sys, path, buffer, sizeof(buffer)) < 0)
		return;
	while (vas_procfile_next(&lines, &line, &length)) {
		for (size_t i = 0; i < count; i++) {
			if (vas_procfile_field(line, length, fields[i].key, &kibibytes))
				vas_multiply(kibibytes, KIB, fields[i].bytes);
		}
	}
	vas_procfile_close(&lines);
}

void vas_headroom_address(struct vas_sys *sys, struct vas_headroom *headroom)
{
	uint64_t pages;

	limit_read(sys, RLIMIT_AS, &headroom->address_limit);
	if (vas_procfile_number(sys, "/proc/self/statm", &pages) == 0)
		vas_multiply(pages, sys->page_size, &headroom->address_used);
}

void vas_headroom_locked(struct vas_sys *sys, struct vas_headroom *headroom)
{
	const struct field fields[] = { { "VmLck:", &headroom->locked_used } };

	limit_read(sys, RLIMIT_MEMLOCK, &headroom->locked_limit);
	fields_read(sys, "/proc/self/status", fields, 1);
}

void vas_headroom_memory(struct vas_sys *sys, struct vas_headroom *headroom)
{
	uint64_t ram = UINT64_MAX, swap = 0, mode;
	const struct field status[] = { { "VmData:", &headroom->data_used } };
	const struct field meminfo[] = {
		{ "MemTotal:", &ram },
		{ "SwapTotal:", &swap },
		{ "CommitLimit:", &headroom->commit_limit },
		{ "Committed_AS:", &headroom->commit_used },
	};

	limit_read(sys, RLIMIT_DATA, &headroom->data_limit);
	fields_read(sys, "/proc/self/status", status, 1);
	if (vas_procfile_number(sys, "/proc/sys/vm/overcommit_memory", &mode) == 0)
		headroom->overcommit_mode = (uint32_t)mode;
	fields_read(sys, "/proc/meminfo", meminfo, sizeof(meminfo) / sizeof(meminfo[0]));
	vas_add(ram, swap, &headroom->memory);
	headroom->cgroup_room = vas_cgroup_room(sys);
}

void vas_headroom_mappings(struct vas_sys *sys, struct vas_headroom *headroom)
{
	struct vas_mapping mapping;
	struct vas_reader reader;
	uint64_t count = 0, bytes = 0, limit;
	char buffer[2 * VAS_READER_BUFFER_MIN];
	int more;

	if (vas_procfile_number(sys, "/proc/sys/vm/max_map_count", &limit) == 0)
		headroom->vmas_limit = limit;
	if (vas_reader_open_process(&reader, sys, 0, buffer, sizeof(buffer)) < 0)
		return;
	while ((more = vas_reader_next(&reader, &mapping)) > 0) {
		/* [vsyscall] is in the kernel's half: shown here, but no mapping of the process. */
		if (mapping.start > INT64_MAX)
			continue;
		count++;
		bytes += mapping.end - mapping.start;
	}
	vas_reader_close(&reader);
	if (more < 0)
		return;
	headroom->vmas_used = count;
	if (headroom->address_used == UINT64_MAX)
		headroom->address_used = bytes;
}

void vas_headroom_read(struct vas_sys *sys, struct vas_headroom *headroom)
{
	vas_headroom_clear(headroom);
	vas_headroom_address(sys, headroom);
	vas_headroom_locked(sys, headroom);
	vas_headroom_memory(sys, headroom);
	vas_headroom_mappings(sys, headroom);
}
