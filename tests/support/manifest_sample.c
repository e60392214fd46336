/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A manifest with one of everything: blocks that touch and blocks that do not,
 * private memory with and without an image, a guard, a shared and a private
 * object, a driver's, two policies.
 */
#include "support/manifest_sample.h"

#include <string.h>
#include <sys/mman.h>

#include <vaspace/reserve.h>

#define P	  SAMPLE_PAGE
#define AT(pages) (SAMPLE_START + (pages)*P)

void manifest_sample_init(struct manifest_sample *sample)
{
	*sample = (struct manifest_sample){
		.manifest = { .page_size = P,
			      .span = { SAMPLE_START, 64 * P },
			      .granule = P,
			      .seed = 5,
			      .cap = 1 << 30,
			      .cache_bytes = 1 << 20,
			      .cache_block = 1 << 16,
			      .cache_age = 7,
			      .region_flags = 0x10,
			      .reserve_flags = VAS_RESERVE_NODUMP,
			      .fork = 3,
			      .policy = 1,
			      .image_size = 6 * P,
			      .policies = SAMPLE_POLICIES,
			      .blocks = SAMPLE_BLOCKS,
			      .parts = SAMPLE_PARTS,
			      .name = "sample" },
		.policies = { { .size = sizeof(struct vas_policy),
				.mode = VAS_POLICY_BIND,
				.nodes = { 1 } },
			      { .size = sizeof(struct vas_policy), .mode = VAS_POLICY_LOCAL } },
		.blocks = { { { AT(0), 4 * P }, 1, 0 },
			    { { AT(4), 4 * P }, 2, 0 },
			    { { AT(16), 16 * P }, 3, 0 },
			    { { AT(40), 8 * P }, 4, 0 } },
		.parts = { /* over two blocks that touch */
			   { { AT(2), 4 * P }, 0, PROT_READ | PROT_WRITE, VAS_COMMIT_HUGE, 2, 0, 0,
			     0, 0 },
			   { { AT(6), P }, VAS_MANIFEST_GUARD, PROT_READ, 0, 0, 0, 0, 0,
			     VAS_MANIFEST_NO_IMAGE },
			   { { AT(16), 2 * P }, 0, PROT_READ, VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH,
			     0, 9, 33, 8 * P, VAS_MANIFEST_NO_IMAGE },
			   { { AT(18), P }, 0, PROT_READ | PROT_WRITE, VAS_COMMIT_PRIVATE, 0, 9,
			     34, 0, 4 * P },
			   { { AT(20), P }, 0, 0, 0, 0, 0, 0, 0, 5 * P },
			   { { AT(40), 8 * P }, 0, PROT_READ | PROT_WRITE,
			     VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE, 0, 6, 1, 1 << 20,
			     VAS_MANIFEST_NO_IMAGE } },
	};
}

size_t manifest_sample_write(const struct manifest_sample *sample, void *memory)
{
	struct vas_manifest_writer writer;

	vas_manifest_begin(&writer, &sample->manifest, memory);
	for (uint64_t i = 0; i < sample->manifest.policies; i++)
		vas_manifest_put_policy(&writer, &sample->policies[i]);
	for (uint64_t i = 0; i < sample->manifest.blocks; i++)
		vas_manifest_put_block(&writer, &sample->blocks[i]);
	for (uint64_t i = 0; i < sample->manifest.parts; i++)
		vas_manifest_put_part(&writer, &sample->parts[i]);
	vas_manifest_end(&writer);
	return (size_t)(writer.limit - writer.memory);
}

static void put64(uint8_t *at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

void manifest_reseal(void *memory, size_t length)
{
	if (length < 256)
		return;
	put64((uint8_t *)memory + 16, length);
	put64((uint8_t *)memory + 24, vas_manifest_sum(memory, length));
}
