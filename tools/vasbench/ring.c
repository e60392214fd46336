/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark "ring": records are written into a buffer and read from it, one after the other.
 *
 *	linear		where a record does not fit any more, the next one begins at the buffer's start
 *	ring		the same code over a ring: records go on across its end
 *	two parts	one mapping; a record that meets the end is written and read in two pieces, behind a branch
 *	copied out	the same, written in two pieces, and copied to where it is contiguous before it is read
 *
 * In place: the writer makes the words of a record where they lie, the reader adds them up there. Copying: by memcpy, from a
 * record and to one. Records of 64 B to 1 MiB, each a word behind the one before, so that they meet the end in all ways.
 */
#include "ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "group.h"
#include "ring_queue.h"

#define BUFFER_BYTES (256u << 10) /* at least, and four records */
#define BATCH_BYTES  (8u << 20) /* written and read in a round; a few records at least */

struct stream {
	unsigned char *start;
	uint64_t bytes; /* of the buffer */
	uint64_t length; /* of a record */
	uint64_t at;
	uint64_t sum;
	unsigned char *record; /* one of its own */
};

static __attribute__((noinline)) void words_make(unsigned char *at, uint64_t length, uint64_t seed)
{
	uint64_t *words = (uint64_t *)(void *)at;

	for (uint64_t i = 0; i < length / 8; i++)
		words[i] = seed + i;
}

static __attribute__((noinline)) uint64_t words_add(const unsigned char *at, uint64_t length)
{
	const uint64_t *words = (const uint64_t *)(const void *)at;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < length / 8; i++)
		sum += words[i];
	return sum;
}

/* Where the next record begins, and how the one after it. The only difference between the two buffers. */
static inline uint64_t linear_next(struct stream *stream)
{
	uint64_t at = stream->at;

	if (at + stream->length > stream->bytes)
		at = 0;
	stream->at = at + stream->length + 8;
	return at;
}

static inline uint64_t ring_next(struct stream *stream)
{
	uint64_t at = stream->at, next = at + stream->length + 8;

	stream->at = next >= stream->bytes ? next - stream->bytes : next;
	return at;
}

static void linear_run(struct stream *stream, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned char *place = stream->start + linear_next(stream);

		words_make(place, stream->length, i);
		stream->sum += words_add(place, stream->length);
	}
}

static void ring_run(struct stream *stream, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned char *place = stream->start + ring_next(stream);

		words_make(place, stream->length, i);
		stream->sum += words_add(place, stream->length);
	}
}

static void linear_copy_run(struct stream *stream, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned char *place = stream->start + linear_next(stream);

		memcpy(place, stream->record, stream->length);
		__asm__ __volatile__("" ::: "memory");
		memcpy(stream->record, place, stream->length);
	}
}

static void ring_copy_run(struct stream *stream, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned char *place = stream->start + ring_next(stream);

		memcpy(place, stream->record, stream->length);
		__asm__ __volatile__("" ::: "memory");
		memcpy(stream->record, place, stream->length);
	}
}

static inline void parts_make(struct stream *stream, uint64_t at, uint64_t seed)
{
	uint64_t first = stream->bytes - at;

	if (__builtin_expect(first >= stream->length, 1)) {
		words_make(stream->start + at, stream->length, seed);
		return;
	}
	words_make(stream->start + at, first, seed);
	words_make(stream->start, stream->length - first, seed + first / 8);
}

static void parts_run(struct stream *stream, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint64_t at = ring_next(stream), first = stream->bytes - at;

		parts_make(stream, at, i);
		if (__builtin_expect(first >= stream->length, 1)) {
			stream->sum += words_add(stream->start + at, stream->length);
		} else {
			stream->sum += words_add(stream->start + at, first);
			stream->sum += words_add(stream->start, stream->length - first);
		}
	}
}

static void copied_out_run(struct stream *stream, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint64_t at = ring_next(stream), first = stream->bytes - at;

		parts_make(stream, at, i);
		if (__builtin_expect(first >= stream->length, 1)) {
			memcpy(stream->record, stream->start + at, stream->length);
		} else {
			memcpy(stream->record, stream->start + at, first);
			memcpy(stream->record + first, stream->start, stream->length - first);
		}
		stream->sum += words_add(stream->record, stream->length);
	}
}

/* One row. Timed by what the thread got of the processor, since other programs' time counts for none of them. */
struct job {
	void (*run)(struct stream *stream, unsigned int count);
	struct stream *stream;
	uint64_t spent;
};

static int job_run(void *context, unsigned int count)
{
	struct job *job = context;
	uint64_t begun = cpu_ns();

	job->run(job->stream, count);
	job->spent = cpu_ns() - begun;
	return 0;
}

/* A ring and two linear buffers, all with their pages. */
struct buffers {
	struct vas_ring *ring;
	struct stream linear, round, parts;
};

static unsigned char *linear_buffer(uint64_t bytes)
{
	/* Shared memory as the ring's: its pages come from the same place. */
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int buffers_make(struct buffers *buffers, uint64_t length)
{
	uint64_t bytes = length * 4 > BUFFER_BYTES ? length * 4 : BUFFER_BYTES;
	struct vas_ring_info info = { .size = sizeof(info) };
	unsigned char *record = aligned_alloc(4096, length / 4096 * 4096 + 8192);
	unsigned char *linear = linear_buffer(bytes), *parts = linear_buffer(bytes);
	int err;

	if (!record || !linear || !parts)
		return -ENOMEM;
	/* In the middle of a page: a copy from where the low bits are alike is slow by itself. */
	record += 2112;
	memset(record, 1, length);
	err = vas_ring_create(bytes, NULL, &buffers->ring);
	if (!err)
		err = vas_ring_get(buffers->ring, &info);
	if (err)
		return err;
	buffers->round =
		(struct stream){ vas_span_pointer(info.span), bytes, length, 0, 0, record };
	buffers->linear = (struct stream){ linear, bytes, length, 0, 0, record };
	buffers->parts = (struct stream){ parts, bytes, length, 0, 0, record };
	memset(buffers->round.start, 1, 2 * bytes);
	return 0;
}

struct part {
	struct group_context *group;
	uint64_t length;
	const char *name;
};

static int part_measure(void *context)
{
	struct part *part = context;
	struct buffers buffers;
	unsigned int batch = BATCH_BYTES / (unsigned int)part->length, failed = 0;
	const struct {
		const char *name;
		struct job job;
		unsigned int base;
		double bound;
	} rows[] = {
		{ "linear, in place", { linear_run, &buffers.linear, 0 }, 0, 0 },
		{ "ring, in place", { ring_run, &buffers.round, 0 }, 0, 1.05 },
		{ "linear, copying", { linear_copy_run, &buffers.linear, 0 }, 0, 0 },
		{ "ring, copying, to linear", { ring_copy_run, &buffers.round, 0 }, 2, 0 },
		{ "two parts", { parts_run, &buffers.parts, 0 }, 0, 0 },
		{ "ring, to two parts", { ring_run, &buffers.round, 0 }, 4, 1.2 },
		{ "copied out, then read", { copied_out_run, &buffers.parts, 0 }, 0, 0 },
		{ "ring, to copied out", { ring_run, &buffers.round, 0 }, 6, 1 / 1.05 },
	};
	const unsigned int count = sizeof(rows) / sizeof(rows[0]);
	struct contender contenders[sizeof(rows) / sizeof(rows[0])];
	struct job jobs[sizeof(rows) / sizeof(rows[0])];
	int err = buffers_make(&buffers, part->length);

	for (unsigned int i = 0; i < count; i++) {
		jobs[i] = rows[i].job;
		contenders[i] = (struct contender){
			.name = rows[i].name,
			.run = job_run,
			.context = &jobs[i],
			.batch = batch,
			.base = rows[i].base,
			.bound = rows[i].bound,
			.spent = &jobs[i].spent,
		};
	}
	if (!err)
		err = measure(contenders, count, part->group->rounds, &failed);
	if (err)
		fprintf(stderr, "vasbench: ring: error %d\n", -err);
	else
		output_group(part->group->output, part->name, contenders, count);
	return err;
}

static int bench_records(struct group_context *group)
{
	struct part parts[] = {
		{ group, 64, "records of 64 B" },	{ group, 1024, "records of 1 KiB" },
		{ group, 16384, "records of 16 KiB" },	{ group, 131072, "records of 128 KiB" },
		{ group, 1048576, "records of 1 MiB" },
	};
	unsigned int count = group->output->quick ? 1 : sizeof(parts) / sizeof(parts[0]);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = group_in_child(group, part_measure, &parts[i]);
	return err;
}

int bench_ring(struct output *output, unsigned int rounds)
{
	static const struct group_part parts[] = {
		{ "records", bench_records },
		{ "queues", bench_queues },
		{ "kinds", bench_queue_kinds },
	};
	struct group_context group = { output, rounds };

	return group_parts(&group, "ring", parts, sizeof(parts) / sizeof(parts[0]));
}
