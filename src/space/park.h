/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parking: all that is mapped in a holding goes, the addresses and the books stay.
 *
 * While holding->parked is set, the extents say what belongs there, not what is
 * there, and nobody may change them. So they are the record from which unpark maps
 * everything again; a manifest is made from them, and into them.
 */
#ifndef VAS_SPACE_PARK_H
#define VAS_SPACE_PARK_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/park.h>

#include "base/spanset.h"
#include "record/report.h"
#include "space/part_work.h"
#include "space/space.h"

#define VAS_PARK_NO_IMAGE UINT64_MAX

/* What a parked holding remembers beside its extents. In the books' memory. */
struct vas_parked {
	uint64_t image_size; /* bytes of contents in the image; 0 = there are none */
	bool leftover; /* undoing failed: some of what belongs there may be mapped all the same */
	/*
	 * Places in the span that were a driver's, and that nobody has claimed since: its memory, a
	 * hole, or another's. I: each lies in an extent that is WHOLE.
	 */
	struct vas_spanset apart;
	struct vas_span items[];
};

/* One park or unpark. */
struct vas_park_work {
	struct vas_part_work part;
	const struct vas_park_opts *opts; /* loaded */
	struct vas_parked *parked;
	struct vas_failure *failure;
	bool contents; /* private memory goes to, or comes from, the image */
	uint64_t opened; /* end of the last extent that was made readable; 0 = none was */
	bool sparse; /* the image reads as zeroes where nothing is written */
};

/* --- park.c --- */

/*
 * The region has seen to it that nothing else changes the holding meanwhile. The errors of
 * vaspace/park.h; *failure is filled. opts: loaded and checked.
 */
int vas_space_park(struct vas_space *space, struct vas_holding *holding,
		   const struct vas_park_opts *opts, struct vas_failure *failure);
int vas_space_unpark(struct vas_space *space, struct vas_holding *holding,
		     const struct vas_park_opts *opts, struct vas_failure *failure);

/*
 * The extents of a holding, from *position on, and where the contents of each are in
 * the image: *image counts on from 0. False at the end.
 */
struct vas_park_step {
	struct vas_extent extent;
	uint64_t image; /* or VAS_PARK_NO_IMAGE */
	bool object; /* not anonymous memory */
};
struct vas_park_walk {
	uint64_t position;
	uint64_t image;
};
bool vas_park_next(const struct vas_holding *holding, struct vas_park_walk *walk,
		   struct vas_park_step *step);

/*
 * The other way to be parked: a holding in which nothing was ever mapped is told what belongs there.
 * -ENOMEM; the holding is to be released then. part: of an object by its identity, COMMITTED or GUARD;
 * its policy's number is what vas_parked_policy answered for it, NULL = as the span's.
 */
int vas_parked_begin(struct vas_space *space, struct vas_holding *holding, uint64_t image_size);
int vas_parked_policy(struct vas_space *space, struct vas_holding *holding,
		      const struct vas_policy *policy, uint32_t *number);
int vas_parked_put(struct vas_space *space, struct vas_holding *holding,
		   const struct vas_part *part);

/* --- park_claim.c --- */

/* The record, with room for so many places apart. Space's lock not held. -ENOMEM. */
int vas_parked_make(struct vas_space *space, uint32_t places, struct vas_parked **parked);
void vas_parked_free(struct vas_space *space, struct vas_parked *parked); /* lock held */
/*
 * Whether an address of a holding is apart: perhaps not ours at all. *until: up to where that holds. The
 * holding is not being changed.
 */
bool vas_park_is_apart(const struct vas_holding *holding, uint64_t address, uint64_t *until);
/* Unmaps a holding but for what is apart; what was unmapped is apart from then on. 0 or -errno. */
int vas_park_unmap(struct vas_space *space, struct vas_holding *holding);
/*
 * A driver has given the range up: what is free of it is claimed. -EEXIST: not all of it;
 * -EINVAL: no extent that is WHOLE, or the holding is not parked with such ones apart; -ENOMEM, ...
 */
int vas_space_detached(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		       struct vas_failure *failure);
/*
 * Reads what is mapped in the span, and claims what is free. -EEXIST: there is somebody else's; opts'
 * list says whose. -errno: it cannot be read. Holding's lock held.
 */
int vas_park_survey(struct vas_park_work *work);
/* The same without a list, for calls that only pass. */
void vas_space_settle_apart(struct vas_space *space, struct vas_holding *holding);

/* --- park_image.c --- */

/* Contents of one extent to and from the image. The memory can be read, or written. -errno of the tables. */
int vas_park_image_begin(struct vas_park_work *work);
int vas_park_image_write(struct vas_park_work *work, const struct vas_park_step *step);
int vas_park_image_end(struct vas_park_work *work);
int vas_park_image_read(struct vas_park_work *work, const struct vas_park_step *step);

#endif
