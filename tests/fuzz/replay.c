/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replays a corpus through a fuzz target: the main() of <build>/t/fuzz/<name>.t.
 *
 * Every file in tests/fuzz/corpus/<name>/ becomes one case, so that a crash on one input still lets the
 * others run and names the file. The target itself checks what it can; returning is the pass. Then
 * mutations of the corpus (bytes flipped, dropped, repeated, files joined) are tried, so that a run
 * without libFuzzer looks a little beyond the corpus too.
 */
#include "tap/tap.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	INPUTS_MAX = 1024,
	INPUT_SIZE_MAX = 1 << 20,
	MUTATIONS = 20000,
};

struct input {
	char *path;
	uint8_t *data;
	size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;

static uint64_t next_random(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t mixed = (*state ^ (*state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);

	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ (mixed >> 31);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct input *)a)->path, ((const struct input *)b)->path);
}

static void read_input(const char *folder, const char *name)
{
	struct input *input = &inputs[input_count];
	FILE *file;

	if (name[0] == '.' || input_count == INPUTS_MAX)
		return;
	if (asprintf(&input->path, "%s/%s", folder, name) < 0)
		tap_bail("no memory");
	input->data = malloc(INPUT_SIZE_MAX);
	file = fopen(input->path, "rb");
	if (!file || !input->data)
		tap_bail("%s: cannot be read", input->path);
	input->size = fread(input->data, 1, INPUT_SIZE_MAX, file);
	fclose(file);
	input_count++;
}

/* In memory of exactly its size, so that a read past the end is seen by the sanitizers. */
static void run_exact(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		tap_bail("no memory");
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void replay_case(void *arg)
{
	const struct input *input = arg;

	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	run_exact(input->data, input->size);
	ok(true, "returned");
}

static size_t mutate(uint8_t *data, size_t size, size_t room, uint64_t *state)
{
	for (unsigned rounds = 1 + next_random(state) % 4; rounds && size; rounds--) {
		size_t at = next_random(state) % size;
		size_t length = 1 + next_random(state) % (size - at < 64 ? size - at : 64);

		switch (next_random(state) % 4) {
		case 0:
			data[at] ^= (uint8_t)(1u << next_random(state) % 8);
			break;
		case 1:
			data[at] = (uint8_t) "0f-: \n\\r"[next_random(state) % 8];
			break;
		case 2:
			memmove(data + at, data + at + length, size - at - length);
			size -= length;
			break;
		default:
			if (size + length > room)
				break;
			memmove(data + at + length, data + at, size - at);
			size += length;
			break;
		}
	}
	return size;
}

static void mutations_case(void *arg)
{
	uint64_t state = *(uint64_t *)arg;
	uint8_t *data = malloc(INPUT_SIZE_MAX + 4096);
	uint64_t count = tap_scaled(MUTATIONS);

	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	for (uint64_t i = 0; i < count; i++) {
		const struct input *input = &inputs[next_random(&state) % input_count];
		/* Long inputs are cut to a part, so that many are tried. */
		size_t size = input->size > 8192 ? 8192 : input->size;
		size_t from = next_random(&state) % (input->size - size + 1);

		memcpy(data, input->data + from, size);
		size = mutate(data, size, INPUT_SIZE_MAX, &state);
		run_exact(data, size);
	}
	free(data);
	ok(true, "%" PRIu64 " mutations", count);
}

int main(void)
{
	const char *folder = VASPACE_FUZZ_CORPUS;
	DIR *entries = opendir(folder);
	struct dirent *entry;
	uint64_t seed;

	tap_plan(0);
	if (!entries)
		tap_bail("%s: cannot be read", folder);
	while ((entry = readdir(entries)))
		read_input(folder, entry->d_name);
	closedir(entries);
	qsort(inputs, input_count, sizeof(inputs[0]), by_path);
	ok(input_count > 0, "%zu inputs in %s", input_count, folder);
	for (size_t i = 0; i < input_count; i++)
		tap_case(strrchr(inputs[i].path, '/') + 1, replay_case, &inputs[i], 10);
	seed = tap_seed();
	if (input_count)
		tap_case("mutations", mutations_case, &seed, 120);
	for (size_t i = 0; i < input_count; i++) {
		free(inputs[i].path);
		free(inputs[i].data);
	}
	return tap_done();
}
