/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Park and unpark with memory of the huge page pool: contents, guards and protection, what the pool
 * has meanwhile, an errno when it has no more, manifests, and what a child has afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/huge_pool.h"
#include "tap/tap.h"

#define POOL	   12u /* pages that the pool has more for this test */
#define PAGES	   4u /* huge pages of each object and block */
#define RW	   (PROT_READ | PROT_WRITE)

static uint64_t page;

struct field {
	struct vas_region *region;
	unsigned char *block;
	int fd; /* of the object */
	int image;
	struct vas_park_opts opts;
	uint64_t before; /* free pages of the pool */
};

static void field_make(struct field *field, uint32_t flags)
{
	struct vas_block block;

	*field = (struct field){ .before = huge_pool_free() };
	field->fd = memfd_create("park", MFD_CLOEXEC | MFD_HUGETLB);
	field->image = memfd_create("image", MFD_CLOEXEC);
	if (field->fd < 0 || ftruncate(field->fd, (off_t)(PAGES * HUGE_PAGE)))
		tap_bail("no object of huge pages");
	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.alignment = HUGE_PAGE;
	VAS_OPTS(vas_region_opts, opts);
	opts.reserve = &reserve;
	opts.granule = HUGE_PAGE;
	if (vas_region_create(2 * PAGES * HUGE_PAGE, &opts, &field->region) ||
	    vas_region_alloc(field->region, PAGES * HUGE_PAGE, NULL, &block))
		tap_bail("no region");
	field->block = block.start;
	VAS_OPTS(vas_commit_opts, commit);
	commit.flags = flags;
	commit.fd = field->fd;
	is_err(vas_region_commit(field->region, field->block, PAGES * HUGE_PAGE, &commit), 0,
	       "committed");
	field->opts = (struct vas_park_opts){ .size = sizeof(field->opts) };
	field->opts.image = field->image;
	field->opts.image_size = PAGES * HUGE_PAGE;
}

static void field_end(struct field *field)
{
	is_err(vas_region_destroy(field->region, NULL), 0, "the region ends");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
	close(field->fd);
	close(field->image);
	is_u64(huge_pool_free(), field->before, "the pool has all of its pages");
}

/* Each huge page has its own contents, from index first on. */
static void fill(unsigned char *start, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		memset(start + i * HUGE_PAGE, (int)i + 1, HUGE_PAGE);
}

static bool is_filled(const unsigned char *start, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		for (uint64_t j = 0; j < HUGE_PAGE; j += 512)
			if (start[i * HUGE_PAGE + j] != i + 1)
				return false;
	return true;
}

/* Asked of the kernel, so that a fault is no signal. */
static bool is_readable(const unsigned char *address)
{
	int ends[2];
	bool readable;

	if (pipe2(ends, O_CLOEXEC))
		tap_bail("no pipe");
	readable = write(ends[1], address, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return readable;
}

static void park(struct field *field, const char *name)
{
	is_err(vas_region_park(field->region, &field->opts), 0, "%s: parked", name);
	is_err(vas_sync_check(NULL), 0, "%s: nothing is mapped", name);
}

static void unpark(struct field *field, const char *name)
{
	is_err(vas_region_unpark(field->region, &field->opts), 0, "%s: unparked", name);
	is_err(vas_sync_check(NULL), 0, "%s: books and mappings agree", name);
}

static void shared_case(void *unused)
{
	struct field field;

	(void)unused;
	field_make(&field, VAS_COMMIT_SHARED);
	fill(field.block, 0, PAGES);
	is_err(vas_region_protect(field.region, field.block, HUGE_PAGE, PROT_READ), 0, "protected");
	is_err(vas_region_guard(field.region, field.block + HUGE_PAGE, HUGE_PAGE), 0, "guarded");
	park(&field, "shared");
	is_u64(huge_pool_free(), field.before - PAGES, "the object keeps its pages");
	ok(!is_readable(field.block), "nothing can be read");
	unpark(&field, "shared");
	ok(is_filled(field.block, 0, 1) && is_filled(field.block, 2, 2), "contents are there");
	ok(!is_readable(field.block + HUGE_PAGE), "the guard is a guard");
	is_err(vas_region_unguard(field.region, field.block + HUGE_PAGE, HUGE_PAGE), 0, "unguarded");
	ok(is_filled(field.block, 1, 1), "shared memory behind it has its contents");
	field_end(&field);
}

/* Its pages go back to the pool, and come from there again. */
static void private_case(void *unused)
{
	struct field field;

	(void)unused;
	field_make(&field, VAS_COMMIT_PRIVATE);
	fill(field.block, 0, PAGES - 1);
	is_err(vas_region_protect(field.region, field.block, HUGE_PAGE, PROT_READ), 0, "protected");
	is_err(vas_region_protect(field.region, field.block + HUGE_PAGE, HUGE_PAGE, PROT_NONE), 0,
	       "and closed");
	park(&field, "private");
	is_u64(huge_pool_free(), field.before, "the pool has its pages back");
	unpark(&field, "private");
	is_u64(huge_pool_free(), field.before - PAGES, "every page has its memory");
	ok(is_readable(field.block) && !is_readable(field.block + HUGE_PAGE), "protected as before");
	is_err(vas_region_protect(field.region, field.block + HUGE_PAGE, HUGE_PAGE, RW), 0, "opened");
	ok(is_filled(field.block, 0, PAGES - 1), "with their contents");
	ok(field.block[(PAGES - 1) * HUGE_PAGE] == 0, "or zeroes");
	field.opts = (struct vas_park_opts){ .size = sizeof(field.opts) };
	field.opts.flags = VAS_PARK_DISCARD;
	park(&field, "dropped");
	unpark(&field, "dropped");
	ok(field.block[0] == 0 && field.block[HUGE_PAGE] == 0, "dropped contents are zeroes");
	field_end(&field);
}

/* The pool is empty when it is unparked: an errno, everything stays parked, and nothing is taken. */
static void empty_case(void *argument)
{
	bool contents = argument != NULL;
	uint64_t left;
	struct field field;
	void *taken;

	field_make(&field, VAS_COMMIT_PRIVATE);
	fill(field.block, 0, PAGES);
	if (!contents) {
		field.opts = (struct vas_park_opts){ .size = sizeof(field.opts) };
		field.opts.flags = VAS_PARK_DISCARD;
	}
	park(&field, "the pool is empty");
	left = huge_pool_free() - PAGES / 2;
	taken = mmap(NULL, left * HUGE_PAGE, RW,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (taken == MAP_FAILED)
		tap_bail("the pool's pages cannot be taken");
	is_err(vas_region_unpark(field.region, &field.opts), ENOMEM, "not unparked");
	is_err(vas_sync_check(NULL), 0, "it is parked");
	ok(!is_readable(field.block), "nothing is mapped");
	is_u64(huge_pool_free(), PAGES / 2, "what was taken is back in the pool");
	munmap(taken, left * HUGE_PAGE);
	unpark(&field, "the pool has pages again");
	ok(!contents || is_filled(field.block, 0, PAGES), "and everything is there");
	field_end(&field);
}

/* Pages of the object were punched out meanwhile: they are taken anew, or an errno tells. */
static void punched_case(void *unused)
{
	struct field field;
	uint64_t left;
	void *taken;

	(void)unused;
	field_make(&field, VAS_COMMIT_SHARED);
	fill(field.block, 0, PAGES);
	park(&field, "punched");
	if (fallocate(field.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE_PAGE))
		tap_bail("cannot punch");
	left = huge_pool_free();
	taken = mmap(NULL, left * HUGE_PAGE, RW,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (taken == MAP_FAILED)
		tap_bail("the pool's pages cannot be taken");
	is_err(vas_region_unpark(field.region, &field.opts), ENOMEM, "no page for the hole");
	is_err(vas_sync_check(NULL), 0, "it is parked");
	munmap(taken, left * HUGE_PAGE);
	unpark(&field, "punched");
	ok(field.block[0] == 0 && is_filled(field.block, 1, PAGES - 1), "the hole reads as zeroes");
	field_end(&field);
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
	static unsigned char memory[4096];
	struct field field;
	size_t length = 0;

	(void)unused;
	field_make(&field, VAS_COMMIT_PRIVATE);
	fill(field.block, 0, PAGES);
	park(&field, "manifest");
	is_err(vas_region_manifest(field.region, memory, sizeof(memory), &length), 0, "written");
	is_err(vas_region_destroy(field.region, NULL), 0, "the region is gone");
	is_err(vas_region_from_manifest(memory, length, &field.region), 0, "and made again");
	field.opts.open = open_again;
	field.opts.context = &field.fd;
	unpark(&field, "manifest");
	ok(is_filled(field.block, 0, PAGES), "contents are there");
	is_err(vas_region_decommit(field.region, field.block, page, NULL), EINVAL,
	       "a part of a huge page is refused");
	field_end(&field);
}

/*
 * What a child has. A copy of private pages could find the pool empty at its first write, so they
 * are kept out of forks, and the child has the bare addresses, after unpark as before.
 */
static void fork_case(void *unused)
{
	struct field field;
	int status = 0;
	pid_t child;

	(void)unused;
	field_make(&field, VAS_COMMIT_PRIVATE);
	fill(field.block, 0, PAGES);
	park(&field, "fork");
	unpark(&field, "fork");
	child = fork();
	if (child == 0) {
		struct vas_region_stats stats = { .size = sizeof(stats) };

		_exit(is_readable(field.block)			 ? 1
		      : vas_region_stats(field.region, &stats)	 ? 2
		      : stats.committed				 ? 3
		      : vas_sync_check(NULL)			 ? 4
								 : 0);
	}
	waitpid(child, &status, 0);
	is_i64(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0,
	       "a child has the addresses and nothing there");
	ok(is_filled(field.block, 0, PAGES), "the parent has everything");
	field_end(&field);
}

int main(void)
{
	struct vas_region *region;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (!huge_pool_take(POOL))
		tap_skip_all("no-huge-pages", "the pool of huge pages cannot be changed");
	tap_plan(0);
	/* What the first use keeps is no leak of a case. */
	if (vas_region_create(page, NULL, &region) || vas_region_destroy(region, NULL) ||
	    vas_sync_check(NULL))
		tap_bail("it does not work at all");
	tap_case("shared", shared_case, NULL, 20);
	tap_case("private", private_case, NULL, 20);
	tap_case("the pool is empty, contents in an image", empty_case, &page, 20);
	tap_case("the pool is empty, contents dropped", empty_case, NULL, 20);
	tap_case("a hole in the object", punched_case, NULL, 20);
	tap_case("a manifest", manifest_case, NULL, 20);
	tap_case("fork", fork_case, NULL, 20);
	huge_pool_return();
	return tap_done();
}
