// SPDX-License-Identifier: GPL-2.0
/*
 * How fast the device is without a block layer in the way: one queue kept full
 * and polled, for scripts/bench-speed.
 *
 *	rate read|write KIB DEPTH SECONDS
 *
 * prints commands a second. The blocks are random ones of the first 128 MiB.
 */
#include <stdlib.h>

#include "raw.h"

#define AREA_BYTES	(128ULL << 20)
#define MAX_DEPTH	1023
#define MAX_BYTES	0x100000U
/* Between two looks at the clock */
#define LOOKS		256

static struct raw_sq sq;
static struct raw_cq cq;
static struct raw_sqe *slots;
static u64 rnd = 1;
static u32 bytes, lba_bytes;

static void submit(u16 slot)
{
	struct raw_sqe *sqe = &sq.ring[sq.tail];
	u64 at = raw_random(&rnd) % (AREA_BYTES / bytes) * bytes;

	*sqe = slots[slot];
	raw_lba(sqe, 1, at / lba_bytes, bytes / lba_bytes);
	sqe->cid = slot;
	if (++sq.tail == sq.size)
		sq.tail = 0;
}

static u32 complete(void)
{
	struct raw_cqe cqe;
	u32 nr = 0;

	while (raw_get(&cq, &cqe)) {
		if (raw_sc(&cqe))
			raw_die("status %#x", raw_sc(&cqe));
		submit(cqe.cid);
		nr++;
	}
	if (nr) {
		raw_ring_cq(&cq);
		raw_ring(&sq);
	}
	return nr;
}

static void prepare(u8 opcode, u32 depth)
{
	u8 *pages[MAX_BYTES / RAW_PAGE];
	u32 i, j;

	slots = calloc(depth, sizeof(*slots));
	raw_need(slots);
	for (i = 0; i < depth; i++) {
		u8 *data = raw_alloc(bytes);

		for (j = 0; j < bytes / RAW_PAGE; j++)
			pages[j] = data + j * RAW_PAGE;
		slots[i].opcode = opcode;
		raw_prps(&slots[i], pages, 0, bytes, raw_alloc(RAW_PAGE));
	}
}

int main(int argc, char **argv)
{
	struct raw_options options = { };
	u64 start, end, now, done = 0;
	u32 depth, i, looks = 0;
	u8 opcode, *page;

	if (argc != 5) {
		fprintf(stderr, "usage: %s read|write KIB DEPTH SECONDS\n",
			argv[0]);
		return 2;
	}
	opcode = strcmp(argv[1], "write") ? N_READ : N_WRITE;
	bytes = strtoul(argv[2], NULL, 0) * 1024;
	depth = strtoul(argv[3], NULL, 0);
	raw_need(bytes && bytes % RAW_PAGE == 0 && bytes <= MAX_BYTES);
	raw_need(depth && depth <= MAX_DEPTH);

	options.mem_bytes = depth * (size_t)(bytes + RAW_PAGE) + 3 * RAW_HUGE;
	raw_open(&options);
	raw_need(raw_disable() && raw_enable());
	page = raw_alloc(RAW_PAGE);
	raw_need(!raw_identify(0, 1, page));
	lba_bytes = 1U << page[128 + 4 * (page[26] & 0xf) + 2];
	raw_cq_init(&cq, 1, depth + 1);
	raw_sq_init(&sq, 1, depth + 1, &cq);
	raw_need(!raw_create_cq(&cq) && !raw_create_sq(&sq));
	prepare(opcode, depth);

	start = raw_now_ns();
	end = start + strtoull(argv[4], NULL, 0) * RAW_S;
	for (i = 0; i < depth; i++)
		submit(i);
	raw_ring(&sq);
	do {
		done += complete();
		now = raw_now_ns();
		while (++looks % LOOKS)
			done += complete();
	} while (now < end);
	printf("%llu\n", done * RAW_S / (raw_now_ns() - start));
	raw_close();
	return 0;
}
