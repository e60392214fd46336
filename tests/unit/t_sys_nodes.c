/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations on memory nodes and pages: the real kernel's answers, the simulated one's, which are the same, and their traces. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/definitions.h"
#include "sys/sim.h"
#include "sys/trace.h"
#include "tap/tap.h"

#define PAGES 8u
#define MODE_BITS 1024u

static struct vas_sys *sys;
static uint64_t page;

static uint64_t map_pages(struct vas_sys *table)
{
	int64_t got = table->map(table, 0, PAGES * page, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (got < 0)
		tap_bail("no memory");
	return (uint64_t)got;
}

/* What a kernel says of a page that is there, one that is not, and none. */
static void where(struct vas_sys *table, const char *name)
{
	bool real = table == vas_sys_real();
	uint64_t start = map_pages(table);
	const uint64_t pages[] = { start + page + 5, start, start + 3 * page, page };
	int32_t status[] = { 7, 7, 7, 7 };
	int32_t nodes[] = { 1 << 20 };

	table->advise(table, start + page, page, MADV_POPULATE_WRITE);
	table->protect(table, start + 3 * page, page, PROT_NONE);
	is_i64(table->move_pages(table, pages, 4, NULL, status, 0), 0, "%s: looked", name);
	ok(status[0] >= 0, "%s: a page that is there is on a node", name);
	/* Before Linux 6.12: EFAULT, as of what is not mapped. */
	ok(status[1] == -ENOENT || (real && status[1] == -EFAULT), "%s: one that was not touched",
	   name);
	is_i64(status[2], status[1], "%s: one that cannot be", name);
	is_i64(status[3], -EFAULT, "%s: nothing is mapped", name);
	ok(table->move_pages(table, pages, 1, nodes, status, VAS_MPOL_MF_MOVE) == -ENODEV,
	   "%s: to no node", name);
	nodes[0] = 0;
	is_i64(table->move_pages(table, pages, 1, nodes, status, VAS_MPOL_MF_MOVE), 0,
	       "%s: to where it is", name);
	is_i64(status[0], 0, "%s: there it is", name);
	is_i64(table->move_pages(table, pages, 1, nodes, status, 1u << 20), -EINVAL,
	       "%s: an unknown flag", name);
	table->unmap(table, start, PAGES * page);
}

static void home(struct vas_sys *table, const char *name)
{
	uint64_t start = map_pages(table), node = 1;

	is_i64(table->set_home(table, start, PAGES * page, 0), -ENOENT, "%s: home of no policy", name);
	table->set_policy(table, start, 2 * page, VAS_MPOL_BIND, &node, 64, 0);
	table->set_policy(table, start + 4 * page, page, VAS_MPOL_INTERLEAVE, &node, 64, 0);
	is_i64(table->set_home(table, start, 4 * page, 0), 0, "%s: home", name);
	is_i64(table->set_home(table, start, page, 0), 0, "%s: once more", name);
	is_i64(table->set_home(table, start, PAGES * page, 0), -EOPNOTSUPP,
	       "%s: home of what interleaves", name);
	is_i64(table->set_home(table, start + 1, page, 0), -EINVAL, "%s: unaligned", name);
	is_i64(table->set_home(table, start, 0, 0), 0, "%s: of nothing", name);
	is_i64(table->set_home(table, start, page, 1023), -EINVAL, "%s: no such node", name);
	table->unmap(table, start, PAGES * page);
}

static void thread_policy(void)
{
	uint64_t nodes[MODE_BITS / 64] = { 1 }, was[MODE_BITS / 64] = { 9 };
	int mode = 77;

	is_i64(sys->get_thread_policy(sys, &mode, was, MODE_BITS), 0, "the thread's policy");
	is_i64(mode, VAS_MPOL_DEFAULT, "none");
	is_i64(sys->set_thread_policy(sys, VAS_MPOL_BIND, nodes, MODE_BITS), 0, "another");
	is_i64(sys->get_thread_policy(sys, &mode, was, MODE_BITS), 0, "it is told");
	ok(mode == VAS_MPOL_BIND && was[0] == 1, "as it was set");
	is_i64(sys->set_thread_policy(sys, 99, nodes, MODE_BITS), -EINVAL, "no such mode");
	is_i64(sys->set_thread_policy(sys, VAS_MPOL_DEFAULT, NULL, 0), 0, "none again");
}

/* Of private memory what is mapped, of shared memory what the object has. */
static void there(void)
{
	uint64_t start = map_pages(sys);
	struct vas_span range = { start, PAGES * page };
	struct vas_sys_pages runs[4] = { { 0 } };
	unsigned char present[PAGES];
	static const char large[3 * 65536];
	int64_t count;
	int fd;

	memset((void *)(uintptr_t)(start + page), 1, 2 * page);
	memset((void *)(uintptr_t)(start + 5 * page), 1, page);
	fd = (int)sys->open(sys, "/proc/self/pagemap", O_RDONLY);
	count = sys->scan(sys, fd, range, runs, 4);
	if (count != -ENOTTY) {
		is_i64(count, 2, "two runs of pages");
		ok(runs[0].start == start + page && runs[0].end == start + 3 * page, "the first");
		ok(runs[1].start == start + 5 * page && runs[1].end == start + 6 * page,
		   "the second");
		ok((runs[0].categories & (VAS_PAGE_PRESENT | VAS_PAGE_HUGE)) == VAS_PAGE_PRESENT,
		   "of base pages");
		is_i64(sys->scan(sys, fd, range, runs, 1), 1, "as many as are asked for");
	}
	sys->close(sys, fd);
	sys->unmap(sys, start, PAGES * page);
	fd = (int)sys->create(sys, "nodes", 0);
	sys->truncate(sys, fd, PAGES * page);
	sys->allocate(sys, fd, 0, 2 * page, 4 * page);
	is_i64(sys->write_at(sys, fd, large, 3 * page, 2 * page), (int64_t)(3 * page), "written");
	start = (uint64_t)sys->map(sys, 0, PAGES * page, PROT_READ, MAP_SHARED, fd, 0);
	is_i64(sys->resident(sys, start, PAGES * page, present), 0, "what the object has");
	for (unsigned i = 0; i < PAGES; i++)
		is_u64(present[i] & 1, i >= 2 && i < 5, "page %u: whether it was written", i);
	is_i64(sys->resident(sys, start + 1, page, present), -EINVAL, "unaligned");
	sys->unmap(sys, start, PAGES * page);
	sys->close(sys, fd);
}

static char *line(int fd)
{
	static char text[512];
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	text[got > 0 ? got - 1 : 0] = '\0';
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		tap_bail("no trace");
	return text;
}

static void traces(struct vas_sys *next)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);
	unsigned char present[1];
	struct vas_sys_trace trace;
	struct vas_sys_pages run;
	uint64_t nodes[1] = { 3 }, pages[1] = { 0x1000 };
	int32_t status[1], to[1] = { 5 };
	int mode = 0;

	vas_sys_trace_init(&trace, next, fd);
	trace.sys.move_pages(&trace.sys, pages, 1, NULL, status, 0);
	is_str(line(fd), "vaspace: move_pages(0x1000, 1, -1, 0x0) = 0", "move_pages");
	trace.sys.move_pages(&trace.sys, pages, 1, to, status, VAS_MPOL_MF_MOVE);
	is_str(line(fd), "vaspace: move_pages(0x1000, 1, 5, 0x2) = -1 ENODEV", "that moves");
	trace.sys.set_home(&trace.sys, 0x1001, 4096, 2);
	is_str(line(fd), "vaspace: set_mempolicy_home_node(0x1001, 4096, 2) = -1 EINVAL", "home");
	trace.sys.get_thread_policy(&trace.sys, &mode, nodes, 64);
	is_str(line(fd), "vaspace: get_mempolicy(-1, 0x0, 64) = -1 ENOSYS", "get_mempolicy");
	trace.sys.set_thread_policy(&trace.sys, VAS_MPOL_BIND, nodes, 64);
	is_str(line(fd), "vaspace: set_mempolicy(MPOL_BIND, 0x3, 64) = -1 ENOSYS", "set_mempolicy");
	trace.sys.scan(&trace.sys, 9, (struct vas_span){ 0x2000, 8192 }, &run, 1);
	is_str(line(fd), "vaspace: pagemap_scan(9, 0x2000, 8192, 1) = -1 ENOTTY", "pagemap_scan");
	trace.sys.resident(&trace.sys, 0x2000, 4096, present);
	is_str(line(fd), "vaspace: mincore(0x2000, 4096) = -1 ENOSYS", "mincore");
	close(fd);
}

int main(void)
{
	static const struct vas_sim_config config = { 0 };
	static struct vas_sys_sim sim;
	int32_t status;

	sys = vas_sys_real();
	page = sys->page_size;
	if (sys->move_pages(sys, &page, 1, NULL, &status, 0) == -ENOSYS)
		tap_skip_all("no-policies", "this kernel has no memory policies");
	tap_plan(0);
	if (vas_sys_sim_init(&sim, &config))
		tap_bail("no simulated kernel");
	where(sys, "real");
	where(&sim.sys, "simulated");
	home(sys, "real");
	home(&sim.sys, "simulated");
	thread_policy();
	there();
	traces(&sim.sys);
	vas_sys_sim_destroy(&sim);
	return tap_done();
}
