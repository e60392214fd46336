/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Codes as words, and options structs across versions.
 *
 * The words are tables, so that each stands once and none can be missing: the
 * reasons' table is indexed by the enum and a test walks it.
 *
 * An options struct crosses the library's edge by copy. What the caller did
 * not know is zero; what the library does not know must be zero. The size that a
 * caller states is believed up to VAS_OPTIONS_SIZE_MAX only: a larger one is
 * an uninitialised field, and looking for its tail would leave the struct.
 */
#include "base/code.h"

#include <errno.h>
#include <string.h>

static const struct {
	int error;
	const char *name;
} errno_names[] = {
	{ 0, "0" },
	{ EPERM, "EPERM" },
	{ ENOENT, "ENOENT" },
	{ ESRCH, "ESRCH" },
	{ EINTR, "EINTR" },
	{ EIO, "EIO" },
	{ ENXIO, "ENXIO" },
	{ E2BIG, "E2BIG" },
	{ EBADF, "EBADF" },
	{ EAGAIN, "EAGAIN" },
	{ ENOMEM, "ENOMEM" },
	{ EACCES, "EACCES" },
	{ EFAULT, "EFAULT" },
	{ EBUSY, "EBUSY" },
	{ EEXIST, "EEXIST" },
	{ ENODEV, "ENODEV" },
	{ ENOTDIR, "ENOTDIR" },
	{ EISDIR, "EISDIR" },
	{ EINVAL, "EINVAL" },
	{ ENFILE, "ENFILE" },
	{ EMFILE, "EMFILE" },
	{ ENOTTY, "ENOTTY" },
	{ ETXTBSY, "ETXTBSY" },
	{ EFBIG, "EFBIG" },
	{ ENOSPC, "ENOSPC" },
	{ ESPIPE, "ESPIPE" },
	{ EROFS, "EROFS" },
	{ ERANGE, "ERANGE" },
	{ EDEADLK, "EDEADLK" },
	{ ENAMETOOLONG, "ENAMETOOLONG" },
	{ ENOSYS, "ENOSYS" },
	{ ELOOP, "ELOOP" },
	{ EPROTO, "EPROTO" },
	{ EBADMSG, "EBADMSG" },
	{ EOVERFLOW, "EOVERFLOW" },
	{ EOPNOTSUPP, "EOPNOTSUPP" },
	{ ETIMEDOUT, "ETIMEDOUT" },
	{ ESTALE, "ESTALE" },
	{ EDQUOT, "EDQUOT" },
	{ ECANCELED, "ECANCELED" },
	{ EOWNERDEAD, "EOWNERDEAD" },
	{ EHWPOISON, "EHWPOISON" },
};

const char *vas_errno_name(int error)
{
	for (size_t i = 0; i < sizeof(errno_names) / sizeof(errno_names[0]); i++) {
		if (errno_names[i].error == error || -errno_names[i].error == error)
			return errno_names[i].name;
	}
	return "E?";
}

const char *vas_operation_name(enum vas_operation operation)
{
	switch (operation) {
	case VAS_OPERATION_NONE:
		return "none";
	case VAS_OPERATION_RESERVE:
		return "reserve";
	case VAS_OPERATION_COMMIT:
		return "commit";
	case VAS_OPERATION_RELEASE:
		return "release";
	case VAS_OPERATION_FIND:
		return "find";
	case VAS_OPERATION_READ:
		return "read";
	case VAS_OPERATION_ADOPT:
		return "adopt";
	case VAS_OPERATION_DISOWN:
		return "disown";
	case VAS_OPERATION_DECOMMIT:
		return "decommit";
	case VAS_OPERATION_PROTECT:
		return "protect";
	case VAS_OPERATION_GUARD:
		return "guard";
	case VAS_OPERATION_UNGUARD:
		return "unguard";
	case VAS_OPERATION_REGION:
		return "region";
	case VAS_OPERATION_ALLOC:
		return "alloc";
	case VAS_OPERATION_FREE:
		return "free";
	case VAS_OPERATION_PARK:
		return "park";
	case VAS_OPERATION_UNPARK:
		return "unpark";
	case VAS_OPERATION_DETACHED:
		return "detached";
	case VAS_OPERATION_MANIFEST:
		return "manifest";
	case VAS_OPERATION_ARENA:
		return "arena";
	case VAS_OPERATION_GROW:
		return "grow";
	case VAS_OPERATION_SHRINK:
		return "shrink";
	case VAS_OPERATION_RING:
		return "ring";
	case VAS_OPERATION_VIEW:
		return "view";
	case VAS_OPERATION_POLICY:
		return "policy";
	case VAS_OPERATION_REPLACE:
		return "replace";
	}
	return "unknown";
}

struct why_words {
	const char *name;
	const char *sentence;
	const char *remedy;
};

static const struct why_words why_table[VAS_WHY_COUNT] = {
	[VAS_WHY_NONE] = { "none", "nothing failed", "nothing to do" },
	[VAS_WHY_ARGUMENT] = { "argument", "an argument is malformed",
			       "compare the call with the errno table in its header" },
	[VAS_WHY_LIMITS] = { "limits", "the limits exclude each other",
			     "drop or widen one of the two limits that are named" },
	[VAS_WHY_WINDOW] = { "window", "the window that the limits leave is smaller than the size",
			     "ask for less, or widen min and max" },
	[VAS_WHY_WIDTH] = { "width", "the address is beyond what this kernel gives user space",
			    "use lower addresses, or allow the high window where the machine has one" },
	[VAS_WHY_TAKEN] = { "taken", "something is mapped there",
			    "choose another address, or let the library place the span" },
	[VAS_WHY_MARGIN] = { "margin",
			     "too close to a stack, the program break or the lowest address",
			     "choose an address farther away, or set a smaller margin" },
	[VAS_WHY_FRAGMENTED] = { "fragmented", "enough is free, but not in one piece",
				 "ask for less, accept a smaller span with min_size, or widen the limits" },
	[VAS_WHY_FULL] = { "full", "less than the size is free under these limits",
			   "release something there, or widen the limits" },
	[VAS_WHY_ADDRESS_LIMIT] = { "address-limit", "RLIMIT_AS leaves no room",
				    "raise it with ulimit -v, or ask for less" },
	[VAS_WHY_VMA_LIMIT] = { "vma-limit", "the process has as many mappings as it may have",
				"raise vm.max_map_count, or release spans" },
	[VAS_WHY_OVERCOMMIT] = { "overcommit", "the kernel's overcommit policy refuses it",
				 "commit less at once, or change vm.overcommit_memory" },
	[VAS_WHY_LOCKED] = { "locked",
			     "mlockall(MCL_FUTURE) would lock more than RLIMIT_MEMLOCK allows",
			     "raise it with ulimit -l, or end the locking of new mappings" },
	[VAS_WHY_CGROUP] = { "cgroup", "a memory cgroup has no room for it",
			     "raise the memory limit of the group, or populate less" },
	[VAS_WHY_MEMORY] = { "memory", "no memory for the pages", "free memory, or populate less" },
	[VAS_WHY_BOOKS] = { "books", "no memory for the library's own books",
			    "release spans, or raise the limit that stops the process" },
	[VAS_WHY_BARRED] = { "barred", "the kernel, a sandbox or a sanitizer forbids that address",
			     "choose another address" },
	[VAS_WHY_DENIED] = { "denied", "the kernel or a sandbox forbids the call",
			     "allow the call in the sandbox's filter" },
	[VAS_WHY_RACE] = { "race", "other threads took each place between looking and claiming",
			   "try again, or widen the limits" },
	[VAS_WHY_NOT_OWNED] = { "not-owned", "the range is not owned here",
				"pass addresses inside one span that was reserved and not released" },
	[VAS_WHY_HELD] = { "held", "the span is being released, or its release is still to be done",
			   "do not use a span after its release" },
	[VAS_WHY_CAP] = { "cap", "it would be more than a limit, or the region's cap, allows",
			  "ask for less, or raise max_size, max_total, max_count or the region's cap" },
	[VAS_WHY_KERNEL] = { "kernel", "the kernel refused, and no known reason explains it",
			     "see the system log" },
	[VAS_WHY_DATA_LIMIT] = { "data-limit", "RLIMIT_DATA leaves no room",
				 "raise it with ulimit -d, or commit less" },
	[VAS_WHY_VETO] = { "veto", "a subscriber to notices of change refused it",
			   "let the subscriber finish, or end its subscription" },
	[VAS_WHY_REENTERED] = { "reentered", "called inside a notice about the same owner",
				"make the change after the hook has returned" },
	[VAS_WHY_USED] = { "used", "a region uses the span",
			   "call the region's own functions, or destroy the region" },
	[VAS_WHY_NOT_MAPPED] = { "not-mapped", "a part of the range is not mapped",
				 "map all of it, or reserve it instead" },
	[VAS_WHY_UNLIKE] = { "unlike", "what is mapped there has another protection than was said",
			     "give all of it one protection, and say whether it is committed" },
	[VAS_WHY_DEVICE] = { "device", "a device owns the addresses",
			     "map memory there by the device's own means" },
	[VAS_WHY_IMAGE] = { "image", "the image for contents is missing, too small, or fails",
			    "pass a file with room for all private memory, or discard it" },
	[VAS_WHY_MANIFEST] = { "manifest", "the manifest is malformed, or of another kind of machine",
			       "write it again, on a machine with the same page size" },
	[VAS_WHY_TAG] = { "tag", "the block has another tag",
			  "free it as the one it was allocated as; the pointer may be to another block" },
	[VAS_WHY_PARKED] = { "parked", "what is mapped there is parked", "unpark it first" },
	[VAS_WHY_OBJECT] = { "object",
			     "the descriptor's object does not suit, or is another one by now",
			     "keep the descriptor open, and the object large and aligned enough" },
	[VAS_WHY_FORKED] = { "forked", "it belongs to the process that forked this one",
			     "call vas_fork_child after an unannounced fork, or let the parent do it" },
	[VAS_WHY_OUTSIDE] = { "outside", "the address is outside the region",
			      "pass the region that the block was taken from" },
	[VAS_WHY_NO_BLOCK] = { "no-block", "no live block is there: it was freed, or never taken",
			       "free each block once, and do not use it afterwards" },
	[VAS_WHY_INSIDE] = { "inside", "it is inside a block and not its start, or crosses its end",
			     "pass the block's start, and ranges inside one block" },
	[VAS_WHY_FORK_POLICY] = { "fork-policy", "the fork policy of the span does not go with it",
				  "reserve the span with another fork policy" },
	[VAS_WHY_FILE_SYSTEM] = { "file-system", "the file system, or shared memory as a whole, is full",
				  "free some of it, or make it larger" },
	[VAS_WHY_FILE_LIMIT] = { "file-limit", "RLIMIT_FSIZE forbids an object of that size",
				 "raise it with ulimit -f, or ask for less" },
	[VAS_WHY_PRIVATE] = { "private", "private memory cannot be seen at a second place",
			      "make it an arena of shared memory (VAS_ARENA_MEMFD) to begin with" },
	[VAS_WHY_POOL] = { "pool", "the pool of huge pages, or its control group, is exhausted",
			   "raise nr_hugepages or the group's limit, or ask for less" },
	[VAS_WHY_PAGES] = { "pages", "pages of that size cannot be had",
			    "name another size in the ladder, or do not be strict" },
	[VAS_WHY_SEALED] = { "sealed", "a seal of the object, or the arena's policy of execution, forbids it",
			     "seals stay; make another arena, with another policy" },
	[VAS_WHY_PINNED] = { "pinned", "somebody has pinned the arena's size",
			     "let go of the pins, or wait for those who have them" },
	[VAS_WHY_HEADER] = { "header", "the arena's header is malformed, or of another object",
			     "hand over both descriptors that vas_arena_get tells, of one arena" },
};

static const struct why_words *why_find(enum vas_why why)
{
	static const struct why_words unknown = { "unknown",
						  "a reason that this version does not know",
						  "see the header of the version that gave it" };

	return (unsigned int)why < VAS_WHY_COUNT ? &why_table[why] : &unknown;
}

const char *vas_why_name(enum vas_why why)
{
	return why_find(why)->name;
}

const char *vas_why_sentence(enum vas_why why)
{
	return why_find(why)->sentence;
}

const char *vas_why_remedy(enum vas_why why)
{
	return why_find(why)->remedy;
}

/* The size field that every options struct begins with. */
static size_t stated_size(const void *options)
{
	size_t size;

	memcpy(&size, options, sizeof(size));
	return size;
}

int vas_options_load_slowly(const void *options, void *known, size_t known_size, size_t minimum)
{
	const unsigned char *bytes = options;
	size_t size;

	if (!options) {
		memset(known, 0, known_size);
		memcpy(known, &known_size, sizeof(known_size));
		return 0;
	}
	size = stated_size(options);
	if (size < minimum)
		return -EINVAL;
	if (size > VAS_OPTIONS_SIZE_MAX)
		return -E2BIG;
	for (size_t i = known_size; i < size; i++) {
		if (bytes[i] != 0)
			return -E2BIG;
	}
	if (size > known_size)
		size = known_size;
	memcpy(known, options, size);
	memset((char *)known + size, 0, known_size - size);
	memcpy(known, &known_size, sizeof(known_size));
	return 0;
}

int vas_options_store(void *out, const void *known, size_t known_size, size_t minimum)
{
	size_t size;
	size_t copied;

	if (!out)
		return -EINVAL;
	size = stated_size(out);
	if (size < minimum || size > VAS_OPTIONS_SIZE_MAX)
		return -EINVAL;
	copied = size < known_size ? size : known_size;
	memcpy((char *)out + sizeof(size), (const char *)known + sizeof(size),
	       copied - sizeof(size));
	memset((char *)out + copied, 0, size - copied);
	return 0;
}
