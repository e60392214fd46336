/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_nodes.h. */
#include "support/fake_nodes.h"

#include <errno.h>
#include <string.h>

#include "sys/definitions.h"
#include "tap/tap.h"

static struct fake_nodes *fake_of(struct vas_sys *sys)
{
	return (struct fake_nodes *)(void *)sys;
}

static unsigned char *place_of(struct fake_nodes *fake, uint64_t address)
{
	static unsigned char elsewhere;
	uint64_t offset = address - fake->watched.start;

	if (offset < fake->watched.size)
		return &fake->nodes[offset / fake->sys.page_size];
	elsewhere = 0;
	return &elsewhere;
}

static void fake_move(struct fake_nodes *fake, uint64_t page, int32_t node, int32_t *status)
{
	unsigned char *place = place_of(fake, page);

	fake->moves++;
	if (*place == node) {
		*status = node;
	} else if (page == fake->stuck) {
		*status = -EBUSY;
	} else if (fake->full && node == fake->full) {
		*status = -ENOMEM;
	} else {
		*place = (unsigned char)node;
		*status = node;
	}
}

static int64_t fake_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
			       const int32_t *nodes, int32_t *status, uint32_t flags)
{
	struct fake_nodes *fake = fake_of(sys);
	struct vas_sys *real = vas_sys_real();
	int64_t err;

	if (nodes && (flags & VAS_MPOL_MF_MOVE_ALL) && !fake->privileged)
		return -EPERM;
	err = real->move_pages(real, pages, count, NULL, status, 0);
	for (uint64_t i = 0; !err && i < count; i++) {
		if (nodes && (nodes[i] < 0 || nodes[i] >= FAKE_NODES))
			return -ENODEV;
		if (status[i] < 0)
			continue;
		if (nodes)
			fake_move(fake, pages[i], nodes[i], &status[i]);
		else
			status[i] = *place_of(fake, pages[i]);
	}
	return err;
}

/* All nodes are the kernel's first. -EINVAL: one that is not there. */
static int fold(const uint64_t *nodes, uint32_t bits, uint64_t *folded)
{
	for (uint32_t i = 0; nodes && i < bits / 64; i++)
		if (i ? nodes[i] : nodes[i] >> FAKE_NODES)
			return -EINVAL;
	*folded = nodes && bits && nodes[0] ? 1 : 0;
	return 0;
}

static int64_t fake_set_policy(struct vas_sys *sys, uint64_t address, uint64_t size, int mode,
			       const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	struct fake_nodes *fake = fake_of(sys);
	struct vas_sys *real = vas_sys_real();
	uint64_t folded;

	if (fold(nodes, bits, &folded))
		return -EINVAL;
	fake->policies++;
	fake->mode = mode;
	fake->mode_nodes = nodes && bits ? nodes[0] : 0;
	return real->set_policy(real, address, size, mode, nodes ? &folded : NULL, nodes ? 64 : 0,
				flags);
}

static int64_t fake_set_home(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node)
{
	struct fake_nodes *fake = fake_of(sys);
	struct vas_sys *real = vas_sys_real();

	if (node >= FAKE_NODES)
		return -EINVAL;
	fake->homes++;
	fake->home = node;
	return real->set_home(real, address, size, 0);
}

static int64_t fake_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,
				      uint32_t bits)
{
	struct fake_nodes *fake = fake_of(sys);
	struct vas_sys *real = vas_sys_real();
	uint64_t folded;

	if (fold(nodes, bits, &folded))
		return -EINVAL;
	fake->thread_policies++;
	fake->thread_mode = mode;
	if (nodes && bits && nodes[0])
		fake->thread_nodes = nodes[0];
	return real->set_thread_policy(real, mode, folded ? &folded : NULL, folded ? 64 : 0);
}

void fake_nodes_init(struct fake_nodes *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->sys = *vas_sys_real();
	fake->sys.name = "fake nodes";
	fake->sys.move_pages = fake_move_pages;
	fake->sys.set_policy = fake_set_policy;
	fake->sys.set_home = fake_set_home;
	fake->sys.set_thread_policy = fake_set_thread_policy;
}

void fake_nodes_place(struct fake_nodes *fake, struct vas_span watched, unsigned char node)
{
	if (watched.size > FAKE_PAGES * fake->sys.page_size)
		tap_bail("more pages than can be watched");
	fake->watched = watched;
	memset(fake->nodes, node, sizeof(fake->nodes));
}
