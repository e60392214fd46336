/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * Memory policies on the real kernel: the policy that one commit was given stays that of its
 * memory, whatever maps it anew: unpark, a region made from a manifest, a child's own copy. The kernel
 * is asked (get_mempolicy); one memory node is enough, modes tell policies apart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "sys/definitions.h"
#include "tap/tap.h"

#define PART_PAGES 4u
#define F_ADDR	   2u /* of get_mempolicy: the policy at an address */
#define F_ALLOWED  4u /* the nodes that this process may use */
#define NODE_BITS  1024u

static uint64_t page;
static unsigned node; /* one that is there */

/* --- helpers --- */

/* The mode at an address, or -errno. */
static int mode_at(const void *address)
{
	unsigned long nodes[NODE_BITS / 64];
	int mode = -1;

	if (syscall(SYS_get_mempolicy, &mode, nodes, NODE_BITS, address, F_ADDR))
		return -errno;
	return mode;
}

/* Whether there are policies, and a node. */
static bool policies_work(void)
{
	unsigned long nodes[NODE_BITS / 64] = { 0 };

	if (syscall(SYS_get_mempolicy, NULL, nodes, NODE_BITS, NULL, F_ALLOWED))
		return false;
	for (node = 0; node < NODE_BITS; node++)
		if (nodes[node / 64] >> node % 64 & 1)
			return true;
	return false;
}

static struct vas_policy policy_of(enum vas_policy_mode mode)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = mode };

	if (mode != VAS_POLICY_DEFAULT && mode != VAS_POLICY_LOCAL)
		policy.nodes[node / 64] = UINT64_C(1) << node % 64;
	return policy;
}

static struct vas_region *make_region(const struct vas_policy *policy, enum vas_fork fork)
{
	struct vas_region *region;

	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.policy = policy;
	reserve.fork = fork;
	VAS_OPTS(vas_region_opts, opts);
	opts.reserve = &reserve;
	if (vas_region_create(64 * page, &opts, &region))
		tap_bail("no region");
	return region;
}

static unsigned char *make_block(struct vas_region *region, uint64_t pages)
{
	struct vas_block block;

	if (vas_region_alloc(region, pages * page, NULL, &block))
		tap_bail("no block");
	return block.start;
}

/* A part with a policy of its own (NULL = none), of an object or (-1) anonymous. */
static void commit(struct vas_region *region, unsigned char *start, const struct vas_policy *policy,
		   int fd)
{
	VAS_OPTS(vas_commit_opts, opts);
	opts.policy = policy;
	opts.fd = fd;
	opts.flags = fd >= 0 ? VAS_COMMIT_SHARED : 0;
	is_err(vas_region_commit(region, start, PART_PAGES * page, &opts), 0, "committed");
	memset(start, 5, PART_PAGES * page);
}

static int make_object(void)
{
	int fd = memfd_create("policy", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)(PART_PAGES * page)))
		tap_bail("no memfd");
	return fd;
}

static void end_region(struct vas_region *region)
{
	is_err(vas_region_destroy(region, NULL), 0, "the region ends");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
}

/* --- a block with parts of each kind, in a region whose policy is PREFER --- */

struct parts {
	struct vas_region *region;
	struct vas_policy span, bind, none;
	unsigned char *block;
	unsigned char *plain, *bound, *dropped, *guarded, *shared;
	int fd;
};

static void parts_make(struct parts *parts, enum vas_fork fork, bool shared)
{
	uint64_t size = PART_PAGES * page;

	parts->span = policy_of(VAS_POLICY_PREFER);
	parts->bind = policy_of(VAS_POLICY_BIND);
	parts->none = policy_of(VAS_POLICY_DEFAULT);
	parts->region = make_region(&parts->span, fork);
	parts->block = make_block(parts->region, 5 * PART_PAGES);
	parts->plain = parts->block;
	parts->bound = parts->block + size;
	parts->dropped = parts->block + 2 * size;
	parts->guarded = parts->block + 3 * size;
	parts->shared = shared ? parts->block + 4 * size : NULL;
	parts->fd = shared ? make_object() : -1;
	commit(parts->region, parts->plain, NULL, -1);
	commit(parts->region, parts->bound, &parts->bind, -1);
	commit(parts->region, parts->dropped, &parts->none, -1);
	commit(parts->region, parts->guarded, &parts->bind, -1);
	is_err(vas_region_guard(parts->region, parts->guarded, size), 0, "guarded");
	if (shared)
		commit(parts->region, parts->shared, &parts->bind, parts->fd);
}

/* Of the kernel's opinion: bits of what is wrong. */
static unsigned parts_wrong(const struct parts *parts)
{
	unsigned wrong = 0;

	wrong |= mode_at(parts->plain) == VAS_MPOL_PREFERRED ? 0 : 1u;
	wrong |= mode_at(parts->bound) == VAS_MPOL_BIND ? 0 : 2u;
	wrong |= mode_at(parts->dropped) == VAS_MPOL_DEFAULT ? 0 : 4u;
	wrong |= mode_at(parts->guarded) == VAS_MPOL_BIND ? 0 : 8u;
	wrong |= !parts->shared || mode_at(parts->shared) == VAS_MPOL_BIND ? 0 : 16u;
	return wrong;
}

static void parts_end(struct parts *parts)
{
	if (parts->fd >= 0)
		close(parts->fd);
	end_region(parts->region);
}

static void park_case(void *unused)
{
	uint64_t size = PART_PAGES * page;
	struct parts parts;

	(void)unused;
	VAS_OPTS(vas_park_opts, opts);
	opts.flags = VAS_PARK_DISCARD;
	parts_make(&parts, VAS_FORK_DEFAULT, true);
	is_u64(parts_wrong(&parts), 0, "each part has its policy");
	for (int i = 0; i < 2; i++) {
		is_err(vas_region_park(parts.region, &opts), 0, "parked");
		is_i64(mode_at(parts.bound), VAS_MPOL_DEFAULT, "nothing has one");
		is_err(vas_region_unpark(parts.region, &opts), 0, "unparked");
		is_u64(parts_wrong(&parts), 0, "each part has its policy again");
		is_err(vas_sync_check(NULL), 0, "books and mappings agree");
	}
	is_err(vas_region_unguard(parts.region, parts.guarded, size), 0, "unguarded");
	is_u64(parts_wrong(&parts), 0, "and still");
	/* What is committed anew is a new commit's. */
	is_err(vas_region_decommit(parts.region, parts.bound, size, NULL), 0, "decommitted");
	commit(parts.region, parts.bound, NULL, -1);
	is_u64(parts_wrong(&parts), 2u, "a new commit without a policy has the span's");
	parts_end(&parts);
}

/* All but the first part goes with the upper region and comes back. */
static void split_case(void *unused)
{
	struct vas_policy interleave = policy_of(VAS_POLICY_INTERLEAVE);
	struct vas_policy prefer = policy_of(VAS_POLICY_PREFER);
	unsigned char *above;
	struct vas_region *upper;
	struct parts parts;

	(void)unused;
	VAS_OPTS(vas_park_opts, opts);
	opts.flags = VAS_PARK_DISCARD;
	parts_make(&parts, VAS_FORK_DEFAULT, true);
	is_err(vas_region_split_block(parts.region, parts.block, parts.bound), 0, "cut");
	is_err(vas_region_split(parts.region, parts.bound, &upper), 0, "the region is split");
	is_err(vas_region_park(upper, &opts), 0, "the upper one is parked");
	is_err(vas_region_unpark(upper, &opts), 0, "unparked");
	is_u64(parts_wrong(&parts), 0, "each part has its policy");
	/* Both learn another one, which they know under the same number. */
	above = make_block(upper, PART_PAGES);
	commit(upper, above, &interleave, -1);
	prefer.nodes[15] |= 1; /* not the span's, though the kernel takes the lowest only */
	is_err(vas_region_decommit(parts.region, parts.plain, PART_PAGES * page, NULL), 0, "anew");
	commit(parts.region, parts.plain, &prefer, -1);
	is_err(vas_region_merge(parts.region, upper), 0, "merged");
	is_err(vas_region_park(parts.region, &opts), 0, "all is parked");
	is_err(vas_region_unpark(parts.region, &opts), 0, "unparked");
	is_u64(parts_wrong(&parts), 0, "each part has its policy");
	is_i64(mode_at(above), VAS_MPOL_INTERLEAVE, "the one that came last, too");
	parts_end(&parts);
}

static int open_again(void *context, uint64_t device, uint64_t inode, int32_t *fd)
{
	(void)device;
	(void)inode;
	*fd = *(const int *)context;
	return 0;
}

static void manifest_case(void *unused)
{
	static unsigned char memory[8192];
	struct parts parts;
	size_t length = 0;

	(void)unused;
	VAS_OPTS(vas_park_opts, opts);
	opts.flags = VAS_PARK_DISCARD;
	parts_make(&parts, VAS_FORK_DEFAULT, true);
	is_err(vas_region_park(parts.region, &opts), 0, "parked");
	is_err(vas_region_manifest(parts.region, memory, sizeof(memory), &length), 0,
	       "a manifest is written");
	is_err(vas_region_destroy(parts.region, NULL), 0, "the region is gone");
	is_err(vas_region_from_manifest(memory, length, &parts.region), 0, "and is made again");
	opts.open = open_again;
	opts.context = &parts.fd;
	is_err(vas_region_unpark(parts.region, &opts), 0, "unparked");
	is_u64(parts_wrong(&parts), 0, "each part has its policy");
	parts_end(&parts);
}

/* In the child, as an exit status. */
static int in_child(const struct parts *parts)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit((int)parts_wrong(parts) | (vas_sync_check(NULL) ? 64 : 0));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
}

static void fork_case(void *unused)
{
	struct parts parts;
	int status = 0;
	pid_t child;

	(void)unused;
	parts_make(&parts, VAS_FORK_COPY, true);
	is_err(vas_region_guard(parts.region, parts.shared + page, page), 0, "and one guard in it");
	is_i64(in_child(&parts), 0, "a child's copies have the policies");
	child = fork();
	if (child == 0) {
		VAS_OPTS(vas_park_opts, opts);
		opts.flags = VAS_PARK_DISCARD;
		if (mode_at(parts.shared + page) != VAS_MPOL_BIND ||
		    vas_region_park(parts.region, &opts) || vas_region_unpark(parts.region, &opts))
			_exit(1);
		_exit((int)parts_wrong(&parts) | (vas_sync_check(NULL) ? 64 : 0));
	}
	waitpid(child, &status, 0);
	is_i64(status, 0, "and keep them when it parks");
	parts_end(&parts);
}

/* Regions whose spans have different policies stay two. */
static void merge_case(void *unused)
{
	struct vas_policy bind = policy_of(VAS_POLICY_BIND);
	struct vas_policy prefer = policy_of(VAS_POLICY_PREFER);
	struct vas_region *regions[3];
	struct vas_span span;

	(void)unused;
	if (vas_reserve(192 * page, NULL, &span) || vas_release(vas_span_pointer(span), NULL))
		tap_bail("no room");
	for (unsigned i = 0; i < 3; i++) {
		VAS_OPTS(vas_reserve_opts, reserve);
		reserve.place = VAS_PLACE_EXACT;
		reserve.address = span.start + i * 64 * page;
		reserve.policy = i == 2 ? &prefer : &bind;
		VAS_OPTS(vas_region_opts, opts);
		opts.reserve = &reserve;
		if (vas_region_create(64 * page, &opts, &regions[i]))
			tap_bail("no region");
	}
	is_err(vas_region_merge(regions[1], regions[2]), EINVAL, "other policies do not go together");
	is_err(vas_region_merge(regions[0], regions[1]), 0, "the same do");
	end_region(regions[0]);
	end_region(regions[2]);
}

/* A caller that has a new policy for each commit: those that are not in use make room. */
static void many_case(void *unused)
{
	struct vas_region *region = make_region(NULL, VAS_FORK_DEFAULT);
	unsigned char *block = make_block(region, PART_PAGES);
	unsigned char *kept = make_block(region, 1);
	struct vas_policy policy = policy_of(VAS_POLICY_BIND);
	struct vas_stats before = { .size = sizeof(before) }, after = { .size = sizeof(after) };
	int err = 0;

	(void)unused;
	VAS_OPTS(vas_commit_opts, opts);
	VAS_OPTS(vas_park_opts, park);
	park.flags = VAS_PARK_DISCARD;
	opts.policy = &policy;
	err = vas_region_commit(region, kept, page, &opts);
	vas_stats_get(&before);
	for (unsigned i = 0; i < 3000 && !err; i++) {
		/* The kernel takes the lowest node of these. */
		policy = policy_of(VAS_POLICY_PREFER);
		policy.nodes[15] |= i;
		err = vas_region_commit(region, block, PART_PAGES * page, &opts);
		if (!err && mode_at(block) != VAS_MPOL_PREFERRED)
			err = -EIO;
		if (!err)
			err = vas_region_decommit(region, block, PART_PAGES * page, NULL);
	}
	is_err(err, 0, "3000 policies, one after the other");
	vas_stats_get(&after);
	ok(after.books <= before.books, "and the books have not grown with them");
	is_err(vas_region_park(region, &park), 0, "parked");
	is_err(vas_region_unpark(region, &park), 0, "unparked");
	is_i64(mode_at(kept), VAS_MPOL_BIND, "the one in use was not forgotten");
	end_region(region);
}

/* What the first use keeps is no leak of a case. */
static void warm_up(void)
{
	struct vas_span span;

	if (vas_reserve(page, NULL, &span) || vas_release(vas_span_pointer(span), NULL))
		tap_bail("cannot reserve");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (!policies_work())
		tap_skip_all("no-policies", "this kernel has no memory policies");
	tap_plan(0);
	warm_up();
	tap_case("over park and unpark", park_case, NULL, 10);
	tap_case("over a split and a merge of regions", split_case, NULL, 10);
	tap_case("over a manifest", manifest_case, NULL, 10);
	tap_case("in a child's own copy", fork_case, NULL, 10);
	tap_case("regions with different policies", merge_case, NULL, 10);
	tap_case("many policies", many_case, NULL, 20);
	return tap_done();
}
