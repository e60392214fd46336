/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/*
 * Manifests: what is written is read again, and whatever is wrong with one is
 * refused: every length, every byte, and each rule by itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vaspace/reserve.h>

#include "support/manifest_sample.h"
#include "tap/tap.h"

static struct manifest_sample sample;
static uint8_t bytes[SAMPLE_ROOM];

/* Reads from memory of exactly that size, so that a step too far is seen by the checkers. */
static int read_exact(const uint8_t *from, size_t length, struct vas_manifest *manifest)
{
	uint8_t *copy = malloc(length ? length : 1);
	int err;

	memcpy(copy, from, length);
	err = vas_manifest_read(copy, length, manifest);
	free(copy);
	return err;
}

static void test_round_trip(void)
{
	struct vas_manifest read;
	struct vas_manifest_block block;
	struct vas_manifest_part part;
	struct vas_policy policy;
	uint64_t size = 0, same = 0;
	size_t length;

	manifest_sample_init(&sample);
	length = manifest_sample_write(&sample, bytes);
	ok(vas_manifest_size(&sample.manifest, &size), "its size fits");
	is_u64(length, size, "and is what was written");
	is_err(vas_manifest_read(bytes, length, &read), 0, "it is read");
	ok(memcmp(&read, &sample.manifest, sizeof(read)) == 0, "the header is the same");
	for (unsigned i = 0; i < SAMPLE_POLICIES; i++) {
		vas_manifest_policy(bytes, &read, i, &policy);
		same += memcmp(&policy, &sample.policies[i], sizeof(policy)) == 0;
	}
	for (unsigned i = 0; i < SAMPLE_BLOCKS; i++) {
		vas_manifest_block(bytes, &read, i, &block);
		same += memcmp(&block, &sample.blocks[i], sizeof(block)) == 0;
	}
	for (unsigned i = 0; i < SAMPLE_PARTS; i++) {
		vas_manifest_part(bytes, &read, i, &part);
		same += memcmp(&part, &sample.parts[i], sizeof(part)) == 0;
	}
	is_u64(same, SAMPLE_POLICIES + SAMPLE_BLOCKS + SAMPLE_PARTS, "every item is the same");
	sample.manifest.policies = sample.manifest.blocks = sample.manifest.parts = 0;
	sample.manifest.policy = 0;
	sample.manifest.image_size = 0;
	length = manifest_sample_write(&sample, bytes);
	is_u64(length, 256, "an empty region is a header");
	is_err(vas_manifest_read(bytes, length, &read), 0, "which is read");
}

static void test_lengths(void)
{
	struct vas_manifest read;
	unsigned refused = 0;
	size_t length;

	manifest_sample_init(&sample);
	length = manifest_sample_write(&sample, bytes);
	for (size_t cut = 0; cut < length; cut++)
		refused += read_exact(bytes, cut, &read) == -EBADMSG;
	is_u64(refused, length, "every shorter one is refused");
	refused = 0;
	for (size_t cut = 256; cut < length; cut++) {
		uint8_t copy[SAMPLE_ROOM];

		memcpy(copy, bytes, cut);
		manifest_reseal(copy, cut);
		refused += read_exact(copy, cut, &read) == -EBADMSG;
	}
	is_u64(refused, length - 256, "also when length and sum say so");
	bytes[length] = 0;
	is_err(read_exact(bytes, length + 1, &read), EBADMSG, "a longer one is refused");
}

/* One changed bit is always seen by the sum. */
static void test_bits(void)
{
	struct vas_manifest read;
	unsigned refused = 0;
	size_t length;

	manifest_sample_init(&sample);
	length = manifest_sample_write(&sample, bytes);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused += vas_manifest_read(bytes, length, &read) == -EBADMSG;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	is_u64(refused, 8 * length, "every changed bit is refused");
}

/* One rule broken at a time, in a manifest that is sealed all the same. */
typedef void spoil_fn(struct manifest_sample *it);

#define SPOIL(name, statement)                                                                     \
	static void spoil_##name(struct manifest_sample *it)                                       \
	{                                                                                          \
		statement;                                                                         \
	}
SPOIL(page, it->manifest.page_size = 4097)
SPOIL(small_page, it->manifest.page_size = 2048)
SPOIL(granule, it->manifest.granule = 3 * SAMPLE_PAGE)
SPOIL(small_granule, it->manifest.granule = 2048)
SPOIL(granule_blocks, it->manifest.granule = 8 * SAMPLE_PAGE)
SPOIL(null_span, it->manifest.span.start = 0)
SPOIL(empty_span, it->manifest.span.size = 0)
SPOIL(wrapping_span, it->manifest.span.size = UINT64_MAX - SAMPLE_START + 1)
SPOIL(wrapping_further, it->manifest.span.size = 0ull - SAMPLE_PAGE)
SPOIL(unaligned_span, it->manifest.span.start += 8)
SPOIL(reserve_flags, it->manifest.reserve_flags = VAS_RESERVE_PREFER)
SPOIL(fork, it->manifest.fork = 6)
SPOIL(policy, it->manifest.policy = 3)
SPOIL(name, memset(it->manifest.name, 'x', sizeof(it->manifest.name)))
SPOIL(name_tail, it->manifest.name[30] = 'x')
SPOIL(image_small, it->manifest.image_size = 5 * SAMPLE_PAGE)
SPOIL(image_large, it->manifest.image_size = 7 * SAMPLE_PAGE)
SPOIL(image_none, it->manifest.image_size = 0)
SPOIL(image_odd, it->manifest.image_size += 1)
SPOIL(image_huge, it->manifest.image_size = 1ull << 63)
SPOIL(policy_mode, it->policies[0].mode = (enum vas_policy_mode)7)
SPOIL(policy_flags, it->policies[0].flags = 1)
SPOIL(policy_nodes, it->policies[0].nodes[0] = 0)
SPOIL(policy_no_nodes, it->policies[1].nodes[15] = 1)
SPOIL(block_order, it->blocks[0].span.start = it->blocks[2].span.start)
SPOIL(block_overlap, it->blocks[0].span.size += SAMPLE_PAGE)
SPOIL(block_empty, it->blocks[3].span.size = 0)
SPOIL(block_outside, it->blocks[3].span.size = 25 * SAMPLE_PAGE)
SPOIL(block_wraps, it->blocks[3].span.size = 0ull - SAMPLE_PAGE)
SPOIL(block_below, it->blocks[0].span.start -= SAMPLE_PAGE)
SPOIL(block_flags, it->blocks[0].flags = 1)
SPOIL(part_unaligned, it->parts[0].span.size += 1)
SPOIL(part_empty, it->parts[0].span.size = 0)
SPOIL(part_overlap, it->parts[0].span.size += SAMPLE_PAGE)
SPOIL(part_free, it->parts[4].span.start = SAMPLE_START + 32 * SAMPLE_PAGE)
SPOIL(part_half_free, it->parts[4].span.start = SAMPLE_START + 31 * SAMPLE_PAGE;
      it->parts[4].span.size = 2 * SAMPLE_PAGE; it->manifest.image_size += SAMPLE_PAGE)
SPOIL(part_over, it->parts[5].span.size += SAMPLE_PAGE)
SPOIL(part_wraps, it->parts[5].span.size = 0ull - SAMPLE_PAGE)
SPOIL(part_state, it->parts[0].state = 2)
SPOIL(part_prot, it->parts[0].prot = 8)
SPOIL(part_flags, it->parts[0].flags = VAS_COMMIT_ALL + 1)
SPOIL(part_huge, it->parts[0].flags = VAS_COMMIT_HUGE | VAS_COMMIT_NOHUGE)
SPOIL(part_both, it->parts[3].flags |= VAS_COMMIT_SHARED)
SPOIL(part_punch, it->parts[3].flags |= VAS_COMMIT_PUNCH)
SPOIL(part_punch_whole, it->parts[2].flags |= VAS_COMMIT_WHOLE)
SPOIL(part_whole, it->parts[0].flags |= VAS_COMMIT_WHOLE)
SPOIL(part_policy, it->parts[0].policy = 3)
SPOIL(part_device, it->parts[0].device = 1)
SPOIL(part_inode, it->parts[0].inode = 1)
SPOIL(part_offset, it->parts[0].offset = SAMPLE_PAGE)
SPOIL(offset_odd, it->parts[2].offset += 512)
SPOIL(offset_wraps, it->parts[2].offset = 0ull - SAMPLE_PAGE)
SPOIL(offset_beyond, it->parts[2].offset = INT64_MAX - SAMPLE_PAGE + 1)
SPOIL(part_image_shared, it->parts[2].image = 4 * SAMPLE_PAGE)
SPOIL(part_image_guard, it->parts[1].image = 4 * SAMPLE_PAGE)
SPOIL(part_image_gap, it->parts[3].image = 5 * SAMPLE_PAGE; it->parts[4].image = 6 * SAMPLE_PAGE;
      it->manifest.image_size += SAMPLE_PAGE)
SPOIL(part_image_lacks, it->parts[4].image = VAS_MANIFEST_NO_IMAGE)
SPOIL(part_image_odd, it->parts[0].image = 1)
SPOIL(part_image_twice, it->parts[3].image = 3 * SAMPLE_PAGE)
SPOIL(part_image_wraps, it->parts[3].image = 0ull - SAMPLE_PAGE)

static const struct {
	const char *what;
	spoil_fn *spoil;
} spoils[] = {
	{ "a page size that is no power of two", spoil_page },
	{ "a page size that is too small", spoil_small_page },
	{ "a granule that is no power of two", spoil_granule },
	{ "a granule below the page", spoil_small_granule },
	{ "blocks off the granule", spoil_granule_blocks },
	{ "a span at 0", spoil_null_span },
	{ "an empty span", spoil_empty_span },
	{ "a span up to the last byte", spoil_wrapping_span },
	{ "a span that wraps", spoil_wrapping_further },
	{ "an unaligned span", spoil_unaligned_span },
	{ "a flag of reserve that says where", spoil_reserve_flags },
	{ "an unknown fork policy", spoil_fork },
	{ "a policy that is not there", spoil_policy },
	{ "a name without end", spoil_name },
	{ "something behind the name", spoil_name_tail },
	{ "contents beyond the image", spoil_image_small },
	{ "an image with more than the contents", spoil_image_large },
	{ "contents and no image", spoil_image_none },
	{ "an image that is not in pages", spoil_image_odd },
	{ "an image beyond any file", spoil_image_huge },
	{ "an unknown mode of a policy", spoil_policy_mode },
	{ "flags of a policy", spoil_policy_flags },
	{ "a policy that lacks nodes", spoil_policy_nodes },
	{ "a policy that has nodes", spoil_policy_no_nodes },
	{ "blocks that descend", spoil_block_order },
	{ "blocks that overlap", spoil_block_overlap },
	{ "an empty block", spoil_block_empty },
	{ "a block beyond the span", spoil_block_outside },
	{ "a block that wraps", spoil_block_wraps },
	{ "a block below the span", spoil_block_below },
	{ "flags of a block", spoil_block_flags },
	{ "an unaligned part", spoil_part_unaligned },
	{ "an empty part", spoil_part_empty },
	{ "parts that overlap", spoil_part_overlap },
	{ "a part in no block", spoil_part_free },
	{ "a part that ends in no block", spoil_part_half_free },
	{ "a part beyond the last block", spoil_part_over },
	{ "a part that wraps", spoil_part_wraps },
	{ "an unknown state", spoil_part_state },
	{ "an unknown protection", spoil_part_prot },
	{ "unknown flags", spoil_part_flags },
	{ "HUGE with NOHUGE", spoil_part_huge },
	{ "SHARED with PRIVATE", spoil_part_both },
	{ "PUNCH of private memory", spoil_part_punch },
	{ "PUNCH of a driver's memory", spoil_part_punch_whole },
	{ "WHOLE of anonymous memory", spoil_part_whole },
	{ "a part's policy that is not there", spoil_part_policy },
	{ "a device of anonymous memory", spoil_part_device },
	{ "an inode of anonymous memory", spoil_part_inode },
	{ "an offset of anonymous memory", spoil_part_offset },
	{ "an unaligned offset", spoil_offset_odd },
	{ "an offset that wraps", spoil_offset_wraps },
	{ "an offset beyond any file", spoil_offset_beyond },
	{ "an image of shared memory", spoil_part_image_shared },
	{ "an image of a guard", spoil_part_image_guard },
	{ "a gap between contents", spoil_part_image_gap },
	{ "a part without contents beside others", spoil_part_image_lacks },
	{ "an unaligned image", spoil_part_image_odd },
	{ "contents that overlap", spoil_part_image_twice },
	{ "contents that wrap", spoil_part_image_wraps },
};

static void test_rules(void)
{
	struct vas_manifest read, untouched;

	memset(&read, 0x5a, sizeof(read));
	untouched = read;
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		size_t length;

		manifest_sample_init(&sample);
		spoils[i].spoil(&sample);
		length = manifest_sample_write(&sample, bytes);
		is_err(read_exact(bytes, length, &read), EBADMSG, "%s", spoils[i].what);
	}
	ok(memcmp(&read, &untouched, sizeof(read)) == 0, "and nothing was written");
}

/* Words of the header that the writer cannot get wrong. */
static void test_header(void)
{
	static const struct {
		const char *what;
		size_t at;
		uint64_t value;
		int want;
	} cases[] = {
		{ "other magic", 0, 0x204b524150534156, EBADMSG },
		{ "version 0", 8, UINT64_C(256) << 32, EBADMSG },
		{ "version 2", 8, (UINT64_C(256) << 32) | 2, EOPNOTSUPP },
		{ "a longer header", 8, (UINT64_C(264) << 32) | 1, EBADMSG },
		{ "more policies than there are", 128, 1 << 20, EBADMSG },
		{ "policies whose size wraps", 128, UINT64_MAX / 136 + 1, EBADMSG },
		{ "blocks whose size wraps", 136, (UINT64_C(1) << 61) + 4, EBADMSG },
		{ "parts whose size wraps", 144, (UINT64_C(1) << 58) + 6, EBADMSG },
		{ "something in the room for more", 248, 1, EBADMSG },
	};
	struct vas_manifest read;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length;

		manifest_sample_init(&sample);
		length = manifest_sample_write(&sample, bytes);
		for (unsigned byte = 0; byte < 8; byte++)
			bytes[cases[i].at + byte] = (uint8_t)(cases[i].value >> (8 * byte));
		manifest_reseal(bytes, length);
		is_err(read_exact(bytes, length, &read), cases[i].want, "%s", cases[i].what);
	}
	sample.manifest.policies = UINT64_MAX / 100;
	ok(!vas_manifest_size(&sample.manifest, &(uint64_t){ 0 }), "a size that does not fit");
}

int main(void)
{
	tap_plan(0);
	test_round_trip();
	test_lengths();
	test_bits();
	test_rules();
	test_header();
	return tap_done();
}
