/* SPDX-License-Identifier: BSD-2-Clause */
/* What vasmap can do with a target. Each says by itself what went wrong. */
#ifndef VASMAP_COMMANDS_H
#define VASMAP_COMMANDS_H

#include "options.h"
#include "out.h"
#include "target.h"

enum map_status map_list(struct map_target *target, const struct map_options *options,
			 struct map_out *out);
enum map_status map_gaps(struct map_target *target, const struct map_options *options,
			 struct map_out *out);
enum map_status map_summary(struct map_target *target, const struct map_options *options,
			    struct map_out *out);
enum map_status map_find(struct map_target *target, const struct map_options *options,
			 struct map_out *out);
enum map_status map_at(struct map_target *target, const struct map_options *options,
		       struct map_out *out);

#endif
