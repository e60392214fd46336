/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader of modules.
 *
 * What for: the library needs libc alone, and some things can only be told by
 * larger libraries, such as hwloc. Those live in modules, shared objects that
 * are opened at the first call which needs them.
 *
 * Strategy: a module that was linked in statically wins; its table is reached
 * by a weak symbol. Else vaspace-NAME.so is looked for in the directories of
 * VASPACE_MODULE_PATH (separated by colons; a relative one is passed over,
 * since it would depend on the working directory), then in the directory that
 * the library was installed for. The first file that the dynamic linker takes
 * decides: when its table is of another version, that is the answer, and no
 * further directory is asked. The environment module does not give out
 * VASPACE_MODULE_PATH in a set-user-id program.
 *
 * Concurrency: no lock is held across dlopen. The dynamic linker has a lock of
 * its own and runs constructors under it; if one of those called us while
 * another thread held ours and waited for the linker's, both would wait for
 * ever. So two threads may open the same module at once, which the linker
 * counts, and the first to finish publishes: a table with one release store,
 * never changed again; a failure and its text under the lock.
 *
 * Fork: nothing is held during the slow part, so a child of a fork that
 * happened meanwhile starts over. The linker's own lock is libc's affair.
 *
 * What it does not do: close modules. Their tables are handed out, and the
 * libraries behind them do not all stand being unloaded.
 */
#include "device/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/text.h"
#include "record/log.h"
#include "sys/environment.h"
#include "sys/lock.h"

#ifndef VASPACE_MODULE_DIR
#error "VASPACE_MODULE_DIR is the directory that modules are installed to"
#endif

#define VAS_LOADER_PATH_SIZE 512
#define VAS_LOADER_TEXT_SIZE 1024

/* Hidden: a shared library is not to bind it to somebody's symbol at run time. */
extern const struct vas_module_cpu vas_module_cpu __attribute__((weak, visibility("hidden")));

struct vas_loader_entry {
	const char *name;
	uint32_t abi;
	const struct vas_module *linked; /* NULL unless its archive was linked in */
	const char *symbol;

	const struct vas_module *opened; /* atomic; once set it stays */
	int error; /* atomic, 0 or why it cannot be opened; I: not 0 only while opened is NULL */
	char text[VAS_LOADER_TEXT_SIZE]; /* written before error is set; "" while error is 0 */
};

static struct vas_loader_entry vas_loader_entries[] = {
	{
		.name = "cpu",
		.abi = VAS_MODULE_CPU_ABI,
		.linked = &vas_module_cpu.head,
		.symbol = "vas_module_cpu",
	},
};

static struct vas_lock vas_loader_lock; /* taken for moments, to publish */
static const char *vas_loader_directory = VASPACE_MODULE_DIR;

static struct vas_loader_entry *vas_loader_find(const char *name)
{
	size_t count = sizeof(vas_loader_entries) / sizeof(vas_loader_entries[0]);
	size_t length = strlen(name) + 1;

	for (size_t i = 0; i < count; i++) {
		struct vas_loader_entry *entry = &vas_loader_entries[i];

		if (strlen(entry->name) + 1 == length && memcmp(entry->name, name, length) == 0)
			return entry;
	}
	return NULL;
}

static void vas_loader_complain(struct vas_text *text, const char *before, const char *complaint)
{
	vas_text_add(text, text->length ? "; " : "");
	vas_text_add(text, before);
	vas_text_add(text, complaint ? complaint : "unknown error");
}

/* One line, whatever names of files and the dynamic linker have put into it. */
static void vas_loader_unfold(char *line)
{
	for (; *line; line++) {
		if (*line == '\n')
			*line = ' ';
	}
}

/* Is this the table of the entry, in the version that we know? */
static int vas_loader_check(const struct vas_loader_entry *entry, const struct vas_module *module,
			    const char *where, struct vas_text *text)
{
	if (module->size >= sizeof(*module) && module->abi == entry->abi && module->name &&
	    vas_loader_find(module->name) == entry)
		return 0;
	vas_loader_complain(text, where, ": ");
	if (module->size >= sizeof(*module) && module->abi != entry->abi) {
		vas_text_add(text, "has interface number ");
		vas_text_add_decimal(text, module->abi);
		vas_text_add(text, ", this library needs ");
		vas_text_add_decimal(text, entry->abi);
	} else {
		vas_text_add(text, "its table is not one of module vaspace-");
		vas_text_add(text, entry->name);
	}
	return -EPROTO;
}

/* -EOPNOTSUPP: the linker did not take this file, and the next directory may have a better one. */
static int vas_loader_try(const struct vas_loader_entry *entry, const char *path,
			  struct vas_text *text, const struct vas_module **module)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct vas_module *found;
	int error;

	if (!handle) {
		vas_loader_complain(text, "", dlerror());
		return -EOPNOTSUPP;
	}
	found = dlsym(handle, entry->symbol);
	if (found) {
		error = vas_loader_check(entry, found, path, text);
	} else {
		vas_loader_complain(text, "", dlerror());
		error = -EPROTO;
	}
	if (error) {
		dlclose(handle);
		return error;
	}
	*module = found;
	return 0;
}

static int vas_loader_try_directory(const struct vas_loader_entry *entry, const char *directory,
				    size_t length, struct vas_text *text,
				    const struct vas_module **module)
{
	char buffer[VAS_LOADER_PATH_SIZE];
	struct vas_text path;

	if (directory[0] != '/')
		return -EOPNOTSUPP;
	vas_text_init(&path, buffer, sizeof(buffer));
	vas_text_add_bytes(&path, directory, length);
	vas_text_add(&path, "/vaspace-");
	vas_text_add(&path, entry->name);
	vas_text_add(&path, ".so");
	if (path.length >= sizeof(buffer)) {
		vas_loader_complain(text, buffer, "...: the name is too long");
		return -EOPNOTSUPP;
	}
	return vas_loader_try(entry, buffer, text, module);
}

static int vas_loader_search(const struct vas_loader_entry *entry, struct vas_text *text,
			     const struct vas_module **module)
{
	const char *start = vas_environment_get()->module_path;
	int error;

	if (entry->linked) {
		error = vas_loader_check(entry, entry->linked, "the module that was linked in",
					 text);
		if (!error)
			*module = entry->linked;
		return error;
	}
	while (*start) {
		size_t length = 0;

		while (start[length] && start[length] != ':')
			length++;
		error = vas_loader_try_directory(entry, start, length, text, module);
		if (error != -EOPNOTSUPP)
			return error;
		start += length + (start[length] == ':');
	}
	return vas_loader_try_directory(entry, vas_loader_directory, strlen(vas_loader_directory),
					text, module);
}

static void vas_loader_log(enum vas_log_level level, const char *before, const char *name,
			   const char *after)
{
	char buffer[VAS_LOADER_TEXT_SIZE];
	struct vas_text line;

	if (!vas_log_wanted(level))
		return;
	vas_text_init(&line, buffer, sizeof(buffer));
	vas_text_add(&line, before);
	vas_text_add(&line, name);
	vas_text_add(&line, after);
	vas_log_line(level, buffer);
}

/* Keeps what a search found; of several threads' results the first stays, and a success wins. */
static int vas_loader_publish(struct vas_loader_entry *entry, int error, const char *text,
			      const struct vas_module *module)
{
	vas_lock_take(&vas_loader_lock);
	if (!error) {
		entry->text[0] = '\0';
		__atomic_store_n(&entry->error, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&entry->opened, module, __ATOMIC_RELEASE);
	} else if (entry->opened) {
		error = 0;
	} else if (!entry->error) {
		memcpy(entry->text, text, strlen(text) + 1);
		__atomic_store_n(&entry->error, error, __ATOMIC_RELEASE);
	}
	vas_lock_drop(&vas_loader_lock);
	return error;
}

int vas_loader_open(const char *name, const struct vas_module **module)
{
	struct vas_loader_entry *entry = vas_loader_find(name);
	const struct vas_module *found;
	char buffer[VAS_LOADER_TEXT_SIZE];
	struct vas_text text;
	int error;

	VAS_ASSERT(entry);
	found = __atomic_load_n(&entry->opened, __ATOMIC_ACQUIRE);
	if (found) {
		*module = found;
		return 0;
	}
	error = __atomic_load_n(&entry->error, __ATOMIC_ACQUIRE);
	if (error)
		return error;

	vas_text_init(&text, buffer, sizeof(buffer));
	error = vas_loader_search(entry, &text, &found);
	vas_loader_unfold(buffer);
	error = vas_loader_publish(entry, error, buffer, found);
	if (error) {
		vas_loader_log(VAS_LOG_WARNING, "module vaspace-", name, " cannot be used");
		return error;
	}
	vas_loader_log(VAS_LOG_INFO, "module vaspace-", name, " is in use");
	*module = __atomic_load_n(&entry->opened, __ATOMIC_ACQUIRE);
	return 0;
}

const char *vas_loader_error(const char *name)
{
	struct vas_loader_entry *entry = vas_loader_find(name);

	VAS_ASSERT(entry);
	return __atomic_load_n(&entry->error, __ATOMIC_ACQUIRE) ? entry->text : "";
}

void vas_loader_forget(void)
{
	size_t count = sizeof(vas_loader_entries) / sizeof(vas_loader_entries[0]);

	vas_lock_take(&vas_loader_lock);
	for (size_t i = 0; i < count; i++) {
		__atomic_store_n(&vas_loader_entries[i].error, 0, __ATOMIC_RELEASE);
		vas_loader_entries[i].text[0] = '\0';
	}
	vas_lock_drop(&vas_loader_lock);
}

void vas_loader_enter(struct vas_loader_guard *guard)
{
	guard->saved_errno = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancel_state);
}

void vas_loader_leave(const struct vas_loader_guard *guard)
{
	pthread_setcancelstate(guard->cancel_state, NULL);
	errno = guard->saved_errno;
}

void vas_loader_set_directory(const char *directory)
{
	vas_loader_directory = directory ? directory : VASPACE_MODULE_DIR;
}
