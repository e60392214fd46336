/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel by itself: what the comparison with the real one
 * (tests/model/t_sim_differential.c) cannot show: other page sizes, widths,
 * kinds of NOREPLACE, and the text of maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/definitions.h"
#include "sys/sim.h"
#include "tap/tap.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static struct vas_sys_sim sim;
static struct vas_sys *sys;

static void begin(const struct vas_sim_config *config)
{
	if (vas_sys_sim_init(&sim, config) != 0)
		tap_bail("no memory for a simulated kernel");
	sys = &sim.sys;
}

static void end(const char *what)
{
	const char *reason;
	bool holds = vas_sys_sim_check(&sim, &reason);

	ok(holds, "%s: invariants hold%s%s", what, reason ? ": " : "", reason ? reason : "");
	vas_sys_sim_destroy(&sim);
}

static int64_t claim(uint64_t address, uint64_t size, int flags)
{
	return sys->map(sys, address, size, PROT_NONE, ANON | MAP_NORESERVE | flags, -1, 0);
}

static void configurations(void)
{
	struct vas_sim_config bad_width = { .width = 37 }, wide = { .width = 58 };
	struct vas_sim_config bad_page = { .page_size = 12288 }, small_page = { .page_size = 2048 };

	is_err(vas_sys_sim_init(&sim, &bad_width), EINVAL, "37 bits are too few");
	is_err(vas_sys_sim_init(&sim, &wide), EINVAL, "58 are too many");
	is_err(vas_sys_sim_init(&sim, &bad_page), EINVAL, "pages are a power of two");
	is_err(vas_sys_sim_init(&sim, &small_page), EINVAL, "of 4 KiB at least");
}

/* Layout, window and top of user space for one width and page size. */
static void width(uint32_t bits, uint64_t page, uint32_t window_bits)
{
	struct vas_sim_config config = { .width = bits, .page_size = page, .seed = bits * page };
	uint64_t last = ((uint64_t)1 << bits) - 2 * page;
	int64_t got;

	begin(&config);
	is_u64(sys->page_size, page, "%u bits, pages of %llu: the page size is the table's", bits,
	       (unsigned long long)page);
	got = claim(0, page, 0);
	ok(got > 0 && (uint64_t)got < (uint64_t)1 << window_bits, "a free place is in the window");
	is_i64(claim(last, page, MAP_FIXED_NOREPLACE), (int64_t)last,
	       "the last page but one exists");
	is_i64(claim((uint64_t)1 << bits, page, MAP_FIXED_NOREPLACE), -ENOMEM,
	       "beyond it is ENOMEM");
	is_i64(claim(page / 2, page, MAP_FIXED_NOREPLACE), -EINVAL, "half a page is EINVAL");
	got = claim((uint64_t)3 << (bits - 2), page, 0);
	is_i64(got, (int64_t)3 << (bits - 2), "a free hint is taken, above the window too");
	end("width");
}

static void window(void)
{
	struct vas_sim_config config = { .width = 56, .empty = true };
	uint64_t size = (uint64_t)1 << 47;

	begin(&config);
	is_i64(claim(0, size, 0), -ENOMEM, "without a hint, nothing beyond the default window");
	ok(claim((uint64_t)1 << 48, size, 0) == (int64_t)1 << 48, "with a hint above it, there is");
	is_i64(claim(((uint64_t)1 << 47) - 8192, 16384, MAP_FIXED_NOREPLACE),
	       ((int64_t)1 << 47) - 8192, "and a fixed place across it");
	end("window");
}

static void noreplace(void)
{
	struct vas_sim_config config = { .empty = true };
	const uint64_t at = 0x10000000;

	begin(&config);
	is_i64(claim(at, 8192, MAP_FIXED_NOREPLACE), (int64_t)at, "honoured: a free place");
	is_i64(claim(at - 4096, 8192, MAP_FIXED_NOREPLACE), -EEXIST,
	       "a partial overlap is refused");
	is_i64(claim(at, 4096, MAP_FIXED | MAP_FIXED_NOREPLACE), -EEXIST, "with both bits too");
	end("honoured");
	config.noreplace = VAS_SIM_NOREPLACE_IGNORED;
	begin(&config);
	is_i64(claim(at, 8192, MAP_FIXED_NOREPLACE), (int64_t)at,
	       "ignored: a free place is a good hint");
	ok(claim(at, 4096, MAP_FIXED_NOREPLACE) > (int64_t)at + 8192, "a taken one is elsewhere");
	end("ignored");
	config.noreplace = VAS_SIM_NOREPLACE_PARTIAL;
	begin(&config);
	is_i64(claim(at, 8192, MAP_FIXED_NOREPLACE), (int64_t)at, "partial: a free place");
	is_i64(claim(at, 4096, MAP_FIXED_NOREPLACE), -EEXIST, "its start is refused");
	is_i64(claim(at - 4096, 8192, MAP_FIXED_NOREPLACE), (int64_t)at - 4096,
	       "its middle is clobbered");
	end("partial");
}

static void limits(void)
{
	struct vas_sim_config config = { .empty = true,
					 .max_map_count = 4,
					 .address_limit = 1 << 20 };
	struct vas_sys_limit limit;
	const uint64_t at = 0x10000000;

	begin(&config);
	is_i64(sys->get_limit(sys, RLIMIT_AS, &limit), 0, "RLIMIT_AS can be read");
	is_u64(limit.current, 1 << 20, "and is what was configured");
	is_i64(claim(at, (1 << 20) + 4096, MAP_FIXED), -ENOMEM, "one page more than it");
	is_i64(claim(at, 1 << 20, MAP_FIXED), (int64_t)at, "exactly it");
	is_i64(claim(at + 4096, 4096, MAP_FIXED), (int64_t)at + 4096, "over itself costs nothing");
	is_i64(sys->protect(sys, at + 8192, 4096, PROT_READ), 0, "two splits make three mappings");
	is_i64(sys->protect(sys, at + 16384, 4096, PROT_READ), -ENOMEM,
	       "there is room for one split");
	is_u64(sim.count, 4, "which was made and stays");
	is_i64(sys->unmap(sys, at + 40960, 4096), -ENOMEM, "at the limit, no hole");
	is_i64(sys->advise(sys, at + 40960, 4096, MADV_DONTDUMP), -EAGAIN, "and for advice EAGAIN");
	is_i64(sys->unmap(sys, at + (1 << 20) - 4096, 4096), 0, "but an end can go");
	end("limits");
}

static void accounting(void)
{
	struct vas_sim_config config = { .empty = true, .commit_limit = 1 << 20 };
	const uint64_t at = 0x10000000;

	begin(&config);
	is_i64(sys->map(sys, at, 2 << 20, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0), -ENOMEM,
	       "more than memory cannot be had");
	is_i64(claim(at, 4 << 20, MAP_FIXED), (int64_t)at, "but reserved");
	is_i64(sys->protect(sys, at, 4 << 20, PROT_READ | PROT_WRITE), 0,
	       "and NORESERVE stays uncounted");
	is_i64(sys->map(sys, at, 4 << 20, PROT_NONE, ANON | MAP_FIXED, -1, 0), (int64_t)at,
	       "counted from the start");
	is_i64(sys->protect(sys, at, 4 << 20, PROT_READ | PROT_WRITE), -ENOMEM, "it is refused");
	is_i64(sys->protect(sys, at, 1 << 20, PROT_READ | PROT_WRITE), 0, "a part is not");
	end("accounting");
}

static void merging(void)
{
	struct vas_sim_config config = { .empty = true };
	const uint64_t at = 0x10000000;

	begin(&config);
	claim(at, 16384, MAP_FIXED);
	sys->protect(sys, at + 4096, 4096, PROT_READ | PROT_WRITE);
	is_u64(sim.count, 3, "a changed middle makes three");
	vas_sys_sim_touch(&sim, at + 4096, 4096);
	sys->protect(sys, at + 4096, 4096, PROT_NONE);
	is_u64(sim.count, 1, "changed back, one, written to or not");
	sys->set_name(sys, at, 4096, "first");
	sys->set_name(sys, at + 4096, 4096, "first");
	is_u64(sim.count, 2, "equal names merge");
	is_i64(sys->set_name(sys, at, 4096, "[first]"), -EINVAL, "brackets are not for names");
	sys->map(sys, at + 16384, 4096, PROT_NONE, ANON | MAP_FIXED, -1, 0);
	is_u64(sim.count, 3, "without NORESERVE it does not merge");
	end("merging");
}

static void stack_gap(void)
{
	struct vas_sim_config config = { .seed = 7 };
	uint64_t stack = 0;

	begin(&config);
	for (size_t i = 0; i < sim.count; i++)
		if (sim.mappings[i].flags & MAP_GROWSDOWN)
			stack = sim.mappings[i].start;
	ok(stack != 0, "there is a stack");
	ok(claim(stack - 8 * 4096, 4096, 0) != (int64_t)stack - 8 * 4096,
	   "a hint below it is moved");
	is_i64(claim(stack - 8 * 4096, 4096, MAP_FIXED_NOREPLACE), (int64_t)stack - 8 * 4096,
	       "a claim is not");
	end("stack");
}

/* All of maps, read in pieces of step bytes. */
static size_t read_maps(char *text, size_t room, size_t step)
{
	int64_t fd = sys->open(sys, "/proc/self/maps", O_RDONLY);
	int64_t got = 1;
	size_t length = 0;

	while (got > 0 && length + step < room) {
		got = sys->read(sys, (int)fd, text + length, step);
		length += got > 0 ? (size_t)got : 0;
	}
	is_i64(got, 0, "maps end, read by %zu bytes", step);
	text[length] = 0;
	is_i64(sys->close(sys, (int)fd), 0, "and are closed");
	return length;
}

static void text(void)
{
	static char whole[65536], pieces[65536];
	struct vas_sim_config config = { .seed = 3 };
	size_t length;

	begin(&config);
	for (uint64_t i = 0; i < 100; i++)
		claim(0x10000000 + i * 8192, 4096, MAP_FIXED);
	length = read_maps(whole, sizeof(whole), 16384);
	is_u64(read_maps(pieces, sizeof(pieces), 7), length, "pieces make the same length");
	ok(!memcmp(whole, pieces, length), "and the same text");
	ok(!strncmp(whole, "10000000-10001000 ---p 00000000 00:00 0 \n", 41),
	   "a line as Linux has it");
	ok(strstr(whole, " r-xp 00008000 00:01 101                        /usr/bin/program\n") !=
		   NULL,
	   "a file's, with its name in column 74");
	ok(strstr(whole, "[heap]\n") && strstr(whole, "[stack]\n") && strstr(whole, "[vdso]\n"),
	   "heap, stack and vdso are named");
	ok(length > 20 && !strcmp(whole + length - 11, "[vsyscall]\n"), "vsyscall comes last");
	end("text");
}

static void files(void)
{
	struct vas_sim_config config = { .seed = 3 };
	char buffer[16];
	int64_t fd, last = 0;

	begin(&config);
	is_i64(sys->open(sys, "/etc/passwd", O_RDONLY), -ENOENT, "other files do not exist");
	fd = sys->open(sys, "/proc/sys/vm/mmap_min_addr", O_RDONLY);
	is_i64(sys->read(sys, (int)fd, buffer, sizeof(buffer)), 6, "a setting has its text");
	ok(!memcmp(buffer, "65536\n", 6), "which is its number");
	is_i64(sys->read(sys, (int)fd, buffer, sizeof(buffer)), 0, "once");
	is_i64(sys->seek(sys, (int)fd, 0, SEEK_SET), 0, "until it is rewound");
	is_i64(sys->read(sys, (int)fd, buffer, sizeof(buffer)), 6, "then again");
	is_i64(sys->seek(sys, (int)fd, 1, SEEK_SET), -EINVAL, "only to the start");
	is_i64(sys->close(sys, (int)fd), 0, "it closes");
	is_i64(sys->close(sys, (int)fd), -EBADF, "once");
	is_i64(sys->read(sys, (int)fd, buffer, 1), -EBADF, "and cannot be read then");
	while (last >= 0)
		last = sys->open(sys, "/proc/self/maps", O_RDONLY);
	is_i64(last, -EMFILE, "descriptors end");
	end("files");
}

static void query(void)
{
	struct vas_sim_config config = { .empty = true };
	char name[32];
	struct vas_sys_query result = { .name = name, .name_size = sizeof(name) };
	const uint64_t at = 0x10000000;
	int fd;

	begin(&config);
	fd = (int)sys->open(sys, "/proc/self/maps", O_RDONLY);
	sys->map(sys, at, 8192, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
	sys->set_name(sys, at, 8192, "mine");
	is_i64(sys->query(sys, fd, at + 5000, 0, &result), 0,
	       "a mapping is found by an address in it");
	is_u64(result.start, at, "its start");
	is_u64(result.end, at + 8192, "its end");
	is_u64(result.prot, PROT_READ | PROT_WRITE, "its protection");
	is_str(name, "[anon:mine]", "its name");
	is_u64(result.name_size, 12, "and the name's length");
	result.name_size = 5;
	is_i64(sys->query(sys, fd, at, 0, &result), -ENAMETOOLONG, "a name that does not fit");
	result.name = NULL;
	is_i64(sys->query(sys, fd, 4096, 0, &result), -ENOENT, "a hole is nothing");
	is_i64(sys->query(sys, fd, 4096, VAS_QUERY_COVERING_OR_NEXT, &result), 0,
	       "or what comes next");
	is_u64(result.start, at, "which is the same one");
	is_i64(sys->query(sys, fd, at + 8192, VAS_QUERY_COVERING_OR_NEXT, &result), -ENOENT,
	       "or nothing");
	end("query");
}

static void race(struct vas_sys_sim *raced, void *context)
{
	raced->before_map = NULL;
	sys->map(sys, *(uint64_t *)context, 4096, PROT_READ, ANON | MAP_FIXED, -1, 0);
}

static void hook(void)
{
	struct vas_sim_config config = { .empty = true };
	uint64_t at = 0x10000000;

	begin(&config);
	sim.before_map = race;
	sim.context = &at;
	is_i64(claim(at, 4096, MAP_FIXED_NOREPLACE), -EEXIST, "another thread can be faster");
	end("hook");
}

/* What is held follows what was done. */
static void residency(void)
{
	struct vas_sim_config config = { .empty = true };
	const uint64_t at = 0x10000000, page = 4096;

	begin(&config);
	sys->map(sys, at, 16 * page, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
	is_u64(vas_sys_sim_private_bytes(&sim, at, 16 * page), 0, "untouched memory holds nothing");
	is_u64(vas_sys_sim_touch(&sim, at, 16 * page), 0, "all of it can be touched");
	is_u64(vas_sys_sim_private_bytes(&sim, at, 16 * page), 16 * page, "and then holds bytes");
	sys->advise(sys, at, 4 * page, MADV_DONTNEED);
	is_u64(vas_sys_sim_private_bytes(&sim, at, 16 * page), 12 * page,
	       "less what was given back");
	sys->protect(sys, at, 8 * page, PROT_NONE);
	is_u64(vas_sys_sim_private_bytes(&sim, at, 8 * page), 4 * page, "protecting gives nothing");
	sys->map(sys, at, 8 * page, PROT_NONE, ANON | MAP_FIXED, -1, 0);
	is_u64(vas_sys_sim_private_bytes(&sim, at, 8 * page), 0, "replacing does");
	is_i64(sys->advise(sys, at + 8 * page, 2 * page, MADV_GUARD_INSTALL), 0, "guards");
	is_u64(vas_sys_sim_guarded_bytes(&sim, at, 16 * page), 2 * page, "are there");
	is_u64(vas_sys_sim_private_bytes(&sim, at + 8 * page, 2 * page), 0, "and took the bytes");
	is_u64(vas_sys_sim_touch(&sim, at + 8 * page, 4 * page), 2 * page,
	       "they cannot be touched");
	is_i64(sys->advise(sys, at + 8 * page, 4 * page, MADV_POPULATE_WRITE), -EFAULT,
	       "nor populated");
	sys->advise(sys, at + 8 * page, 2 * page, MADV_DONTNEED);
	is_u64(vas_sys_sim_guarded_bytes(&sim, at, 16 * page), 2 * page, "and survive advice");
	sys->unmap(sys, at + 8 * page, page);
	is_u64(vas_sys_sim_guarded_bytes(&sim, at, 16 * page), page, "but not unmapping");
	is_i64(sys->move(sys, at + 9 * page, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, at),
	       (int64_t)at, "moved,");
	is_u64(vas_sys_sim_guarded_bytes(&sim, at, page), page, "they come along");
	is_i64(vas_sys_sim_lock_pages(&sim, at + 12 * page, page, true), 0, "locked memory");
	is_i64(sys->advise(sys, at + 12 * page, page, MADV_GUARD_INSTALL), -EINVAL,
	       "takes no guard");
	is_i64(sys->advise(sys, at + 12 * page, page, MADV_DONTNEED), -EINVAL,
	       "and keeps its bytes");
	is_i64(sys->advise(sys, at + 12 * page, page, MADV_DONTNEED_LOCKED), 0, "unless told so");
	end("residency");
}

static void objects(void)
{
	struct vas_sim_config config = { .empty = true };
	const uint64_t at = 0x10000000, page = 4096;
	struct vas_sys_stat first, second;
	int fd, other;

	begin(&config);
	fd = (int)sys->create(sys, "one", 0);
	is_i64(sys->truncate(sys, fd, 8 * page), 0, "an object of eight pages");
	is_i64(sys->map(sys, at, 16 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
	       (int64_t)at, "is mapped");
	is_u64(vas_sys_sim_touch(&sim, at, 16 * page), 8 * page,
	       "and can be touched up to its end");
	is_i64(sys->stat(sys, fd, VAS_STAT_KIND, &first), 0, "stat");
	is_u64(first.held, 8 * page, "it holds what was touched");
	is_i64(first.kind, VAS_SYS_KIND_SHMEM, "and is shared memory");
	is_i64(sys->close(sys, fd), 0, "closed,");
	is_i64(sys->stat(sys, fd, 0, &first), -EBADF, "the descriptor is gone,");
	is_u64(vas_sys_sim_object_bytes(&sim), 8 * page, "but not what is mapped");
	other = (int)sys->create(sys, "two", 0);
	is_i64(other, fd, "the number is used again");
	sys->stat(sys, other, 0, &second);
	ok(first.inode != second.inode, "by another object");
	is_i64(sys->advise(sys, at, 4 * page, MADV_REMOVE), 0, "removing");
	is_u64(vas_sys_sim_object_bytes(&sim), 4 * page, "gives bytes back");
	sys->unmap(sys, at, 16 * page);
	is_u64(vas_sys_sim_object_bytes(&sim), 0, "and the last mapping takes the rest");
	other = (int)vas_sys_sim_new_object(&sim, VAS_SYS_KIND_FILE, 8 * page, false);
	is_i64(sys->map(sys, at, page, PROT_WRITE, MAP_SHARED | MAP_FIXED, other, 0), -EACCES,
	       "what is only read cannot be mapped for writing");
	is_i64(sys->map(sys, at, page, PROT_READ, MAP_SHARED | MAP_FIXED, other, 0), (int64_t)at,
	       "only for reading,");
	is_i64(sys->protect(sys, at, page, PROT_READ | PROT_WRITE), -EACCES, "for good");
	is_i64(sys->advise(sys, at, page, MADV_REMOVE), -EACCES, "and nothing can be removed");
	end("objects");
}

static void drivers(void)
{
	struct vas_sim_config config = { .empty = true };
	const uint64_t at = 0x10000000, page = 4096;
	int fd;

	begin(&config);
	fd = (int)vas_sys_sim_new_object(&sim, VAS_SYS_KIND_OTHER, 0, true);
	is_i64(sys->map(sys, at, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
	       (int64_t)at, "a driver's memory is mapped");
	is_i64(sys->unmap(sys, at, page), -EINVAL, "no part of it goes");
	is_i64(sys->map(sys, at + page, page, PROT_NONE, ANON | MAP_FIXED, -1, 0), -EINVAL,
	       "nor is replaced");
	is_i64(sys->protect(sys, at, page, PROT_NONE), -EINVAL, "nor protected");
	is_i64(sys->advise(sys, at, 4 * page, MADV_GUARD_INSTALL), -EINVAL, "it takes no guard");
	is_i64(sys->advise(sys, at, 4 * page, MADV_DONTNEED), -EINVAL, "has no pages to give");
	is_i64(sys->advise(sys, at, 4 * page, MADV_REMOVE), -ENODEV, "of no kind");
	is_i64(sys->protect(sys, at, 4 * page, PROT_NONE), 0, "all of it is protected");
	is_i64(sys->map(sys, at, 4 * page, PROT_NONE, ANON | MAP_FIXED, -1, 0), (int64_t)at,
	       "and replaced");
	end("drivers");
}

static void shortage(void)
{
	const uint64_t at = 0x10000000, page = 4096, huge = 2 << 20;
	struct vas_sim_config config = {
		.empty = true, .memory = 10 * page, .huge_pages = 2, .file_limit = 4 * huge
	};
	struct vas_sys_stat status;
	int fd;

	begin(&config);
	sys->map(sys, at, 16 * page, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
	is_i64(sys->advise(sys, at, 16 * page, MADV_POPULATE_WRITE), -ENOMEM,
	       "more than memory cannot be populated");
	is_u64(vas_sys_sim_private_bytes(&sim, at, 16 * page), 10 * page,
	       "what there was is taken");
	fd = (int)sys->create(sys, "shared", 0);
	is_i64(sys->allocate(sys, fd, 0, 0, page), -ENOMEM, "nor allocated");
	sys->advise(sys, at, 16 * page, MADV_DONTNEED);
	is_i64(sys->allocate(sys, fd, 0, 0, page), 0, "until it is given back");
	is_i64(sys->truncate(sys, fd, 5 * huge), -EFBIG, "files have a limit");
	fd = (int)sys->create(sys, "huge", MFD_HUGETLB);
	is_i64(sys->truncate(sys, fd, page), -EINVAL, "huge pages come whole");
	is_i64(sys->allocate(sys, fd, 0, 0, 3 * huge), -ENOSPC, "three are not there");
	is_u64(vas_sys_sim_huge_free(&sim), 0, "and two are kept");
	is_i64(sys->map(sys, 0x40000000, huge, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, 3 * huge),
	       -ENOMEM, "so a reservation fails,");
	is_i64(sys->map(sys, 0x40000000, 4 * huge, PROT_NONE,
			MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0),
	       0x40000000, "but not without one");
	is_i64(sys->protect(sys, 0x40000000, 4 * huge, PROT_READ | PROT_WRITE), 0,
	       "which protecting does not make");
	sys->stat(sys, fd, 0, &status);
	is_u64(status.size, 0, "nor the object larger");
	is_i64(sys->advise(sys, 0x40000000 + 2 * huge, huge, MADV_POPULATE_WRITE), -EFAULT,
	       "a page that is not there is no signal");
	is_i64(sys->unmap(sys, 0x40000000, page), -EINVAL, "no part of a huge page goes");
	is_i64(sys->advise(sys, 0x40000000, 4 * huge, MADV_REMOVE), 0, "removing");
	is_u64(vas_sys_sim_huge_free(&sim), 2 * huge, "fills the pool");
	sys->allocate(sys, fd, 0, 0, page);
	is_i64(sys->advise(sys, 0x40000000, huge, MADV_REMOVE), 0, "the end lies in a page without memory:");
	is_i64(sys->advise(sys, 0x40000000, huge, MADV_POPULATE_WRITE), -EFAULT, "it cannot be had");
	end("shortage");
}

/* Five places below the limit, a move is refused before anything is changed. */
static void move_limit(void)
{
	struct vas_sim_config config = { .empty = true, .max_map_count = 10 };
	const uint64_t at = 0x10000000, page = 4096;

	begin(&config);
	for (uint64_t i = 0; i < 5; i++)
		claim(at + 2 * i * page, page, MAP_FIXED);
	is_i64(sys->move(sys, at, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 2 * page),
	       -ENOMEM, "too near to the limit");
	is_u64(sim.count, 5, "nothing is changed");
	sys->unmap(sys, at + 8 * page, page);
	is_i64(sys->move(sys, at, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 2 * page),
	       (int64_t)(at + 2 * page), "with one less it goes");
	is_u64(sim.count, 3, "and what was there is gone");
	end("moves");
}

int main(void)
{
	tap_plan(0);
	configurations();
	width(38, 4096, 38);
	width(39, 16384, 39);
	width(42, 65536, 42);
	width(47, 4096, 47);
	width(48, 65536, 48);
	width(52, 65536, 48);
	width(56, 4096, 47);
	width(57, 4096, 47);
	window();
	noreplace();
	limits();
	accounting();
	merging();
	stack_gap();
	text();
	files();
	query();
	hook();
	residency();
	objects();
	drivers();
	shortage();
	move_limit();
	return tap_done();
}
