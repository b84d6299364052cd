// SPDX-License-Identifier: GPL-2.0
/*
 * A seeded fuzzer on the raw queues, with a model of the data beside it.
 *
 *	fuzz SEED SECONDS
 *
 * Commands go out in batches over several submission and completion queues:
 * valid ones, whose result the model knows block by block; broken ones, whose
 * status is known and that must change nothing; garbage, which must get some
 * completion. Around them doorbells, registers, queue memory and PRP lists are
 * written at random, queues come and go, and the controller is reset in all
 * the ways there are, with commands in flight.
 *
 * Namespace 1 is the model's. Whatever may change blocks and is not modelled
 * goes to other namespaces; whatever makes the device write to the host's
 * memory and is not modelled gets addresses in a place of its own. Where the
 * controller offers Doorbell Buffer Config, every other time the doorbells are in
 * memory.
 *
 * What a batch contains depends on the seed and its number alone, so a seed
 * replays: natively to the instruction, in the VM but for the device's timing.
 */
#include <stdarg.h>
#include <time.h>

#include "garbage.h"
#include "raw.h"

#define MAX_SQS		6
#define MAX_SLOTS	1024
#define SLOT_PAGES	6
/* Of the slot's own pages, the last holds its PRP list */
#define SLOT_DATA	((SLOT_PAGES - 1) * RAW_PAGE)
#define BIG_BYTES	(2U << 20)
#define BIG_PAGES	(BIG_BYTES / RAW_PAGE + 1)
#define GRANULE		8
#define PATIENCE_NS	(60 * RAW_S)
#define GARBAGE_QID	11
#define GARBAGE_QUEUES	4
#define GARBAGE_SIZE	32
#define MAX_RANGES	16
#define MAX_NS		16

enum kind {
	K_READ,
	K_WRITE,
	K_ZEROES,
	K_DSM,
	K_UNCOR,
	K_COMPARE,
	K_COMPARE_BAD,
	K_VERIFY,
	K_FLUSH,
	K_FUSED_COMPARE,
	K_FUSED_WRITE,
	K_COPY,
	K_BROKEN,
	K_GARBAGE,
};

/*
 * What a block holds, and what it holds if @maybe says that it may not: what
 * was written with a token to an origin, which is another block after a Copy.
 */
struct block {
	u64 token;
	u64 other;
	u32 origin;
	u32 other_origin;
	bool bad;
	bool other_bad;
	bool maybe;
};

struct range {
	u32 lba;
	u32 nlb;
};

struct slot {
	bool live;
	enum kind kind;
	u16 expect;
	struct raw_sqe sqe;
	struct range range;
	u64 token;
	/* Of the partner of a fused command: both or none */
	struct slot *partner;
	u16 status;
	u8 *area;
	u8 *pages[SLOT_PAGES];
	bool big;
	u32 offset;
	u32 bytes;
	unsigned int nr_ranges;
	struct range ranges[MAX_RANGES];
};

struct queue {
	struct raw_sq sq;
	u32 nr_slots;
	u32 first_slot;
	u32 used;
	u32 submitted;
};

static struct {
	u64 commands, admin, broken, garbage, doorbells, registers;
	u64 resets[6], compared, batches, aborted, events, doubtful, sweeps;
	u64 shadowed, sanitized;
} count;

static u64 seed, rnd;
static unsigned int lba_shift;
static u32 lba_bytes, nr_lba, max_nlb;
static struct block *blocks;
static u8 *busy;
static u16 *readers;
static u32 *doubts;
static u32 nr_doubts, nr_maybe;
/* At least as many as the device keeps apart */
static u32 bad_extents;
static bool any_bad;
static u64 next_token;

static struct raw_cq cqs[MAX_SQS];
static struct queue queues[MAX_SQS];
static unsigned int nr_sqs, nr_cqs;
static u32 cq_unrung[MAX_SQS];
static u32 max_slots;
static struct slot *slots;
static u8 *big_pages[BIG_PAGES];
static u8 *big_list;
static bool big_used;
static u8 *linear;
static u8 *admin_page;
static size_t rings_mark;
static bool admin_pending;
static u16 admin_cid;
static u64 admin_since;
static u32 *shadow_page, *event_page;
static bool fused_offered, copy_offered, dbbuf_offered;
static u8 unsupported[256];
static unsigned int nr_unsupported;

static u64 below(u64 n)
{
	return raw_random(&rnd) % n;
}

static bool one_in(u64 n)
{
	return !below(n);
}

__attribute__((format(printf, 1, 2), noreturn))
static void mismatched(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "DIFFERENCE: ");
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nin batch %llu of seed %llu, blocks of %u bytes\n",
		count.batches, seed, lba_bytes);
	printf("seed %llu: 1 difference after %llu commands\n", seed,
	       count.commands);
	exit(1);
}

/* --- contents ---------------------------------------------------------------- */

/* Token 0 is zeroes; others fill a block with what only they and it have */
static void fill_block(u8 *buf, u64 token, u32 lba)
{
	u64 word = raw_mix(token ^ (u64)lba << 32), step = word | 1;
	u32 i;

	if (!token) {
		memset(buf, 0, lba_bytes);
		return;
	}
	for (i = 0; i < lba_bytes; i += 8) {
		memcpy(buf + i, &word, 8);
		word += step;
	}
}

static bool holds(const u8 *buf, u64 token, u32 lba)
{
	u64 word = raw_mix(token ^ (u64)lba << 32), step = word | 1;
	u64 found;
	u32 i;

	if (!token)
		word = 0;
	if (!token)
		step = 0;
	for (i = 0; i < lba_bytes; i += 8) {
		memcpy(&found, buf + i, 8);
		if (found != word)
			return false;
		word += step;
	}
	return true;
}

/* --- a command's memory -------------------------------------------------------- */

static u8 *slot_piece(struct slot *slot, u32 at, u32 *len)
{
	u32 where = slot->offset + at;
	u8 *page = slot->big ? big_pages[where / RAW_PAGE] :
			       slot->pages[where / RAW_PAGE];

	*len = RAW_PAGE - where % RAW_PAGE;
	if (*len > slot->bytes - at)
		*len = slot->bytes - at;
	return page + where % RAW_PAGE;
}

static void scatter(struct slot *slot, const u8 *from)
{
	u32 at, len;

	for (at = 0; at < slot->bytes; at += len) {
		u8 *piece = slot_piece(slot, at, &len);

		memcpy(piece, from + at, len);
	}
}

static void gather(struct slot *slot, u8 *to)
{
	u32 at, len;

	for (at = 0; at < slot->bytes; at += len) {
		u8 *piece = slot_piece(slot, at, &len);

		memcpy(to + at, piece, len);
	}
}

#define GUARD	0xb6c5a4938271605fULL

/* What lies around the data and must stay: eight bytes on either side */
static void guards(struct slot *slot, bool set)
{
	u64 guard = GUARD;
	u8 *place[2] = { };
	u32 len, i;

	if (slot->offset >= 8)
		place[0] = slot_piece(slot, 0, &len) - 8;
	if ((slot->offset + slot->bytes) % RAW_PAGE &&
	    (slot->offset + slot->bytes) % RAW_PAGE <= RAW_PAGE - 8)
		place[1] = slot_piece(slot, slot->bytes - 4, &len) + 4;
	for (i = 0; i < 2; i++) {
		if (!place[i])
			continue;
		if (set)
			memcpy(place[i], &guard, 8);
		else if (memcmp(place[i], &guard, 8))
			mismatched("memory %s the data of a read was written: LBA %u, %u blocks",
				   i ? "behind" : "before", slot->range.lba,
				   slot->range.nlb);
	}
}

static u32 random_offset(u32 bytes, u32 room)
{
	u32 offset;

	switch (below(4)) {
	case 0:
		offset = 0;
		break;
	case 1:
		offset = 4 * below(RAW_PAGE / 4);
		break;
	case 2:
		offset = RAW_PAGE - 4 * (1 + below(8));
		break;
	default:
		offset = 512 * below(8);
		break;
	}
	if (offset + bytes > room)
		offset = room - bytes;
	return offset < RAW_PAGE ? offset : RAW_PAGE - 4;
}

/* Shuffles the slot's pages, and describes @bytes in them by PRPs */
static void place(struct slot *slot, struct raw_sqe *sqe, u32 bytes)
{
	u64 *list;
	u32 i, nr, at;

	slot->bytes = bytes;
	if (slot->big) {
		slot->offset = random_offset(bytes, BIG_PAGES * RAW_PAGE);
		raw_prps(sqe, big_pages, slot->offset, bytes,
			 (u64 *)big_list + below(400));
		return;
	}
	for (i = SLOT_PAGES - 2; i; i--) {
		u32 j = below(i + 1);
		u8 *page = slot->pages[i];

		slot->pages[i] = slot->pages[j];
		slot->pages[j] = page;
	}
	slot->offset = random_offset(bytes, SLOT_DATA);
	nr = (slot->offset + bytes + RAW_PAGE - 1) / RAW_PAGE;
	/* As many entries as there are without a page to go on in */
	at = below(RAW_PAGE / 8 - nr);
	list = (u64 *)slot->pages[SLOT_PAGES - 1] + at;
	raw_prps(sqe, slot->pages, slot->offset, bytes, list);
}

/* --- the model ------------------------------------------------------------------- */

static bool range_free(u32 lba, u32 nlb, bool change)
{
	u32 g;

	for (g = lba / GRANULE; g <= (lba + nlb - 1) / GRANULE; g++)
		if (busy[g] || (change && readers[g]))
			return false;
	return true;
}

static void range_take(u32 lba, u32 nlb, bool change)
{
	u32 g;

	for (g = lba / GRANULE; g <= (lba + nlb - 1) / GRANULE; g++) {
		if (change)
			busy[g] = 1;
		else
			readers[g]++;
	}
}

static bool range_is_doubtful(u32 lba, u32 nlb)
{
	u32 i;

	for (i = lba; nr_maybe && i < lba + nlb; i++)
		if (blocks[i].maybe)
			return true;
	return false;
}

static bool range_is_bad(u32 lba, u32 nlb)
{
	u32 i;

	for (i = lba; any_bad && i < lba + nlb; i++)
		if (blocks[i].bad)
			return true;
	return false;
}

static bool pick_range(struct range *range, u32 max, bool change)
{
	unsigned int tries;

	for (tries = 0; tries < 6; tries++) {
		u32 nlb = 1 + below(max);
		u32 lba = below(nr_lba - nlb + 1);

		/* The ends of the namespace, and pages, more often */
		if (one_in(32))
			lba = one_in(2) ? 0 : nr_lba - nlb;
		else if (one_in(2))
			lba &= ~(u32)(RAW_PAGE / lba_bytes - 1);
		if (!range_free(lba, nlb, change) ||
		    (change && range_is_doubtful(lba, nlb)))
			continue;
		range_take(lba, nlb, change);
		range->lba = lba;
		range->nlb = nlb;
		return true;
	}
	return false;
}

static void settle(struct block *block, u64 token, u32 origin, bool bad)
{
	nr_maybe -= block->maybe;
	*block = (struct block){
		.token = token, .origin = origin, .bad = bad,
	};
}

static void set_blocks(const struct range *range, u64 token, bool bad)
{
	u32 i;

	for (i = range->lba; i < range->lba + range->nlb; i++)
		settle(&blocks[i], bad ? blocks[i].token : token,
		       bad ? blocks[i].origin : i, bad);
	any_bad |= bad;
}

static void doubt_block(u32 lba, u64 token, u32 origin, bool bad)
{
	struct block *block = &blocks[lba];

	nr_maybe += !block->maybe;
	block->maybe = true;
	block->other = token;
	block->other_origin = origin;
	block->other_bad = bad;
	any_bad |= bad;
	doubts[nr_doubts++] = lba;
	count.doubtful++;
}

/* It may have happened or not, block by block: the next read tells */
static void doubt_blocks(const struct range *range, u64 token, bool bad)
{
	u32 i;

	for (i = range->lba; i < range->lba + range->nlb; i++)
		doubt_block(i, bad ? blocks[i].token : token,
			    bad ? blocks[i].origin : i, bad);
}

static void check_block(u32 lba, const u8 *buf, const char *how)
{
	struct block *block = &blocks[lba];
	u64 first;

	count.compared += lba_bytes;
	if (!block->bad && holds(buf, block->token, block->origin)) {
		settle(block, block->token, block->origin, false);
		return;
	}
	if (block->maybe && !block->other_bad &&
	    holds(buf, block->other, block->other_origin)) {
		settle(block, block->other, block->other_origin, false);
		return;
	}
	memcpy(&first, buf, 8);
	mismatched("%s: block %u holds %016llx..., not what was written (token %llu%s%s)",
		   how, lba, first, block->token, block->bad ? ", bad" : "",
		   block->maybe ? ", in doubt" : "");
}

/* What a read of these blocks may end with */
static void check_read_status(const struct range *range, u16 status)
{
	bool must = false, may = false;
	u32 i;

	for (i = range->lba; i < range->lba + range->nlb; i++) {
		const struct block *block = &blocks[i];

		may |= block->bad || (block->maybe && block->other_bad);
		must |= block->bad && (!block->maybe || block->other_bad);
	}
	if (status == SC_OK ? must : status != SC_READ_ERROR || !may)
		mismatched("a read of LBA %u, %u blocks ends with %#x, the blocks are %s",
			   range->lba, range->nlb, status,
			   must ? "bad" : may ? "in doubt" : "good");
	if (status && range->nlb == 1)
		settle(&blocks[range->lba], blocks[range->lba].token,
		       blocks[range->lba].origin, true);
}

/* --- making commands ---------------------------------------------------------- */

static u32 take_nlb_max(struct slot *slot)
{
	u32 max = SLOT_DATA / lba_bytes;

	slot->big = false;
	if (!big_used && one_in(256)) {
		slot->big = true;
		return max_nlb;
	}
	return one_in(12) ? max : RAW_PAGE / lba_bytes;
}

static void fill_expected(const struct range *range, u8 *to)
{
	u32 i;

	for (i = 0; i < range->nlb; i++)
		fill_block(to + i * lba_bytes, blocks[range->lba + i].token,
			   blocks[range->lba + i].origin);
}

static void make_read(struct slot *slot)
{
	struct raw_sqe *sqe = &slot->sqe;
	u64 token = GUARD;
	u32 len;

	sqe->opcode = N_READ;
	raw_lba(sqe, 1, slot->range.lba, slot->range.nlb);
	/* Limited Retry and FUA are always obeyed */
	sqe->cdw12 |= (u32)below(4) << 30;
	place(slot, sqe, slot->range.nlb * lba_bytes);
	memcpy(slot_piece(slot, 0, &len), &token, 4);
	guards(slot, true);
}

static void make_write(struct slot *slot)
{
	struct raw_sqe *sqe = &slot->sqe;
	u32 i;

	sqe->opcode = N_WRITE;
	raw_lba(sqe, 1, slot->range.lba, slot->range.nlb);
	sqe->cdw12 |= (u32)below(4) << 30;
	slot->token = next_token++;
	place(slot, sqe, slot->range.nlb * lba_bytes);
	for (i = 0; i < slot->range.nlb; i++)
		fill_block(linear + i * lba_bytes, slot->token,
			   slot->range.lba + i);
	scatter(slot, linear);
}

static void make_compare(struct slot *slot, bool equal)
{
	struct raw_sqe *sqe = &slot->sqe;

	sqe->opcode = N_COMPARE;
	raw_lba(sqe, 1, slot->range.lba, slot->range.nlb);
	place(slot, sqe, slot->range.nlb * lba_bytes);
	fill_expected(&slot->range, linear);
	if (!equal)
		linear[below(slot->bytes)] ^= 1 << below(8);
	scatter(slot, linear);
}

struct dsm_range {
	u32 cattr;
	u32 nlb;
	u64 slba;
};

static bool make_dsm(struct slot *slot)
{
	struct dsm_range *range = (struct dsm_range *)linear;
	u32 i, nr = 1 + below(one_in(4) ? MAX_RANGES : 2);

	slot->nr_ranges = 0;
	for (i = 0; i < nr; i++) {
		struct range *r = &slot->ranges[slot->nr_ranges];

		if (pick_range(r, one_in(8) ? 512 : 32, true))
			slot->nr_ranges++;
	}
	if (!slot->nr_ranges)
		return false;
	for (i = 0; i < slot->nr_ranges; i++)
		range[i] = (struct dsm_range){
			.nlb = slot->ranges[i].nlb,
			.slba = slot->ranges[i].lba,
			.cattr = one_in(2) ? raw_random(&rnd) : 0,
		};
	slot->sqe.opcode = N_DSM;
	slot->sqe.nsid = 1;
	slot->sqe.cdw10 = slot->nr_ranges - 1;
	slot->sqe.cdw11 = 4;
	slot->big = false;
	place(slot, &slot->sqe, slot->nr_ranges * sizeof(*range));
	scatter(slot, linear);
	return true;
}

/* TP4065: source ranges of format 0 behind each other to one place */
static bool make_copy(struct slot *slot)
{
	u32 nr = 1 + below(4), i, total = 0;
	u64 *range = (u64 *)linear;

	memset(linear, 0, 4 * 32);
	slot->nr_ranges = 0;
	for (i = 0; i < nr; i++) {
		struct range *r = &slot->ranges[slot->nr_ranges];

		/* What is in doubt cannot be told of what is copied */
		if (!pick_range(r, 12, false) ||
		    range_is_doubtful(r->lba, r->nlb))
			continue;
		range[4 * slot->nr_ranges + 1] = r->lba;
		range[4 * slot->nr_ranges + 2] = r->nlb - 1;
		total += r->nlb;
		slot->nr_ranges++;
	}
	if (!slot->nr_ranges)
		return false;
	slot->range.nlb = total;
	slot->range.lba = below(nr_lba - total + 1);
	if (!range_free(slot->range.lba, total, true) ||
	    range_is_doubtful(slot->range.lba, total))
		return false;
	range_take(slot->range.lba, total, true);
	slot->sqe.opcode = N_COPY;
	slot->sqe.nsid = 1;
	slot->sqe.cdw10 = slot->range.lba;
	slot->sqe.cdw12 = slot->nr_ranges - 1;
	slot->big = false;
	place(slot, &slot->sqe, slot->nr_ranges * 32);
	scatter(slot, linear);
	return true;
}

static bool copy_reads_bad(struct slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->nr_ranges; i++)
		if (range_is_bad(slot->ranges[i].lba, slot->ranges[i].nlb))
			return true;
	return false;
}

/* Each block of it gets what the source has, or may have got it */
static void copy_blocks(struct slot *slot, bool sure)
{
	u32 to = slot->range.lba, i, from;

	for (i = 0; i < slot->nr_ranges; i++) {
		const struct range *r = &slot->ranges[i];

		for (from = r->lba; from < r->lba + r->nlb; from++, to++) {
			const struct block *block = &blocks[from];

			if (sure)
				settle(&blocks[to], block->token,
				       block->origin, false);
			else
				doubt_block(to, block->token, block->origin,
					    false);
		}
	}
}

/* One command of the model; false when its blocks are in use */
static bool make_valid(struct slot *slot)
{
	struct raw_sqe *sqe = &slot->sqe;
	u32 max = take_nlb_max(slot);

	if (nr_doubts) {
		u32 lba = doubts[nr_doubts - 1];

		/* One block alone, which tells of itself */
		if (!blocks[lba].maybe) {
			nr_doubts--;
		} else if (range_free(lba, 1, false) && one_in(2)) {
			nr_doubts--;
			slot->big = false;
			slot->kind = K_READ;
			slot->range = (struct range){ lba, 1 };
			range_take(lba, 1, false);
			make_read(slot);
			return true;
		}
	}

	switch (below(16)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		slot->kind = K_READ;
		if (!pick_range(&slot->range, max, false))
			return false;
		make_read(slot);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		slot->kind = K_WRITE;
		if (!pick_range(&slot->range, max, true))
			return false;
		make_write(slot);
		break;
	case 10:
		slot->big = false;
		slot->kind = K_ZEROES;
		if (!pick_range(&slot->range, one_in(8) ? 2048 : 16, true))
			return false;
		sqe->opcode = N_ZEROES;
		raw_lba(sqe, 1, slot->range.lba, slot->range.nlb);
		/* With and without Deallocate */
		sqe->cdw12 |= (u32)below(2) << 25;
		break;
	case 11:
		slot->kind = copy_offered && one_in(2) ? K_COPY : K_DSM;
		return slot->kind == K_COPY ? make_copy(slot) : make_dsm(slot);
	case 12:
		slot->big = false;
		slot->kind = K_VERIFY;
		if (one_in(3)) {
			slot->kind = K_FLUSH;
			sqe->opcode = N_FLUSH;
			sqe->nsid = one_in(2) ? 1 : NSID_ALL;
			break;
		}
		if (one_in(8) && bad_extents < 60) {
			slot->kind = K_UNCOR;
			if (!pick_range(&slot->range, 16, true))
				return false;
			sqe->opcode = N_UNCOR;
			raw_lba(sqe, 1, slot->range.lba, slot->range.nlb);
			bad_extents += 2;
			break;
		}
		if (!pick_range(&slot->range, one_in(4) ? 1000 : 32, false))
			return false;
		sqe->opcode = N_VERIFY;
		raw_lba(sqe, 1, slot->range.lba, slot->range.nlb);
		break;
	default:
		if (!pick_range(&slot->range, max, false))
			return false;
		if (range_is_doubtful(slot->range.lba, slot->range.nlb)) {
			slot->kind = K_READ;
			make_read(slot);
			break;
		}
		slot->kind = one_in(2) ? K_COMPARE : K_COMPARE_BAD;
		make_compare(slot, slot->kind == K_COMPARE);
		break;
	}
	big_used |= slot->big;
	return true;
}

static u64 no_memory(void)
{
	return raw_no_memory[below(raw_nr_no_memory)];
}

/* Takes a valid read, write or compare and breaks one thing of it */
static void make_broken(struct slot *slot)
{
	static const u8 ops[] = { N_READ, N_WRITE, N_COMPARE };
	struct raw_sqe *sqe = &slot->sqe;
	u32 nlb = 1 + below(SLOT_DATA / lba_bytes);
	u64 lba = below(nr_lba - nlb + 1);
	u64 *list = (u64 *)slot->pages[SLOT_PAGES - 1];
	struct dsm_range *dsm;

	slot->kind = K_BROKEN;
	slot->big = false;
	slot->range = (struct range){ lba, nlb };
	sqe->opcode = ops[below(3)];
	raw_lba(sqe, 1, lba, nlb);
	place(slot, sqe, nlb * lba_bytes);

	switch (below(15)) {
	case 0:
		sqe->opcode = unsupported[below(nr_unsupported)];
		slot->expect = SC_OPCODE;
		break;
	case 1:
		sqe->nsid = one_in(2) ? 0 : NSID_ALL - below(1000);
		slot->expect = SC_NS;
		break;
	case 2:
		raw_lba(sqe, 1, nr_lba - nlb + 1 + below(nlb), nlb);
		slot->expect = SC_LBA_RANGE;
		break;
	case 3:
		raw_lba(sqe, 1, nr_lba + (raw_random(&rnd) >> below(64)) % (1ULL << 62), nlb);
		slot->expect = SC_LBA_RANGE;
		break;
	case 4:
		raw_lba(sqe, 1, ~0ULL - below(nlb), nlb);
		slot->expect = SC_LBA_RANGE;
		break;
	case 5:
		raw_lba(sqe, 1, 0, max_nlb + 1 + below(65536 - max_nlb));
		slot->expect = SC_FIELD;
		break;
	case 6:
		sqe->prp1 |= 1 + below(3);
		slot->expect = SC_PRP_OFFSET;
		break;
	case 7:
		sqe->prp1 = no_memory() + slot->offset % RAW_PAGE;
		slot->expect = SC_XFER;
		break;
	case 8:
	case 9:
		/* Exactly two pages */
		place(slot, sqe, RAW_PAGE);
		slot->offset = 4 * (1 + below(1023));
		raw_prps(sqe, slot->pages, slot->offset, RAW_PAGE, list);
		raw_lba(sqe, 1, lba, RAW_PAGE / lba_bytes);
		if (lba + RAW_PAGE / lba_bytes > nr_lba)
			raw_lba(sqe, 1, 0, RAW_PAGE / lba_bytes);
		if (one_in(2)) {
			sqe->prp2 |= 1 + below(RAW_PAGE - 1);
			slot->expect = SC_PRP_OFFSET;
		} else {
			sqe->prp2 = no_memory();
			slot->expect = SC_XFER;
		}
		break;
	case 10:
	case 11:
		/* Four pages, of which the list has three */
		raw_lba(sqe, 1, 0, 4 * RAW_PAGE / lba_bytes);
		slot->range = (struct range){ 0, 4 * RAW_PAGE / lba_bytes };
		slot->bytes = 4 * RAW_PAGE;
		slot->offset = 0;
		raw_prps(sqe, slot->pages, 0, 4 * RAW_PAGE, list);
		switch (below(4)) {
		case 0:
			sqe->prp2 |= 1 + below(7);
			slot->expect = SC_PRP_OFFSET;
			break;
		case 1:
			sqe->prp2 = no_memory() + 8 * below(512);
			slot->expect = SC_XFER;
			break;
		case 2:
			list[below(3)] |= 1 + below(RAW_PAGE - 1);
			slot->expect = SC_PRP_OFFSET;
			break;
		default:
			list[below(3)] = no_memory();
			slot->expect = SC_XFER;
			break;
		}
		break;
	case 12:
		sqe->flags = 0x40 << below(2);
		slot->expect = SC_FIELD;
		break;
	case 13:
		sqe->flags = 3;
		slot->expect = SC_FIELD;
		break;
	default:
		dsm = (struct dsm_range *)linear;
		dsm[0] = (struct dsm_range){ .slba = lba, .nlb = nlb };
		dsm[1] = (struct dsm_range){ .slba = nr_lba - below(4),
					     .nlb = 5 + below(100) };
		sqe->opcode = N_DSM;
		sqe->cdw10 = 1;
		sqe->cdw11 = 4;
		sqe->cdw12 = 0;
		place(slot, sqe, 32);
		scatter(slot, linear);
		slot->expect = SC_LBA_RANGE;
		return;
	}
	/* Nothing of it may be written to a block, or by a read to memory */
	memset(linear, 0x5a, slot->bytes);
	scatter(slot, linear);
}

/* A Compare and Write: two slots in a row of one queue */
static bool make_fused(struct slot *first, struct slot *second)
{
	struct range range;

	if (!pick_range(&range, RAW_PAGE / lba_bytes, true))
		return false;
	first->kind = K_FUSED_COMPARE;
	second->kind = K_FUSED_WRITE;
	first->range = range;
	second->range = range;
	first->big = false;
	second->big = false;
	first->token = one_in(2);
	make_compare(first, first->token);
	make_write(second);
	first->sqe.flags = FUSE_FIRST;
	second->sqe.flags = FUSE_SECOND;
	first->partner = second;
	second->partner = first;
	return true;
}

/* --- checking completions ------------------------------------------------------- */

static void want(struct slot *slot, u16 status, u16 wanted)
{
	if (status != wanted)
		mismatched("opcode %#x, LBA %u, %u blocks ends with %#x instead of %#x (prp %llx %llx, offset %u, %u bytes)",
			   slot->sqe.opcode, slot->range.lba, slot->range.nlb,
			   status, wanted, slot->sqe.prp1, slot->sqe.prp2,
			   slot->offset, slot->bytes);
}

/* What has changed once the command has succeeded */
static void apply(struct slot *slot)
{
	unsigned int i;

	switch (slot->kind) {
	case K_WRITE:
	case K_FUSED_WRITE:
		bad_extents += range_is_bad(slot->range.lba, slot->range.nlb);
		set_blocks(&slot->range, slot->token, false);
		break;
	case K_ZEROES:
		bad_extents += range_is_bad(slot->range.lba, slot->range.nlb);
		set_blocks(&slot->range, 0, false);
		break;
	case K_UNCOR:
		set_blocks(&slot->range, 0, true);
		break;
	case K_COPY:
		bad_extents += range_is_bad(slot->range.lba, slot->range.nlb);
		copy_blocks(slot, true);
		break;
	case K_DSM:
		for (i = 0; i < slot->nr_ranges; i++) {
			bad_extents += range_is_bad(slot->ranges[i].lba,
						    slot->ranges[i].nlb);
			set_blocks(&slot->ranges[i], 0, false);
		}
		break;
	default:
		break;
	}
}

/* What may have changed when it was interrupted */
static void doubt(struct slot *slot)
{
	unsigned int i;

	bad_extents += slot->kind != K_READ && any_bad;
	switch (slot->kind) {
	case K_READ:
		/* It should have told of a block in doubt */
		if (slot->range.nlb == 1 && blocks[slot->range.lba].maybe)
			doubts[nr_doubts++] = slot->range.lba;
		break;
	case K_WRITE:
	case K_FUSED_WRITE:
		doubt_blocks(&slot->range, slot->token, false);
		break;
	case K_ZEROES:
		doubt_blocks(&slot->range, 0, false);
		break;
	case K_UNCOR:
		doubt_blocks(&slot->range, 0, true);
		break;
	case K_COPY:
		copy_blocks(slot, false);
		break;
	case K_DSM:
		for (i = 0; i < slot->nr_ranges; i++)
			doubt_blocks(&slot->ranges[i], 0, false);
		break;
	default:
		break;
	}
}

static void check_read_data(struct slot *slot)
{
	u32 i;

	gather(slot, linear);
	for (i = 0; i < slot->range.nlb; i++)
		check_block(slot->range.lba + i, linear + i * lba_bytes,
			    "a read");
}

/* A command that had to be refused: its memory is as it was */
static void check_refused(struct slot *slot, u16 status)
{
	u32 i;

	want(slot, status, slot->expect);
	gather(slot, linear);
	for (i = 0; slot->sqe.opcode != N_DSM && i < slot->bytes; i++)
		if (linear[i] != 0x5a)
			mismatched("opcode %#x was refused with %#x and wrote byte %u of its buffer",
				   slot->sqe.opcode, status, i);
	count.broken++;
}

static void check_fused(struct slot *compare, struct slot *write)
{
	bool bad = range_is_bad(compare->range.lba, compare->range.nlb);

	if (bad)
		want(compare, compare->status, SC_READ_ERROR);
	else
		want(compare, compare->status,
		     compare->token ? SC_OK : SC_COMPARE);
	want(write, write->status, compare->status ? SC_FUSED_FAIL : SC_OK);
	if (!write->status)
		apply(write);
}

static void finish(struct slot *slot, u16 status)
{
	bool bad;

	if (status == SC_ABORTED) {
		count.aborted++;
		if (slot->kind != K_FUSED_COMPARE)
			doubt(slot);
		if (slot->partner)
			slot->partner->partner = NULL;
		return;
	}
	switch (slot->kind) {
	case K_READ:
		check_read_status(&slot->range, status);
		guards(slot, false);
		if (!status)
			check_read_data(slot);
		break;
	case K_VERIFY:
		check_read_status(&slot->range, status);
		break;
	case K_COMPARE:
	case K_COMPARE_BAD:
		bad = range_is_bad(slot->range.lba, slot->range.nlb);
		want(slot, status, bad ? SC_READ_ERROR :
		     slot->kind == K_COMPARE ? SC_OK : SC_COMPARE);
		count.compared += slot->bytes;
		break;
	case K_FUSED_COMPARE:
	case K_FUSED_WRITE:
		slot->status = status;
		if (!slot->partner)
			doubt(slot);
		else if (!slot->partner->live)
			check_fused(slot->kind == K_FUSED_COMPARE ? slot :
				    slot->partner,
				    slot->kind == K_FUSED_WRITE ? slot :
				    slot->partner);
		break;
	case K_COPY:
		bad = copy_reads_bad(slot);
		want(slot, status, bad ? SC_READ_ERROR : SC_OK);
		if (!bad)
			apply(slot);
		break;
	case K_BROKEN:
		check_refused(slot, status);
		break;
	case K_GARBAGE:
		count.garbage++;
		break;
	default:
		want(slot, status, SC_OK);
		apply(slot);
		break;
	}
}

/* --- the queues ------------------------------------------------------------------- */

static struct queue *queue_of(u16 sqid)
{
	unsigned int i;

	for (i = 0; i < nr_sqs; i++)
		if (queues[i].sq.qid == sqid)
			return &queues[i];
	return NULL;
}

/* Takes what has been posted; the head doorbell may lag behind */
static bool reap(void)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < nr_cqs; i++) {
		struct raw_cq *cq = &cqs[i];
		struct raw_cqe cqe;
		u32 before = cq_unrung[i];

		while (raw_get(cq, &cqe)) {
			struct queue *queue = queue_of(cqe.sqid);
			struct slot *slot;

			any = true;
			if (++cq_unrung[i] >= cq->size)
				mismatched("completion queue %u of %u entries holds %u completions that were not taken off",
					   cq->qid, cq->size, cq_unrung[i]);
			if (!queue || queue->sq.cq != cq)
				mismatched("completion queue %u has a completion of submission queue %u",
					   cq->qid, cqe.sqid);
			if (cqe.cid >= queue->used ||
			    !slots[queue->first_slot + cqe.cid].live)
				mismatched("queue %u completes command %u, which it does not have",
					   cqe.sqid, cqe.cid);
			if (cqe.sqhd >= queue->sq.size || cqe.rsvd)
				mismatched("queue %u reports its head at %u of %u",
					   cqe.sqid, cqe.sqhd, queue->sq.size);
			slot = &slots[queue->first_slot + cqe.cid];
			slot->live = false;
			queue->submitted--;
			count.commands++;
			finish(slot, raw_sc(&cqe));
		}
		/* Lazily, so that the queue runs full now and then */
		if (cq_unrung[i] && (cq_unrung[i] == before ||
				     cq_unrung[i] >= cq->size / 2)) {
			raw_ring_cq(cq);
			cq_unrung[i] = 0;
		}
	}
	return any;
}

static bool reap_admin(void)
{
	struct raw_cqe cqe;
	bool any = false;

	while (raw_get(&raw_acq, &cqe)) {
		raw_ring_cq(&raw_acq);
		any = true;
		if (admin_pending && cqe.cid == admin_cid)
			admin_pending = false;
		else
			count.events++;
	}
	if (admin_pending && raw_now_ns() - admin_since > PATIENCE_NS)
		mismatched("an admin command has no completion after %llu s: opcode %#x",
			   PATIENCE_NS / RAW_S,
			   raw_asq.ring[(raw_asq.tail + raw_asq.size - 1) %
					raw_asq.size].opcode);
	return any;
}

static void wait_admin(void)
{
	while (admin_pending) {
		if (!reap_admin())
			raw_pause();
		reap();
	}
}

static void submit_admin(const struct raw_sqe *sqe)
{
	wait_admin();
	admin_cid = raw_put(&raw_asq, sqe);
	admin_pending = true;
	admin_since = raw_now_ns();
	raw_ring(&raw_asq);
	count.admin++;
}

/* An admin command that has to succeed, while others may be reported */
static void admin_must(const struct raw_sqe *sqe, const char *what)
{
	u64 end = raw_now_ns() + PATIENCE_NS;
	struct raw_cqe cqe;
	u16 cid = raw_put(&raw_asq, sqe);

	raw_ring(&raw_asq);
	for (;;) {
		while (!raw_get(&raw_acq, &cqe)) {
			if (raw_now_ns() > end)
				mismatched("%s: no completion", what);
			raw_pause();
		}
		raw_ring_cq(&raw_acq);
		if (cqe.cid == cid)
			break;
	}
	count.admin++;
	if (raw_sc(&cqe))
		mismatched("%s: status %#x", what, raw_sc(&cqe));
}

static void create_queues(void)
{
	u32 left = max_slots, i;

	nr_cqs = 1 + below(3);
	nr_sqs = nr_cqs + below(MAX_SQS - nr_cqs + 1);
	for (i = 0; i < nr_cqs; i++) {
		struct raw_sqe sqe = { .opcode = A_CREATE_CQ, .cdw11 = 1 };

		raw_cq_init(&cqs[i], 1 + i, one_in(3) ? 2 + below(20) :
			    2 + below(1023));
		sqe.prp1 = raw_addr(cqs[i].ring);
		sqe.cdw10 = (cqs[i].size - 1) << 16 | cqs[i].qid;
		admin_must(&sqe, "Create I/O Completion Queue");
		cq_unrung[i] = 0;
	}
	for (i = 0; i < nr_sqs; i++) {
		struct queue *queue = &queues[i];
		struct raw_sqe sqe = { .opcode = A_CREATE_SQ };
		u32 size = one_in(4) ? 3 + below(20) : 3 + below(300);

		raw_sq_init(&queue->sq, 1 + i, size, &cqs[i % nr_cqs]);
		queue->first_slot = max_slots - left;
		queue->nr_slots = size - 1;
		if (queue->nr_slots > max_slots / nr_sqs)
			queue->nr_slots = max_slots / nr_sqs;
		left -= queue->nr_slots;
		queue->used = 0;
		queue->submitted = 0;
		sqe.prp1 = raw_addr(queue->sq.ring);
		sqe.cdw10 = (size - 1) << 16 | queue->sq.qid;
		sqe.cdw11 = (u32)queue->sq.cq->qid << 16 |
			    (u32)below(4) << 1 | 1;
		admin_must(&sqe, "Create I/O Submission Queue");
	}
}

/* The namespace of the model: the first, and not all of the storage */
static void create_model(void)
{
	u64 total;

	raw_need(!raw_identify(1, 0, admin_page));
	memcpy(&total, admin_page + 280, sizeof(total));
	dbbuf_offered = admin_page[257] & 1;
	copy_offered = admin_page[521] & 1;
	fused_offered = admin_page[522] & 1;
	max_nlb = (RAW_PAGE << admin_page[77]) / lba_bytes;
	if (max_nlb > BIG_BYTES / lba_bytes)
		raw_die("MDTS is larger than this test knows of");
	nr_lba = (total - (4U << 20)) / lba_bytes & ~(GRANULE - 1U);
	if (nr_lba > (32U << 20) / lba_bytes)
		nr_lba = (32U << 20) / lba_bytes;
	garbage_namespaces(nr_lba, lba_shift == 12, admin_page);
}

/* I/O opcodes that the device itself says it does not have */
static void find_unsupported(void)
{
	u32 opcode, effects;

	raw_need(!raw_get_log(5, admin_page, RAW_PAGE));
	for (opcode = 0; opcode < 256; opcode++) {
		memcpy(&effects, admin_page + 1024 + 4 * opcode, 4);
		if (!(effects & 1))
			unsupported[nr_unsupported++] = opcode;
	}
	raw_need(nr_unsupported);
}

/* --- a hostile host ------------------------------------------------------------- */

static bool is_ours(u32 qid)
{
	return qid <= MAX_SQS;
}

static void harass_doorbells(void)
{
	u32 qid = below(4) ? GARBAGE_QID + below(GARBAGE_QUEUES) : below(300);
	/* A tail that cannot be stops its queue: not too often */
	u32 value = below(16) ? below(GARBAGE_SIZE) : garbage_number(&rnd);
	bool cq = one_in(3);

	count.doorbells++;
	/* Nobody but us reads where the event indices are */
	if (raw_shadows && one_in(2)) {
		if (!is_ours(qid))
			__atomic_store_n(&raw_shadows[2 * qid + cq], value,
					 __ATOMIC_RELEASE);
		__atomic_store_n(&event_page[below(RAW_PAGE / 4)], value,
				 __ATOMIC_RELEASE);
		return;
	}
	if (!is_ours(qid)) {
		if (R_DOORBELLS + 8 * qid + 4 < 0x2000)
			raw_write32(raw_doorbell(qid, cq), value);
		return;
	}
	/* Ours see a tail that cannot be before a reset, see spoil_queue() */
	if (qid > nr_sqs)
		raw_write32(raw_doorbell(qid, false), value);
}

static void harass_registers(void)
{
	/* Not CC and NSSR, also not by a write of eight bytes */
	static const u16 regs[] = {
		R_CAP, R_CAP + 4, R_VS, R_INTMS, R_INTMC, 0x18, R_CSTS,
		R_AQA, R_ASQ, R_ASQ + 4, R_ACQ, R_ACQ + 4, R_CMBLOC, R_CMBSZ,
		0x40, 0x44, 0x48, 0x4c, 0x50, 0x58, 0xe00, 0xe04, 0xffc,
	};
	u16 reg = regs[below(ARRAY_SIZE(regs))];

	count.registers++;
	if (one_in(4) && !(reg & 7) && reg != R_INTMC)
		raw_write64(reg, (u64)garbage_number(&rnd) << 32 | garbage_number(&rnd));
	else
		raw_write32(reg, garbage_number(&rnd));
}

static void harass_memory(void)
{
	if (one_in(2))
		garbage_list_entry(&rnd);
	else
		garbage_entry(&rnd);
}

/* No admin command here may touch namespace 1 or what is ours of the queues */
static void make_admin(struct raw_sqe *sqe)
{
	static const u8 often[] = {
		A_DELETE_SQ, A_CREATE_SQ, A_GET_LOG, A_DELETE_CQ, A_CREATE_CQ,
		A_IDENTIFY, A_ABORT, A_SET_FEATURES, A_GET_FEATURES, A_AER,
		A_NS_MGMT, A_NS_ATTACH, A_FORMAT, A_SELF_TEST,
	};
	u32 i, qid = GARBAGE_QID + below(GARBAGE_QUEUES);

	garbage_sqe(&rnd, sqe);
	sqe->opcode = one_in(8) ? below(256) :
		      often[below(sizeof(often))];
	switch (sqe->opcode) {
	case A_SANITIZE:
	case A_DBBUF:
		/* Those would be seen by the model's commands */
		sqe->opcode = A_IDENTIFY;
		break;
	case A_CREATE_SQ:
	case A_CREATE_CQ:
		/* Up to 1024 entries, all of them in their place */
		if (sqe->opcode == A_CREATE_SQ)
			sqe->prp1 = garbage_sq_addr(&rnd);
		else
			sqe->prp1 = garbage_cq_addr(&rnd);
		if (one_in(8))
			sqe->prp1 |= below(RAW_PAGE);
		if (one_in(8))
			sqe->prp1 = no_memory();
		i = one_in(8) ? 0xffff : one_in(2) ? below(1024) :
						     GARBAGE_SIZE - 1;
		sqe->cdw10 = i << 16 | (one_in(8) ? 7 + below(65529) : qid);
		sqe->cdw11 = (sqe->opcode == A_CREATE_SQ ? qid << 16 : 0) | 1;
		if (one_in(4))
			sqe->cdw11 = garbage_number(&rnd);
		if (!one_in(8))
			sqe->flags = 0;
		/* Not into the model's completion queues */
		if (sqe->opcode == A_CREATE_SQ && is_ours(sqe->cdw11 >> 16))
			sqe->cdw11 |= 8 << 16;
		break;
	case A_DELETE_SQ:
	case A_DELETE_CQ:
		sqe->cdw10 = one_in(2) ? qid : 7 + below(60000);
		break;
	case A_ABORT:
		/* Some of the model's are among them */
		sqe->cdw10 = one_in(2) ? below(8) | below(64) << 16 :
					 garbage_number(&rnd);
		break;
	case A_SET_FEATURES:
		/* Interrupt coalescing and the like change no data */
		sqe->cdw10 = (one_in(8) ? garbage_number(&rnd) : 0) | below(0x90);
		sqe->cdw10 &= ~0xff00U;
		break;
	case A_GET_FEATURES:
		sqe->cdw10 = below(0x800);
		break;
	case A_GET_LOG:
		sqe->cdw10 = below(0x20) | below(1024) << 16;
		break;
	case A_NS_MGMT:
		sqe->cdw10 = below(2);
		break;
	}
}

static void harass(void)
{
	struct raw_sqe sqe;

	switch (below(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		harass_doorbells();
		break;
	case 4:
	case 5:
		harass_registers();
		break;
	case 6:
	case 7:
	case 8:
		harass_memory();
		break;
	default:
		reap_admin();
		if (admin_pending)
			break;
		make_admin(&sqe);
		/* What asks for events is completed by them, or a reset */
		if (sqe.opcode == A_AER) {
			raw_put(&raw_asq, &sqe);
			raw_ring(&raw_asq);
			sqe = (struct raw_sqe){ .opcode = A_GET_FEATURES,
						.cdw10 = 7 };
		}
		submit_admin(&sqe);
		break;
	}
}

/* --- resets ---------------------------------------------------------------------- */

static void must_reset(bool good, const char *what)
{
	if (!good)
		mismatched("%s: CC %#x, CSTS %#x", what, raw_read32(R_CC),
			   raw_read32(R_CSTS));
}

static void enable(void)
{
	int status;

	raw_release(rings_mark);
	/* Weighted round robin now and then, where it is offered */
	must_reset(raw_enable_cc(CC_NORMAL | CC_EN |
				 (raw_read64(R_CAP) >> 17 & one_in(3)) << 11,
				 64, 64), "the controller does not get ready");
	admin_pending = false;
	create_queues();
	if (dbbuf_offered && one_in(2)) {
		memset(shadow_page, 0, RAW_PAGE);
		memset(event_page, 0, RAW_PAGE);
		status = raw_use_shadows(shadow_page, event_page);
		/* Not among what is allowed then: 8.15.1 */
		if (status && status != SC_SANITIZING)
			mismatched("Doorbell Buffer Config: status %#x", status);
		count.shadowed += !status;
	}
}

/* What was submitted and not seen completed may have happened or not */
static void interrupted(void)
{
	u32 i;

	/* What is there is there */
	reap();
	for (i = 0; i < max_slots; i++) {
		struct slot *slot = &slots[i];

		if (!slot->live)
			continue;
		slot->live = false;
		if (slot->kind != K_FUSED_COMPARE)
			doubt(slot);
		if (slot->partner && !slot->partner->live &&
		    slot->kind == K_FUSED_COMPARE)
			doubt(slot->partner);
	}
}

/* Nothing more of that queue is fetched; what was fetched is there or not */
static void spoil_queue(void)
{
	struct raw_sq *sq = &queues[below(nr_sqs)].sq;
	u32 tail = sq->size + below(65536);

	if (raw_shadows)
		__atomic_store_n(&raw_shadows[2 * sq->qid], tail,
				 __ATOMIC_RELEASE);
	else
		raw_write32(raw_doorbell(sq->qid, false), tail);
	count.doorbells++;
}

static void shut_down(u32 how)
{
	raw_write32(R_CC, CC_NORMAL | CC_EN | how);
	must_reset(raw_wait_csts(CSTS_SHST, CSTS_SHST_DONE, PATIENCE_NS),
		   "the controller does not shut down");
	must_reset(raw_disable(), "the controller is not disabled");
}

static void reset_controller(void)
{
	unsigned int how = below(6);
	u32 wrong;

	if (one_in(3))
		spoil_queue();
	/* What was written there at random must not be taken for an answer */
	must_reset(raw_wait_csts(~CSTS_NSSRO, CSTS_RDY, PATIENCE_NS),
		   "CSTS does not come back");
	switch (how) {
	case 0:
		shut_down(CC_SHN_NORMAL);
		break;
	case 1:
		shut_down(CC_SHN_ABRUPT);
		break;
	case 2:
		raw_write32(R_NSSR, NSSR_RESET);
		must_reset(raw_wait_csts(CSTS_RDY, 0, PATIENCE_NS),
			   "no reset by NSSR");
		must_reset(raw_disable(), "after NSSR");
		break;
	case 3:
		if (raw_flr()) {
			must_reset(raw_wait_csts(CSTS_RDY, 0, PATIENCE_NS),
				   "no function level reset");
			break;
		}
		/* Without one */
		how = 4;
		fallthrough;
	default:
		must_reset(raw_disable(), "the controller is not disabled");
		break;
	}
	interrupted();
	count.resets[how]++;
	if (one_in(3)) {
		/* Fields that it must not accept */
		wrong = one_in(2) ? 1U << (4 + below(3)) :
				    1U << (7 + below(4));
		raw_write32(R_CC, CC_NORMAL | CC_EN | wrong);
		must_reset(raw_wait_csts(CSTS_CFS | CSTS_RDY, CSTS_CFS,
					 PATIENCE_NS),
			   "a CC that is not offered is accepted");
		must_reset(raw_disable(), "CFS stays");
	}
	enable();
}

/* --- batches ---------------------------------------------------------------------- */

static struct slot *slot_next(struct queue *queue)
{
	struct slot *slot;

	if (queue->used == queue->nr_slots)
		return NULL;
	slot = &slots[queue->first_slot + queue->used];
	memset(&slot->sqe, 0, sizeof(slot->sqe));
	slot->partner = NULL;
	slot->nr_ranges = 0;
	return slot;
}

static void slot_submit(struct queue *queue, struct slot *slot)
{
	struct raw_sq *sq = &queue->sq;

	slot->live = true;
	slot->sqe.cid = queue->used++;
	sq->ring[sq->tail] = slot->sqe;
	if (++sq->tail == sq->size)
		sq->tail = 0;
	queue->submitted++;
}

static bool add_command(struct queue *queue)
{
	struct slot *slot = slot_next(queue), *second;

	if (!slot)
		return false;
	switch (below(12)) {
	case 0:
		make_broken(slot);
		break;
	case 1:
		slot->kind = K_GARBAGE;
		slot->big = false;
		garbage_sqe(&rnd, &slot->sqe);
		/* A second page, where it cannot be taken for a list */
		if (slot->sqe.opcode <= N_COMPARE && one_in(2)) {
			slot->sqe.cdw12 = 0;
			slot->sqe.prp2 = garbage_addr(&rnd);
		}
		/* It would join with what comes before or behind it */
		slot->sqe.flags &= ~3;
		break;
	case 2:
		if (fused_offered && queue->used + 2 <= queue->nr_slots) {
			queue->used++;
			second = slot_next(queue);
			queue->used--;
			if (make_fused(slot, second)) {
				slot_submit(queue, slot);
				slot_submit(queue, second);
				return true;
			}
		}
		fallthrough;
	default:
		if (!make_valid(slot))
			return false;
		break;
	}
	slot_submit(queue, slot);
	return true;
}

/* Doorbells only between the halves of fused commands' pairs, after both */
static void submit_batch(void)
{
	u32 i, n, rings = 0;

	memset(busy, 0, nr_lba / GRANULE + 1);
	memset(readers, 0, sizeof(*readers) * (nr_lba / GRANULE + 1));
	big_used = false;
	for (i = 0; i < nr_sqs; i++)
		queues[i].used = 0;
	for (n = 0; n < max_slots; n++) {
		struct queue *queue = &queues[below(nr_sqs)];

		add_command(queue);
		if (one_in(64)) {
			raw_ring(&queue->sq);
			rings++;
		}
	}
	for (i = 0; i < nr_sqs; i++)
		raw_ring(&queues[i].sq);
}

static bool outstanding(void)
{
	unsigned int i;

	for (i = 0; i < nr_sqs; i++)
		if (queues[i].submitted)
			return true;
	return false;
}

static void report_lost(void)
{
	u32 i;

	for (i = 0; i < max_slots; i++) {
		struct slot *slot = &slots[i];

		if (slot->live)
			mismatched("no completion after %llu s: opcode %#x, nsid %#x, LBA %u, %u blocks, kind %u",
				   PATIENCE_NS / RAW_S, slot->sqe.opcode,
				   slot->sqe.nsid, slot->range.lba,
				   slot->range.nlb, slot->kind);
	}
}

/* Every block, by the largest reads there are */
static void sweep(void)
{
	struct raw_sq *sq = &queues[0].sq;
	u32 lba, n, i;

	for (lba = 0; lba < nr_lba; lba += n) {
		struct slot slot = { .big = true };
		struct raw_cqe cqe;
		u64 end = raw_now_ns() + PATIENCE_NS;

		n = nr_lba - lba < max_nlb ? nr_lba - lba : max_nlb;
		/* Around what cannot be read; blocks in doubt one by one */
		for (i = 0; i < n; i++)
			if (blocks[lba + i].bad || blocks[lba + i].maybe)
				break;
		n = i ? i : 1;
		slot.range = (struct range){ lba, n };
		make_read(&slot);
		raw_put(sq, &slot.sqe);
		raw_ring(sq);
		while (!raw_get(sq->cq, &cqe)) {
			if (raw_now_ns() > end)
				mismatched("no completion of a read at %u",
					   lba);
			raw_pause();
		}
		raw_ring_cq(sq->cq);
		check_read_status(&slot.range, raw_sc(&cqe));
		if (!raw_sc(&cqe))
			check_read_data(&slot);
	}
	nr_doubts = 0;
	count.sweeps++;
}

/* The device keeps a limited number of bad extents: begin anew in time */
static void erase_bad(void)
{
	struct raw_sq *sq = &queues[0].sq;
	u32 lba, n;

	for (lba = 0; lba < nr_lba; lba += n) {
		struct raw_sqe sqe = { .opcode = N_ZEROES };
		struct range range = { .lba = lba };
		int sc;

		n = nr_lba - lba < 65536 ? nr_lba - lba : 65536;
		range.nlb = n;
		raw_lba(&sqe, 1, lba, n);
		sc = raw_sync(sq, &sqe, NULL);
		if (sc)
			mismatched("Write Zeroes of all at %u: status %d",
				   lba, sc);
		set_blocks(&range, 0, false);
	}
	nr_doubts = 0;
	bad_extents = 0;
	any_bad = false;
}

/*
 * All of the storage is erased, also through a reset, and until that is done no
 * command sees any of it: 8.15.
 */
static void sanitize(void)
{
	static const u8 actions[] = { 2, 3, 4 };
	struct raw_sqe sqe = { .opcode = A_SANITIZE };
	struct range all = { 0, nr_lba };
	u64 end = raw_now_ns() + PATIENCE_NS;
	bool reset = one_in(2);
	int status;

	/* A Format of the namespaces beside it comes first */
	do {
		sqe.cdw10 = actions[below(3)] | (1 + below(3)) << 4 |
			    below(2) << 8;
		sqe.cdw11 = raw_random(&rnd);
		status = raw_sync(&raw_asq, &sqe, NULL);
		if (raw_now_ns() > end)
			mismatched("Sanitize: status %#x", status);
	} while (status == SC_FORMATTING);
	if (status)
		mismatched("Sanitize: status %#x", status);
	set_blocks(&all, 0, false);
	nr_doubts = 0;
	bad_extents = 0;
	any_bad = false;

	for (;;) {
		struct slot slot = { .big = true };
		struct raw_cqe cqe;

		slot.range = (struct range){ below(nr_lba), 1 };
		make_read(&slot);
		status = raw_sync(&queues[0].sq, &slot.sqe, &cqe);
		if (!status) {
			check_read_data(&slot);
			break;
		}
		if (status != SC_SANITIZING || raw_now_ns() > end)
			mismatched("a read beside Sanitize ends with %#x",
				   status);
		if (reset)
			reset_controller();
		reset = false;
	}
	count.sanitized++;
}

static void run_batch(bool crash)
{
	u64 since = raw_now_ns();
	u32 stop = 0, i;

	submit_batch();
	if (crash) {
		u32 n = 0;

		for (i = 0; i < nr_sqs; i++)
			n += queues[i].submitted;
		stop = below(n + 1);
		/* Now and then as early as can be */
		if (one_in(4))
			stop = 0;
		if (stop)
			stop += count.commands;
		else
			stop = count.commands;
	}
	while (outstanding()) {
		if (crash && count.commands >= stop)
			break;
		if (one_in(8))
			harass();
		if (!reap())
			raw_pause();
		if (raw_now_ns() - since > PATIENCE_NS)
			report_lost();
	}
	for (i = 0; i < nr_cqs && !crash; i++) {
		if (raw_peek(&cqs[i]))
			mismatched("completion queue %u has more completions than there were commands",
				   cqs[i].qid);
		raw_ring_cq(&cqs[i]);
		cq_unrung[i] = 0;
	}
	if (crash)
		reset_controller();
	count.batches++;
}

/* Latencies between none and those at which Abort finds something */
static void turn_knobs(void)
{
	if (one_in(8)) {
		raw_latency_us(one_in(2) ? 0 : below(300));
		raw_slots(1 + below(one_in(2) ? 4 : 256));
	}
}

static void init_memory(void)
{
	u32 i, j;

	max_slots = (raw_mem_bytes - 6 * RAW_HUGE) / (SLOT_PAGES * RAW_PAGE);
	if (max_slots > MAX_SLOTS)
		max_slots = MAX_SLOTS;
	slots = calloc(max_slots, sizeof(*slots));
	linear = malloc(BIG_BYTES + RAW_PAGE);
	raw_need(slots && linear);
	admin_page = raw_alloc(RAW_PAGE);
	garbage_init(&rnd);
	for (i = 0; i < BIG_PAGES; i++)
		big_pages[i] = raw_alloc(RAW_PAGE);
	big_list = raw_alloc(4 * RAW_PAGE);
	shadow_page = raw_alloc(RAW_PAGE);
	event_page = raw_alloc(RAW_PAGE);
	for (i = 0; i < max_slots; i++) {
		slots[i].area = raw_alloc(SLOT_PAGES * RAW_PAGE);
		for (j = 0; j < SLOT_PAGES; j++)
			slots[i].pages[j] = slots[i].area + j * RAW_PAGE;
	}
	/* The rings come behind, anew after each reset */
	rings_mark = raw_mark();
}

static void init_model(void)
{
	u32 i;

	blocks = calloc(nr_lba, sizeof(*blocks));
	busy = calloc(nr_lba / GRANULE + 1, 1);
	readers = calloc(nr_lba / GRANULE + 1, sizeof(*readers));
	/* A block may come into doubt again before it is looked at */
	doubts = calloc(64 * (size_t)nr_lba, sizeof(*doubts));
	raw_need(blocks && busy && readers && doubts);
	/* A namespace that was just created reads as zeroes */
	for (i = 0; i < nr_lba; i++)
		blocks[i].token = 0;
	next_token = 1;
}

static void print_summary(u64 ns)
{
	u64 resets = 0;
	unsigned int i;

	for (i = 0; i < 6; i++)
		resets += count.resets[i];
	printf("seed %llu: %llu I/O commands (%llu a second), of which %llu had to be refused and %llu were garbage; %llu admin commands, %llu aborted, %llu events; %llu doorbells and %llu registers written at random; %llu resets (%llu shutdowns, %llu NSSR, %llu FLR) that left %llu blocks in doubt; %llu times with shadow doorbells; %llu times sanitized; %llu bytes compared; 0 differences\n",
	       seed, count.commands, count.commands * RAW_S / (ns ?: 1),
	       count.broken, count.garbage, count.admin, count.aborted,
	       count.events, count.doorbells, count.registers, resets,
	       count.resets[0] + count.resets[1], count.resets[2],
	       count.resets[3], count.doubtful, count.shadowed,
	       count.sanitized, count.compared);
}

static u64 wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * RAW_S + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	struct raw_options options = {
		.mem_bytes = 16U << 20, .lba_shift = 9,
		.storage_bytes = 12U << 20, .dbbuf = true,
	};
	u64 start, seconds, told = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: %s SEED SECONDS\n", argv[0]);
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	seconds = strtoull(argv[2], NULL, 0);
	lba_shift = seed % 4 ? 9 : 12;
	lba_bytes = 1U << lba_shift;
	rnd = raw_mix(seed) | 1;
#ifndef RAW_NATIVE
	options.mem_bytes = 48U << 20;
#endif
	/* Others may be at work on the machine: only what hangs is an error */
	raw_slack_ns = PATIENCE_NS;
	raw_open(&options);
	init_memory();
	must_reset(raw_disable(), "the controller is not disabled");
	must_reset(raw_enable(), "the controller does not get ready");
	find_unsupported();
	create_model();
	must_reset(raw_disable(), "the controller is not disabled");
	init_model();
	enable();

	start = wall_ns();
	while (wall_ns() - start < seconds * RAW_S) {
		rnd = raw_mix(seed + (count.batches + 1) * 0x9e3779b97f4a7c15ULL) | 1;
		turn_knobs();
		run_batch(one_in(40));
		if (bad_extents > 50) {
			wait_admin();
			erase_bad();
		}
		if (one_in(300)) {
			wait_admin();
			reap_admin();
			sanitize();
		}
		if (one_in(400)) {
			wait_admin();
			sweep();
		}
		if ((wall_ns() - start) / (60 * RAW_S) > told) {
			told++;
			fprintf(stderr, "seed %llu: after %llu minutes %llu commands, %llu bytes compared\n",
				seed, told, count.commands, count.compared);
		}
	}
	rnd = raw_mix(seed) | 1;
	wait_admin();
	raw_latency_us(0);
	sweep();
	print_summary(wall_ns() - start);
	raw_close();
	return 0;
}
