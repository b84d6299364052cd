// SPDX-License-Identifier: GPL-2.0
/*
 * Submission and completion queues (NVMe 1.4, 4.1), the same for the admin
 * queue and the I/O queues: their memory in the host, doorbells, fetching,
 * posting and signalling.
 *
 * Queues are made and destroyed by the controller thread; everything else is
 * called by the one thread that owns the queue. No locks.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nvmev.h"

/**
 * nvmev_ring_map() - look up the host memory of a queue
 * @dev: the device
 * @ring: what to initialise
 * @addr: its physically contiguous address at the host, page aligned
 * @size: number of entries
 * @entry_shift: log2 of the size of one
 * @write: whether the device writes to it
 *
 * Context: the controller thread, may sleep.
 * Return: 0, -ENOMEM, or -EFAULT when some page is no memory.
 */
int nvmev_ring_map(struct nvmev_dev *dev, struct nvmev_ring *ring, u64 addr,
		   u32 size, unsigned int entry_shift, bool write)
{
	unsigned int nr = DIV_ROUND_UP((u64)size << entry_shift,
				       NVME_PAGE_SIZE);
	unsigned int i;

	ring->size = size;
	ring->pages = kvmalloc_array(nr, sizeof(*ring->pages), GFP_KERNEL);
	if (!ring->pages)
		return -ENOMEM;

	for (i = 0; i < nr; i++) {
		ring->pages[i] = nvmev_host_ptr(dev, addr + (u64)i *
						NVME_PAGE_SIZE, write);
		if (!ring->pages[i]) {
			nvmev_ring_unmap(ring);
			return -EFAULT;
		}
	}
	return 0;
}

/**
 * nvmev_ring_unmap() - forget the host memory of a queue
 * @ring: the ring; may be unmapped twice
 */
void nvmev_ring_unmap(struct nvmev_ring *ring)
{
	kvfree(ring->pages);
	ring->pages = NULL;
}

static void *nvmev_ring_entry(const struct nvmev_ring *ring, u32 index,
			      unsigned int entry_shift)
{
	u32 offset = index << entry_shift;

	return ring->pages[offset >> NVME_PAGE_SHIFT] +
		(offset & (NVME_PAGE_SIZE - 1));
}

/*
 * The device looks at the shadows all the time and needs no write to the BAR:
 * no index is ever behind this one. A ring that wraps around seems to be; that
 * write does no harm.
 */
#define NVMEV_EVENT_IDX_NEVER	U16_MAX

/* Where the host writes a doorbell from now on; it has @value there */
static __le32 *nvmev_shadow(struct nvmev_dev *dev, u16 qid, bool cq,
			    __le32 value)
{
	unsigned int index = 2 * qid + cq;

	/* Without them the queue has no doorbells: it waits for a reset */
	if (!nvmev_host_write(&dev->admin.shadows[index], value) ||
	    !nvmev_host_write(&dev->admin.event_idxs[index],
			      cpu_to_le32(NVMEV_EVENT_IDX_NEVER)))
		nvmev_ctrl_fatal(dev, qid, "shadow doorbells");
	return &dev->admin.shadows[index];
}

/* The doorbell of a new queue, which reads 0 */
static __le32 *nvmev_new_doorbell(struct nvmev_dev *dev, u16 qid, bool cq)
{
	__le32 *doorbell = nvmev_doorbell(dev, qid, cq);

	WRITE_ONCE(*doorbell, 0);
	if (qid && dev->admin.shadows)
		doorbell = nvmev_shadow(dev, qid, cq, 0);
	return doorbell;
}

/**
 * nvmev_cq_use_shadow() - take the head from the host's memory from now on
 * @dev: the device, with shadow doorbells
 * @cq: an I/O queue
 *
 * Context: the owner of the queue.
 */
void nvmev_cq_use_shadow(struct nvmev_dev *dev, struct nvmev_cq *cq)
{
	cq->doorbell = nvmev_shadow(dev, cq->qid, true,
				    nvmev_host_read(cq->doorbell,
						    cpu_to_le32(cq->head)));
}

/**
 * nvmev_sq_use_shadow() - take the tail from the host's memory from now on
 * @dev: the device, with shadow doorbells
 * @sq: an I/O queue
 *
 * Context: the owner of the queue.
 */
void nvmev_sq_use_shadow(struct nvmev_dev *dev, struct nvmev_sq *sq)
{
	sq->doorbell = nvmev_shadow(dev, sq->qid, false,
				    nvmev_host_read(sq->doorbell,
						    cpu_to_le32(sq->tail)));
}

/**
 * nvmev_cq_create() - make a completion queue
 * @dev: the device
 * @qid: its identifier
 * @addr: its memory at the host, page aligned
 * @size: number of entries
 * @err: set to -ENOMEM or -EFAULT on failure
 *
 * The doorbell reads 0 afterwards. The caller hands the queue to a worker.
 *
 * Context: the controller thread, may sleep.
 * Return: the queue, NULL on failure.
 */
struct nvmev_cq *nvmev_cq_create(struct nvmev_dev *dev, u16 qid, u64 addr,
				 u32 size, int *err)
{
	struct nvmev_cq *cq = kzalloc(sizeof(*cq), GFP_KERNEL);

	if (!cq) {
		*err = -ENOMEM;
		return NULL;
	}
	*err = nvmev_ring_map(dev, &cq->ring, addr, size, NVME_CQES, true);
	if (*err) {
		kfree(cq);
		return NULL;
	}

	cq->qid = qid;
	cq->phase = NVME_CQE_PHASE;
	cq->doorbell = nvmev_new_doorbell(dev, qid, true);
	INIT_LIST_HEAD(&cq->blocked);
	INIT_LIST_HEAD(&cq->signal);
	INIT_LIST_HEAD(&cq->node);
	return cq;
}

/**
 * nvmev_cq_destroy() - free a completion queue that no thread holds
 * @cq: the queue or NULL
 */
void nvmev_cq_destroy(struct nvmev_cq *cq)
{
	if (!cq)
		return;
	nvmev_ring_unmap(&cq->ring);
	kfree(cq);
}

/**
 * nvmev_sq_create() - make a submission queue
 * @dev: the device
 * @qid: its identifier; an I/O queue gets a command for each entry
 * @addr: its memory at the host, page aligned
 * @size: number of entries
 * @cq: where it completes
 * @err: set to -ENOMEM or -EFAULT on failure
 *
 * The doorbell reads 0 afterwards. The caller hands the queue to a worker.
 *
 * Context: the controller thread, may sleep.
 * Return: the queue, NULL on failure.
 */
struct nvmev_sq *nvmev_sq_create(struct nvmev_dev *dev, u16 qid, u64 addr,
				 u32 size, struct nvmev_cq *cq, int *err)
{
	struct nvmev_sq *sq = kzalloc(sizeof(*sq), GFP_KERNEL);
	u32 i;

	if (!sq) {
		*err = -ENOMEM;
		return NULL;
	}
	*err = nvmev_ring_map(dev, &sq->ring, addr, size, NVME_SQES, false);
	if (*err)
		goto free_sq;

	INIT_LIST_HEAD(&sq->free);
	INIT_LIST_HEAD(&sq->node);
	if (qid) {
		sq->ios = kvcalloc(size, sizeof(*sq->ios), GFP_KERNEL);
		sq->stat = kvcalloc(NVMEV_KINDS, sizeof(*sq->stat),
				    GFP_KERNEL);
		if (!sq->ios || !sq->stat) {
			*err = -ENOMEM;
			goto free_ios;
		}
		for (i = 0; i < size; i++) {
			sq->ios[i].sq = sq;
			timerqueue_init(&sq->ios[i].due);
			list_add_tail(&sq->ios[i].node, &sq->free);
		}
	}

	sq->qid = qid;
	sq->cq = cq;
	sq->doorbell = nvmev_new_doorbell(dev, qid, false);
	cq->nr_sqs++;
	return sq;

free_ios:
	kvfree(sq->stat);
	kvfree(sq->ios);
	nvmev_ring_unmap(&sq->ring);
free_sq:
	kfree(sq);
	return NULL;
}

/**
 * nvmev_sq_destroy() - free a submission queue that no thread holds
 * @sq: the queue or NULL
 */
void nvmev_sq_destroy(struct nvmev_sq *sq)
{
	if (!sq)
		return;
	sq->cq->nr_sqs--;
	nvmev_ring_unmap(&sq->ring);
	kvfree(sq->stat);
	kvfree(sq->ios);
	kfree(sq);
}

/* Nothing more is consumed, until the host has made the queue anew: 4.1 */
static void nvmev_sq_stop(struct nvmev_sq *sq)
{
	sq->stopped = true;
	sq->tail = sq->head;
	sq->nr_marks = 0;
}

/**
 * nvmev_sq_set_tail() - take a tail that was read from the doorbell
 * @dev: the device
 * @sq: the queue
 * @tail: the tail
 *
 * One outside of the queue, or with more entries than it has, is an Invalid
 * Doorbell Write Value: it is reported, and the queue stops (4.1, 5.2).
 *
 * Context: the owner of the queue.
 * Return: false when the BAR has gone since, and nobody knows whether the host
 * wrote the tail before or after: it is to be read again when the BAR is back.
 */
bool nvmev_sq_set_tail(struct nvmev_dev *dev, struct nvmev_sq *sq, u32 tail)
{
	u32 size = sq->ring.size, added;

	if (tail == sq->tail)
		return true;
	if (!nvmev_ctrl_decodes(dev))
		return false;
	if (unlikely(sq->stopped))
		return true;
	added = tail > sq->tail ? tail - sq->tail : size - sq->tail + tail;
	if (likely(tail < size && nvmev_sq_left(sq) + added < size)) {
		sq->tail = tail;
		return true;
	}
	pr_warn_ratelimited("%ssubmission queue %u stops until it is made anew: tail %u was written to its doorbell, after %u, with head %u of %u entries\n",
			    dev->config.label, sq->qid, tail, sq->tail,
			    sq->head, size);
	nvmev_sq_stop(sq);
	nvmev_ctrl_event(dev, NVMEV_EVENT_BAD_DOORBELL_VALUE);
	return true;
}

/**
 * nvmev_sq_pending() - entries submitted and not yet fetched
 * @dev: the device
 * @sq: the queue
 *
 * Context: the owner of the queue.
 * Return: their number.
 */
u32 nvmev_sq_pending(struct nvmev_dev *dev, struct nvmev_sq *sq)
{
	nvmev_sq_set_tail(dev, sq, nvmev_doorbell_value(sq->doorbell,
							sq->tail));
	return nvmev_sq_left(sq);
}

/**
 * nvmev_sq_mark() - remember when the present tail was seen
 * @sq: the queue, right after nvmev_sq_pending()
 * @now_ns: the time
 *
 * A command's time begins when its submission is seen, also when the worker
 * gets to fetch it much later.
 *
 * Context: the owner of the queue.
 */
void nvmev_sq_mark(struct nvmev_sq *sq, u64 now_ns)
{
	u32 marked = sq->nr_marks ? sq->marks[sq->nr_marks - 1].tail :
				    sq->head;

	if (sq->tail == marked || sq->nr_marks == NVMEV_MAX_MARKS)
		return;
	sq->marks[sq->nr_marks].tail = sq->tail;
	sq->marks[sq->nr_marks].seen_ns = now_ns;
	sq->nr_marks++;
}

/**
 * nvmev_sq_seen_ns() - when the entry fetched last was seen
 * @sq: the queue, right after nvmev_sq_fetch()
 * @now_ns: the time, for an entry that was never marked
 *
 * Context: the owner of the queue.
 */
u64 nvmev_sq_seen_ns(struct nvmev_sq *sq, u64 now_ns)
{
	if (!sq->nr_marks)
		return now_ns;
	now_ns = sq->marks[0].seen_ns;
	if (sq->head == sq->marks[0].tail) {
		sq->nr_marks--;
		memmove(sq->marks, sq->marks + 1,
			sq->nr_marks * sizeof(*sq->marks));
	}
	return now_ns;
}

/**
 * nvmev_sq_fetch() - copy the next entry
 * @dev: the device
 * @sq: the queue, with at least one entry pending
 * @cmd: where to put it; the host may reuse the entry from now on
 *
 * Context: the owner of the queue.
 * Return: false when its memory is gone: the queue has stopped, which the host
 * learns by Controller Fatal Status.
 */
bool nvmev_sq_fetch(struct nvmev_dev *dev, struct nvmev_sq *sq,
		    struct nvme_command *cmd)
{
	/*
	 * The doorbell was read before: pairs with the wmb() that precedes
	 * the host's doorbell write. Both are memory that x86 reads in order,
	 * so that the compiler alone has to be kept from it.
	 */
	dma_rmb();
	if (unlikely(!nvmev_host_copy(cmd, nvmev_ring_entry(&sq->ring, sq->head,
							    NVME_SQES),
				      sizeof(*cmd)))) {
		nvmev_sq_stop(sq);
		nvmev_ctrl_fatal(dev, sq->qid, "commands");
		return false;
	}
	if (++sq->head == sq->ring.size)
		sq->head = 0;
	return true;
}

/**
 * nvmev_sq_unfetch() - put the entry fetched last back
 * @sq: the queue
 * @seen_ns: what nvmev_sq_seen_ns() said of it
 *
 * Context: the owner of the queue, before anything else of it is used.
 */
void nvmev_sq_unfetch(struct nvmev_sq *sq, u64 seen_ns)
{
	u32 tail = sq->head;

	sq->head = (tail ?: sq->ring.size) - 1;
	/* Its mark has gone with it, when it was the last one before that */
	if (sq->nr_marks && sq->marks[0].seen_ns == seen_ns)
		return;
	if (sq->nr_marks == NVMEV_MAX_MARKS)
		sq->nr_marks--;
	memmove(sq->marks + 1, sq->marks, sq->nr_marks * sizeof(*sq->marks));
	sq->marks[0].tail = tail;
	sq->marks[0].seen_ns = seen_ns;
	sq->nr_marks++;
}

/**
 * nvmev_cq_full() - whether a completion queue has no room
 * @dev: the device
 * @cq: the queue
 *
 * Context: the owner of the queue.
 */
bool nvmev_cq_full(struct nvmev_dev *dev, struct nvmev_cq *cq)
{
	u32 next = cq->tail + 1 == cq->ring.size ? 0 : cq->tail + 1;
	u32 head;

	/* Without Bus Master Enable there is room for nothing */
	if (unlikely(!READ_ONCE(dev->dma)))
		return true;
	if (likely(next != cq->head))
		return false;
	head = nvmev_doorbell_value(cq->doorbell, cq->head);
	if (head == cq->head || !nvmev_ctrl_decodes(dev))
		return true;
	/* nvmev_cq_bad_head() reports it */
	if (unlikely(head >= cq->ring.size))
		return true;
	WRITE_ONCE(cq->head, head);
	return next == head;
}

/**
 * nvmev_cq_bad_head() - whether the head doorbell has a value that cannot be
 * @dev: the device
 * @cq: the queue
 *
 * Outside of the queue, or beyond what was posted (5.2, Invalid Doorbell Write
 * Value). The owner of the queue goes on meanwhile: only what is found twice in
 * a row counts.
 *
 * Context: the controller thread, now and then.
 * Return: true when there is one, once for each value.
 */
bool nvmev_cq_bad_head(struct nvmev_dev *dev, struct nvmev_cq *cq)
{
	u32 size = cq->ring.size, head, tail, value;
	bool bad;

	head = READ_ONCE(cq->head);
	value = nvmev_doorbell_value(cq->doorbell, head);
	/* What the host has seen posted before it wrote is in the tail by now */
	smp_rmb();
	tail = READ_ONCE(cq->tail);
	bad = value >= size ||
	      (value + size - head) % size > (tail + size - head) % size;
	if (likely(!bad) || !nvmev_ctrl_decodes(dev)) {
		cq->bad_looks = 0;
		return false;
	}
	if (value != cq->bad_head)
		cq->bad_looks = 0;
	cq->bad_head = value;
	return cq->bad_looks < 2 && ++cq->bad_looks == 2;
}

/**
 * nvmev_cq_room() - how many completions a queue has room for
 * @dev: the device
 * @cq: the queue
 *
 * Context: the owner of the queue.
 */
u32 nvmev_cq_room(struct nvmev_dev *dev, struct nvmev_cq *cq)
{
	u32 head = nvmev_doorbell_value(cq->doorbell, cq->head);

	if (likely(head < cq->ring.size) && nvmev_ctrl_decodes(dev))
		WRITE_ONCE(cq->head, head);
	return (cq->head + cq->ring.size - cq->tail - 1) % cq->ring.size;
}

/**
 * nvmev_cq_post() - post one completion
 * @dev: the device
 * @cq: the queue, not full
 * @sq: the submission queue of the command
 * @cid: its identifier
 * @result: dword 0
 * @status: its status, without the phase tag
 *
 * The host learns by Controller Fatal Status when the queue's memory is gone.
 *
 * Context: the owner of the queue.
 */
void nvmev_cq_post(struct nvmev_dev *dev, struct nvmev_cq *cq,
		   const struct nvmev_sq *sq, __le16 cid, u32 result,
		   u16 status)
{
	struct nvme_completion *entry = nvmev_ring_entry(&cq->ring, cq->tail,
							 NVME_CQES);
	union {
		struct nvme_completion cqe;
		__le64 half[2];
	} new = {
		.cqe.result = cpu_to_le32(result),
		.cqe.sq_head = cpu_to_le16(sq->head),
		.cqe.sq_id = cpu_to_le16(sq->qid),
		.cqe.cid = cid,
		.cqe.status = cpu_to_le16(status << 1 | cq->phase),
	};
	__le64 *half = (__le64 *)entry;
	bool there;

	BUILD_BUG_ON(sizeof(new.cqe) != sizeof(new.half));
	there = nvmev_host_write(&half[0], new.half[0]);
	/*
	 * The phase tag hands the entry, and the data of the command, to the
	 * host: pairs with dma_rmb() in nvme_poll_cq(). x86 writes in order.
	 */
	dma_wmb();
	if (unlikely(!nvmev_host_write(&half[1], new.half[1]) || !there))
		nvmev_ctrl_fatal(dev, cq->qid, "completions");

	/* The controller thread reads it, see nvmev_ctrl_has_completions() */
	if (cq->tail + 1 == cq->ring.size) {
		WRITE_ONCE(cq->tail, 0);
		cq->phase ^= NVME_CQE_PHASE;
	} else {
		WRITE_ONCE(cq->tail, cq->tail + 1);
	}
	cq->unsignalled++;
}

/**
 * nvmev_cq_signal() - raise the interrupt for what was posted
 * @dev: the device
 * @cq: the queue
 * @now_ns: the time, for coalescing
 *
 * Interrupt Coalescing (5.21.1.8) aggregates I/O queues only, and not for a
 * vector whose Interrupt Vector Configuration disables it.
 *
 * Context: the owner of the queue.
 * Return: true when an interrupt is held back for aggregation.
 */
bool nvmev_cq_signal(struct nvmev_dev *dev, struct nvmev_cq *cq, u64 now_ns)
{
	const struct nvmev_features *features = &dev->admin.features;
	u32 coalesce = READ_ONCE(features->irq_coalesce);
	u64 time_ns = (coalesce >> 8 & 0xff) * 100ULL * NSEC_PER_USEC;
	u32 threshold = coalesce & 0xff;

	if (!cq->unsignalled)
		return false;
	if (unlikely(time_ns && threshold && cq->qid && cq->irq &&
		     !READ_ONCE(features->irq_no_coalesce[cq->vector]))) {
		if (!cq->unsignalled_ns)
			cq->unsignalled_ns = now_ns;
		if (cq->unsignalled <= threshold &&
		    now_ns - cq->unsignalled_ns < time_ns)
			return true;
		cq->unsignalled_ns = 0;
	}
	cq->unsignalled = 0;
	if (cq->irq)
		nvmev_irq_raise(dev, cq->vector);
	return false;
}
