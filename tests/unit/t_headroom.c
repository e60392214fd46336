/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* Readings of limits and of memory control groups, from files that a kernel might have. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "space/cgroup.h"
#include "space/headroom.h"
#include "space/procfile.h"
#include "support/fake_files.h"
#include "tap/tap.h"

#define MIB (1ull << 20)

static const struct fake_file no_files[] = { { NULL, NULL } };

/* The room, read whole lines at a time and byte by byte, with no descriptor left open. */
static void is_room(const struct fake_file *files, uint64_t want, const char *name)
{
	struct fake_files fake;
	uint64_t whole, bytes;
	unsigned int left;

	fake_files_init(&fake, files);
	whole = vas_cgroup_room(&fake.sys);
	left = fake.opened;
	fake_files_init(&fake, files);
	fake.chunk = 1;
	bytes = vas_cgroup_room(&fake.sys);
	is_u64(whole, want, "%s", name);
	ok(bytes == whole && left == 0 && fake.opened == 0, "%s: byte by byte, and closed", name);
}

static const char v2_mounts[] =
	"23 1 8:1 / / rw,relatime - ext4 /dev/root rw\n"
	"31 23 0:28 / /sys/fs/cgroup rw shared:4 master:2 - cgroup2 cgroup2 rw,nsdelegate\n";
#define V2_MOUNT                                                                                   \
	{                                                                                          \
		"/proc/self/mountinfo", v2_mounts                                                  \
	}

static void test_version_2(void)
{
	const struct fake_file tight_leaf[] = {
		{ "/proc/self/cgroup", "0::/user.slice/app.scope\n" },
		V2_MOUNT,
		{ "/sys/fs/cgroup/user.slice/app.scope/memory.max", "10485760\n" },
		{ "/sys/fs/cgroup/user.slice/app.scope/memory.current", "3145728\n" },
		{ "/sys/fs/cgroup/user.slice/memory.max", "max\n" },
		{ "/sys/fs/cgroup/user.slice/memory.current", "99999999\n" },
		{ NULL, NULL },
	};
	const struct fake_file tight_parent[] = {
		{ "/proc/self/cgroup", "0::/user.slice/app.scope\n" },
		V2_MOUNT,
		{ "/sys/fs/cgroup/user.slice/app.scope/memory.max", "max\n" },
		{ "/sys/fs/cgroup/user.slice/app.scope/memory.current", "3145728\n" },
		{ "/sys/fs/cgroup/user.slice/memory.max", "10485760\n" },
		{ "/sys/fs/cgroup/user.slice/memory.current", "9437184\n" },
		{ NULL, NULL },
	};
	const struct fake_file both[] = {
		{ "/proc/self/cgroup", "0::/a/b/c\n" },
		V2_MOUNT,
		{ "/sys/fs/cgroup/a/b/c/memory.max", "300\n" },
		{ "/sys/fs/cgroup/a/b/c/memory.current", "100\n" },
		{ "/sys/fs/cgroup/a/b/memory.max", "350\n" },
		{ "/sys/fs/cgroup/a/b/memory.current", "200\n" },
		{ "/sys/fs/cgroup/a/memory.max", "1000\n" },
		{ "/sys/fs/cgroup/a/memory.current", "300\n" },
		{ NULL, NULL },
	};
	const struct fake_file over[] = {
		{ "/proc/self/cgroup", "0::/a\n" },
		V2_MOUNT,
		{ "/sys/fs/cgroup/a/memory.max", "4096\n" },
		{ "/sys/fs/cgroup/a/memory.current", "8192\n" },
		{ NULL, NULL },
	};
	const struct fake_file root[] = {
		{ "/proc/self/cgroup", "0::/\n" },
		V2_MOUNT,
		{ "/sys/fs/cgroup/memory.max", "8192\n" },
		{ "/sys/fs/cgroup/memory.current", "4096\n" },
		{ NULL, NULL },
	};
	const struct fake_file unlimited[] = {
		{ "/proc/self/cgroup", "0::/a/b\n" },
		V2_MOUNT,
		{ "/sys/fs/cgroup/a/b/memory.max", "max\n" },
		{ "/sys/fs/cgroup/a/memory.max", "max\n" },
		{ NULL, NULL },
	};

	is_room(tight_leaf, 7 * MIB, "version 2, the group itself is limited");
	is_room(tight_parent, 1 * MIB, "version 2, its parent is");
	is_room(both, 150, "version 2, each level is limited, the tightest counts");
	is_room(over, 0, "version 2, beyond its limit");
	is_room(root, 4096, "version 2, a container's own root");
	is_room(unlimited, UINT64_MAX, "version 2, no limit");
}

static const char v1_mounts[] =
	"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,hugetlb,memory\n"
	"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
static const char v1_groups[] = "9:name=systemd:/x\n5:cpu:/y\n4:hugetlb,memory:/box/1\n0::/\n";
#define V1_MOUNT                                                                                   \
	{                                                                                          \
		"/proc/self/mountinfo", v1_mounts                                                  \
	}
#define V1_GROUP                                                                                   \
	{                                                                                          \
		"/proc/self/cgroup", v1_groups                                                     \
	}

static void test_version_1(void)
{
	const struct fake_file limited[] = {
		V1_GROUP,
		V1_MOUNT,
		{ "/sys/fs/cgroup/memory/box/1/memory.limit_in_bytes", "9223372036854771712\n" },
		{ "/sys/fs/cgroup/memory/box/1/memory.usage_in_bytes", "4096\n" },
		{ "/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "2097152\n" },
		{ "/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "1048576\n" },
		{ NULL, NULL },
	};
	const struct fake_file unlimited[] = {
		V1_GROUP,
		V1_MOUNT,
		{ "/sys/fs/cgroup/memory/box/1/memory.limit_in_bytes", "9223372036854771712\n" },
		{ "/sys/fs/cgroup/memory/box/1/memory.usage_in_bytes", "4096\n" },
		{ NULL, NULL },
	};
	const struct fake_file part_of_word[] = {
		{ "/proc/self/cgroup", "4:memory2,xmemory:/box\n" },
		V1_MOUNT,
		{ "/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "4096\n" },
		{ "/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "0\n" },
		{ NULL, NULL },
	};

	is_room(limited, 1 * MIB, "version 1 beside version 2, the parent is limited");
	is_room(unlimited, UINT64_MAX, "version 1, its way to write no limit");
	is_room(part_of_word, UINT64_MAX, "version 1, a controller's whole name counts");
}

static void test_containers(void)
{
	/* The mount shows the part of the hierarchy below /docker/ab. */
	const struct fake_file inside[] = {
		{ "/proc/self/cgroup", "0::/docker/ab/job\n" },
		{ "/proc/self/mountinfo", "9 8 0:26 /docker/ab /cg rw - cgroup2 cgroup rw\n" },
		{ "/cg/job/memory.max", "8192\n" },
		{ "/cg/job/memory.current", "4096\n" },
		{ NULL, NULL },
	};
	const struct fake_file other_name[] = {
		{ "/proc/self/cgroup", "0::/docker/abc\n" },
		{ "/proc/self/mountinfo", "9 8 0:26 /docker/ab /cg rw - cgroup2 cgroup rw\n" },
		{ "/cgc/memory.max", "1\n" },
		{ "/cgc/memory.current", "1\n" },
		{ "/cg/memory.max", "8192\n" },
		{ "/cg/memory.current", "0\n" },
		{ NULL, NULL },
	};
	const struct fake_file above[] = {
		{ "/proc/self/cgroup", "0::/../../x\n" },
		V2_MOUNT,
		{ "/sys/fs/cgroup/../../x/memory.max", "1\n" },
		{ "/sys/fs/cgroup/../../x/memory.current", "1\n" },
		{ "/sys/fs/cgroup/memory.max", "8192\n" },
		{ "/sys/fs/cgroup/memory.current", "0\n" },
		{ NULL, NULL },
	};

	is_room(inside, 4096, "a mount of a part of the hierarchy");
	is_room(other_name, 8192, "a name that only begins like the mounted part");
	is_room(above, 8192, "a group above what can be seen");
}

static void test_malformed(void)
{
	static char long_line[6000], cut_line[2100];
	const struct fake_file no_mount[] = { { "/proc/self/cgroup", "0::/a\n" }, { NULL, NULL } };
	const struct fake_file not_lines[] = {
		{ "/proc/self/cgroup", "::::\n\n:\n0\n0:\nmemory\n1:memory\n" },
		V2_MOUNT,
		{ NULL, NULL },
	};
	const struct fake_file bad_mounts[] = {
		{ "/proc/self/cgroup", "0::/a\n" },
		{ "/proc/self/mountinfo",
		  "\n1\n1 2 3\n1 2 3 / \n1 2 3 / /x\n1 2 3 / /x -\n1 2 3 / /x - cgroup2\n"
		  "1 2 3 / relative rw - cgroup2 c rw\n1 2 3 / /a\\040b rw - cgroup2 c rw\n" },
		{ "relative/a/memory.max", "1\n" },
		{ "relative/a/memory.current", "1\n" },
		{ NULL, NULL },
	};
	const struct fake_file late_mount[] = {
		{ "/proc/self/cgroup", long_line },
		V2_MOUNT,
		{ "/sys/fs/cgroup/a/memory.max", "5\n" },
		{ "/sys/fs/cgroup/a/memory.current", "3\n" },
		{ NULL, NULL },
	};
	const struct fake_file late_group[] = {
		{ "/proc/self/cgroup", cut_line },
		V2_MOUNT,
		{ "/sys/fs/cgroup/a/memory.max", "5\n" },
		{ "/sys/fs/cgroup/a/memory.current", "3\n" },
		{ NULL, NULL },
	};
	const struct fake_file no_newline[] = {
		{ "/proc/self/cgroup", "0::/a" },
		{ "/proc/self/mountinfo", "9 8 0:26 / /cg rw - cgroup2 cgroup" },
		{ "/cg/a/memory.max", "5" },
		{ "/cg/a/memory.current", "3" },
		{ NULL, NULL },
	};
	struct fake_files fake;

	memset(long_line, 'x', sizeof(long_line));
	memset(cut_line, 'x', sizeof(cut_line));
	strcpy(cut_line + 2047, "4:memory:/y\n0::/a\n"); /* where a buffer of 2048 bytes is full */
	strcpy(long_line + sizeof(long_line) - 8, "\n0::/a\n");
	is_room(no_files, UINT64_MAX, "no files at all");
	is_room(no_mount, UINT64_MAX, "no mounts");
	is_room(not_lines, UINT64_MAX, "lines of another grammar");
	is_room(bad_mounts, UINT64_MAX, "mounts of another grammar");
	is_room(late_mount, 2, "a line longer than the buffer is stepped over");
	is_room(late_group, 2, "and its rest is not a line");
	is_room(no_newline, 2, "last lines without a newline");
	for (unsigned int at = 1; at <= 6; at++) {
		fake_files_init(&fake, no_newline);
		fake.fail_read_at = at;
		vas_cgroup_room(&fake.sys);
		ok(fake.opened == 0, "read %u fails: closed all the same", at);
	}
}

static const char maps[] = "10000-20000 r-xp 00000000 08:01 5 /bin/x\n"
			   "20000-30000 rw-p 00000000 00:00 0 \n"
			   "7ffff0000000-7ffff0004000 rw-p 00000000 00:00 0 [stack]\n"
			   "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

static void test_headroom(void)
{
	const struct fake_file files[] = {
		{ "/proc/self/statm", "1000 20 10 1 0 50 0\n" },
		{ "/proc/self/status", "Name:\tx\nVmLckX:\t 1 kB\nVmLck:\t      64 kB\n"
				       "VmData:\t     128 kB\nVmStk:\t 9 kB\n" },
		{ "/proc/sys/vm/overcommit_memory", "2\n" },
		{ "/proc/sys/vm/max_map_count", "65530\n" },
		{ "/proc/meminfo",
		  "MemTotal:        4096 kB\nMemFree: 1 kB\nSwapTotal:       1024 kB\n"
		  "CommitLimit:     3072 kB\nCommitted_AS:    2048 kB\n" },
		{ "/proc/self/maps", maps },
		{ NULL, NULL },
	};
	const struct fake_limit limits[] = {
		{ RLIMIT_AS, 8 * MIB },
		{ RLIMIT_DATA, 2 * MIB },
		{ RLIMIT_MEMLOCK, 65536 },
		{ -1, 0 },
	};
	const struct fake_file only_maps[] = { { "/proc/self/maps", maps }, { NULL, NULL } };
	struct vas_headroom room;
	struct fake_files fake;

	fake_files_init(&fake, files);
	fake.limits = limits;
	fake.chunk = 7;
	vas_headroom_read(&fake.sys, &room);
	is_u64(room.vmas_used, 3, "mappings, the vsyscall page not among them");
	is_u64(room.vmas_limit, 65530, "their limit");
	is_u64(room.address_used, 1000 * 4096, "address space in use");
	is_u64(room.address_limit, 8 * MIB, "its limit");
	is_u64(room.data_used, 128 << 10, "data in use");
	is_u64(room.data_limit, 2 * MIB, "its limit");
	is_u64(room.locked_used, 64 << 10, "locked");
	is_u64(room.locked_limit, 65536, "its limit");
	is_u64(room.memory, 5 * MIB, "memory and swap");
	is_u64(room.commit_used, 2 * MIB, "committed");
	is_u64(room.commit_limit, 3 * MIB, "its limit");
	is_u64(room.overcommit_mode, 2, "mode");
	is_u64(room.cgroup_room, UINT64_MAX, "no group");
	is_u64(fake.opened, 0, "every file is closed");

	for (unsigned int at = 1; at <= fake.reads; at++) {
		struct vas_headroom partly;
		struct fake_files failing;

		fake_files_init(&failing, files);
		failing.fail_read_at = at;
		vas_headroom_read(&failing.sys, &partly);
		if (failing.reads < at)
			break;
		ok(failing.opened == 0, "read %u fails: every file is closed", at);
	}

	fake_files_init(&fake, only_maps);
	vas_headroom_read(&fake.sys, &room);
	is_u64(room.vmas_used, 3, "only maps: mappings");
	is_u64(room.address_used, 0x24000, "only maps: address space is their sum");
	is_u64(room.vmas_limit, UINT64_MAX, "only maps: no limit known");

	fake_files_init(&fake, no_files);
	vas_headroom_read(&fake.sys, &room);
	ok(room.vmas_used == UINT64_MAX && room.address_used == UINT64_MAX &&
		   room.locked_used == UINT64_MAX && room.memory == UINT64_MAX &&
		   room.overcommit_mode == UINT32_MAX && room.address_limit == UINT64_MAX,
	   "no files: nothing is known");
}

/* The same readings on the kernel that runs this test. */
static void test_real(void)
{
	struct vas_headroom room;

	vas_headroom_read(vas_sys_real(), &room);
	ok(room.vmas_used > 3 && room.vmas_used < 100000, "mappings of this process");
	/* Which only x86 has, unless it was started without it. */
	ok(room.vmas_used + 1 == (uint64_t)tap_count_vmas() ||
		   room.vmas_used == (uint64_t)tap_count_vmas(),
	   "as another reader counts them, but for vsyscall");
	ok(room.address_used > MIB, "address space of this process");
	ok(room.memory > 16 * MIB && room.memory != UINT64_MAX, "memory of this machine");
	ok(room.overcommit_mode <= 2, "its overcommit mode");
	ok(room.commit_limit != UINT64_MAX && room.commit_used != UINT64_MAX, "and commitments");
	ok(room.vmas_limit != UINT64_MAX, "and the VMA limit");
}

int main(void)
{
	tap_plan(0);
	test_version_2();
	test_version_1();
	test_containers();
	test_malformed();
	test_headroom();
	test_real();
	return tap_done();
}
