/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines: to the hook, and to standard error when VASPACE_LOG asks for it.
 *
 * What for: embedders see what the library decided in their own log, and
 * whoever has only the environment sees it too.
 *
 * Strategy: silence costs two loads. The level that each listens to stands in
 * one word, below every level when nobody listens; callers ask vas_log_wanted
 * before they build a line.
 *
 * Concurrency: hook, context and level belong together but are three words.
 * There are two places for them; `sequence` counts how often they were set, and
 * its lowest bit tells which place is in force. Writers take a lock, fill the
 * other place and then count on. Readers take no lock (a line may be logged in
 * a child that was forked while somebody set a hook) and read again when the count
 * has moved on meanwhile; a writer that is interrupted hinders nobody. After many
 * vain tries a line is dropped rather than waited for.
 *
 * Not here: formatting, time stamps, rate limits: those are the hook's.
 */
#include "record/log.h"

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "sys/environment.h"
#include "sys/lock.h"
#include "sys/sys.h"

#define STANDARD_ERROR 2
#define LINE_ROOM      1024 /* of one line on standard error; longer ones are cut */
#define LOG_SILENT     (-1)
#define LOG_TRIES      64

struct listener {
	vas_log_hook *hook; /* atomic */
	void *context; /* atomic */
	int level; /* atomic; LOG_SILENT exactly when hook is NULL */
};

static struct {
	struct vas_lock lock; /* serialises writers */
	uint32_t sequence; /* atomic; its lowest bit is the index of the place in force */
	int level; /* atomic; what is in force, for the question whether anybody listens */
	struct listener places[2];
} log_state = { VAS_LOCK_INIT, 0, LOG_SILENT, { { NULL, NULL, LOG_SILENT } } };

void vas_log_hook_set(vas_log_hook *hook, void *context, enum vas_log_level level)
{
	int wanted = hook ? (int)level : LOG_SILENT;
	struct listener *place;
	uint32_t sequence;

	vas_lock_take(&log_state.lock);
	sequence = __atomic_load_n(&log_state.sequence, __ATOMIC_RELAXED) + 1;
	place = &log_state.places[sequence % 2];
	__atomic_store_n(&place->hook, hook, __ATOMIC_SEQ_CST);
	__atomic_store_n(&place->context, context, __ATOMIC_SEQ_CST);
	__atomic_store_n(&place->level, wanted, __ATOMIC_SEQ_CST);
	__atomic_store_n(&log_state.sequence, sequence, __ATOMIC_SEQ_CST);
	__atomic_store_n(&log_state.level, wanted, __ATOMIC_SEQ_CST);
	vas_lock_drop(&log_state.lock);
}

struct vas_lock *vas_log_lock(void)
{
	return &log_state.lock;
}

bool vas_log_wanted(enum vas_log_level level)
{
	return (int)level <= __atomic_load_n(&log_state.level, __ATOMIC_RELAXED) ||
	       (int)level <= vas_environment_get()->log_level;
}

/* The hook that wants this level, and its context, as of one moment; NULL when none does. */
static vas_log_hook *log_listener(enum vas_log_level level, void **context)
{
	for (int i = 0; i < LOG_TRIES; i++) {
		uint32_t sequence = __atomic_load_n(&log_state.sequence, __ATOMIC_SEQ_CST);
		const struct listener *place = &log_state.places[sequence % 2];
		vas_log_hook *hook = __atomic_load_n(&place->hook, __ATOMIC_SEQ_CST);
		void *found = __atomic_load_n(&place->context, __ATOMIC_SEQ_CST);
		int wanted = __atomic_load_n(&place->level, __ATOMIC_SEQ_CST);

		if (__atomic_load_n(&log_state.sequence, __ATOMIC_SEQ_CST) != sequence)
			continue;
		if ((int)level > wanted)
			return NULL;
		*context = found;
		return hook;
	}
	return NULL;
}

/* One write a line, so that lines of several threads do not mix. */
static void log_print(enum vas_log_level level, const char *line)
{
	static const char *const words[] = { "error: ", "warning: ", "info: ", "debug: " };
	char buffer[LINE_ROOM];
	struct vas_text text;
	size_t length;

	vas_text_init(&text, buffer, sizeof(buffer) - 1);
	vas_text_add(&text, "vaspace: ");
	vas_text_add(&text, words[level]);
	vas_text_add(&text, line);
	length = text.length < sizeof(buffer) - 2 ? text.length : sizeof(buffer) - 2;
	buffer[length++] = '\n';
	vas_sys_print(STANDARD_ERROR, buffer, length);
}

void vas_log_line(enum vas_log_level level, const char *line)
{
	void *context = NULL;
	vas_log_hook *hook = log_listener(level, &context);

	if (hook)
		hook(context, level, line);
	if ((int)level <= vas_environment_get()->log_level)
		log_print(level, line);
}
