/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 10 */
/*
 * Fuzz target: any bytes as a manifest. The first byte chooses whether length and sum are
 * put right before, so that mutations come past them, and whether magic and version are.
 *
 * Whatever the bytes are: the answer is 0, -EBADMSG or -EOPNOTSUPP. What was
 * accepted ascends, is aligned, lies where it must, and written again gives the same bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/manifest_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

static uint64_t end_of(struct vas_span span)
{
	must(span.size > 0 && span.start + span.size > span.start);
	return span.start + span.size;
}

static void check_span(struct vas_span span, uint64_t alignment, uint64_t *position, uint64_t end)
{
	must(span.start % alignment == 0 && span.size % alignment == 0);
	must(span.start >= *position && end_of(span) <= end);
	*position = end_of(span);
}

static void check_items(const uint8_t *bytes, const struct vas_manifest *manifest)
{
	uint64_t end = end_of(manifest->span);
	uint64_t position = manifest->span.start, image = 0;
	struct vas_manifest_block block;
	struct vas_manifest_part part;

	must(memchr(manifest->name, 0, sizeof(manifest->name)) != NULL);
	must(manifest->policy <= manifest->policies);
	for (uint64_t i = 0; i < manifest->blocks; i++) {
		vas_manifest_block(bytes, manifest, i, &block);
		check_span(block.span, manifest->granule, &position, end);
	}
	position = manifest->span.start;
	for (uint64_t i = 0; i < manifest->parts; i++) {
		vas_manifest_part(bytes, manifest, i, &part);
		check_span(part.span, manifest->page_size, &position, end);
		must(part.policy <= manifest->policies);
		if (part.image == VAS_MANIFEST_NO_IMAGE)
			continue;
		must(part.image >= image && part.image + part.span.size > part.image);
		image = part.image + part.span.size;
		must(image <= manifest->image_size);
	}
}

/* A part's bytes all lie in blocks: the slow way. */
static void check_cover(const uint8_t *bytes, const struct vas_manifest *manifest)
{
	struct vas_manifest_block block;
	struct vas_manifest_part part;

	for (uint64_t i = 0; i < manifest->parts; i++) {
		uint64_t position;

		vas_manifest_part(bytes, manifest, i, &part);
		position = part.span.start;
		for (uint64_t k = 0; k < manifest->blocks; k++) {
			vas_manifest_block(bytes, manifest, k, &block);
			if (block.span.start <= position && end_of(block.span) > position)
				position = end_of(block.span);
		}
		must(position >= end_of(part.span));
	}
}

static void check_again(const uint8_t *bytes, size_t size, const struct vas_manifest *manifest)
{
	struct vas_manifest_writer writer;
	uint8_t *again = malloc(size);
	struct vas_manifest_block block;
	struct vas_manifest_part part;
	struct vas_policy policy;

	must(again != NULL);
	vas_manifest_begin(&writer, manifest, again);
	for (uint64_t i = 0; i < manifest->policies; i++) {
		vas_manifest_policy(bytes, manifest, i, &policy);
		vas_manifest_put_policy(&writer, &policy);
	}
	for (uint64_t i = 0; i < manifest->blocks; i++) {
		vas_manifest_block(bytes, manifest, i, &block);
		vas_manifest_put_block(&writer, &block);
	}
	for (uint64_t i = 0; i < manifest->parts; i++) {
		vas_manifest_part(bytes, manifest, i, &part);
		vas_manifest_put_part(&writer, &part);
	}
	vas_manifest_end(&writer);
	must(memcmp(bytes, again, size) == 0);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vas_manifest manifest, untouched;
	uint8_t *bytes;
	int err;

	if (size == 0)
		return 0;
	size--;
	bytes = malloc(size ? size : 1);
	must(bytes != NULL);
	memcpy(bytes, data + 1, size);
	if ((data[0] & 2) && size >= 16)
		memcpy(bytes, "VASPARK\0\1\0\0\0\0\1\0\0", 16);
	if (data[0] & 1)
		manifest_reseal(bytes, size);
	memset(&manifest, 0x5a, sizeof(manifest));
	untouched = manifest;
	err = vas_manifest_read(bytes, size, &manifest);
	must(err == 0 || err == -EBADMSG || err == -EOPNOTSUPP);
	if (err) {
		must(memcmp(&manifest, &untouched, sizeof(manifest)) == 0);
	} else {
		check_items(bytes, &manifest);
		if (size < 16384)
			check_cover(bytes, &manifest);
		check_again(bytes, size, &manifest);
	}
	free(bytes);
	return 0;
}
