// SPDX-License-Identifier: GPL-2.0
/*
 * See garbage.h.
 */
#include "garbage.h"

#define DATA_BYTES	(256U << 10)
#define LISTS_BYTES	(16U << 10)
#define ENTRIES_BYTES	(128U << 10)
#define CQS_BYTES	(64U << 10)

u32 garbage_ns[GARBAGE_NS];

static u8 *data, *lists, *entries, *cqs;

static u64 below(u64 *rnd, u64 n)
{
	return raw_random(rnd) % n;
}

static bool one_in(u64 *rnd, u64 n)
{
	return !below(rnd, n);
}

static u64 no_memory(u64 *rnd)
{
	return raw_no_memory[below(rnd, raw_nr_no_memory)];
}

u64 garbage_addr(u64 *rnd)
{
	u64 at = below(rnd, DATA_BYTES);

	switch (below(rnd, 8)) {
	case 0:
		return no_memory(rnd) + below(rnd, RAW_PAGE);
	case 1:
		return raw_addr(data + at);
	case 2:
		return raw_addr(data + (at & ~7ULL));
	default:
		return raw_addr(data + (at & ~4095ULL));
	}
}

static u64 list_addr(u64 *rnd)
{
	u64 at = 8 * (1 + below(rnd, 511)) +
		 RAW_PAGE * below(rnd, LISTS_BYTES / RAW_PAGE);

	switch (below(rnd, 8)) {
	case 0:
		return no_memory(rnd) + 8 * below(rnd, 512);
	case 1:
		return raw_addr(lists + at) + 1 + below(rnd, 7);
	default:
		return raw_addr(lists + at);
	}
}

/* The last of a page would lead on: nowhere */
static void make_list_entry(u64 *rnd, u32 index)
{
	u64 addr = index % 512 == 511 ? no_memory(rnd) + 8 * below(rnd, 2) :
					garbage_addr(rnd);

	__atomic_store_n((u64 *)lists + index, addr, __ATOMIC_RELAXED);
}

void garbage_list_entry(u64 *rnd)
{
	make_list_entry(rnd, below(rnd, LISTS_BYTES / 8));
}

u32 garbage_number(u64 *rnd)
{
	return raw_random(rnd) >> below(rnd, 32) * 2;
}

/* Not the test's namespace, and not all of them */
static u32 some_nsid(u64 *rnd)
{
	u32 nsid = one_in(rnd, 4) ? garbage_number(rnd) :
				    garbage_ns[below(rnd, GARBAGE_NS)];

	return nsid == 1 || nsid == NSID_ALL ? 2 : nsid;
}

/* Any opcode and any field */
void garbage_sqe(u64 *rnd, struct raw_sqe *sqe)
{
	u32 *words = (u32 *)sqe, i;

	for (i = 0; i < 16; i++)
		words[i] = one_in(rnd, 3) ? garbage_number(rnd) : 0;
	sqe->opcode = one_in(rnd, 4) ? below(rnd, 256) : below(rnd, 32);
	sqe->flags = one_in(rnd, 8) ? below(rnd, 256) : 0;
	sqe->nsid = some_nsid(rnd);
	sqe->prp1 = garbage_addr(rnd);
	sqe->prp2 = list_addr(rnd);
	if (one_in(rnd, 2)) {
		sqe->cdw10 = below(rnd, 8192);
		sqe->cdw11 = one_in(rnd, 4) ? garbage_number(rnd) : 0;
		sqe->cdw12 = one_in(rnd, 2) ? below(rnd, 64) :
					      garbage_number(rnd);
	}
}

static void put_entry(u32 index, const struct raw_sqe *sqe)
{
	u64 words[8];
	u32 i;

	memcpy(words, sqe, sizeof(*sqe));
	for (i = 0; i < 8; i++)
		__atomic_store_n((u64 *)entries + 8 * index + i, words[i],
				 __ATOMIC_RELAXED);
}

void garbage_entry(u64 *rnd)
{
	struct raw_sqe sqe;

	garbage_sqe(rnd, &sqe);
	put_entry(below(rnd, ENTRIES_BYTES / 64), &sqe);
}

/* Of the halves that a host can put in a row no two need be a pair */
void garbage_fused(u64 *rnd)
{
	u32 index = below(rnd, ENTRIES_BYTES / 64 - 4), nr = 1 + below(rnd, 4);
	struct raw_sqe sqe;

	garbage_sqe(rnd, &sqe);
	sqe.nsid = garbage_ns[0];
	sqe.cdw10 = below(rnd, 256);
	sqe.cdw11 = 0;
	sqe.cdw12 = below(rnd, 8);
	while (nr--) {
		bool second = one_in(rnd, 2);

		sqe.opcode = second ? N_WRITE : N_COMPARE;
		sqe.flags = second ? FUSE_SECOND : FUSE_FIRST;
		put_entry(index + nr, &sqe);
	}
}

/*
 * Mostly of a few blocks that exist: of them a command that has passed its checks
 * may have more, or fewer, or none the next time that it looks. Ranges of Dataset
 * Management are half as long: what is the first block of the one is it of the other.
 */
void garbage_range(u64 *rnd)
{
	u32 page = below(rnd, DATA_BYTES / RAW_PAGE), index = below(rnd, 16);
	u64 *range = (u64 *)(data + page * RAW_PAGE + index * 32);
	u64 lba = one_in(rnd, 64) ? garbage_number(rnd) : below(rnd, 1024);
	u64 nlb = one_in(rnd, 64) ? garbage_number(rnd) : below(rnd, 64);

	__atomic_store_n(range + 1, lba, __ATOMIC_RELAXED);
	__atomic_store_n(range + 2, nlb, __ATOMIC_RELAXED);
}

/* A few commands in a row read ranges */
void garbage_ranged(u64 *rnd)
{
	u32 index = below(rnd, ENTRIES_BYTES / 64 - 4), nr = 1 + below(rnd, 4);
	struct raw_sqe sqe;

	while (nr--) {
		garbage_sqe(rnd, &sqe);
		sqe.opcode = one_in(rnd, 4) ? N_DSM : N_COPY;
		sqe.flags = 0;
		sqe.nsid = garbage_ns[below(rnd, GARBAGE_NS)];
		sqe.prp1 &= ~4095ULL;
		if (sqe.opcode == N_DSM) {
			sqe.cdw10 = below(rnd, 16);
			sqe.cdw11 = 4;
		} else {
			sqe.cdw10 = below(rnd, 1024);
			sqe.cdw11 = 0;
			sqe.cdw12 = below(rnd, 16);
		}
		put_entry(index + nr, &sqe);
	}
}

u64 garbage_sq_addr(u64 *rnd)
{
	return raw_addr(entries + below(rnd, 16) * RAW_PAGE);
}

u64 garbage_cq_addr(u64 *rnd)
{
	return raw_addr(cqs + below(rnd, 12) * RAW_PAGE);
}

void garbage_init(u64 *rnd)
{
	u32 i;

	for (i = 0; i < GARBAGE_NS; i++)
		garbage_ns[i] = 2 + i;
	data = raw_alloc(DATA_BYTES);
	lists = raw_alloc(LISTS_BYTES);
	entries = raw_alloc(ENTRIES_BYTES);
	cqs = raw_alloc(CQS_BYTES);
	for (i = 0; i < LISTS_BYTES / 8; i++)
		make_list_entry(rnd, i);
	for (i = 0; i < ENTRIES_BYTES / 64; i++)
		garbage_sqe(rnd, (struct raw_sqe *)entries + i);
}

/* False when there is no room for it */
static bool create(u64 nr_lba, bool lba_4k, u8 *page, u32 *nsid)
{
	struct raw_sqe sqe = { .opcode = A_NS_MGMT,
			       .prp1 = raw_addr(page) };
	struct raw_cqe cqe;

	memset(page, 0, RAW_PAGE);
	memcpy(page, &nr_lba, 8);
	memcpy(page + 8, &nr_lba, 8);
	page[26] = lba_4k;
	if (raw_sync(&raw_asq, &sqe, &cqe))
		return false;
	*nsid = cqe.result;

	memset(page, 0, RAW_PAGE);
	page[0] = 1;
	sqe = (struct raw_sqe){
		.opcode = A_NS_ATTACH, .nsid = *nsid, .prp1 = raw_addr(page),
	};
	raw_need(!raw_sync(&raw_asq, &sqe, NULL));
	return true;
}

void garbage_namespaces(u64 nr_lba, bool lba_4k, u8 *page)
{
	struct raw_sqe sqe = { .opcode = A_NS_MGMT, .nsid = NSID_ALL,
			       .cdw10 = 1 };
	unsigned int i;
	u32 nsid;

	raw_need(!raw_sync(&raw_asq, &sqe, NULL));
	raw_need(create(nr_lba, lba_4k, page, &nsid) && nsid == 1);
	for (i = 0; i < GARBAGE_NS; i++)
		create(2048, i == 1, page, &garbage_ns[i]);
}
