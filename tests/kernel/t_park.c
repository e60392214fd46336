/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Park and unpark on the real kernel: what each kind of memory is after a round trip, what is
 * there meanwhile, what is refused and changes nothing, and who is named as an intruder.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

#define BLOCK_PAGES 16u
#define RW	    (PROT_READ | PROT_WRITE)

static uint64_t page;

/* --- helpers --- */

static struct vas_region *make_region(uint64_t pages)
{
	struct vas_region *region;

	if (vas_region_create(pages * page, NULL, &region))
		tap_bail("no region");
	return region;
}

static unsigned char *make_block(struct vas_region *region, uint64_t pages, uint32_t tag)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.tag = tag;
	if (vas_region_alloc(region, pages * page, &opts, &block))
		tap_bail("no block");
	return block.start;
}

static int commit(struct vas_region *region, void *start, uint64_t pages, int prot, uint32_t flags,
		  int fd, uint64_t offset)
{
	VAS_OPTS(vas_commit_opts, opts);
	opts.prot = prot;
	opts.flags = flags;
	opts.fd = fd;
	opts.offset = offset;
	return vas_region_commit(region, start, pages * page, &opts);
}

static int make_object(uint64_t pages)
{
	int fd = memfd_create("park", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)(pages * page)))
		tap_bail("no memfd");
	return fd;
}

static void fill(unsigned char *start, uint64_t pages, unsigned int seed)
{
	for (uint64_t i = 0; i < pages * page; i += 8)
		*(uint64_t *)(void *)(start + i) = i * 2654435761u + seed;
}

static bool is_filled(const unsigned char *start, uint64_t pages, unsigned int seed)
{
	for (uint64_t i = 0; i < pages * page; i += 8)
		if (*(const uint64_t *)(const void *)(start + i) != i * 2654435761u + seed)
			return false;
	return true;
}

static bool is_zero(const unsigned char *start, uint64_t pages)
{
	for (uint64_t i = 0; i < pages * page; i++)
		if (start[i])
			return false;
	return true;
}

/* The protection of the mapping that covers an address; -1 for a hole. */
static int prot_at(const void *address)
{
	struct vas_mapping mapping;
	struct vas_layout *layout;
	int prot = -1;

	if (vas_layout_open(NULL, &layout))
		tap_bail("no layout");
	if (vas_layout_at(layout, (uint64_t)(uintptr_t)address, &mapping) == 0 &&
	    mapping.start <= (uint64_t)(uintptr_t)address)
		prot = (int)mapping.prot;
	vas_layout_close(layout);
	return prot;
}

/* Whether all of the region is inaccessible and private, as reserved. */
static bool is_reserved(const struct vas_region *region)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_mapping mapping;
	struct vas_layout *layout;
	uint64_t position, end;
	bool good = true;

	if (vas_region_stats((struct vas_region *)(uintptr_t)region, &stats) ||
	    vas_layout_open(NULL, &layout))
		tap_bail("no statistics");
	position = stats.span.start;
	end = position + stats.span.size;
	while (good && position < end) {
		good = vas_layout_at(layout, position, &mapping) == 0 &&
		       mapping.start <= position && mapping.prot == 0 && mapping.inode == 0 &&
		       !(mapping.flags & VAS_MAPPING_SHARED);
		position = mapping.end;
	}
	vas_layout_close(layout);
	return good;
}

/* Whether a child that reads there dies of it. */
static bool faults(const volatile unsigned char *address)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		(void)*address;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status);
}

static bool books_agree(void)
{
	return vas_sync_check(NULL) == 0;
}

static struct vas_park_opts with_image(int fd, uint64_t pages)
{
	VAS_OPTS(vas_park_opts, opts);
	opts.image = fd;
	opts.image_size = pages * page;
	return opts;
}

static struct vas_park_opts with_flags(uint32_t flags)
{
	VAS_OPTS(vas_park_opts, opts);
	opts.flags = flags;
	return opts;
}

static void end_region(struct vas_region *region)
{
	is_err(vas_region_destroy(region, NULL), 0, "the region ends");
}

/* --- private memory --- */

static void anonymous_case(void *unused)
{
	struct vas_region *region = make_region(256);
	unsigned char *rw = make_block(region, BLOCK_PAGES, 7);
	unsigned char *ro = make_block(region, BLOCK_PAGES, 0);
	unsigned char *none = make_block(region, BLOCK_PAGES, 0);
	unsigned char *empty = make_block(region, BLOCK_PAGES, 9);
	int image = make_object(0);
	struct vas_park_opts opts = with_image(image, 64);
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	(void)unused;
	commit(region, rw, BLOCK_PAGES, RW, 0, 0, 0);
	commit(region, ro, BLOCK_PAGES, RW, 0, 0, 0);
	commit(region, none, 4, RW, 0, 0, 0);
	fill(rw, 4, 1);
	fill(rw + 8 * page, 2, 2);
	fill(ro, BLOCK_PAGES, 3);
	fill(none, 4, 4);
	vas_region_protect(region, ro, BLOCK_PAGES * page, PROT_READ);
	vas_region_protect(region, none, 4 * page, PROT_NONE);
	vas_region_guard(region, rw + 12 * page, page);

	is_err(vas_region_park(region, &opts), 0, "it is parked");
	ok(is_reserved(region), "nothing of it is mapped but the reservation");
	ok(books_agree(), "books and mappings agree");
	vas_stats_get(&stats);
	is_u64(stats.committed, 0, "nothing is committed");
	is_err(vas_region_park(region, &opts), EBUSY, "it cannot be parked twice");
	is_err(vas_region_alloc(region, page, NULL, &block), EBUSY, "no block can be taken");
	is_err(vas_region_free(region, rw, NULL), EBUSY, "none can be freed");
	is_err(commit(region, empty, 1, RW, 0, 0, 0), EBUSY, "nothing can be committed");
	is_err(vas_region_block_at(region, rw + 5, &block), 0, "blocks can be asked for");
	is_u64(block.tag, 7, "with their tags");
	is_err(vas_region_unpark(region, NULL), EOPNOTSUPP,
	       "contents are not forgotten by accident");
	ok(is_reserved(region), "and nothing was mapped");

	is_err(vas_region_unpark(region, &opts), 0, "it comes back");
	ok(books_agree(), "books and mappings agree");
	ok(is_filled(rw, 4, 1) && is_filled(rw + 8 * page, 2, 2) && is_zero(rw + 4 * page, 4),
	   "read-write memory has its contents");
	ok(is_filled(ro, BLOCK_PAGES, 3) && prot_at(ro) == PROT_READ,
	   "read-only memory is as it was");
	ok(prot_at(none) == 0, "inaccessible memory is inaccessible");
	vas_region_protect(region, none, 4 * page, PROT_READ);
	ok(is_filled(none, 4, 4), "and has its contents");
	ok(faults(rw + 12 * page) && !faults(rw + 13 * page), "the guard is a guard");
	is_err(vas_region_unpark(region, &opts), EINVAL, "what is not parked cannot be unparked");
	is_err(vas_region_free(region, rw, NULL), 0, "its blocks can be freed");
	end_region(region);
	close(image);
}

static void sparse_case(void *unused)
{
	struct vas_region *region = make_region(4096);
	unsigned char *start = make_block(region, 2048, 0);
	int image = make_object(4096);
	struct vas_park_opts opts = with_image(image, 2048);
	struct stat status;

	(void)unused;
	/* The image has been used before, and begins somewhere inside its file. */
	for (uint64_t i = 0; i < 4096; i++)
		if (pwrite(image, "old", 3, (off_t)(i * page)) != 3)
			tap_bail("cannot write");
	opts.image_offset = 1024 * page;
	commit(region, start, 2048, RW, 0, 0, 0);
	fill(start + 1000 * page, 3, 5);
	is_err(vas_region_park(region, &opts), 0, "parked");
	fstat(image, &status);
	ok((uint64_t)status.st_blocks * 512 < (2048 + 64) * page,
	   "zero pages take no room (%" PRIu64 " pages)", (uint64_t)status.st_blocks * 512 / page);
	is_err(vas_region_unpark(region, &opts), 0, "unparked");
	ok(is_filled(start + 1000 * page, 3, 5), "contents are there");
	ok(is_zero(start, 1000) && is_zero(start + 1003 * page, 1045), "the rest is zero");
	end_region(region);
	close(image);
}

static void discard_case(void *unused)
{
	struct vas_region *region = make_region(64);
	unsigned char *start = make_block(region, BLOCK_PAGES, 0);
	struct vas_park_opts opts = with_flags(VAS_PARK_DISCARD);
	struct vas_park_opts small = with_image(0, 3);

	(void)unused;
	commit(region, start, 4, RW, 0, 0, 0);
	fill(start, 4, 1);
	is_err(vas_region_park(region, NULL), EOPNOTSUPP, "contents need an image");
	small.image = make_object(0);
	is_err(vas_region_park(region, &small), ENOSPC, "with room for them");
	close(small.image);
	small.image_size = 4 * page;
	is_err(vas_region_park(region, &small), EBADF, "in a descriptor that is open");
	small.image = open("/dev/null", O_RDONLY | O_CLOEXEC);
	is_err(vas_region_park(region, &small), EBADF, "for writing");
	close(small.image);
	ok(is_filled(start, 4, 1) && books_agree(), "all that changed nothing");
	is_err(vas_region_park(region, &opts), 0, "or leave to drop them");
	ok(is_reserved(region), "it is parked");
	is_err(vas_region_unpark(region, NULL), 0, "it comes back");
	ok(is_zero(start, 4), "as zeroes");
	end_region(region);
}

/* A limit on the size of files is an errno, and nothing has happened. */
static void file_limit_case(void *unused)
{
	struct vas_region *region = make_region(64);
	unsigned char *start = make_block(region, BLOCK_PAGES, 0);
	int image = make_object(0);
	struct vas_park_opts opts = with_image(image, BLOCK_PAGES);
	struct rlimit limit = { 4 * page, RLIM_INFINITY };

	(void)unused;
	commit(region, start, BLOCK_PAGES, RW, 0, 0, 0);
	fill(start, BLOCK_PAGES, 1);
	setrlimit(RLIMIT_FSIZE, &limit);
	is_err(vas_region_park(region, &opts), ENOSPC, "the image may not grow so far");
	ok(is_filled(start, BLOCK_PAGES, 1) && books_agree(), "everything is as it was");
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	is_err(vas_region_park(region, &opts), 0, "now it may");
	if (ftruncate(image, (off_t)(8 * page)))
		tap_bail("cannot truncate");
	is_err(vas_region_unpark(region, &opts), EIO, "an image that ends early is told");
	ok(is_reserved(region) && books_agree(), "the region stays parked");
	end_region(region);
	close(image);
}

/* --- objects --- */

static int reopen_fd = -1;
static unsigned int reopened;

static int reopen(void *context, uint64_t device, uint64_t inode, int32_t *fd)
{
	(void)context;
	(void)device;
	(void)inode;
	reopened++;
	if (reopen_fd < 0)
		return -ENOENT;
	*fd = reopen_fd;
	return 0;
}

static void shared_case(void *unused)
{
	struct vas_region *region = make_region(128);
	unsigned char *first = make_block(region, BLOCK_PAGES, 0);
	unsigned char *second = make_block(region, BLOCK_PAGES, 0);
	int object = make_object(2 * BLOCK_PAGES), twin = dup(object), other = make_object(64);
	struct vas_park_opts opts = with_flags(0);

	(void)unused;
	commit(region, first, BLOCK_PAGES, RW, VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH, object, 0);
	commit(region, second, 4, PROT_READ, VAS_COMMIT_SHARED, object, 16 * page);
	fill(first, BLOCK_PAGES, 1);
	is_err(vas_region_park(region, NULL), 0, "shared memory needs no image");
	ok(is_reserved(region), "it is not mapped");
	if (pwrite(object, "new", 3, 16 * (off_t)page) != 3)
		tap_bail("cannot write");
	is_err(vas_region_unpark(region, NULL), 0, "it comes back");
	ok(is_filled(first, BLOCK_PAGES, 1) && memcmp(second, "new", 3) == 0,
	   "with what the object holds");
	ok(prot_at(second) == PROT_READ, "and its protection");
	ok(books_agree(), "books and mappings agree");

	is_err(vas_region_park(region, NULL), 0, "again");
	close(object);
	is_err(vas_region_unpark(region, NULL), EBADF, "a closed descriptor is noticed");
	if (dup2(other, object) != object)
		tap_bail("no dup2");
	is_err(vas_region_unpark(region, NULL), EBADF, "and one that is another object's");
	opts.open = reopen;
	is_err(vas_region_unpark(region, &opts), EBADF, "the caller does not find it");
	reopen_fd = other;
	is_err(vas_region_unpark(region, &opts), EBADF, "or finds something else");
	ok(is_reserved(region), "nothing was mapped by all that");
	reopen_fd = twin;
	reopened = 0;
	is_err(vas_region_unpark(region, &opts), 0, "the caller finds it");
	ok(reopened >= 1 && reopened <= 2, "asked once for each kind of use");
	ok(is_filled(first, BLOCK_PAGES, 1) && memcmp(second, "new", 3) == 0, "contents are there");
	is_err(vas_region_free(region, first, NULL), 0, "what is freed later is punched");
	ok(lseek(twin, 0, SEEK_DATA) >= (off_t)(BLOCK_PAGES * page), "by the new descriptor");
	end_region(region);
	close(object);
	close(twin);
	close(other);
}

static void private_file_case(void *unused)
{
	char path[] = "/tmp/vaspace-park-XXXXXX";
	int file = mkstemp(path), image = make_object(0);
	struct vas_region *region = make_region(64);
	unsigned char *start = make_block(region, BLOCK_PAGES, 0);
	struct vas_park_opts opts = with_image(image, BLOCK_PAGES);
	unsigned char *text =
		mmap(NULL, BLOCK_PAGES * page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	unlink(path);
	memset(text, 'f', BLOCK_PAGES * page);
	if (pwrite(file, text, BLOCK_PAGES * page, 0) != (ssize_t)(BLOCK_PAGES * page))
		tap_bail("cannot write");
	commit(region, start, 8, RW, VAS_COMMIT_PRIVATE, file, 0);
	fill(start + 2 * page, 2, 6);
	memset(start + 5 * page, 0, page);
	is_err(vas_region_park(region, &opts), 0, "parked");
	ok(is_reserved(region), "it is not mapped");
	is_err(vas_region_unpark(region, &opts), 0, "unparked");
	ok(is_filled(start + 2 * page, 2, 6), "what was written is there");
	ok(is_zero(start + 5 * page, 1), "zeroes over the file are zeroes");
	ok(memcmp(start, text, 2 * page) == 0 && memcmp(start + 6 * page, text, 2 * page) == 0,
	   "the rest is the file's");
	opts = with_flags(VAS_PARK_DISCARD);
	is_err(vas_region_park(region, &opts), 0, "parked once more");
	is_err(vas_region_unpark(region, NULL), 0, "without contents");
	ok(memcmp(start, text, 8 * page) == 0, "all of it is the file's");
	end_region(region);
	munmap(text, BLOCK_PAGES * page);
	close(file);
	close(image);
}

/* --- drivers --- */

struct ring {
	int fd;
	uint64_t size;
	unsigned char *start;
};

/*
 * A stand-in for a driver's memory: the buffer of a perf event, or an object that is committed
 * as a driver's would be. (Not a ring of io_uring: the kernel maps it at no address that is asked for.)
 */
static void make_ring(struct vas_region *region, struct ring *ring)
{
	struct perf_event_attr event;
	int err;

	memset(&event, 0, sizeof(event));
	event.type = PERF_TYPE_SOFTWARE;
	event.size = sizeof(event);
	event.config = PERF_COUNT_SW_DUMMY;
	event.exclude_kernel = 1;
	ring->size = 9 * page;
	ring->fd = (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring->fd < 0)
		ring->fd = make_object(9);
	ring->start = make_block(region, ring->size / page, 0);
	err = commit(region, ring->start, ring->size / page, RW,
		     VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE, ring->fd, 0);
	if (err)
		tap_bail("the driver's memory cannot be committed: %s", strerror(-err));
}

static void driver_ours_case(void *unused)
{
	struct vas_region *region = make_region(256);
	struct ring ring;

	(void)unused;
	make_ring(region, &ring);
	is_err(vas_region_park(region, NULL), 0, "a driver's memory is parked as any other");
	ok(is_reserved(region), "it is not mapped");
	is_err(vas_region_unpark(region, NULL), 0, "and comes back");
	ok(prot_at(ring.start) == RW, "at its place");
	ok(books_agree(), "books and mappings agree");
	end_region(region);
	close(ring.fd);
}

static bool is_claimed(const unsigned char *start)
{
	return prot_at(start) == PROT_NONE;
}

static void driver_theirs_case(void *unused)
{
	struct vas_park_opts opts = with_flags(VAS_PARK_THEIRS);
	struct vas_region *region = make_region(256);
	unsigned char *beside = make_block(region, 2, 0);
	int object = make_object(2);
	struct ring ring;

	(void)unused;
	commit(region, beside, 2, RW, VAS_COMMIT_SHARED, object, 0);
	make_ring(region, &ring);
	is_err(vas_region_park(region, &opts), 0, "parked, the ring left to its driver");
	ok(prot_at(ring.start) == RW, "the ring is still there");
	ok(prot_at(beside) == PROT_NONE, "the rest is not");
	ok(books_agree(), "books and mappings agree");
	is_err(vas_region_detached(region, ring.start, ring.size), EEXIST,
	       "the hook comes too early");
	munmap(ring.start, ring.size);
	ok(books_agree(), "a hole there is no surprise");
	is_err(vas_region_detached(region, beside, page), EINVAL, "that is no driver's");
	is_err(vas_region_detached(region, ring.start, ring.size), 0, "the hook");
	ok(is_claimed(ring.start), "has claimed it");
	is_err(vas_region_detached(region, ring.start, ring.size), 0, "once more does no harm");
	is_err(vas_region_unpark(region, NULL), 0, "it comes back");
	ok(prot_at(ring.start) == RW && prot_at(beside) == RW, "all of it");

	/* Without the hook: the next call claims it. The driver is back before unpark. */
	is_err(vas_region_park(region, &opts), 0, "parked again");
	munmap(ring.start, ring.size);
	if (mmap(ring.start, ring.size, RW, MAP_SHARED | MAP_FIXED, ring.fd, 0) != ring.start)
		tap_bail("the driver cannot come back");
	is_err(vas_region_unpark(region, NULL), 0, "what the driver has mapped again stays");
	is_err(vas_region_park(region, &opts), 0, "and again");
	munmap(ring.start, ring.size);
	is_err(vas_region_detached(region, ring.start, ring.size), 0, "claimed");
	if (mmap(ring.start, ring.size, RW, MAP_SHARED | MAP_FIXED, ring.fd, 0) != ring.start)
		tap_bail("the driver cannot come back");
	is_err(vas_region_unpark(region, NULL), 0, "also over the claim");
	is_err(vas_region_park(region, &opts), 0, "the last time");
	munmap(ring.start, ring.size);
	is_err(vas_region_unpark(region, NULL), 0, "unpark itself claims and maps");
	ok(prot_at(ring.start) == RW && books_agree(), "all is there");
	end_region(region);
	close(ring.fd);
	close(object);
}

static void *intrude(void *start, uint64_t size, int fd)
{
	int flags = MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	void *got = mmap(start, size, RW, flags, fd, 0);

	if (got != start)
		tap_bail("cannot intrude");
	memset(start, 'i', size);
	return got;
}

static void intruder_case(void *unused)
{
	struct vas_park_opts opts = with_flags(VAS_PARK_THEIRS);
	struct vas_region *region = make_region(256);
	struct vas_intruder list[2];
	int object = make_object(1);
	struct stat status;
	struct ring ring;
	size_t count = 99;

	(void)unused;
	make_ring(region, &ring);
	opts.intruders = list;
	opts.intruder_capacity = 1;
	opts.intruder_count = &count;
	is_err(vas_region_park(region, &opts), 0, "parked");
	munmap(ring.start, ring.size);
	intrude(ring.start + page, page, object);
	is_err(vas_region_detached(region, ring.start, ring.size), EEXIST, "somebody has come");
	ok(is_claimed(ring.start), "what was free is claimed");
	is_err(vas_region_unpark(region, &opts), EEXIST, "unpark says so");
	fstat(object, &status);
	is_u64(count, 1, "one");
	is_u64(list[0].span.start, (uintptr_t)ring.start + page, "where it is");
	is_u64(list[0].span.size, page, "how large");
	is_u64(list[0].inode, status.st_ino, "what it is");
	is_u64(list[0].device, status.st_dev, "of which device");
	ok(ring.start[page] == 'i', "it is untouched");
	/* Ours, overwritten: named as well. */
	intrude(ring.start + 4 * ring.size, page, -1);
	is_err(vas_region_unpark(region, &opts), EEXIST, "another, over our own");
	is_u64(count, 2, "both are counted");
	opts.intruder_capacity = 2;
	is_err(vas_region_unpark(region, &opts), EEXIST, "with room for both");
	is_u64(list[1].span.start, (uintptr_t)ring.start + 4 * ring.size, "the second");
	is_u64(list[1].inode, 0, "which is anonymous");
	munmap(ring.start + 4 * ring.size, page);
	munmap(ring.start + page, page);
	is_err(vas_region_unpark(region, &opts), 0, "when they are gone it comes back");
	ok(prot_at(ring.start) == RW && books_agree(), "all of it");
	end_region(region);
	close(ring.fd);
	close(object);
}

/* What is another's stays when the region ends. */
static void intruder_stays_case(void *unused)
{
	struct vas_park_opts opts = with_flags(VAS_PARK_THEIRS);
	struct vas_region *region = make_region(256);
	struct ring ring;

	(void)unused;
	make_ring(region, &ring);
	is_err(vas_region_park(region, &opts), 0, "parked");
	munmap(ring.start, ring.size);
	intrude(ring.start, page, -1);
	is_err(vas_region_destroy(region, NULL), 0, "the region ends");
	ok(prot_at(ring.start) == RW && ring.start[0] == 'i', "the intruder stays");
	ok(prot_at(ring.start + ring.size + page) == -1, "and nothing else");
	munmap(ring.start, page);
	ok(books_agree(), "books and mappings agree");
	close(ring.fd);
}

/* --- notices --- */

static struct {
	uint64_t generation;
	unsigned int phases[3];
	enum vas_change change;
	int answer;
} seen;

static int watch(void *context, const struct vas_notice *notice)
{
	struct vas_region *region = context;
	struct vas_block block;

	seen.phases[notice->phase]++;
	seen.change = notice->change;
	seen.generation = notice->generation;
	if (notice->phase == VAS_NOTICE_BEFORE && vas_region_park(region, NULL) != -EDEADLK)
		seen.change = (enum vas_change)99;
	(void)vas_region_block_at(region, NULL, &block);
	return seen.answer;
}

static void notice_case(void *unused)
{
	struct vas_region *region = make_region(64);
	unsigned char *start = make_block(region, BLOCK_PAGES, 0);
	struct vas_park_opts opts = with_flags(VAS_PARK_DISCARD);
	uint64_t before, after, id;

	(void)unused;
	commit(region, start, 4, RW, 0, 0, 0);
	fill(start, 4, 1);
	if (vas_notice_subscribe(NULL, watch, region, &id))
		tap_bail("no subscription");
	seen.answer = -EAGAIN;
	is_err(vas_region_park(region, &opts), EBUSY, "a subscriber refuses it");
	ok(is_filled(start, 4, 1), "nothing happened");
	is_err(vas_region_protect(region, start, page, PROT_READ), EBUSY, "as anything else");
	seen.answer = 0;
	vas_generation_at(start, &before);
	memset(seen.phases, 0, sizeof(seen.phases));
	is_err(vas_region_park(region, &opts), 0, "now it is parked");
	ok(seen.phases[VAS_NOTICE_BEFORE] == 1 && seen.phases[VAS_NOTICE_AFTER] == 1 &&
		   seen.change == VAS_CHANGE_PARK,
	   "told before and after");
	vas_generation_at(start, &after);
	ok(after > before && seen.generation == after, "the generation moved");
	seen.answer = -EAGAIN;
	is_err(vas_region_unpark(region, NULL), EBUSY, "unpark can be refused too");
	ok(is_reserved(region), "it stays parked");
	seen.answer = 0;
	is_err(vas_region_unpark(region, NULL), 0, "and goes through");
	ok(seen.change == VAS_CHANGE_UNPARK, "told");
	vas_notice_cancel(id);
	end_region(region);
}

/* --- another process --- */

static struct {
	unsigned char manifest[65536];
	size_t length;
	uintptr_t start; /* of the first block */
	bool good;
} * handed;

static void hand_over(int object, int image)
{
	struct vas_region_opts opts = { .size = sizeof(opts), .granule = 4 * page, .seed = 3 };
	struct vas_park_opts park = with_image(image, 64);
	struct vas_region *region;
	unsigned char *first, *second;

	if (vas_region_create(128 * page, &opts, &region))
		tap_bail("no region");
	first = make_block(region, BLOCK_PAGES, 42);
	second = make_block(region, BLOCK_PAGES, 0);
	commit(region, first, 8, RW, 0, 0, 0);
	commit(region, second, 8, RW, VAS_COMMIT_SHARED, object, 4 * page);
	fill(first, 8, 1);
	*(unsigned char **)(void *)(first + 8) = second; /* a pointer that must stay good */
	fill(second, 8, 2);
	vas_region_protect(region, first + 4 * page, 2 * page, PROT_READ);
	vas_region_guard(region, second + 6 * page, page);
	handed->good =
		vas_region_park(region, &park) == 0 &&
		vas_region_manifest(region, NULL, 0, &handed->length) == -ENOSPC &&
		handed->length <= sizeof(handed->manifest) &&
		vas_region_manifest(region, handed->manifest, handed->length, &handed->length) == 0;
	handed->start = (uintptr_t)first;
}

static void take_over(int object, int image)
{
	unsigned char *first = (unsigned char *)handed->start;
	struct vas_park_opts opts = with_image(image, 64);
	struct vas_region *region, *twice;
	struct vas_block block;

	is_err(vas_region_from_manifest(handed->manifest, handed->length, &region), 0,
	       "a region from the manifest");
	ok(is_reserved(region) && books_agree(), "it is parked");
	is_err(vas_region_from_manifest(handed->manifest, handed->length, &twice), EEXIST,
	       "only once");
	is_err(vas_region_block_at(region, first, &block), 0, "its blocks are there");
	ok(block.start == first && block.size == BLOCK_PAGES * page && block.tag == 42,
	   "as they were");
	is_err(vas_region_unpark(region, &opts), EBADF, "its objects must be found");
	opts.open = reopen;
	reopen_fd = object;
	is_err(vas_region_unpark(region, &opts), 0, "it is unparked");
	ok(books_agree(), "books and mappings agree");
	ok(*(unsigned char **)(void *)(first + 8) == first + BLOCK_PAGES * page,
	   "the pointer is there");
	ok(is_filled(first + BLOCK_PAGES * page, 6, 2), "and what it points to");
	ok(prot_at(first + 4 * page) == PROT_READ, "with its protections");
	ok(faults(first + (BLOCK_PAGES + 6) * page), "and its guard");
	is_err(vas_region_alloc(region, 4 * page, NULL, &block), 0, "blocks can be taken");
	is_err(vas_region_free(region, first, NULL), 0, "and freed");
	ok(books_agree(), "books and mappings agree");
	end_region(region);
}

static void other_process_case(void *unused)
{
	int object = make_object(64), image = make_object(0), status = 0;
	pid_t child;

	(void)unused;
	handed = mmap(NULL, sizeof(*handed), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child = fork();
	if (child == 0) {
		hand_over(object, image);
		_exit(0);
	}
	waitpid(child, &status, 0);
	ok(status == 0 && handed->good, "one process has parked and described its region");
	take_over(object, image);
	munmap(handed, sizeof(*handed));
	close(object);
	close(image);
}

static void manifest_case(void *unused)
{
	static unsigned char bytes[4096];
	struct vas_region *region = make_region(64), *made = NULL;
	struct vas_park_opts opts = with_flags(VAS_PARK_DISCARD);
	unsigned char *start = make_block(region, BLOCK_PAGES, 0);
	unsigned int refused = 0;
	size_t length = 0;

	(void)unused;
	commit(region, start, 4, RW, VAS_COMMIT_NOHUGE, 0, 0);
	is_err(vas_region_manifest(region, bytes, sizeof(bytes), &length), EINVAL,
	       "only a parked region has a manifest");
	is_err(vas_region_park(region, &opts), 0, "parked");
	is_err(vas_region_manifest(region, bytes, 10, &length), ENOSPC, "it needs room");
	ok(length > 10 && bytes[0] == 0, "which is told, and nothing is written");
	is_err(vas_region_manifest(region, bytes, sizeof(bytes), &length), 0, "with room");
	is_err(vas_region_from_manifest(bytes, length, &made), EEXIST, "its span is taken here");
	end_region(region);
	for (size_t i = 0; i < length; i++) {
		bytes[i] ^= 0x10;
		refused += vas_region_from_manifest(bytes, length, &made) == -EBADMSG;
		bytes[i] ^= 0x10;
	}
	is_u64(refused, length, "each spoilt byte is refused");
	ok(!made, "and nothing was made");
	is_err(vas_region_from_manifest(bytes, length, &made), 0, "the sound one is good");
	is_err(vas_region_unpark(made, NULL), 0, "and unparked");
	ok(is_zero(start, 4) && books_agree(), "with zeroes");
	end_region(made);
	is_err(vas_region_from_manifest(bytes, length, &made), 0, "once more");
	end_region(made);
	ok(books_agree(), "and ended while it was parked");
}

/* What the library keeps, it makes here, so that no case is found leaking it. */
static void warm_up(void)
{
	struct vas_region *region = make_region(64);
	int image = make_object(0);
	struct vas_park_opts opts = with_image(image, 64);

	commit(region, make_block(region, 4, 1), 4, RW, 0, 0, 0);
	if (vas_region_park(region, &opts) || vas_region_unpark(region, &opts) ||
	    vas_region_destroy(region, NULL) || vas_sync_check(NULL))
		tap_bail("it does not work at all");
	close(image);
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	warm_up();
	tap_case("anonymous memory, with an image", anonymous_case, NULL, 20);
	tap_case("an image with holes", sparse_case, NULL, 20);
	tap_case("contents dropped, and refusals", discard_case, NULL, 20);
	tap_case("an image that may not grow", file_limit_case, NULL, 20);
	tap_case("shared objects", shared_case, NULL, 20);
	tap_case("a private file", private_file_case, NULL, 20);
	tap_case("a driver's memory, detached by us", driver_ours_case, NULL, 20);
	tap_case("a driver's memory, detached by it", driver_theirs_case, NULL, 20);
	tap_case("intruders", intruder_case, NULL, 20);
	tap_case("an intruder when the region ends", intruder_stays_case, NULL, 20);
	tap_case("notices", notice_case, NULL, 20);
	tap_case("another process", other_process_case, NULL, 20);
	tap_case("manifests", manifest_case, NULL, 20);
	return tap_done();
}
