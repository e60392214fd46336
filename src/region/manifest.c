/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Manifests: a parked region as bytes.
 *
 * WHAT FOR. Another process, or a later run, makes the region again from them,
 * so they come from outside: from a file, a pipe, a network. Nothing in them is
 * believed before all of it was checked.
 *
 * STRATEGY. Fixed-size records of little-endian numbers: a header with three
 * counts, then policies, blocks and parts in order. The counts and the length must agree
 * to the byte, which bounds every later step; the sum catches accidents, the
 * checks below catch intent. One forward pass does it: what ascends cannot overlap,
 * and parts are held against blocks by two fingers.
 *
 * CONCURRENCY. Pure functions over the caller's memory, which nobody changes meanwhile.
 *
 * WHAT IT DOES NOT DO. It knows no region and no kernel. Whether this machine can
 * carry the region out (page size, addresses, objects) is asked by who reads it.
 */
#include "region/manifest.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include <vaspace/reserve.h>

#include "base/assert.h"
#include "base/number.h"

#define MANIFEST_VERSION 1u
#define HEADER_SIZE	 256u
#define SUM_AT		 24u
#define POLICY_WORDS	 16u
#define POLICY_SIZE	 (8u + 8u * POLICY_WORDS)
#define BLOCK_SIZE	 24u
#define PART_SIZE	 64u
#define PAGE_MAX	 (UINT64_C(1) << 30)
#define FORK_LAST	 5u /* enum vas_fork: TRAP */
#define PROT_BITS	 (uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC)
#define RESERVE_BITS	 (VAS_RESERVE_NODUMP | VAS_RESERVE_NOFORK | VAS_RESERVE_HIGH_WINDOW)

static const uint8_t magic[8] = { 'V', 'A', 'S', 'P', 'A', 'R', 'K', 0 };

/* --- numbers --- */

static void put32(uint8_t **at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		*(*at)++ = (uint8_t)(value >> (8 * i));
}

static void put64(uint8_t **at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		*(*at)++ = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t **at)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value |= (uint32_t) * (*at)++ << (8 * i);
	return value;
}

static uint64_t get64(const uint8_t **at)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t) * (*at)++ << (8 * i);
	return value;
}

/* Every step is a bijection of the state, so one changed byte always changes the sum. */
static uint64_t sum_on(uint64_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* Over all but the sum's own eight bytes. I: length >= HEADER_SIZE. */
uint64_t vas_manifest_sum(const void *memory, size_t length)
{
	const uint8_t *bytes = memory;
	uint64_t sum = sum_on(UINT64_C(0xcbf29ce484222325), bytes, SUM_AT);

	return sum_on(sum, bytes + SUM_AT + 8, length - SUM_AT - 8);
}

bool vas_manifest_size(const struct vas_manifest *manifest, uint64_t *size)
{
	uint64_t policies, blocks, parts, total = HEADER_SIZE;

	if (!vas_multiply(manifest->policies, POLICY_SIZE, &policies) ||
	    !vas_multiply(manifest->blocks, BLOCK_SIZE, &blocks) ||
	    !vas_multiply(manifest->parts, PART_SIZE, &parts) ||
	    !vas_add(total, policies, &total) || !vas_add(total, blocks, &total) ||
	    !vas_add(total, parts, &total))
		return false;
	*size = total;
	return true;
}

/* --- writing --- */

void vas_manifest_begin(struct vas_manifest_writer *writer, const struct vas_manifest *manifest,
			void *memory)
{
	uint8_t *at = memory;
	uint64_t size = 0;
	bool fits = vas_manifest_size(manifest, &size);

	VAS_ASSERT(fits);
	writer->memory = memory;
	memset(memory, 0, HEADER_SIZE);
	memcpy(at, magic, sizeof(magic));
	at += sizeof(magic);
	put32(&at, MANIFEST_VERSION);
	put32(&at, HEADER_SIZE);
	put64(&at, size);
	put64(&at, 0); /* the sum: at the end */
	put64(&at, manifest->page_size);
	put64(&at, manifest->span.start);
	put64(&at, manifest->span.size);
	put64(&at, manifest->granule);
	put64(&at, manifest->seed);
	put64(&at, manifest->cap);
	put64(&at, manifest->cache_bytes);
	put64(&at, manifest->cache_block);
	put64(&at, manifest->cache_age);
	put32(&at, manifest->region_flags);
	put32(&at, manifest->reserve_flags);
	put32(&at, manifest->fork);
	put32(&at, manifest->policy);
	put64(&at, manifest->image_size);
	put64(&at, manifest->policies);
	put64(&at, manifest->blocks);
	put64(&at, manifest->parts);
	memcpy(at, manifest->name, VAS_MANIFEST_NAME);
	writer->next = writer->memory + HEADER_SIZE;
	writer->limit = writer->memory + size;
}

void vas_manifest_put_policy(struct vas_manifest_writer *writer, const struct vas_policy *policy)
{
	uint8_t *at = writer->next;

	writer->next += POLICY_SIZE;
	VAS_ASSERT(writer->next <= writer->limit);
	put32(&at, (uint32_t)policy->mode);
	put32(&at, policy->flags);
	for (unsigned i = 0; i < POLICY_WORDS; i++)
		put64(&at, policy->nodes[i]);
}

void vas_manifest_put_block(struct vas_manifest_writer *writer,
			    const struct vas_manifest_block *block)
{
	uint8_t *at = writer->next;

	writer->next += BLOCK_SIZE;
	VAS_ASSERT(writer->next <= writer->limit);
	put64(&at, block->span.start);
	put64(&at, block->span.size);
	put32(&at, block->tag);
	put32(&at, block->flags);
}

void vas_manifest_put_part(struct vas_manifest_writer *writer, const struct vas_manifest_part *part)
{
	uint8_t *at = writer->next;

	writer->next += PART_SIZE;
	VAS_ASSERT(writer->next <= writer->limit);
	put64(&at, part->span.start);
	put64(&at, part->span.size);
	put32(&at, part->state);
	put32(&at, part->prot);
	put32(&at, part->flags);
	put32(&at, part->policy);
	put64(&at, part->device);
	put64(&at, part->inode);
	put64(&at, part->offset);
	put64(&at, part->image);
}

void vas_manifest_split(struct vas_manifest_writer *writer, const struct vas_manifest *manifest,
			struct vas_manifest_writer *parts)
{
	*parts = *writer;
	parts->next += manifest->blocks * BLOCK_SIZE;
	writer->limit = parts->next;
	VAS_ASSERT(parts->next <= parts->limit);
}

void vas_manifest_end(struct vas_manifest_writer *writer)
{
	uint8_t *at = writer->memory + SUM_AT;

	VAS_ASSERT(writer->next == writer->limit);
	put64(&at, vas_manifest_sum(writer->memory, (size_t)(writer->limit - writer->memory)));
}

/* --- reading --- */

void vas_manifest_policy(const void *memory, const struct vas_manifest *manifest, uint64_t index,
			 struct vas_policy *policy)
{
	const uint8_t *at = (const uint8_t *)memory + HEADER_SIZE + index * POLICY_SIZE;

	VAS_ASSERT(index < manifest->policies);
	*policy = (struct vas_policy){ .size = sizeof(*policy) };
	policy->mode = (enum vas_policy_mode)get32(&at);
	policy->flags = get32(&at);
	for (unsigned i = 0; i < POLICY_WORDS; i++)
		policy->nodes[i] = get64(&at);
}

void vas_manifest_block(const void *memory, const struct vas_manifest *manifest, uint64_t index,
			struct vas_manifest_block *block)
{
	const uint8_t *at = (const uint8_t *)memory + HEADER_SIZE +
			    manifest->policies * POLICY_SIZE + index * BLOCK_SIZE;

	VAS_ASSERT(index < manifest->blocks);
	block->span.start = get64(&at);
	block->span.size = get64(&at);
	block->tag = get32(&at);
	block->flags = get32(&at);
}

void vas_manifest_part(const void *memory, const struct vas_manifest *manifest, uint64_t index,
		       struct vas_manifest_part *part)
{
	const uint8_t *at = (const uint8_t *)memory + HEADER_SIZE +
			    manifest->policies * POLICY_SIZE + manifest->blocks * BLOCK_SIZE +
			    index * PART_SIZE;

	VAS_ASSERT(index < manifest->parts);
	part->span.start = get64(&at);
	part->span.size = get64(&at);
	part->state = get32(&at);
	part->prot = get32(&at);
	part->flags = get32(&at);
	part->policy = get32(&at);
	part->device = get64(&at);
	part->inode = get64(&at);
	part->offset = get64(&at);
	part->image = get64(&at);
}

/* Not empty, multiples of alignment, and inside [start, end). */
static bool span_is_sound(struct vas_span span, uint64_t alignment, uint64_t start, uint64_t end)
{
	uint64_t stop;

	return span.size != 0 && ((span.start | span.size) & (alignment - 1)) == 0 &&
	       vas_add(span.start, span.size, &stop) && span.start >= start && stop <= end;
}

static bool name_is_sound(const char *name)
{
	size_t length = 0;

	while (length < VAS_MANIFEST_NAME && name[length])
		length++;
	if (length == VAS_MANIFEST_NAME)
		return false;
	while (length < VAS_MANIFEST_NAME && !name[length])
		length++;
	return length == VAS_MANIFEST_NAME;
}

/* Everything of the header that stands for itself. */
static bool header_is_sound(const struct vas_manifest *manifest)
{
	uint64_t page = manifest->page_size;

	if (!vas_is_power_of_two(page) || page < 4096 || page > PAGE_MAX ||
	    !vas_is_power_of_two(manifest->granule) || manifest->granule < page)
		return false;
	if (manifest->span.start == 0 ||
	    !span_is_sound(manifest->span, manifest->granule, 0, UINT64_MAX))
		return false;
	return !(manifest->reserve_flags & ~RESERVE_BITS) && manifest->fork <= FORK_LAST &&
	       manifest->policies < UINT32_MAX && manifest->policy <= manifest->policies &&
	       manifest->image_size % page == 0 && manifest->image_size <= INT64_MAX &&
	       name_is_sound(manifest->name);
}

/* -EBADMSG, or -EOPNOTSUPP for another version, which may mean anything from there on. */
static int read_header(const uint8_t *bytes, size_t length, struct vas_manifest *manifest)
{
	const uint8_t *at = bytes + sizeof(magic);
	uint32_t version, header;
	uint64_t stated, sum, size;

	if (length < HEADER_SIZE || memcmp(bytes, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	version = get32(&at);
	header = get32(&at);
	stated = get64(&at);
	sum = get64(&at);
	if (stated != length || sum != vas_manifest_sum(bytes, length) || version == 0)
		return -EBADMSG;
	if (version != MANIFEST_VERSION)
		return -EOPNOTSUPP;
	manifest->page_size = get64(&at);
	manifest->span.start = get64(&at);
	manifest->span.size = get64(&at);
	manifest->granule = get64(&at);
	manifest->seed = get64(&at);
	manifest->cap = get64(&at);
	manifest->cache_bytes = get64(&at);
	manifest->cache_block = get64(&at);
	manifest->cache_age = get64(&at);
	manifest->region_flags = get32(&at);
	manifest->reserve_flags = get32(&at);
	manifest->fork = get32(&at);
	manifest->policy = get32(&at);
	manifest->image_size = get64(&at);
	manifest->policies = get64(&at);
	manifest->blocks = get64(&at);
	manifest->parts = get64(&at);
	memcpy(manifest->name, at, VAS_MANIFEST_NAME);
	for (at += VAS_MANIFEST_NAME; at < bytes + HEADER_SIZE; at++)
		if (*at)
			return -EBADMSG;
	if (header != HEADER_SIZE || !header_is_sound(manifest) ||
	    !vas_manifest_size(manifest, &size) || size != length)
		return -EBADMSG;
	return 0;
}

/* A home node, or nothing. */
static bool flags_are_sound(const struct vas_policy *policy)
{
	uint32_t home = policy->flags & ~VAS_POLICY_HOME(0);

	if (!policy->flags)
		return true;
	return (policy->mode == VAS_POLICY_BIND || policy->mode == VAS_POLICY_PREFER_MANY) &&
	       (policy->flags & VAS_POLICY_HOME(0)) && home < 64 * POLICY_WORDS;
}

static bool policies_are_sound(const void *memory, const struct vas_manifest *manifest)
{
	struct vas_policy policy;

	for (uint64_t i = 0; i < manifest->policies; i++) {
		uint64_t nodes = 0;

		vas_manifest_policy(memory, manifest, i, &policy);
		for (unsigned word = 0; word < POLICY_WORDS; word++)
			nodes |= policy.nodes[word];
		if (policy.mode > VAS_POLICY_LOCAL || !flags_are_sound(&policy))
			return false;
		if ((nodes == 0) !=
		    (policy.mode == VAS_POLICY_DEFAULT || policy.mode == VAS_POLICY_LOCAL))
			return false;
	}
	return true;
}

static bool blocks_are_sound(const void *memory, const struct vas_manifest *manifest)
{
	uint64_t position = manifest->span.start;
	uint64_t end = manifest->span.start + manifest->span.size;
	struct vas_manifest_block block;

	for (uint64_t i = 0; i < manifest->blocks; i++) {
		vas_manifest_block(memory, manifest, i, &block);
		if (!span_is_sound(block.span, manifest->granule, position, end) || block.flags)
			return false;
		position = block.span.start + block.span.size;
	}
	return true;
}

/* Words that go together, and the object. */
static bool part_is_sound(const struct vas_manifest_part *part, uint64_t page)
{
	uint32_t object = part->flags & (VAS_COMMIT_SHARED | VAS_COMMIT_PRIVATE);
	uint64_t end;

	if ((part->state & ~VAS_MANIFEST_GUARD) || (part->prot & ~PROT_BITS) ||
	    (part->flags & ~VAS_COMMIT_ALL))
		return false;
	if ((part->flags & (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE)) ==
	    (VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE))
		return false;
	if (object == (VAS_COMMIT_SHARED | VAS_COMMIT_PRIVATE))
		return false;
	if (!(object & VAS_COMMIT_SHARED) && (part->flags & (VAS_COMMIT_PUNCH | VAS_COMMIT_WHOLE)))
		return false;
	if ((part->flags & VAS_COMMIT_PUNCH) && (part->flags & VAS_COMMIT_WHOLE))
		return false;
	if (!object)
		return part->device == 0 && part->inode == 0 && part->offset == 0;
	return part->offset % page == 0 && vas_add(part->offset, part->span.size, &end) &&
	       end <= INT64_MAX;
}

/*
 * Contents follow each other in the image without a gap; shared objects and guards have
 * none, and all others have theirs, or nobody has.
 */
static bool image_is_sound(const struct vas_manifest_part *part,
			   const struct vas_manifest *manifest, uint64_t *position)
{
	if (manifest->image_size == 0 || (part->flags & VAS_COMMIT_SHARED) ||
	    (part->state & VAS_MANIFEST_GUARD))
		return part->image == VAS_MANIFEST_NO_IMAGE;
	if (part->image != *position || part->span.size > manifest->image_size - *position)
		return false;
	*position += part->span.size;
	return true;
}

/* Every byte of the part lies in a block. *index: the first block that may reach it. */
static bool part_in_blocks(const void *memory, const struct vas_manifest *manifest,
			   struct vas_span span, uint64_t *index)
{
	uint64_t position = span.start, end = span.start + span.size;
	struct vas_manifest_block block;

	for (; *index < manifest->blocks; (*index)++) {
		vas_manifest_block(memory, manifest, *index, &block);
		if (block.span.start + block.span.size <= position)
			continue;
		if (block.span.start > position)
			return false;
		position = block.span.start + block.span.size;
		if (position >= end)
			return true;
	}
	return false;
}

static bool parts_are_sound(const void *memory, const struct vas_manifest *manifest)
{
	uint64_t position = manifest->span.start, image = 0, block = 0;
	uint64_t end = manifest->span.start + manifest->span.size;
	struct vas_manifest_part part;

	for (uint64_t i = 0; i < manifest->parts; i++) {
		vas_manifest_part(memory, manifest, i, &part);
		if (!span_is_sound(part.span, manifest->page_size, position, end) ||
		    part.policy > manifest->policies ||
		    !part_is_sound(&part, manifest->page_size) ||
		    !image_is_sound(&part, manifest, &image) ||
		    !part_in_blocks(memory, manifest, part.span, &block))
			return false;
		position = part.span.start + part.span.size;
	}
	return image == manifest->image_size;
}

int vas_manifest_read(const void *memory, size_t length, struct vas_manifest *manifest)
{
	struct vas_manifest read;
	int err = read_header(memory, length, &read);

	if (err)
		return err;
	if (!policies_are_sound(memory, &read) || !blocks_are_sound(memory, &read) ||
	    !parts_are_sound(memory, &read))
		return -EBADMSG;
	*manifest = read;
	return 0;
}
