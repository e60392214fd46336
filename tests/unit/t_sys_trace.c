/* SPDX-License-Identifier: BSD-2-Clause */
/* The tracing table: its lines and its counters. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/definitions.h"
#include "sys/sim.h"
#include "sys/trace.h"
#include "tap/tap.h"

static struct vas_sys_sim sim;
static struct vas_sys_trace trace;
static int pipes[2];

/* What the last call printed, without its newline. */
static const char *line(void)
{
	static char buffer[1024];
	ssize_t got = read(pipes[0], buffer, sizeof(buffer) - 1);

	buffer[got > 0 ? got : 0] = 0;
	if (got > 0 && buffer[got - 1] == '\n')
		buffer[got - 1] = 0;
	else
		return "no whole line";
	return buffer;
}

static void lines(struct vas_sys *sys)
{
	struct vas_sys_query query = { .name = NULL };
	struct vas_sys_limit limit;
	char text[16];
	int64_t fd;

	sys->map(sys, 0x10000000, 8192, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	is_str(line(),
	       "vaspace: mmap(0x10000000, 8192, PROT_READ|PROT_WRITE, "
	       "MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE, -1, 0) = 0x10000000",
	       "mmap");
	sys->map(sys, 0x10000000, 4096, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | 0x40000000, -1, 0);
	is_str(line(),
	       "vaspace: mmap(0x10000000, 4096, PROT_NONE, "
	       "MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE|0x40000000, -1, 0) = -1 EEXIST",
	       "a refused one, with a bit that has no name");
	sys->protect(sys, 0x10000000, 4096, PROT_NONE);
	is_str(line(), "vaspace: mprotect(0x10000000, 4096, PROT_NONE) = 0", "mprotect");
	sys->advise(sys, 0x10000000, 4096, MADV_DONTDUMP);
	is_str(line(), "vaspace: madvise(0x10000000, 4096, MADV_DONTDUMP) = 0", "madvise");
	sys->advise(sys, 0x10000000, 4096, 4711);
	is_str(line(), "vaspace: madvise(0x10000000, 4096, 4711) = -1 EINVAL", "an unknown advice");
	sys->sync(sys, 0x10000000, 16384, MS_ASYNC);
	is_str(line(), "vaspace: msync(0x10000000, 16384, MS_ASYNC) = -1 ENOMEM", "msync");
	sys->set_name(sys, 0x10000000, 4096, "heap of mine");
	is_str(line(), "vaspace: set_name(0x10000000, 4096, \"heap of mine\") = 0", "set_name");
	sys->set_name(sys, 0x10000000, 4096, NULL);
	is_str(line(), "vaspace: set_name(0x10000000, 4096, NULL) = 0", "no name");
	sys->get_brk(sys);
	is_str(line(), "vaspace: brk(0) = 0x0", "brk");
	sys->get_limit(sys, RLIMIT_STACK, &limit);
	is_str(line(), "vaspace: getrlimit(RLIMIT_STACK, 8388608) = 0", "getrlimit");
	fd = sys->open(sys, "/proc/self/maps", O_RDONLY);
	is_str(line(), "vaspace: open(\"/proc/self/maps\", 0x0) = 1000", "open");
	sys->read(sys, (int)fd, text, 16);
	is_str(line(), "vaspace: read(1000, 16) = 16", "read");
	sys->seek(sys, (int)fd, 0, SEEK_SET);
	is_str(line(), "vaspace: lseek(1000, 0, 0) = 0", "lseek");
	sys->query(sys, (int)fd, 0, VAS_QUERY_COVERING_OR_NEXT, &query);
	is_str(line(),
	       "vaspace: procmap_query(1000, 0x0, COVERING_OR_NEXT, 0x10000000, 0x10001000) = 0",
	       "procmap_query");
	sys->close(sys, (int)fd);
	is_str(line(), "vaspace: close(1000) = 0", "close");
	sys->unmap(sys, 0x10000000, 8192);
	is_str(line(), "vaspace: munmap(0x10000000, 8192) = 0", "munmap");
}

static void object_lines(struct vas_sys *sys)
{
	struct vas_sys_stat status;
	uint64_t nodes = 1;
	char text[16];
	char expected[80];
	uint32_t word = 5;

	sys->create(sys, "mine", MFD_ALLOW_SEALING);
	is_str(line(), "vaspace: memfd_create(\"mine\", MFD_ALLOW_SEALING) = 2000", "memfd_create");
	sys->truncate(sys, 2000, 8192);
	is_str(line(), "vaspace: ftruncate(2000, 8192) = 0", "ftruncate");
	sys->allocate(sys, 2000, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
	is_str(line(),
	       "vaspace: fallocate(2000, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 0, 4096) = 0",
	       "fallocate");
	sys->stat(sys, 2000, 0, &status);
	is_str(line(), "vaspace: fstat(2000, 0x1, 10000000, 8192) = 0", "fstat");
	sys->write_at(sys, 2000, "x", 1, 5);
	is_str(line(), "vaspace: pwrite(2000, 1, 5) = 1", "pwrite");
	sys->read_at(sys, 2000, text, 16, 5);
	is_str(line(), "vaspace: pread(2000, 16, 5) = 16", "pread");
	is_i64(sys->duplicate(sys, 2000), 2001, "another descriptor");
	is_str(line(), "vaspace: duplicate(2000) = 2001", "duplicate");
	is_i64(sys->seals(sys, 2000, F_SEAL_GROW), F_SEAL_GROW, "seals of it");
	is_str(line(), "vaspace: seals(2000, 0x4) = 4", "seals");
	sys->stat(sys, 77, 0, &status);
	is_str(line(), "vaspace: fstat(77) = -1 EBADF", "a refused one");
	sys->map(sys, 0x10000000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	(void)line();
	sys->set_policy(sys, 0x10000000, 4096, VAS_MPOL_BIND, &nodes, 64, 0);
	is_str(line(), "vaspace: mbind(0x10000000, 4096, MPOL_BIND, 0x1, 64, 0x0) = 0", "mbind");
	sys->move(sys, 0x10000000, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x20000000);
	is_str(line(),
	       "vaspace: mremap(0x10000000, 4096, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, 0x20000000) = "
	       "0x20000000",
	       "mremap");
	sys->thread_alive(sys, 0x7fffffff);
	is_str(line(), "vaspace: thread_alive(2147483647) = 0", "thread_alive");
	sys->process_alive(sys, 0x7fffffff);
	is_str(line(), "vaspace: process_alive(2147483647) = 0", "process_alive");
	sys->wait(sys, &word, 6, 1000);
	(void)line();
	sys->wake(sys, &word, 1);
	snprintf(expected, sizeof(expected), "vaspace: futex_wake(0x%" PRIxPTR ", 1) = 0",
		 (uintptr_t)&word);
	is_str(line(), expected, "wake");
	sys->wait(sys, &word, 5, 1000);
	snprintf(expected, sizeof(expected),
		 "vaspace: futex_wait(0x%" PRIxPTR ", 5, 1000) = -1 ETIMEDOUT", (uintptr_t)&word);
	is_str(line(), expected, "wait");
	sys->barrier(sys, 999);
	is_str(line(), "vaspace: membarrier(999) = -1 EINVAL", "barrier");
	sys->clock(sys);
	ok(!strncmp(line(), "vaspace: clock() = ", 19), "clock");
	sys->process_id(sys);
	ok(!strncmp(line(), "vaspace: getpid() = ", 20), "getpid");
	sys->thread_id(sys);
	ok(!strncmp(line(), "vaspace: gettid() = ", 20), "gettid");
}

static void long_line(struct vas_sys *sys)
{
	char path[2000];
	const char *got;

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	sys->open(sys, path, O_RDONLY);
	got = line();
	is_u64(strlen(got), 510, "a line that is too long is cut, with its newline");
}

static void counters(struct vas_sys *sys)
{
	is_u64(trace.calls[VAS_SYS_MAP], 2, "calls are counted");
	is_u64(trace.errors[VAS_SYS_MAP], 1, "refused ones too");
	trace.fd = -1;
	sys->get_brk(sys);
	is_u64(trace.calls[VAS_SYS_GET_BRK], 2, "without a descriptor as well");
	is_str(vas_sys_operation_name(VAS_SYS_ADVISE), "madvise", "operations have names");
	is_str(vas_sys_operation_name(VAS_SYS_OPERATION_COUNT), "?", "but not past the last");
}

int main(void)
{
	struct vas_sim_config config = { .empty = true };

	tap_plan(0);
	if (pipe(pipes) != 0 || vas_sys_sim_init(&sim, &config) != 0)
		tap_bail("no pipe or no memory");
	vas_sys_trace_init(&trace, &sim.sys, pipes[1]);
	lines(&trace.sys);
	long_line(&trace.sys);
	counters(&trace.sys);
	trace.fd = pipes[1];
	object_lines(&trace.sys);
	vas_sys_sim_destroy(&sim);
	return tap_done();
}
