/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether another process still lives.
 *
 * WHAT FOR. A process that is killed cannot give back what it held in shared memory. Who waits for it must find out.
 *
 * STRATEGY. A word of its number and its start time, so that a number that is used again is another process; and of where its program and its
 * stack begin, which stays so until it executes another one, and is another number then: as far as anybody is concerned that had memory
 * with it, it is gone, though its number and time are the same. It is gone, too, when there is no
 * process of that number, when that one began at another time, or when it is a zombie without threads. Whatever cannot be told (no /proc,
 * another namespace of numbers, addresses that the kernel or an emulator keeps to itself) counts as alive.
 *
 * CONCURRENCY. No state.
 *
 * WHAT IT DOES NOT DO. It does not see that a thread has ended whose process goes on. Of 262,143 programs executed it takes one for the one before.
 */
#include "arena/peer.h"

#include <fcntl.h>

#include "base/text.h"

/* Fields of /proc/PID/stat behind the name, from 0, which is the state. */
#define FIELD_THREADS 17u
#define FIELD_START   19u
#define FIELD_CODE    23u /* where the program begins; who may not know reads 1 */
#define FIELD_STACK   25u /* and its stack; 0 */

/* The word, from below: start time, program, number. */
#define START_BITS   24u
#define PROGRAM_BITS 18u

struct process {
	char state;
	uint64_t threads;
	uint64_t start;
	uint64_t code;
	uint64_t stack;
};

static int64_t file_read(struct vas_sys *sys, const char *path, char *text, uint64_t size)
{
	int64_t fd = VAS_CALL(sys, open, path, O_RDONLY), got;

	if (fd < 0)
		return fd;
	got = VAS_CALL(sys, read, (int)fd, text, size);
	(void)VAS_CALL(sys, close, (int)fd);
	return got;
}

static void process_field(struct process *process, unsigned int field, uint64_t value)
{
	if (field == FIELD_THREADS)
		process->threads = value;
	else if (field == FIELD_START)
		process->start = value;
	else if (field == FIELD_CODE)
		process->code = value;
	else if (field == FIELD_STACK)
		process->stack = value;
}

/* The name stands in brackets and may hold any byte: the last bracket ends it. */
static bool process_parse(const char *text, uint64_t length, struct process *process)
{
	unsigned int field = 0;
	uint64_t at = length, value = 0;

	while (at > 0 && text[at - 1] != ')')
		at--;
	if (at == 0 || at + 2 >= length)
		return false;
	*process = (struct process){ .state = text[at + 1] };
	for (at += 2; at < length && field <= FIELD_STACK; at++) {
		if (text[at] >= '0' && text[at] <= '9') {
			value = value * 10 + (uint64_t)(text[at] - '0');
			continue;
		}
		if (text[at] == '-') /* of a number below 0 */
			continue;
		process_field(process, field, value);
		field++;
		value = 0;
	}
	return field > FIELD_STACK;
}

static bool process_read(struct vas_sys *sys, uint32_t number, struct process *process)
{
	char path[32], stat[512];
	struct vas_text text;
	int64_t got;

	vas_text_init(&text, path, sizeof(path));
	vas_text_add(&text, "/proc/");
	vas_text_add_decimal(&text, number);
	vas_text_add(&text, "/stat");
	got = file_read(sys, path, stat, sizeof(stat));
	return got > 0 && process_parse(stat, (uint64_t)got, process);
}

uint64_t vas_peer_namespace(struct vas_sys *sys)
{
	int64_t fd = VAS_CALL(sys, open, "/proc/self/ns/pid", O_RDONLY), err;
	struct vas_sys_stat stat;

	if (fd < 0)
		return 0;
	err = VAS_CALL(sys, stat, (int)fd, 0, &stat);
	(void)VAS_CALL(sys, close, (int)fd);
	return err < 0 ? 0 : stat.inode;
}

/* What is another number in another program; 0: it cannot be told. */
static uint64_t program_of(const struct process *process)
{
	uint64_t mixed = (process->code ^ process->stack << 20) * UINT64_C(0x9e3779b97f4a7c15);

	if (process->code <= 1 || process->stack == 0)
		return 0;
	return 1 + (mixed >> 32) % ((UINT64_C(1) << PROGRAM_BITS) - 1);
}

static uint64_t peer_word(uint32_t number, const struct process *process)
{
	uint64_t start = process->start & ((UINT64_C(1) << START_BITS) - 1);

	return ((uint64_t)number << PROGRAM_BITS | program_of(process)) << START_BITS | start;
}

static uint32_t peer_number(uint64_t peer)
{
	return (uint32_t)(peer >> (PROGRAM_BITS + START_BITS));
}

/* Of one number: whether that is another process by now, or another program. */
static bool peer_differs(uint64_t peer, uint64_t found)
{
	const uint64_t programs = ((UINT64_C(1) << PROGRAM_BITS) - 1) << START_BITS;

	if (!(peer & programs) || !(found & programs))
		return ((peer ^ found) & ~programs) != 0;
	return peer != found;
}

uint64_t vas_peer_self(struct vas_sys *sys, uint64_t namespace)
{
	struct process process;
	int64_t number;

	if (namespace == 0 || vas_peer_namespace(sys) != namespace)
		return VAS_PEER_UNKNOWN;
	number = VAS_CALL(sys, process_id);
	if (number <= 0 || !process_read(sys, (uint32_t)number, &process))
		return VAS_PEER_UNKNOWN;
	return peer_word((uint32_t)number, &process);
}

bool vas_peer_gone(struct vas_sys *sys, uint64_t namespace, uint64_t peer)
{
	uint32_t number = peer_number(peer);
	struct process process;

	if (number == 0 || namespace == 0 || vas_peer_namespace(sys) != namespace)
		return false;
	if (VAS_CALL(sys, process_alive, number) == 0)
		return true;
	if (!process_read(sys, number, &process))
		return false;
	return peer_differs(peer, peer_word(number, &process)) ||
	       ((process.state == 'Z' || process.state == 'X') && process.threads <= 1);
}
