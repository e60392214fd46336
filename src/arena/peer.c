/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether another process still lives.
 *
 * WHAT FOR. A process that is killed cannot give back what it held in shared memory. Who waits for it must find out.
 *
 * STRATEGY. A word of its number and its start time, so that a number that is used again is another process. It is gone when there is no
 * process of that number, when that one began at another time, or when it is a zombie without threads. Whatever cannot be told (no /proc,
 * another namespace of numbers) counts as alive.
 *
 * CONCURRENCY. No state.
 *
 * WHAT IT DOES NOT DO. It does not see that a thread has ended whose process goes on.
 */
#include "arena/peer.h"

#include <fcntl.h>

#include "base/text.h"

/* Fields of /proc/PID/stat behind the name, from 0: state, 17: threads, 19: start. */
#define FIELD_THREADS 17u
#define FIELD_START   19u

struct process {
	char state;
	uint64_t threads;
	uint64_t start;
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
	for (at += 2; at < length && field <= FIELD_START; at++) {
		if (text[at] >= '0' && text[at] <= '9') {
			value = value * 10 + (uint64_t)(text[at] - '0');
			continue;
		}
		if (text[at] == '-') /* of a number below 0 */
			continue;
		if (field == FIELD_THREADS)
			process->threads = value;
		else if (field == FIELD_START)
			process->start = value;
		field++;
		value = 0;
	}
	return field > FIELD_START;
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

static uint64_t peer_word(uint32_t number, uint64_t start)
{
	return (uint64_t)number << 32 | (uint32_t)start;
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
	return peer_word((uint32_t)number, process.start);
}

bool vas_peer_gone(struct vas_sys *sys, uint64_t namespace, uint64_t peer)
{
	uint32_t number = (uint32_t)(peer >> 32);
	struct process process;

	if (number == 0 || namespace == 0 || vas_peer_namespace(sys) != namespace)
		return false;
	if (VAS_CALL(sys, process_alive, number) == 0)
		return true;
	if (!process_read(sys, number, &process))
		return false;
	return peer_word(number, process.start) != peer ||
	       ((process.state == 'Z' || process.state == 'X') && process.threads <= 1);
}
