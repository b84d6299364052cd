/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands and lists that mean nothing, for hosts that misbehave.
 *
 * Garbage must not lead the device to memory that is the kernel's, nor to
 * namespace 1, which is the test's. So it has places of its own: data, which
 * the device may write and never reads as a PRP list or a queue; lists, whose
 * entries are all harmless and which it cannot be made to write, because the
 * addresses of them that are given out are no page's beginning; entries, full
 * of submission queue entries made here; completion queues.
 */
#ifndef _GARBAGE_H
#define _GARBAGE_H

#include "raw.h"

/* Namespaces beside the first, which may be spoilt */
#define GARBAGE_NS		3

extern u32 garbage_ns[GARBAGE_NS];

void garbage_init(u64 *rnd);
u64 garbage_addr(u64 *rnd);
u32 garbage_number(u64 *rnd);
void garbage_sqe(u64 *rnd, struct raw_sqe *sqe);
/* One more entry of a list, or of a submission queue, is another */
void garbage_list_entry(u64 *rnd);
void garbage_entry(u64 *rnd);
/* A few entries in a row are halves of fused operations */
void garbage_fused(u64 *rnd);
/* What may be read as a range of Copy or of Dataset Management is another */
void garbage_range(u64 *rnd);
/* A few entries in a row are commands that read such ranges */
void garbage_ranged(u64 *rnd);
/* Where a queue of up to 1024 entries may lie */
u64 garbage_sq_addr(u64 *rnd);
u64 garbage_cq_addr(u64 *rnd);

/*
 * Makes namespace 1 of @nr_lba blocks, and others of what is left of the
 * storage. Uses a page of DMA memory.
 */
void garbage_namespaces(u64 nr_lba, bool lba_4k, u8 *page);

#endif /* _GARBAGE_H */
