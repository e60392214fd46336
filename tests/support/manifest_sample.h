/* SPDX-License-Identifier: BSD-2-Clause */
/* A manifest with one of everything, for tests that spoil it. */
#ifndef TESTS_SUPPORT_MANIFEST_SAMPLE_H
#define TESTS_SUPPORT_MANIFEST_SAMPLE_H

#include "region/manifest.h"

#define SAMPLE_BLOCKS	4
#define SAMPLE_PARTS	6
#define SAMPLE_POLICIES 2
#define SAMPLE_START	UINT64_C(0x10000000)
#define SAMPLE_PAGE	UINT64_C(4096)

struct manifest_sample {
	struct vas_manifest manifest;
	struct vas_policy policies[SAMPLE_POLICIES];
	struct vas_manifest_block blocks[SAMPLE_BLOCKS];
	struct vas_manifest_part parts[SAMPLE_PARTS];
};

void manifest_sample_init(struct manifest_sample *sample);
/* Writes as many of each as the manifest's counts say. Returns the length; memory has room. */
size_t manifest_sample_write(const struct manifest_sample *sample, void *memory);
#define SAMPLE_ROOM 4096

/* Puts the length and the sum right, as if the bytes had been written so. */
void manifest_reseal(void *memory, size_t length);

#endif
