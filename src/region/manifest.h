/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manifest of a parked region: bytes that another process, or a later run, makes the
 * region from. docs/park-manifest.md describes the format.
 *
 * Pure: numbers into bytes and back, no memory, no kernel. Everything that is
 * read was checked: offsets, order, alignment, overlap, sums, words that are not known.
 */
#ifndef VAS_REGION_MANIFEST_H
#define VAS_REGION_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/base.h>
#include <vaspace/memory.h>

#define VAS_MANIFEST_NAME      32u /* bytes of a name, with its NUL */
#define VAS_MANIFEST_NO_IMAGE  UINT64_MAX
#define VAS_MANIFEST_NO_POLICY 0u

/* What a region is, apart from its blocks and parts. */
struct vas_manifest {
	uint64_t page_size; /* of the machine; power of two, 4096 to 2^30 */
	struct vas_span span; /* page aligned, not empty, does not wrap */
	uint64_t granule; /* power of two, page_size or more; divides the span's start and size */
	uint64_t seed;
	uint64_t cap;
	uint64_t cache_bytes;
	uint64_t cache_block;
	uint64_t cache_age;
	uint32_t region_flags; /* VAS_REGION_ bits */
	uint32_t reserve_flags; /* VAS_RESERVE_NODUMP, NOFORK, HIGH_WINDOW */
	uint32_t fork; /* enum vas_fork */
	uint32_t policy; /* of the span: an index from 1, or VAS_MANIFEST_NO_POLICY */
	uint64_t image_size; /* bytes of all parts that have contents in the image; 0 = none has */
	uint64_t policies;
	uint64_t blocks;
	uint64_t parts;
	char name[VAS_MANIFEST_NAME]; /* zeroes from its NUL on */
};

/* A live block. They ascend and do not overlap; multiples of the granule, inside the span. */
struct vas_manifest_block {
	struct vas_span span;
	uint32_t tag;
	uint32_t flags; /* 0 so far */
};

#define VAS_MANIFEST_GUARD 0x1u /* the caller's guard: comes back without access */

/* Something that is mapped at unpark. They ascend, do not overlap, and lie in blocks. */
struct vas_manifest_part {
	struct vas_span span; /* page aligned */
	uint32_t state; /* VAS_MANIFEST_ bits */
	uint32_t prot; /* PROT_ bits */
	uint32_t flags; /* VAS_COMMIT_ bits as committed */
	uint32_t policy; /* an index from 1, or VAS_MANIFEST_NO_POLICY: the span's */
	uint64_t device; /* of the object: SHARED and PRIVATE, else 0 */
	uint64_t inode;
	uint64_t offset; /* in it, of the first byte; page aligned */
	uint64_t
		image; /* where its contents are in the image; page aligned; or VAS_MANIFEST_NO_IMAGE */
};

/* How many bytes it takes, from its three counts. False when that does not fit 64 bits. */
bool vas_manifest_size(const struct vas_manifest *manifest, uint64_t *size);

/*
 * Writing: begin, then every policy, block and part in order, as many as the counts say, then end.
 * I: memory has room for vas_manifest_size bytes.
 */
struct vas_manifest_writer {
	uint8_t *memory;
	uint8_t *next; /* where the next item goes */
	uint8_t *limit; /* I: next <= limit */
};
void vas_manifest_begin(struct vas_manifest_writer *writer, const struct vas_manifest *manifest,
			void *memory);
void vas_manifest_put_policy(struct vas_manifest_writer *writer, const struct vas_policy *policy);
void vas_manifest_put_block(struct vas_manifest_writer *writer,
			    const struct vas_manifest_block *block);
void vas_manifest_put_part(struct vas_manifest_writer *writer,
			   const struct vas_manifest_part *part);
/*
 * All policies are put: from here on blocks go to writer and parts to *parts, each in its order, in
 * whatever turns. The end is that of parts.
 */
void vas_manifest_split(struct vas_manifest_writer *writer, const struct vas_manifest *manifest,
			struct vas_manifest_writer *parts);
void vas_manifest_end(struct vas_manifest_writer *writer);

/*
 * Reading: checks all of it, in time proportional to length. After 0, the items below are there, by
 * index. -EBADMSG: malformed; -EOPNOTSUPP: sound, of a version that is not known here. *manifest
 * is untouched then.
 */
int vas_manifest_read(const void *memory, size_t length, struct vas_manifest *manifest);
void vas_manifest_policy(const void *memory, const struct vas_manifest *manifest, uint64_t index,
			 struct vas_policy *policy);
void vas_manifest_block(const void *memory, const struct vas_manifest *manifest, uint64_t index,
			struct vas_manifest_block *block);
void vas_manifest_part(const void *memory, const struct vas_manifest *manifest, uint64_t index,
		       struct vas_manifest_part *part);

/* FNV-1a over 64 bits, continued: what the manifest is sealed with. For tests that forge one. */
uint64_t vas_manifest_sum(const void *memory, size_t length);

#endif
