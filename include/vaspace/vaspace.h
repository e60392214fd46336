/* SPDX-License-Identifier: BSD-2-Clause */
/* vaspace/vaspace.h - the whole interface of vaspace. */
#ifndef VASPACE_VASPACE_H
#define VASPACE_VASPACE_H

#include <vaspace/arena.h>
#include <vaspace/base.h>
#include <vaspace/fork.h>
#include <vaspace/limits.h>
#include <vaspace/report.h>
#include <vaspace/memory.h>
#include <vaspace/reserve.h>
#include <vaspace/ring.h>
#include <vaspace/notice.h>
#include <vaspace/park.h>
#include <vaspace/policy.h>
#include <vaspace/pressure.h>
#include <vaspace/region.h>
#include <vaspace/replace.h>
#include <vaspace/layout.h>
#include <vaspace/stats.h>
#include <vaspace/system.h>
#include <vaspace/topology.h>
#include <vaspace/view.h>

#endif
