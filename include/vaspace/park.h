/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/park.h - detach all memory of a region and keep every address owned;
 * put it back at the same addresses, here, in another process or in a later run.
 *
 *	park		everything that is mapped goes; the addresses stay inaccessible and ours
 *	unpark		it comes back as it was: objects, protection, guards, advice, policies, contents
 *	manifest	what a parked region is, as bytes; and a parked region from them
 *
 * For checkpoints, for devices that go to sleep, for handing a heap over. No moment
 * passes in which an address is nobody's: what is mapped is replaced in place. Only what a driver
 * unmaps by itself leaves a hole; it is claimed again as soon as a call of this library
 * sees it, never over what came there meanwhile.
 *
 * What a caller did to the memory by calls of its own does not come back: locks of mlock(2) (those of
 * mlockall(MCL_FUTURE) do, as with any new mapping), protection keys, other advice, userfaultfd.
 *
 * While a region is parked, vas_region_stats, block_at, next, unpark, detached, manifest and
 * destroy work; everything else answers -EBUSY. Touching its memory is a fault, as with any
 * memory that is only reserved; so nobody may be using it when it is parked.
 */
#ifndef VASPACE_PARK_H
#define VASPACE_PARK_H

#include <vaspace/base.h>
#include <vaspace/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Contents of private memory are dropped: it comes back as zeroes (PRIVATE objects: as the object is). */
#define VAS_PARK_DISCARD 0x1u
/*
 * Parts committed with VAS_COMMIT_WHOLE are left to their drivers, which unmap them by themselves.
 * Without it they are replaced like all others.
 */
#define VAS_PARK_THEIRS 0x2u
#define VAS_PARK_ALL 0x3u

/*
 * Finds an object again: writes a descriptor of it, which stays the caller's and must
 * remain open as long as one that was passed to a commit. 0, or a negative errno: then unpark answers
 * -EBADF. Called with no lock of the library held.
 */
typedef int vas_park_open(void *context, uint64_t device, uint64_t inode, int32_t *fd);

/* Something of another's that lies in the span. */
struct vas_intruder {
	struct vas_span span; /* of its mapping, as far as it lies in the region */
	uint64_t device; /* as st_dev; 0 for anonymous memory */
	uint64_t inode;
};

struct vas_park_opts {
	size_t size;
	uint32_t flags; /* VAS_PARK_ bits */
	int32_t image; /* with image_size: a descriptor of a file that contents of private memory go to, come from */
	uint64_t image_offset; /* where in it they begin; a multiple of the page size */
	uint64_t image_size; /* room there, bytes; 0 = no image. Bytes committed are always enough */
	vas_park_open *open; /* unpark: finds descriptors again; NULL = those of the commits */
	void *context; /* of open */
	struct vas_intruder *intruders; /* unpark: who is in the way; owned by the caller */
	size_t intruder_capacity;
	size_t *intruder_count; /* how many there are, may exceed the capacity; written with -EEXIST only */
};

/*
 * Detaches everything that is mapped in the region. Shared objects keep their
 * contents. Contents of private memory (anonymous, or written to PRIVATE objects) go to opts.image
 * first, or are dropped with DISCARD. The region's cache is given back. Notices: VAS_CHANGE_PARK.
 *
 * Bytes of the image are written in the order of their addresses, zero pages as
 * holes where the file can have them. It holds the contents only; blocks and what is mapped where is
 * in the region, and in its manifest.
 *
 * Errors. Everything is as it was before (with DISCARD, dropped contents may be zero after
 * -ENOMEM; memory that had to be made readable to be copied stays so when the kernel refuses
 * to change it back), but with reason "parked": then the kernel refused to detach all of it, and to put
 * back what it had detached; the region is parked, and unpark goes on from there.
 *  -EINVAL	region is NULL, unknown flags, an image offset off the page size, DISCARD with an image
 *  -E2BIG	opts is larger than known, with a non-zero tail
 *  -EBUSY	parked already, or being parked; vetoed by a subscriber; blocks wait in quarantine for
 *		a thread that has entered, or are freed all the time
 *  -EDEADLK	called inside a notice about this region
 *  -EOPNOTSUPP	there is private memory, and neither an image nor DISCARD; or a device
 *		owns the addresses and does not let them be replaced
 *  -ENOSPC	the image has no room, or its file system or RLIMIT_FSIZE has none
 *  -EBADF	the image is no descriptor that can be written
 *  -EIO	the image, or memory that should go there, cannot be accessed
 *  -ENOMEM	the kernel, or the library's own books, have no memory
 *  -EAGAIN	memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EPERM, -ENOSYS, -EACCES	a sandbox or a security module forbids a call
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_park(struct vas_region *region, const struct vas_park_opts *opts);

/*
 * Puts back what park detached, at the same addresses: objects by their
 * descriptors, which are compared with what was committed (device and inode) before
 * anything is changed; contents from opts.image at opts.image_offset, with DISCARD zeroes
 * instead. What lies in the region is looked at first: nothing of another's is
 * overwritten. Notices: VAS_CHANGE_UNPARK.
 *
 * Errors. The region stays parked, nothing is mapped in it:
 *  -EINVAL	region is NULL, it is not parked, unknown flags, an image offset off the page size
 *  -E2BIG	opts is larger than known, with a non-zero tail
 *  -EBUSY	another unpark is at work; vetoed by a subscriber
 *  -EDEADLK	called inside a notice about this region
 *  -EEXIST	somebody else has mapped inside the region: see opts.intruders
 *  -EBADF	a descriptor is closed, is another object's by now, or cannot be mapped; the image is none
 *  -EOPNOTSUPP	contents are in an image, and neither an image nor DISCARD is given
 *  -ENOSPC	opts.image_size is less than what was written
 *  -ERANGE	an object is shorter than it was
 *  -EIO	the image cannot be read, or has ended early
 *  -ENOMEM	the kernel, or the library's own books, have no memory
 *  -EAGAIN	memory is locked by mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK
 *  -EACCES	a descriptor is not open for what the memory is for; a security module forbids it
 *  -EPERM, -ENOSYS	a seal or a sandbox forbids a call
 *  -EPERM	in a forked child that shares the parent's memory
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_unpark(struct vas_region *region, const struct vas_park_opts *opts);

/*
 * For a driver's hook: it has unmapped, by itself, what was committed with
 * VAS_COMMIT_WHOLE in [start, start + size), of a region that was parked with VAS_PARK_THEIRS.
 * The addresses are claimed again, never over what is found there. The driver may
 * map its memory there again by itself later, while the region is parked: unpark then leaves it.
 *
 * Errors; nothing is changed but what is claimed:
 *  -EINVAL	region is NULL; unaligned, empty or wrapping; the region is not parked; no such part there
 *  -ERANGE	outside the region
 *  -EBUSY	the region is being parked or unparked by another thread: it claims what is free
 *  -EEXIST	not all of it is free: what was free has been claimed, unpark names the rest
 *  -ENOMEM, -EPERM, -ENOSYS, -EAGAIN	as vas_reserve; what is missing is tried again by later calls
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_detached(struct vas_region *region, void *start, uint64_t size);

/*
 * Writes what a parked region is to buffer: its span, how it was reserved, blocks, and what
 * was mapped where; docs/park-manifest.md has the format. *length is how many bytes it takes, also
 * with -ENOSPC. Contents are not in it, and neither are descriptors.
 *
 * Errors, with buffer untouched:
 *  -EINVAL	region or length is NULL, or buffer and capacity is not 0; it is not parked
 *  -ENOSPC	it takes more than capacity; *length says how much
 *  -EBUSY	another thread parks or unparks it
 *  -ESTALE	in a forked child that has nothing of the region
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_region_manifest(struct vas_region *region, void *buffer, size_t capacity,
				size_t *length);

/*
 * Makes a parked region from a manifest, in any process: reserves its span exactly and
 * enters its blocks, with the granule, seed, cache and flags that it had. vas_region_unpark with
 * opts.open then maps everything. Nothing in the manifest, whose bytes may lie at any alignment, is believed before it
 * was checked.
 *
 * Errors, with *region untouched and nothing reserved:
 *  -EINVAL	manifest or region is NULL
 *  -EBADMSG	it is malformed
 *  -EOPNOTSUPP	it is of a newer version, or of a machine with another page size
 *  -EEXIST	not all of the span is free here
 *  -ERANGE, -ENOMEM, -EPERM, -ENOSYS, -EAGAIN, -EBUSY	as vas_reserve
 *  -EOWNERDEAD	in a forked child that nobody announced (vaspace/fork.h)
 *
 * Thread-safe. Not signal-safe. The caller ends it with vas_region_destroy.
 */
VAS_API int vas_region_from_manifest(const void *manifest, size_t length,
				     struct vas_region **region);

#ifdef __cplusplus
}
#endif
#endif
