// SPDX-License-Identifier: GPL-2.0
/*
 * The driver proper: memory, queues, enabling, and some commands.
 */
#include "raw.h"

#define RAW_PATIENCE_NS	(20 * RAW_S)

u64 raw_slack_ns;
struct raw_sq raw_asq;
struct raw_cq raw_acq;
u32 *raw_shadows;
static u32 *raw_event_idxs;

/* The first page stays free: address 0 is easily meant by mistake */
static size_t raw_used = RAW_PAGE;

size_t raw_mark(void)
{
	return raw_used;
}

void raw_release(size_t mark)
{
	raw_used = mark;
}

/* Whole pages, zeroed, physically contiguous: within one huge page */
void *raw_alloc(size_t size)
{
	void *ptr;

	size = (size + RAW_PAGE - 1) & ~(size_t)(RAW_PAGE - 1);
	raw_need(size <= RAW_HUGE);
	if (raw_used % RAW_HUGE + size > RAW_HUGE)
		raw_used = (raw_used + RAW_HUGE - 1) & ~(size_t)(RAW_HUGE - 1);
	raw_need(raw_used + size <= raw_mem_bytes);
	ptr = raw_mem + raw_used;
	raw_used += size;
	return memset(ptr, 0, size);
}

/* CAP.DSTRD is 0 */
u32 raw_doorbell(u16 qid, bool cq)
{
	return R_DOORBELLS + 4 * (2 * qid + cq);
}

void raw_cq_init(struct raw_cq *cq, u16 qid, u32 size)
{
	*cq = (struct raw_cq){
		.qid = qid, .size = size, .phase = 1,
		.ring = raw_alloc(size * sizeof(struct raw_cqe)),
	};
}

void raw_sq_init(struct raw_sq *sq, u16 qid, u32 size, struct raw_cq *cq)
{
	*sq = (struct raw_sq){
		.qid = qid, .size = size, .cq = cq,
		.ring = raw_alloc(size * sizeof(struct raw_sqe)),
	};
}

/* Writes the entry; the caller keeps within the size, and rings */
u16 raw_put(struct raw_sq *sq, const struct raw_sqe *sqe)
{
	struct raw_sqe *entry = &sq->ring[sq->tail];

	*entry = *sqe;
	entry->cid = sq->next_cid++;
	if (++sq->tail == sq->size)
		sq->tail = 0;
	return entry->cid;
}

/* Has the event index been passed? 7.13 */
static bool raw_passed(u32 event, u32 now, u32 before)
{
	return (u16)(now - event - 1) < (u16)(now - before);
}

/* Where there are shadows the BAR is written to when the device asks for it */
static bool raw_ring_doorbell(u16 qid, bool cq, u32 value)
{
	unsigned int i = 2 * qid + cq;
	u32 before;

	if (raw_shadows && qid) {
		before = __atomic_exchange_n(&raw_shadows[i], value,
					     __ATOMIC_SEQ_CST);
		if (!raw_passed(__atomic_load_n(&raw_event_idxs[i],
						__ATOMIC_SEQ_CST),
				value, before))
			return false;
	}
	raw_write32(raw_doorbell(qid, cq), value);
	return true;
}

/* Whether it wrote to the BAR */
bool raw_ring(const struct raw_sq *sq)
{
	return raw_ring_doorbell(sq->qid, false, sq->tail);
}

bool raw_peek(const struct raw_cq *cq)
{
	u16 status = __atomic_load_n(&cq->ring[cq->head].status,
				     __ATOMIC_ACQUIRE);

	return (status & 1) == cq->phase;
}

/* Takes the next completion; the caller rings */
bool raw_get(struct raw_cq *cq, struct raw_cqe *cqe)
{
	if (!raw_peek(cq))
		return false;
	*cqe = cq->ring[cq->head];
	if (++cq->head == cq->size) {
		cq->head = 0;
		cq->phase ^= 1;
	}
	return true;
}

void raw_ring_cq(const struct raw_cq *cq)
{
	raw_ring_doorbell(cq->qid, true, cq->head);
}

u64 raw_timeout_ns(void)
{
	return (raw_read64(R_CAP) >> 24 & 0xff) * 500 * RAW_MS;
}

bool raw_wait_csts(u32 mask, u32 value, u64 ns)
{
	u64 end = raw_now_ns() + ns;

	while ((raw_read32(R_CSTS) & mask) != value) {
		if (raw_now_ns() > end)
			return false;
		raw_pause();
	}
	return true;
}

/* Sizes as they are, not zero's based; 0 for what was allocated before */
bool raw_enable_cc(u32 cc, u32 asqs, u32 acqs)
{
	raw_shadows = NULL;
	raw_cq_init(&raw_acq, 0, acqs);
	raw_sq_init(&raw_asq, 0, asqs, &raw_acq);
	raw_write32(R_AQA, (acqs - 1) << 16 | (asqs - 1));
	raw_write64(R_ASQ, raw_addr(raw_asq.ring));
	raw_write64(R_ACQ, raw_addr(raw_acq.ring));
	raw_write32(R_CC, cc);
	return raw_wait_csts(CSTS_RDY | CSTS_CFS, CSTS_RDY,
			     raw_timeout_ns() + raw_slack_ns);
}

bool raw_enable(void)
{
	return raw_enable_cc(CC_NORMAL | CC_EN, RAW_ADMIN_SIZE,
			     RAW_ADMIN_SIZE);
}

bool raw_disable(void)
{
	raw_write32(R_CC, 0);
	return raw_wait_csts(CSTS_RDY | CSTS_CFS, 0,
			     raw_timeout_ns() + raw_slack_ns);
}

int raw_wait(struct raw_cq *cq, struct raw_cqe *cqe)
{
	u64 end = raw_now_ns() + RAW_PATIENCE_NS;

	while (!raw_get(cq, cqe)) {
		if (raw_now_ns() > end)
			return -1;
		raw_pause();
	}
	raw_ring_cq(cq);
	return raw_sc(cqe);
}

int raw_sync(struct raw_sq *sq, const struct raw_sqe *sqe,
	     struct raw_cqe *cqe)
{
	struct raw_cqe mine;
	u16 cid = raw_put(sq, sqe);
	int status;

	if (!cqe)
		cqe = &mine;
	raw_ring(sq);
	status = raw_wait(sq->cq, cqe);
	if (status >= 0 && (cqe->cid != cid || cqe->sqid != sq->qid))
		raw_die("completion of command %u in queue %u instead of %u in %u",
			cqe->cid, cqe->sqid, cid, sq->qid);
	return status;
}

int raw_create_cq(struct raw_cq *cq)
{
	struct raw_sqe sqe = {
		.opcode = A_CREATE_CQ,
		.prp1 = raw_addr(cq->ring),
		.cdw10 = (cq->size - 1) << 16 | cq->qid,
		/* Physically contiguous, no interrupt */
		.cdw11 = 1,
	};

	return raw_sync(&raw_asq, &sqe, NULL);
}

int raw_create_sq_prio(struct raw_sq *sq, u32 qprio)
{
	struct raw_sqe sqe = {
		.opcode = A_CREATE_SQ,
		.prp1 = raw_addr(sq->ring),
		.cdw10 = (sq->size - 1) << 16 | sq->qid,
		.cdw11 = (u32)sq->cq->qid << 16 | qprio << 1 | 1,
	};

	return raw_sync(&raw_asq, &sqe, NULL);
}

int raw_create_sq(struct raw_sq *sq)
{
	return raw_create_sq_prio(sq, 0);
}

int raw_delete(u8 opcode, u16 qid)
{
	struct raw_sqe sqe = { .opcode = opcode, .cdw10 = qid };

	return raw_sync(&raw_asq, &sqe, NULL);
}

int raw_identify(u32 cns, u32 nsid, void *buf)
{
	struct raw_sqe sqe = {
		.opcode = A_IDENTIFY, .nsid = nsid, .cdw10 = cns,
		.prp1 = raw_addr(buf),
	};

	return raw_sync(&raw_asq, &sqe, NULL);
}

/* Two pages, with what the doorbells of I/O queues were last: 5.7 */
int raw_use_shadows(u32 *shadows, u32 *event_idxs)
{
	struct raw_sqe sqe = { .opcode = A_DBBUF, .prp1 = raw_addr(shadows),
			       .prp2 = raw_addr(event_idxs) };
	int status = raw_sync(&raw_asq, &sqe, NULL);

	if (!status) {
		raw_shadows = shadows;
		raw_event_idxs = event_idxs;
	}
	return status;
}

/* Into a page */
int raw_get_log(u8 lid, void *buf, u32 bytes)
{
	struct raw_sqe sqe = {
		.opcode = A_GET_LOG, .nsid = NSID_ALL,
		.cdw10 = (bytes / 4 - 1) << 16 | lid,
		.prp1 = raw_addr(buf),
	};

	return raw_sync(&raw_asq, &sqe, NULL);
}

void raw_prps(struct raw_sqe *sqe, u8 *const *pages, u32 offset, u32 len,
	      u64 *list)
{
	u32 nr = (offset + len + RAW_PAGE - 1) / RAW_PAGE, i;

	sqe->prp1 = raw_addr(pages[0]) + offset;
	sqe->prp2 = 0;
	if (nr == 2)
		sqe->prp2 = raw_addr(pages[1]);
	if (nr <= 2)
		return;
	sqe->prp2 = raw_addr(list);
	for (i = 1; i < nr; i++) {
		/* The last entry of a page leads on when it is not the last */
		if (!((uintptr_t)(list + 1) % RAW_PAGE) && i + 1 < nr) {
			*list = raw_addr(list + 1);
			list++;
		}
		*list++ = raw_addr(pages[i]);
	}
}

void raw_lba(struct raw_sqe *sqe, u32 nsid, u64 lba, u32 nlb)
{
	sqe->nsid = nsid;
	sqe->cdw10 = lba;
	sqe->cdw11 = lba >> 32;
	sqe->cdw12 = nlb - 1;
}
