/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Seals of objects: the same calls on the real and on the simulated kernel, which answer alike. What is refused, and what a
 * seal still allows.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/definitions.h"
#include "sys/sim.h"
#include "tap/tap.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static struct vas_sys *sys;
static const char *name;

static int object_of(uint32_t seals)
{
	int fd = (int)sys->create(sys, "sealed", MFD_ALLOW_SEALING);

	if (fd < 0 || sys->truncate(sys, fd, 4 * sys->page_size) < 0)
		tap_bail("no object");
	if (seals)
		is_i64(sys->seals(sys, fd, seals), (int)seals, "%s: sealed with 0x%x", name, seals);
	return fd;
}

static void size_seals(void)
{
	uint64_t page = sys->page_size;
	int fd = object_of(F_SEAL_GROW);

	is_i64(sys->truncate(sys, fd, 5 * page), -EPERM, "%s: GROW: truncate up", name);
	is_i64(sys->allocate(sys, fd, 0, 4 * page, page), -EPERM, "%s: GROW: allocate", name);
	is_i64(sys->allocate(sys, fd, FALLOC_FL_KEEP_SIZE, 4 * page, page), -EPERM,
	       "%s: GROW: allocate beyond, with the size kept", name);
	is_i64(sys->allocate(sys, fd, 0, 0, 4 * page), 0, "%s: GROW: allocate within", name);
	is_i64(sys->allocate(sys, fd, PUNCH, 0, page), 0, "%s: GROW: punch", name);
	is_i64(sys->truncate(sys, fd, 3 * page), 0, "%s: GROW: truncate down", name);
	sys->close(sys, fd);

	fd = object_of(F_SEAL_SHRINK);
	is_i64(sys->truncate(sys, fd, 3 * page), -EPERM, "%s: SHRINK: truncate down", name);
	is_i64(sys->truncate(sys, fd, 4 * page), 0, "%s: SHRINK: as it is", name);
	is_i64(sys->allocate(sys, fd, 0, 4 * page, page), 0, "%s: SHRINK: allocate", name);
	sys->close(sys, fd);
}

static int64_t show(int fd, int prot)
{
	return sys->map(sys, 0, sys->page_size, prot, MAP_SHARED, fd, 0);
}

static void write_seals(void)
{
	uint64_t page = sys->page_size;
	int fd = object_of(0);
	int64_t at = show(fd, PROT_READ | PROT_WRITE), other;

	is_i64(sys->seals(sys, fd, F_SEAL_WRITE), -EBUSY, "%s: WRITE, and it is written", name);
	is_i64(sys->seals(sys, fd, F_SEAL_FUTURE_WRITE), F_SEAL_FUTURE_WRITE,
	       "%s: FUTURE_WRITE can be", name);
	is_i64(show(fd, PROT_READ | PROT_WRITE), -EPERM, "%s: no new mapping to write", name);
	other = show(fd, PROT_READ);
	ok(other > 0, "%s: but to read", name);
	is_i64(sys->protect(sys, (uint64_t)other, page, PROT_READ | PROT_WRITE), -EACCES,
	       "%s: which stays so", name);
	is_i64(sys->allocate(sys, fd, PUNCH, 0, page), -EPERM, "%s: nor punched", name);
	is_i64(sys->allocate(sys, fd, 0, 4 * page, page), 0, "%s: but grown", name);
	is_i64(sys->truncate(sys, fd, 2 * page), 0, "%s: and shrunk", name);
	is_i64(sys->unmap(sys, (uint64_t)at, page) + sys->unmap(sys, (uint64_t)other, page), 0,
	       "%s: unmapped", name);
	is_i64(sys->seals(sys, fd, F_SEAL_WRITE), F_SEAL_WRITE | F_SEAL_FUTURE_WRITE,
	       "%s: now WRITE, too", name);
	is_i64(sys->write_at(sys, fd, "x", 1, 0), -EPERM, "%s: not written by call", name);
	is_i64(sys->seals(sys, fd, F_SEAL_SEAL),
	       F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE, "%s: the last seal", name);
	is_i64(sys->seals(sys, fd, F_SEAL_GROW), -EPERM, "%s: is the last", name);
	is_i64(sys->seals(sys, fd, 1u << 30), -EINVAL, "%s: an unknown seal", name);
	sys->close(sys, fd);
	fd = (int)sys->create(sys, "closed", 0);
	is_i64(sys->seals(sys, fd, 0), F_SEAL_SEAL, "%s: what takes no seals", name);
	sys->close(sys, fd);
	is_i64(sys->seals(sys, 0x7fff, 0), -EBADF, "%s: no descriptor", name);
}

static void both(struct vas_sys *kernel)
{
	sys = kernel;
	name = kernel->name;
	size_seals();
	write_seals();
}

int main(void)
{
	struct vas_sim_config config = { .page_size = 4096 };
	static struct vas_sys_sim sim;

	tap_plan(0);
	both(vas_sys_real());
	if (vas_sys_sim_init(&sim, &config))
		tap_bail("no memory for a simulated kernel");
	both(&sim.sys);
	vas_sys_sim_destroy(&sim);
	return tap_done();
}
