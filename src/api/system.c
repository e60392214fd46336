/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/system.h, and the version. */
#include <vaspace/system.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/code.h"
#include "device/loader.h"
#include "record/log.h"
#include "space/space.h"
#include "sys/environment.h"
#include "sys/probe.h"

int vas_version(void)
{
	return VAS_VERSION;
}

int vas_feature(const char *name)
{
	static const char features[][12] = {
		"reserve", "commit", "release", "limits", "layout", "owner", "ledger", "topology", "notice", "adopt",
		"pressure", "region", "shutdown", "arena", "view", "ring", "queue",
	};
	size_t length;

	if (!name)
		return 0;
	length = strlen(name);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (length == strlen(features[i]) && memcmp(features[i], name, length) == 0)
			return 1;
	}
	return 0;
}

int vas_probe_get(size_t index, struct vas_probe_info *info)
{
	struct vas_probe_info known = { .size = sizeof(known) };
	struct vas_probes unkept = { 0 };
	struct vas_probes *probes = &unkept;
	struct vas_space *space;
	int err;

	if (!info || info->size < sizeof(known) || info->size > VAS_OPTIONS_SIZE_MAX)
		return -EINVAL;
	/* Where not even a space can be made, probes can still be tried; nothing is kept. */
	if (vas_space_default(&space) == 0)
		probes = &space->probes;
	err = vas_probe_describe(probes, vas_sys_current(), index, &known);
	return err ? err : vas_options_store(info, &known, sizeof(known), sizeof(known));
}

void vas_probe_reset(void)
{
	struct vas_space *space = vas_space_if_made();

	if (space)
		vas_space_forget_probes(space);
	vas_loader_forget();
}

int vas_shutdown(void)
{
	return vas_space_shutdown();
}

int vas_setting_get(size_t index, struct vas_setting *setting)
{
	struct vas_setting known = { .size = sizeof(known) };
	int err;

	if (!setting || setting->size < sizeof(known) || setting->size > VAS_OPTIONS_SIZE_MAX)
		return -EINVAL;
	err = vas_environment_describe(index, &known);
	return err ? err : vas_options_store(setting, &known, sizeof(known), sizeof(known));
}

void vas_log_set(vas_log_hook *hook, void *context, enum vas_log_level level)
{
	struct vas_space *space;

	vas_log_hook_set(hook, context, level);
	/* A space that is made at this moment listens again once it can be found. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	space = vas_space_if_made();
	if (space)
		vas_space_listen(space);
}
