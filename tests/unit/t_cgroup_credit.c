/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/*
 * How long one reading of a memory group's room serves: for a small part of the room, so that a limit that
 * was lowered, or other memory in the group, is seen in time; and never for a refusal.
 */
#include <stdio.h>
#include <string.h>

#include "space/cgroup.h"
#include "support/fake_files.h"
#include "tap/tap.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)

static char limit[32], usage[32];
static const struct fake_file files[] = {
	{ "/proc/self/cgroup", "0::/a\n" },
	{ "/proc/self/mountinfo",
	  "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n" },
	{ "/sys/fs/cgroup/a/memory.max", limit },
	{ "/sys/fs/cgroup/a/memory.current", usage },
	{ NULL, NULL },
};
static struct fake_files fake;
static uint64_t credit;
static uint64_t most; /* that a reading serves for */

static void set(uint64_t has, uint64_t uses)
{
	snprintf(limit, sizeof(limit), "%llu\n", (unsigned long long)has);
	snprintf(usage, sizeof(usage), "%llu\n", (unsigned long long)uses);
}

/* Bytes that are admitted, a page at a time, until the files are read again. */
static uint64_t served(void)
{
	unsigned opens = fake.opens;
	uint64_t bytes = 0;

	while (bytes <= 2 * most && vas_cgroup_admits(&fake.sys, &credit, most, PAGE) &&
	       fake.opens == opens)
		bytes += PAGE;
	return bytes;
}

static void begin(void)
{
	fake_files_init(&fake, files);
	credit = 0;
}

static void test_room(uint64_t limit_of)
{
	begin();
	most = limit_of;
	set(8192 * MIB, 0);
	ok(vas_cgroup_admits(&fake.sys, &credit, most, PAGE), "there is room");
	ok(fake.opens > 0, "which was read");
	is_u64(served(), most, "the reading serves for so much");
	ok(vas_cgroup_admits(&fake.sys, &credit, most, 7680 * MIB), "what is larger is looked up");
	is_u64(served(), (8192 - 2 - 7680) * MIB / 64 / PAGE * PAGE, "and leaves a part of the rest");
	is_u64(fake.opened, 0, "nothing is left open");
	strcpy(limit, "max\n");
	begin();
	ok(vas_cgroup_admits(&fake.sys, &credit, most, PAGE), "there is no limit");
	is_u64(served(), most, "the reading serves for as much");
}

/* A limit that is lowered is seen. */
static void test_lowered(void)
{
	uint64_t bytes = 0;

	begin();
	set(1024 * MIB, 0);
	ok(vas_cgroup_admits(&fake.sys, &credit, most, PAGE), "there is room");
	set(MIB, 0);
	while (bytes < 2 * most && vas_cgroup_admits(&fake.sys, &credit, most, PAGE))
		bytes += PAGE;
	ok(bytes <= most, "a lowered limit refuses (after %llu bytes)", (unsigned long long)bytes);
	ok(!vas_cgroup_admits(&fake.sys, &credit, most, PAGE), "and goes on to refuse");
	set(1024 * MIB, 0);
	ok(vas_cgroup_admits(&fake.sys, &credit, most, PAGE), "until it is raised: at once");
}

/* Little room: hardly anything without a look. */
static void test_end(void)
{
	begin();
	set(66 * MIB, 0);
	ok(vas_cgroup_admits(&fake.sys, &credit, most, PAGE), "little room");
	ok(served() <= MIB, "a reading serves for a 64th of it");
	ok(vas_cgroup_admits(&fake.sys, &credit, most, 64 * MIB), "all but the margin may be taken");
	ok(!vas_cgroup_admits(&fake.sys, &credit, most, 64 * MIB + PAGE), "and not more");
	set(66 * MIB, 64 * MIB);
	ok(!vas_cgroup_admits(&fake.sys, &credit, most, PAGE), "the margin itself is left");
}

int main(void)
{
	tap_plan(0);
	test_room(8 * MIB);
	test_room(64 * MIB);
	most = 8 * MIB;
	test_lowered();
	test_end();
	return tap_done();
}
