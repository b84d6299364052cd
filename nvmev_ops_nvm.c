// SPDX-License-Identifier: GPL-2.0
/*
 * The NVM command set (NVMe 1.4, 6) and the I/O workers.
 *
 * A worker polls the doorbells of its submission queues, fetches and checks
 * commands, asks the timing model when each is due, moves the data in small
 * slices between which it goes on fetching and completing, and posts each
 * completion when it is due. All of a command's life is the worker's; only
 * the timing model, the storage and the error log are shared.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "nvmev.h"
#include "nvmev_trace.h"

/* Commands taken from one queue before the next queue has its turn */
#define NVMEV_BURST		32

/* Units after which a burst ends: checking, and timing, them takes its time */
#define NVMEV_BURST_UNITS	256

/* Slices in a row for transfers that are late already */
#define NVMEV_LATE_SLICES	8

/*
 * Erasures get this part of a worker's time, a quarter, and of a single round
 * no more than so many slices, which are a MiB.
 */
#define NVMEV_ERASE_SHIFT	2
#define NVMEV_ERASE_SLICES	64

/*
 * Commands to which one reading of the clock applies: for as long as posting,
 * or copying, so many takes, the lateness of the last of them is in doubt.
 */
#define NVMEV_BATCH		8

/* Bytes moved before the worker looks at doorbells and due times again */
#define NVMEV_SLICE		SZ_16K

/*
 * An idle worker looks again after a sixteenth of the time that it has been
 * idle, and not after more than half a millisecond, so that a command that
 * comes after a pause is late by little compared with the pause. When nothing
 * has come for long, a 256th of that time is little as well.
 */
#define NVMEV_SPIN_NS		(2 * NSEC_PER_MSEC)
#define NVMEV_IDLE_SHIFT	4
#define NVMEV_IDLE_MAX_NS	(500 * NSEC_PER_USEC)
#define NVMEV_LONG_IDLE_SHIFT	8
#define NVMEV_LONG_IDLE_MAX_NS	(2 * NSEC_PER_MSEC)

/**
 * struct nvmev_nvm_op - a command of the NVM command set
 * @kind: what it counts as
 * @lba_range: SLBA and NLB name blocks, and their number is the cost
 * @data: the blocks are transferred from or to the host
 * @to_host: the direction
 * @write: it changes the blocks
 * @deallocate: by deallocating them
 * @check: further checks; sets the cost where @lba_range does not
 * @end: what becomes of the blocks when all of a range have been moved
 * @chunk: moves bytes that lie within one page of the storage, under its lock
 * @move: instead of @chunk and @end: moves some bytes, true when it was the last
 */
struct nvmev_nvm_op {
	enum nvmev_kind kind;
	bool lba_range;
	bool data;
	bool to_host;
	bool write;
	bool deallocate;
	u16 (*check)(struct nvmev_dev *dev, struct nvmev_io *io);
	u16 (*end)(struct nvmev_io *io);
	u16 (*chunk)(struct nvmev_dev *dev, struct nvmev_io *io, void *storage,
		     u32 len);
	bool (*move)(struct nvmev_dev *dev, struct nvmev_io *io, u32 budget);
};

/* --- moving data ------------------------------------------------------- */

static u32 nvmev_lock_of(u64 offset)
{
	return (offset >> NVME_PAGE_SHIFT) % NVMEV_RANGE_LOCKS;
}

/*
 * Locks the pages of the storage that two bytes of it lie in, the lower lock first.
 * It is always two: of one page the neighbour's as well.
 */
static void nvmev_storage_lock(struct nvmev_dev *dev, u64 x, u64 y)
	__acquires(&dev->range_locks[0]) __acquires(&dev->range_locks[1])
{
	u32 a = nvmev_lock_of(x), b = nvmev_lock_of(y);

	if (a == b)
		b ^= 1;
	spin_lock(&dev->range_locks[min(a, b)]);
	spin_lock_nested(&dev->range_locks[max(a, b)], SINGLE_DEPTH_NESTING);
}

static void nvmev_storage_unlock(struct nvmev_dev *dev, u64 x, u64 y)
	__releases(&dev->range_locks[0]) __releases(&dev->range_locks[1])
{
	u32 a = nvmev_lock_of(x), b = nvmev_lock_of(y);

	if (a == b)
		b ^= 1;
	spin_unlock(&dev->range_locks[b]);
	spin_unlock(&dev->range_locks[a]);
}

/*
 * Sees to it that a bad entry changes nothing: each is checked before anything
 * moves. One or two pages are looked up once and for all; the entries of a
 * list are read again, and checked again, when their turn comes.
 */
static u16 nvmev_io_check_prps(struct nvmev_dev *dev, struct nvmev_io *io)
{
	bool write = io->op->to_host;
	u16 status;

	nvmev_prp_start(&io->prp, &io->cmd, io->bytes);
	io->second_len = 0;
	status = nvmev_prp_next(dev, &io->prp, write, &io->piece,
				&io->piece_len);
	if (status || !io->prp.left)
		return status;
	if (io->prp.list)
		return nvmev_prp_check(dev, &io->prp, write);
	return nvmev_prp_next(dev, &io->prp, write, &io->second,
			      &io->second_len);
}

/* The next piece of the host's memory, at most *len bytes */
static u16 nvmev_io_piece(struct nvmev_dev *dev, struct nvmev_io *io,
			  bool write, void **addr, u32 *len)
{
	u16 status;

	if (!io->piece_len && io->second_len) {
		io->piece = io->second;
		io->piece_len = io->second_len;
		io->second_len = 0;
	} else if (!io->piece_len) {
		status = nvmev_prp_next(dev, &io->prp, write, &io->piece,
					&io->piece_len);
		if (status)
			return status;
	}
	*len = min(*len, io->piece_len);
	*addr = io->piece;
	io->piece += *len;
	io->piece_len -= *len;
	return NVME_SC_SUCCESS;
}

static u16 nvmev_nvm_read_chunk(struct nvmev_dev *dev, struct nvmev_io *io,
				void *storage, u32 len)
{
	while (len) {
		u32 piece = len;
		u16 status;
		void *host;

		status = nvmev_io_piece(dev, io, true, &host, &piece);
		if (status)
			return status;
		if (unlikely(!nvmev_host_copy(host, storage, piece)))
			return NVME_SC_DATA_XFER_ERROR;
		storage += piece;
		len -= piece;
	}
	return NVME_SC_SUCCESS;
}

/*
 * Writes what comes from several places of the host's, the first of which has been
 * looked up: all of it, or nothing should one of them be none.
 */
static u16 nvmev_nvm_gather(struct nvmev_dev *dev, struct nvmev_io *io,
			    void *storage, u32 len, void *host, u32 piece)
{
	u8 *gather = io->sq->cq->worker->gather;
	u32 done = 0;
	u16 status;

	for (;;) {
		if (unlikely(!nvmev_host_copy(gather + done, host, piece)))
			return NVME_SC_DATA_XFER_ERROR;
		done += piece;
		if (done == len)
			break;
		piece = len - done;
		status = nvmev_io_piece(dev, io, false, &host, &piece);
		if (status)
			return status;
	}
	memcpy(storage, gather, len);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_nvm_write_chunk(struct nvmev_dev *dev, struct nvmev_io *io,
				 void *storage, u32 len)
{
	while (len) {
		u32 piece = len;
		u16 status;
		void *host;

		status = nvmev_io_piece(dev, io, false, &host, &piece);
		if (status)
			return status;
		/* A block is not left half written */
		if (unlikely(piece & ((1U << io->ns->lba_shift) - 1)))
			return nvmev_nvm_gather(dev, io, storage, len, host,
						piece);
		if (unlikely(!nvmev_host_copy(storage, host, piece)))
			return NVME_SC_DATA_XFER_ERROR;
		storage += piece;
		len -= piece;
	}
	return NVME_SC_SUCCESS;
}

/* Bytes of the host's that are compared at once */
#define NVMEV_COMPARE_BYTES	512

/* The block of the first byte that differs */
static void nvmev_compare_blame(struct nvmev_dev *dev, struct nvmev_io *io,
				const u8 *storage, const u8 *data, u32 len)
{
	u64 offset = storage - (u8 *)dev->storage;
	u32 i;

	for (i = 0; i < len - 1; i++)
		if (storage[i] != data[i])
			break;
	io->error_lba = (offset + i - io->ns->offset) >> io->ns->lba_shift;
}

static u16 nvmev_nvm_compare_chunk(struct nvmev_dev *dev, struct nvmev_io *io,
				   void *storage, u32 len)
{
	u8 data[NVMEV_COMPARE_BYTES];

	while (len) {
		u32 piece = min_t(u32, len, sizeof(data));
		u16 status;
		void *host;

		status = nvmev_io_piece(dev, io, false, &host, &piece);
		if (status)
			return status;
		if (unlikely(!nvmev_host_copy(data, host, piece)))
			return NVME_SC_DATA_XFER_ERROR;
		if (memcmp(storage, data, piece)) {
			nvmev_compare_blame(dev, io, storage, data, piece);
			return NVME_SC_COMPARE_FAILED | NVME_SC_DNR;
		}
		storage += piece;
		len -= piece;
	}
	return NVME_SC_SUCCESS;
}

static u16 nvmev_nvm_zero_chunk(struct nvmev_dev *dev, struct nvmev_io *io,
				void *storage, u32 len)
{
	memset(storage, 0, len);
	return NVME_SC_SUCCESS;
}

/* A range of blocks within the namespace; otherwise the first that is not */
static u16 nvmev_io_check_lbas(struct nvmev_io *io, u64 slba, u64 nlb)
{
	u64 nr_lba = io->ns->nr_lba;

	if (likely(slba <= nr_lba && nlb <= nr_lba - slba))
		return NVME_SC_SUCCESS;
	io->error_lba = max(slba, nr_lba);
	return NVME_SC_LBA_RANGE | NVME_SC_DNR;
}

/* --- Dataset Management, 6.7 ------------------------------------------- */

static u16 nvmev_nvm_dsm_range(struct nvmev_dev *dev, struct nvmev_io *io,
			       u32 index)
{
	const struct nvmev_ns *ns = io->ns;
	struct nvme_dsm_range range;
	u64 slba, nlb;
	u16 status;

	status = nvmev_prp_read(dev, &io->cmd, index * sizeof(range), &range,
				sizeof(range));
	if (status)
		return status;
	slba = le64_to_cpu(range.slba);
	nlb = le32_to_cpu(range.nlb);
	status = nvmev_io_check_lbas(io, slba, nlb);
	if (status)
		return status;

	io->range = index;
	io->offset = ns->offset + (slba << ns->lba_shift);
	io->bytes = nlb << ns->lba_shift;
	io->pos = 0;
	return NVME_SC_SUCCESS;
}

static u16 nvmev_nvm_dsm_check(struct nvmev_dev *dev, struct nvmev_io *io)
{
	u32 nr = FIELD_GET(NVME_DSM_NR, le32_to_cpu(io->cmd.cdw10)) + 1;
	bool deallocate = le32_to_cpu(io->cmd.cdw11) & NVME_DSM_AD;
	u16 status;
	u32 i;

	/* From the last to the first, which is then the current range */
	for (i = nr; i-- > 0; ) {
		status = nvmev_nvm_dsm_range(dev, io, i);
		if (status)
			return status;
	}
	/* The other attributes are hints, and nothing follows from them */
	if (!deallocate) {
		io->range = nr - 1;
		io->bytes = 0;
	}
	io->units = nr;
	return NVME_SC_SUCCESS;
}

/* The next range of the command; false when there is none */
static bool nvmev_nvm_next_range(struct nvmev_dev *dev, struct nvmev_io *io)
{
	if (io->op->lba_range || io->cmd.opcode != NVME_NVM_DSM ||
	    io->range == FIELD_GET(NVME_DSM_NR, le32_to_cpu(io->cmd.cdw10)))
		return false;
	io->status = nvmev_nvm_dsm_range(dev, io, io->range + 1);
	return !io->status;
}

/* --- blocks that cannot be read, 6.16 ------------------------------------- */

static u64 nvmev_io_first_lba(const struct nvmev_io *io)
{
	return (io->offset - io->ns->offset) >> io->ns->lba_shift;
}

/*
 * What is written, or erased, can be read again. Not before all of it is there:
 * a command that is interrupted must not bring to light what the blocks held
 * before they were made unreadable.
 */
static u16 nvmev_nvm_clear_bad(struct nvmev_io *io)
{
	nvmev_ns_clear_bad(io->ns, nvmev_io_first_lba(io),
			   io->bytes >> io->ns->lba_shift);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_nvm_mark_bad(struct nvmev_io *io)
{
	return nvmev_ns_mark_bad(io->ns, nvmev_io_first_lba(io),
				 io->bytes >> io->ns->lba_shift);
}

/* --- Copy, TP4065 ---------------------------------------------------------- */

/* A source range; the host may have changed it since it was checked */
static u16 nvmev_copy_range(struct nvmev_dev *dev, struct nvmev_io *io,
			    u32 index, struct nvmev_extent *extent)
{
	struct nvme_copy_range range;
	u16 status;

	status = nvmev_prp_read(dev, &io->cmd, index * sizeof(range), &range,
				sizeof(range));
	if (status)
		return status;
	extent->lba = le64_to_cpu(range.slba);
	extent->nr = le16_to_cpu(range.nlb) + 1;
	if (extent->nr > NVMEV_COPY_RANGE_LBAS)
		return NVME_SC_CMD_SIZE_LIMIT | NVME_SC_DNR;
	status = nvmev_io_check_lbas(io, extent->lba, extent->nr);
	if (status)
		return status;
	if (nvmev_ns_is_bad(io->ns, extent->lba, extent->nr, &io->error_lba))
		return NVME_SC_READ_ERROR | NVME_SC_DNR;
	return NVME_SC_SUCCESS;
}

static u16 nvmev_copy_check(struct nvmev_dev *dev, struct nvmev_io *io)
{
	u32 cdw12 = le32_to_cpu(io->cmd.cdw12);
	u32 nr = FIELD_GET(NVME_COPY_NR, cdw12) + 1;
	const struct nvmev_ns *ns = io->ns;
	u64 slba = nvmev_io_lba(io), nlb = 0;
	struct nvmev_extent extent;
	u16 status;
	u32 i;

	if (FIELD_GET(NVME_COPY_FORMAT, cdw12))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (nr > NVMEV_COPY_RANGES)
		return NVME_SC_CMD_SIZE_LIMIT | NVME_SC_DNR;
	for (i = 0; i < nr; i++) {
		status = nvmev_copy_range(dev, io, i, &extent);
		if (status)
			return status;
		nlb += extent.nr;
	}
	if (nlb > NVMEV_COPY_LBAS)
		return NVME_SC_CMD_SIZE_LIMIT | NVME_SC_DNR;
	status = nvmev_io_check_lbas(io, slba, nlb);
	if (status)
		return status;

	io->offset = ns->offset + (slba << ns->lba_shift);
	io->bytes = nlb << ns->lba_shift;
	io->units = DIV_ROUND_UP(io->bytes, NVMEV_UNIT);
	io->piece_len = 0;
	return NVME_SC_SUCCESS;
}

/* What is copied is read and written: units, and latencies, of both kinds */
static u64 nvmev_copy_due(struct nvmev_dev *dev, struct nvmev_io *io,
			  u64 write_due_ns)
{
	const u64 *latency_ns = dev->timing.config.latency_ns;
	u64 read_due_ns, wait_ns;

	read_due_ns = nvmev_timing_due(&dev->timing, NVMEV_READ, io->seen_ns,
				       io->units, &wait_ns);
	io->wait_ns = max(io->wait_ns, wait_ns);
	return max(read_due_ns + latency_ns[NVMEV_WRITE],
		   write_due_ns + latency_ns[NVMEV_READ]);
}

/* Within a page at both ends, with both pages locked */
static void nvmev_copy_piece(struct nvmev_dev *dev, u64 to, u64 from, u32 len)
{
	nvmev_storage_lock(dev, to, from);
	memmove(dev->storage + to, dev->storage + from, len);
	nvmev_storage_unlock(dev, to, from);
}

static u32 nvmev_left_of_page(u64 offset)
{
	return NVME_PAGE_SIZE - (offset & ~NVME_PAGE_MASK);
}

static bool nvmev_copy_move(struct nvmev_dev *dev, struct nvmev_io *io,
			    u32 budget)
{
	const struct nvmev_ns *ns = io->ns;

	while (io->pos < io->bytes) {
		struct nvmev_extent extent;
		u64 to = io->offset + io->pos, from, left;
		u32 len;

		if (!budget)
			return false;
		/* The host has made the ranges shorter since */
		if (io->range > FIELD_GET(NVME_COPY_NR,
					  le32_to_cpu(io->cmd.cdw12))) {
			io->status = NVME_SC_INVALID_FIELD | NVME_SC_DNR;
			return true;
		}
		io->status = nvmev_copy_range(dev, io, io->range, &extent);
		if (io->status)
			return true;
		left = (extent.nr << ns->lba_shift);
		left -= min_t(u64, left, io->piece_len);
		if (!left) {
			io->range++;
			io->piece_len = 0;
			continue;
		}
		from = ns->offset + (extent.lba << ns->lba_shift) +
		       io->piece_len;
		len = min_t(u64, min(left, io->bytes - io->pos),
			    min(nvmev_left_of_page(to),
				nvmev_left_of_page(from)));
		nvmev_copy_piece(dev, to, from, len);
		io->pos += len;
		io->piece_len += len;
		budget -= min(budget, len);
		if (len == left) {
			io->range++;
			io->piece_len = 0;
		}
	}
	nvmev_nvm_clear_bad(io);
	return true;
}

/* --- checks ------------------------------------------------------------- */

static const struct nvmev_nvm_op nvmev_nvm_ops[] = {
	[NVME_NVM_FLUSH] = {
		.kind = NVMEV_OTHER,
	},
	[NVME_NVM_WRITE] = {
		.kind = NVMEV_WRITE,
		.lba_range = true,
		.data = true,
		.write = true,
		.end = nvmev_nvm_clear_bad,
		.chunk = nvmev_nvm_write_chunk,
	},
	[NVME_NVM_READ] = {
		.kind = NVMEV_READ,
		.lba_range = true,
		.data = true,
		.to_host = true,
		.chunk = nvmev_nvm_read_chunk,
	},
	[NVME_NVM_WRITE_UNCOR] = {
		.kind = NVMEV_WRITE,
		.lba_range = true,
		.write = true,
		.end = nvmev_nvm_mark_bad,
	},
	[NVME_NVM_COMPARE] = {
		.kind = NVMEV_READ,
		.lba_range = true,
		.data = true,
		.chunk = nvmev_nvm_compare_chunk,
	},
	[NVME_NVM_WRITE_ZEROES] = {
		.kind = NVMEV_WRITE,
		.lba_range = true,
		.write = true,
		.end = nvmev_nvm_clear_bad,
		.chunk = nvmev_nvm_zero_chunk,
	},
	[NVME_NVM_DSM] = {
		.kind = NVMEV_WRITE,
		.write = true,
		.deallocate = true,
		.check = nvmev_nvm_dsm_check,
		.end = nvmev_nvm_clear_bad,
		.chunk = nvmev_nvm_zero_chunk,
	},
	/* Memory that can be addressed can be read */
	[NVME_NVM_VERIFY] = {
		.kind = NVMEV_READ,
		.lba_range = true,
	},
	/* Not @data: its blocks come from the storage */
	[NVME_NVM_COPY] = {
		.kind = NVMEV_WRITE,
		.write = true,
		.check = nvmev_copy_check,
		.move = nvmev_copy_move,
	},
};

static const struct nvmev_nvm_op *nvmev_nvm_op_find(u8 opcode)
{
	const struct nvmev_nvm_op *op;

	if (opcode >= ARRAY_SIZE(nvmev_nvm_ops))
		return NULL;
	op = &nvmev_nvm_ops[opcode];
	/* Flush alone has neither a range, a check nor data */
	if (opcode != NVME_NVM_FLUSH && !op->lba_range && !op->check)
		return NULL;
	return op;
}

/**
 * nvmev_nvm_effects() - what the I/O commands do, for their log page
 * @effects: an entry for each opcode, zero at first
 */
void nvmev_nvm_effects(__le32 *effects)
{
	unsigned int opcode;

	for (opcode = 0; opcode < ARRAY_SIZE(nvmev_nvm_ops); opcode++) {
		const struct nvmev_nvm_op *op = nvmev_nvm_op_find(opcode);

		if (op)
			effects[opcode] =
				cpu_to_le32(NVME_EFFECT_CSUPP |
					    (op->write ? NVME_EFFECT_LBCC : 0));
	}
}

static u16 nvmev_nvm_check_range(struct nvmev_dev *dev, struct nvmev_io *io)
{
	u64 slba = nvmev_io_lba(io);
	u64 nlb = FIELD_GET(NVME_RW_NLB, le32_to_cpu(io->cmd.cdw12)) + 1;
	struct nvmev_ns *ns = io->ns;
	u16 status;

	io->bytes = nlb << ns->lba_shift;
	io->units = DIV_ROUND_UP(io->bytes, NVMEV_UNIT);
	if (io->op->data && io->bytes > NVMEV_MAX_TRANSFER)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	status = nvmev_io_check_lbas(io, slba, nlb);
	if (status)
		return status;
	io->offset = ns->offset + (slba << ns->lba_shift);

	if (io->op->data) {
		status = nvmev_io_check_prps(dev, io);
		if (status)
			return status;
	}
	if (!io->op->write && nvmev_ns_is_bad(ns, slba, nlb, &io->error_lba))
		return NVME_SC_READ_ERROR | NVME_SC_DNR;
	return NVME_SC_SUCCESS;
}

/* Decodes a fetched command; a status other than 0 ends it at once */
static u16 nvmev_nvm_check(struct nvmev_dev *dev, struct nvmev_io *io)
{
	const struct nvme_command *cmd = &io->cmd;
	u32 nsid = le32_to_cpu(cmd->nsid);
	u16 status = NVME_SC_SUCCESS;

	io->kind = NVMEV_OTHER;
	io->units = 0;
	io->bytes = 0;
	io->pos = 0;
	io->range = 0;
	io->wait_ns = 0;
	io->ns = NULL;

	io->op = nvmev_nvm_op_find(cmd->opcode);
	if (!io->op)
		return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
	io->kind = io->op->kind;
	/* SGLs are not offered in Identify; only these two can be fused */
	if (cmd->flags & NVME_CMD_PSDT ||
	    (cmd->flags & NVME_CMD_FUSE && cmd->opcode != NVME_NVM_COMPARE &&
	     cmd->opcode != NVME_NVM_WRITE))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	/* Of no namespace: nvmev_nvm_time() takes all of them */
	if (cmd->opcode == NVME_NVM_FLUSH && nsid == NVME_NSID_ALL)
		return READ_ONCE(dev->admin.sanitize.running) ?
			       NVME_SC_SANITIZE_IN_PROGRESS : NVME_SC_SUCCESS;
	io->ns = nvmev_ns_find(dev, nsid);
	if (!io->ns)
		return nvmev_ns_missing(nsid);
	status = nvmev_ns_busy(io->ns);
	if (status)
		return status;

	if (io->op->lba_range)
		status = nvmev_nvm_check_range(dev, io);
	if (!status && io->op->check)
		status = io->op->check(dev, io);
	return status;
}

/* Whether a Flush has to wait for it */
static bool nvmev_io_is_write(const struct nvmev_io *io)
{
	return io->op->write && !io->op->deallocate;
}

/*
 * When every earlier write is done, of one namespace or of all. In weighted
 * round robin it has waited for its turn, and for a slot although it needs
 * none: as of others, that is delay, not lateness.
 */
static u64 nvmev_nvm_flush_due(struct nvmev_dev *dev, const struct nvmev_io *io,
			       u64 now_ns)
{
	u64 due_ns = READ_ONCE(dev->wrr) ? now_ns : io->seen_ns;
	unsigned int i;

	if (io->ns)
		return max(due_ns, io->ns->write_due_ns);
	for (i = 0; i < NVMEV_MAX_NS; i++)
		if (READ_ONCE(dev->ns[i].attached))
			due_ns = max(due_ns, dev->ns[i].write_due_ns);
	return due_ns;
}

/* Asks the timing model, at the time of fetching; nvmev_timing.lock is held */
static void nvmev_nvm_time(struct nvmev_dev *dev, struct nvmev_io *io,
			   u64 now_ns)
{
	struct nvmev_ns *ns = io->ns;
	u64 due_ns;

	if (io->kind == NVMEV_OTHER) {
		due_ns = nvmev_nvm_flush_due(dev, io, now_ns);
		io->wait_ns = due_ns - io->seen_ns;
	} else {
		due_ns = nvmev_timing_due(&dev->timing, io->kind, io->seen_ns,
					  io->units, &io->wait_ns);
		if (io->op->write) {
			if (unlikely(io->op->move))
				due_ns = nvmev_copy_due(dev, io, due_ns);
			if (nvmev_io_is_write(io))
				ns->write_due_ns = max(ns->write_due_ns,
						       due_ns);
		}
	}
	io->due.expires = ns_to_ktime(due_ns);
}

/* --- completion --------------------------------------------------------- */

static u64 nvmev_io_host_bytes(const struct nvmev_io *io)
{
	return io->op->lba_range ? io->bytes : 0;
}

static void nvmev_io_count(struct nvmev_worker *worker, struct nvmev_io *io,
			   u64 late_ns)
{
	u64 bytes = nvmev_io_host_bytes(io);

	nvmev_stat_record(&io->sq->stat[io->kind], bytes, io->wait_ns, late_ns,
			  late_ns > READ_ONCE(worker->dev->tolerance_ns));
	if (io->cmd.opcode == NVME_NVM_READ ||
	    io->cmd.opcode == NVME_NVM_COMPARE) {
		nvmev_stat_add(&worker->bytes_read, bytes);
		nvmev_stat_add(&worker->host_reads, 1);
	} else if (io->cmd.opcode == NVME_NVM_WRITE) {
		nvmev_stat_add(&worker->bytes_written, bytes);
		nvmev_stat_add(&worker->host_writes, 1);
	} else if (io->cmd.opcode == NVME_NVM_VERIFY) {
		/* Data that was read, by no read command: 5.14.1.2 */
		nvmev_stat_add(&worker->bytes_read, bytes);
	} else if (io->op->write) {
		nvmev_stat_add(&worker->changes, 1);
	}
}

/* Dword 0: of a Copy that fails the first range that has not been copied, TP4065 */
static u32 nvmev_io_result(const struct nvmev_io *io)
{
	return io->status && io->op && io->op->move ? io->range : 0;
}

/* Posts a completion; only those that succeed have a due time to be late for */
static void nvmev_io_post(struct nvmev_worker *worker, struct nvmev_io *io,
			  u64 now_ns)
{
	u64 late_ns = io->status ? 0 : now_ns - nvmev_io_due_ns(io);
	struct nvmev_sq *sq = io->sq;

	if (likely(!io->status))
		nvmev_io_count(worker, io, late_ns);
	trace_nvmev_complete(io, late_ns);
	nvmev_stat_add(&sq->in_flight, -1);
	nvmev_stat_add(&worker->stat[io->kind].in_flight, -1);
	if (!sq->cq->unsignalled)
		list_add_tail(&sq->cq->signal, &worker->signals);
	nvmev_cq_post(worker->dev, sq->cq, sq, io->cmd.cid,
		      nvmev_io_result(io), io->status);
	io->state = NVMEV_IO_FREE;
	/* The one used last is the one that the caches know */
	list_add(&io->node, &sq->free);
}

/* Posts the completion, or keeps it until the host has made room */
static void nvmev_io_finish(struct nvmev_worker *worker, struct nvmev_io *io,
			    u64 now_ns)
{
	struct nvmev_cq *cq = io->sq->cq;

	if (likely(list_empty(&cq->blocked) &&
		   !nvmev_cq_full(worker->dev, cq))) {
		nvmev_io_post(worker, io, now_ns);
		return;
	}
	io->state = NVMEV_IO_BLOCKED;
	io->ready_ns = now_ns;
	list_add_tail(&io->node, &cq->blocked);
	worker->nr_blocked++;
}

/* The first block with the error, where it is one of a block (5.14.1.1) */
static u64 nvmev_io_error_lba(const struct nvmev_io *io)
{
	switch (io->status & NVME_SC_MASK) {
	case NVME_SC_LBA_RANGE:
	case NVME_SC_READ_ERROR:
	case NVME_SC_COMPARE_FAILED:
		return io->error_lba;
	default:
		return io->ns && io->op->lba_range ? nvmev_io_lba(io) : 0;
	}
}

static void nvmev_io_fail(struct nvmev_worker *worker, struct nvmev_io *io)
{
	struct nvmev_sq *sq = io->sq;
	const struct nvmev_error error = {
		.location = NVMEV_NO_LOCATION,
		.lba = nvmev_io_error_lba(io),
	};

	nvmev_stat_add(&sq->stat[io->kind].errors, 1);
	/* Some of its data may have been moved before */
	if (io->op && io->op->write && (io->pos || io->range))
		nvmev_stat_add(&worker->changes, 1);
	if ((io->status & NVME_SC_MASK) == NVME_SC_READ_ERROR)
		nvmev_stat_add(&worker->media_errors, 1);
	io->status = nvmev_log_error(worker->dev, sq, &io->cmd, io->status,
				     &error);
	nvmev_io_finish(worker, io, 0);
}

/* Whether there are writes of a namespace, not all moved, that came before a Flush */
static bool nvmev_flush_waits_for(struct nvmev_worker *worker,
				  const struct nvmev_io *flush, unsigned int ns)
{
	const struct nvmev_io *oldest =
		list_first_entry_or_null(&worker->unmoved[ns], struct nvmev_io,
					 node);

	/* None that was fetched before the Flush is due after it */
	return oldest && nvmev_io_due_ns(oldest) <= nvmev_io_due_ns(flush);
}

/*
 * A Flush that is due waits for the writes, of zeroes as well, of its namespace
 * that came before it and have not been moved yet: 6.8. Those of another worker
 * are bound by their due time alone. What is being deallocated is no data that
 * would have to be made safe, and can take seconds.
 */
static bool nvmev_flush_must_wait(struct nvmev_worker *worker,
				  const struct nvmev_io *flush)
{
	unsigned int ns;

	if (flush->ns)
		return nvmev_flush_waits_for(worker, flush,
					     flush->ns - worker->dev->ns);
	for (ns = 0; ns < NVMEV_MAX_NS; ns++)
		if (nvmev_flush_waits_for(worker, flush, ns))
			return true;
	return false;
}

static void nvmev_flush_wait(struct nvmev_worker *worker, struct nvmev_io *flush)
{
	unsigned int ns = flush->ns ? flush->ns - worker->dev->ns :
				      NVMEV_MAX_NS;

	flush->state = NVMEV_IO_FLUSH;
	list_add_tail(&flush->node, &worker->flushes[ns]);
	worker->nr_flushes++;
}

static void nvmev_flush_unwait(struct nvmev_worker *worker,
			       struct nvmev_io *flush)
{
	list_del(&flush->node);
	worker->nr_flushes--;
}

/* Where one waits, so do those behind it, which can be very many */
static void nvmev_worker_check_flushes(struct nvmev_worker *worker)
{
	struct nvmev_io *io;
	unsigned int ns;

	for (ns = 0; ns <= NVMEV_MAX_NS; ns++) {
		while (!list_empty(&worker->flushes[ns])) {
			io = list_first_entry(&worker->flushes[ns],
					      struct nvmev_io, node);
			if (nvmev_flush_must_wait(worker, io))
				break;
			nvmev_flush_unwait(worker, io);
			nvmev_io_finish(worker, io, nvmev_clock_ns());
		}
	}
}

/* The interrupts of what was posted; those held back for aggregation stay */
static void nvmev_worker_signal(struct nvmev_worker *worker)
{
	struct nvmev_cq *cq, *next;
	u64 now_ns;

	if (list_empty(&worker->signals))
		return;
	now_ns = nvmev_clock_ns();
	list_for_each_entry_safe(cq, next, &worker->signals, signal)
		if (!nvmev_cq_signal(worker->dev, cq, now_ns))
			list_del_init(&cq->signal);
}

/* Keeps a command until it is due */
static void nvmev_io_hold(struct nvmev_worker *worker, struct nvmev_io *io)
{
	struct list_head *due = &worker->due[io->kind];
	const struct nvmev_io *last = list_entry(due->prev, struct nvmev_io,
						 node);

	io->state = NVMEV_IO_DUE;
	io->stray = !list_empty(due) &&
		    nvmev_io_due_ns(last) > nvmev_io_due_ns(io);
	if (unlikely(io->stray))
		timerqueue_add(&worker->strays, &io->due);
	else
		list_add_tail(&io->node, due);
}

static void nvmev_io_unhold(struct nvmev_worker *worker, struct nvmev_io *io)
{
	if (unlikely(io->stray))
		timerqueue_del(&worker->strays, &io->due);
	else
		list_del(&io->node);
}

/* The command that is due first; NULL when none waits for its time */
static struct nvmev_io *nvmev_worker_first(struct nvmev_worker *worker)
{
	struct timerqueue_node *node = timerqueue_getnext(&worker->strays);
	struct nvmev_io *first = NULL, *io;
	int kind;

	if (unlikely(node))
		first = container_of(node, struct nvmev_io, due);
	for (kind = 0; kind < NVMEV_KINDS; kind++) {
		io = list_first_entry_or_null(&worker->due[kind],
					      struct nvmev_io, node);
		if (io && (!first ||
			   nvmev_io_due_ns(io) < nvmev_io_due_ns(first)))
			first = io;
	}
	return first;
}

/* Posts what is due, up to a burst; true when there was anything */
static bool nvmev_worker_complete_due(struct nvmev_worker *worker)
{
	u64 now_ns = 0;
	unsigned int i;

	for (i = 0; i < NVMEV_BURST && READ_ONCE(worker->dev->dma); i++) {
		struct nvmev_io *io = nvmev_worker_first(worker);

		if (!io)
			break;
		if (i % NVMEV_BATCH == 0 || now_ns < nvmev_io_due_ns(io))
			now_ns = nvmev_clock_ns();
		if (now_ns < nvmev_io_due_ns(io))
			break;
		nvmev_io_unhold(worker, io);
		/* Others that are due need not wait with it */
		if (unlikely(io->kind == NVMEV_OTHER) &&
		    nvmev_flush_must_wait(worker, io)) {
			nvmev_flush_wait(worker, io);
			continue;
		}
		nvmev_io_finish(worker, io, now_ns);
	}
	return i;
}

static void nvmev_worker_unblock(struct nvmev_worker *worker)
{
	struct nvmev_cq *cq;

	list_for_each_entry(cq, &worker->cqs, node) {
		while (!list_empty(&cq->blocked) &&
		       !nvmev_cq_full(worker->dev, cq)) {
			struct nvmev_io *io = list_first_entry(&cq->blocked,
							       struct nvmev_io,
							       node);

			list_del(&io->node);
			worker->nr_blocked--;
			/* What the host made it wait for is not its lateness */
			nvmev_io_post(worker, io, io->ready_ns);
		}
	}
}

/* --- transfer ----------------------------------------------------------- */

/* Reads and writes without an indirect call, which costs more than asking */
static u16 nvmev_io_chunk(struct nvmev_dev *dev, struct nvmev_io *io,
			  void *storage, u32 len)
{
	if (likely(io->op->chunk == nvmev_nvm_read_chunk))
		return nvmev_nvm_read_chunk(dev, io, storage, len);
	if (likely(io->op->chunk == nvmev_nvm_write_chunk))
		return nvmev_nvm_write_chunk(dev, io, storage, len);
	return io->op->chunk(dev, io, storage, len);
}

/* Moves up to @budget bytes; true when the command has no more to move */
static bool nvmev_io_transfer(struct nvmev_dev *dev, struct nvmev_io *io,
			      u32 budget)
{
	for (;;) {
		while (io->op->chunk && io->pos < io->bytes) {
			u64 offset = io->offset + io->pos;
			spinlock_t *lock =
				&dev->range_locks[nvmev_lock_of(offset)];
			u32 len;

			if (!budget)
				return false;
			len = min_t(u64, io->bytes - io->pos, NVME_PAGE_SIZE -
				    (offset & ~NVME_PAGE_MASK));
			/*
			 * A block is never read half written (AWUN, 6.4):
			 * blocks do not cross pages of the storage.
			 */
			spin_lock(lock);
			io->status = nvmev_io_chunk(dev, io,
						    dev->storage + offset,
						    len);
			spin_unlock(lock);
			if (io->status)
				return true;
			io->pos += len;
			budget -= min(budget, len);
		}
		if (io->op->end)
			io->status = io->op->end(io);
		if (io->status || !nvmev_nvm_next_range(dev, io))
			return true;
	}
}

static void nvmev_io_transferred(struct nvmev_worker *worker,
				 struct nvmev_io *io)
{
	if (unlikely(io->status)) {
		/* A part of its first page may have been moved: no @pos tells */
		if (io->op->write)
			nvmev_stat_add(&worker->changes, 1);
		nvmev_io_fail(worker, io);
		return;
	}
	nvmev_io_hold(worker, io);
}

/* Where a command waits whose data has still to be moved, but for deallocations */
static struct timerqueue_head *nvmev_io_queue(struct nvmev_worker *worker,
					      const struct nvmev_io *io)
{
	return io->op->data || io->op->move ? &worker->transfers :
					      &worker->erasures;
}

static void nvmev_io_put_off(struct nvmev_worker *worker, struct nvmev_io *io)
{
	io->state = NVMEV_IO_TRANSFER;
	if (io->op->deallocate) {
		list_add_tail(&io->node, &worker->deallocations);
		return;
	}
	timerqueue_add(nvmev_io_queue(worker, io), &io->due);
	if (nvmev_io_is_write(io))
		list_add_tail(&io->node,
			      &worker->unmoved[io->ns - worker->dev->ns]);
}

static void nvmev_io_take_up(struct nvmev_worker *worker, struct nvmev_io *io)
{
	if (io->op->deallocate) {
		list_del(&io->node);
		return;
	}
	timerqueue_del(nvmev_io_queue(worker, io), &io->due);
	if (nvmev_io_is_write(io))
		list_del(&io->node);
}

/* Moves a slice of a command; true when it was the last */
static bool nvmev_worker_move(struct nvmev_worker *worker, struct nvmev_io *io)
{
	bool done;

	done = io->op->move ? io->op->move(worker->dev, io, NVMEV_SLICE) :
			      nvmev_io_transfer(worker->dev, io, NVMEV_SLICE);
	if (done) {
		nvmev_io_take_up(worker, io);
		nvmev_io_transferred(worker, io);
	}
	return done;
}

/* One slice of the command that is due first */
static bool nvmev_worker_slice(struct nvmev_worker *worker,
			       struct timerqueue_head *queue)
{
	struct timerqueue_node *node = timerqueue_getnext(queue);

	if (!node || unlikely(!READ_ONCE(worker->dev->dma)))
		return false;
	nvmev_worker_move(worker, container_of(node, struct nvmev_io, due));
	return true;
}

/*
 * One slice of a deallocation. One may be a block, the next all of the storage,
 * whatever their due times: every other slice is for one of those that came later,
 * in turns. The rest are the first's, so that of many large ones some are done in
 * good time.
 */
static bool nvmev_worker_deallocate(struct nvmev_worker *worker)
{
	struct nvmev_io *io =
		list_first_entry_or_null(&worker->deallocations,
					 struct nvmev_io, node);

	if (!io || unlikely(!READ_ONCE(worker->dev->dma)))
		return false;
	worker->later = !worker->later &&
			!list_is_singular(&worker->deallocations);
	if (worker->later)
		io = list_next_entry(io, node);
	if (!nvmev_worker_move(worker, io) && worker->later)
		list_move_tail(&io->node, &worker->deallocations);
	return true;
}

/*
 * Erasing costs the model little and can take long: it has queues of its own,
 * so that transfers need not wait for it, and a share of the worker's time, so
 * that it goes on however many of them there are. A Write Zeroes is done soon
 * and is not kept behind a Dataset Management, which may name all of the
 * storage: the two take turns. @round_ns is how long the last round took, with
 * what was erased in it.
 */
static bool nvmev_worker_erase(struct nvmev_worker *worker, u64 round_ns)
{
	unsigned int i, slices;
	u64 end_ns;

	if (likely(!timerqueue_getnext(&worker->erasures) &&
		   list_empty(&worker->deallocations)))
		return false;
	end_ns = nvmev_clock_ns() + (round_ns >> NVMEV_ERASE_SHIFT);
	for (i = 0; i < NVMEV_ERASE_SLICES; i += slices) {
		slices = nvmev_worker_slice(worker, &worker->erasures);
		slices += nvmev_worker_deallocate(worker);
		if (!slices || nvmev_clock_ns() >= end_ns)
			break;
	}
	return true;
}

/* A transfer that is late gets more than a slice */
static bool nvmev_worker_transfer(struct nvmev_worker *worker)
{
	struct timerqueue_node *node;
	bool worked = false;
	unsigned int i;

	for (i = 0; i < NVMEV_LATE_SLICES; i++) {
		worked |= nvmev_worker_slice(worker, &worker->transfers);
		node = timerqueue_getnext(&worker->transfers);
		if (!node || (u64)ktime_to_ns(node->expires) > nvmev_clock_ns())
			break;
	}
	return worked;
}

/* --- Compare and Write, fused, 6.2 --------------------------------------- */

/* Runs the chunk function of a command over all of its one or two pages */
static u16 nvmev_io_chunks(struct nvmev_dev *dev, struct nvmev_io *io)
{
	u64 offset;
	u16 status;
	u32 len;

	while (io->pos < io->bytes) {
		offset = io->offset + io->pos;
		len = min_t(u64, io->bytes - io->pos,
			    NVME_PAGE_SIZE - (offset & ~NVME_PAGE_MASK));
		status = io->op->chunk(dev, io, dev->storage + offset, len);
		if (status)
			return status;
		io->pos += len;
	}
	return NVME_SC_SUCCESS;
}

static void nvmev_fused_execute_locked(struct nvmev_dev *dev,
				       struct nvmev_io *first,
				       struct nvmev_io *second)
{
	first->status = nvmev_io_chunks(dev, first);
	if (first->status) {
		second->status = NVME_SC_FUSED_FAIL;
		return;
	}
	second->status = nvmev_io_chunks(dev, second);
	if (!second->status)
		nvmev_nvm_clear_bad(second);
}

/* Compares and writes with all of its pages locked */
static void nvmev_fused_execute(struct nvmev_dev *dev, struct nvmev_io *first,
				struct nvmev_io *second)
{
	u64 last = first->offset + first->bytes - 1;

	nvmev_storage_lock(dev, first->offset, last);
	nvmev_fused_execute_locked(dev, first, second);
	nvmev_storage_unlock(dev, first->offset, last);
}

static bool nvmev_fused_match(const struct nvmev_io *first,
			      const struct nvmev_io *second)
{
	return first->cmd.opcode == NVME_NVM_COMPARE &&
	       second->cmd.opcode == NVME_NVM_WRITE &&
	       first->cmd.nsid == second->cmd.nsid &&
	       first->cmd.cdw10 == second->cmd.cdw10 &&
	       first->cmd.cdw11 == second->cmd.cdw11 &&
	       !((first->cmd.cdw12 ^ second->cmd.cdw12) &
		 cpu_to_le32(NVME_RW_NLB));
}

/* @second is NULL where the next entry is not the other half */
static void nvmev_fused_pair(struct nvmev_dev *dev, struct nvmev_io *first,
			     struct nvmev_io *second)
{
	if (!second) {
		first->status = NVME_SC_FUSED_MISSING | NVME_SC_DNR;
		return;
	}
	if (first->status || second->status) {
		if (!second->status)
			second->status = NVME_SC_FUSED_FAIL;
		/* What becomes of the Write is nothing to the Compare */
		if (!first->status && !nvmev_fused_match(first, second))
			first->status = NVME_SC_FUSED_FAIL;
	} else if (!nvmev_fused_match(first, second)) {
		first->status = NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		second->status = NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	} else if (first->bytes > NVME_PAGE_SIZE) {
		/* NACWU in Identify Namespace, 6.4 */
		first->status = NVME_SC_ATOMIC_WRITE_UNIT | NVME_SC_DNR;
		second->status = NVME_SC_ATOMIC_WRITE_UNIT | NVME_SC_DNR;
	} else {
		nvmev_fused_execute(dev, first, second);
	}
}

/* Whether a first half has its second half in the queue, and no room for it */
static bool nvmev_fused_alone(const struct nvmev_sq *sq,
			      const struct nvmev_io *io, bool more)
{
	return (io->cmd.flags & NVME_CMD_FUSE) == NVME_CMD_FUSE_FIRST && more &&
	       list_empty(&sq->free);
}

/* Whether what came along, beyond the burst, is no other half after all */
static bool nvmev_fused_stray(const struct nvmev_io *io, bool beyond)
{
	return beyond &&
	       (io->cmd.flags & NVME_CMD_FUSE) != NVME_CMD_FUSE_SECOND;
}

/* Decides about fused commands among those just fetched */
static void nvmev_fused_check(struct nvmev_dev *dev, struct nvmev_io **ios,
			      u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		struct nvmev_io *io = ios[i], *next = NULL;

		switch (io->cmd.flags & NVME_CMD_FUSE) {
		case 0:
			continue;
		case NVME_CMD_FUSE_FIRST:
			if (i + 1 < nr && (ios[i + 1]->cmd.flags &
					   NVME_CMD_FUSE) ==
			    NVME_CMD_FUSE_SECOND)
				next = ios[++i];
			nvmev_fused_pair(dev, io, next);
			break;
		case NVME_CMD_FUSE_SECOND:
			io->status = NVME_SC_FUSED_MISSING | NVME_SC_DNR;
			break;
		default:
			io->status = NVME_SC_INVALID_FIELD | NVME_SC_DNR;
			break;
		}
	}
}

/* --- fetching -------------------------------------------------------------- */

static void nvmev_stat_enter(u64 *in_flight, u64 *in_flight_max, u32 nr)
{
	nvmev_stat_add(in_flight, nr);
	nvmev_stat_max(in_flight_max, *in_flight);
}

static bool nvmev_io_is_small(const struct nvmev_io *io)
{
	if (!io->op->chunk)
		return !io->op->move;
	return io->op->lba_range && io->bytes <= NVME_PAGE_SIZE;
}

static void nvmev_io_transfer_small(struct nvmev_dev *dev, struct nvmev_io *io)
{
	u64 last = io->offset + io->bytes - 1;

	/* No part of it without the rest: NACWU, 6.4 */
	if (unlikely(io->op->chunk && io->pos < io->bytes &&
		     nvmev_left_of_page(io->offset) < io->bytes)) {
		nvmev_storage_lock(dev, io->offset, last);
		io->status = nvmev_io_chunks(dev, io);
		nvmev_storage_unlock(dev, io->offset, last);
		if (io->status)
			return;
	}
	nvmev_io_transfer(dev, io, NVME_PAGE_SIZE);
}

/*
 * What checking a command comes to, in units: of ranges each is read, also by a
 * command that is refused
 */
static u32 nvmev_io_effort(const struct nvmev_io *io)
{
	if (likely(!io->op || !io->op->check))
		return io->units;
	return max_t(u32, io->units, 1 + (io->op->move ?
		FIELD_GET(NVME_COPY_NR, le32_to_cpu(io->cmd.cdw12)) :
		FIELD_GET(NVME_DSM_NR, le32_to_cpu(io->cmd.cdw10))));
}

/*
 * Fetches a burst, but at most @limit, from one queue, seen at @now_ns unless
 * they were before; how many there were.
 */
static u32 nvmev_worker_fetch(struct nvmev_worker *worker, struct nvmev_sq *sq,
			      u64 now_ns, u32 limit)
{
	struct nvmev_io *ios[NVMEV_BURST + 1];
	u32 entered[NVMEV_KINDS] = { };
	struct nvmev_dev *dev = worker->dev;
	u32 pending = nvmev_sq_left(sq);
	u32 burst, i, nr = 0, units = 0;
	bool fused = false;
	int kind;

	/* Arbitration Burst, 5.21.1.1: a power of two, 7 is no limit */
	burst = 1 << (READ_ONCE(dev->admin.features.arbitration) &
		      NVME_ARB_BURST);
	burst = min3(burst, pending, limit);
	while (nr < pending) {
		bool enough = nr >= burst || units >= NVMEV_BURST_UNITS ||
			      unlikely(!READ_ONCE(dev->dma));
		struct nvmev_io *io;

		/* The other half of a fused command comes along */
		if (enough && (!nr || (ios[nr - 1]->cmd.flags & NVME_CMD_FUSE) !=
				      NVME_CMD_FUSE_FIRST))
			break;
		io = list_first_entry_or_null(&sq->free, struct nvmev_io,
					      node);
		/* More in flight than entries: the rest stays in the queue */
		if (!io)
			break;
		if (unlikely(!nvmev_sq_fetch(dev, sq, &io->cmd)))
			break;
		list_del_init(&io->node);
		io->seen_ns = nvmev_sq_seen_ns(sq, now_ns);
		if (unlikely(io->cmd.flags & NVME_CMD_FUSE)) {
			/* Both halves together, or later */
			if (nvmev_fused_alone(sq, io, nr + 1 < pending) ||
			    nvmev_fused_stray(io, enough)) {
				nvmev_sq_unfetch(sq, io->seen_ns);
				list_add(&io->node, &sq->free);
				break;
			}
			fused = true;
		}
		io->status = nvmev_nvm_check(dev, io);
		units += nvmev_io_effort(io);
		entered[io->kind]++;
		trace_nvmev_fetch(io);
		ios[nr++] = io;
	}
	if (!nr)
		return 0;
	if (unlikely(fused))
		nvmev_fused_check(dev, ios, nr);
	nvmev_stat_enter(&sq->in_flight, &sq->in_flight_max, nr);
	for (kind = 0; kind < NVMEV_KINDS; kind++)
		if (entered[kind])
			nvmev_stat_enter(&worker->stat[kind].in_flight,
					 &worker->stat[kind].in_flight_max,
					 entered[kind]);

	spin_lock(&dev->timing.lock);
	for (i = 0; i < nr; i++)
		if (likely(!ios[i]->status))
			nvmev_nvm_time(dev, ios[i], now_ns);
	spin_unlock(&dev->timing.lock);

	for (i = 0; i < nr; i++) {
		struct nvmev_io *io = ios[i];

		/* What is due need not wait for the rest of the burst */
		if (i && i % NVMEV_BATCH == 0)
			nvmev_worker_complete_due(worker);
		if (unlikely(io->status)) {
			nvmev_io_fail(worker, io);
			continue;
		}
		trace_nvmev_due(io);
		if (nvmev_io_is_small(io) && likely(READ_ONCE(dev->dma))) {
			nvmev_io_transfer_small(dev, io);
			nvmev_io_transferred(worker, io);
		} else {
			nvmev_io_put_off(worker, io);
		}
	}
	return nr;
}

/*
 * Looks at every doorbell, then takes the time once for all that was new, then
 * fetches. A queue whose doorbell reads as when it was left empty costs one
 * comparison.
 */
static bool nvmev_worker_look(struct nvmev_worker *worker)
{
	u8 ready[NVMEV_MAX_QUEUES];
	unsigned int i, nr = 0;
	bool worked = false;
	u64 now_ns;

	for (i = 0; i < worker->nr_watches; i++) {
		struct nvmev_watch *watch = &worker->watches[i];
		u32 tail = nvmev_doorbell_value(watch->doorbell, watch->idle);

		if (likely(tail == watch->idle))
			continue;
		/* No tail to go by, should the doorbell be gone */
		if (watch->idle == NVMEV_WATCH_BUSY)
			tail = nvmev_doorbell_value(watch->doorbell,
						    watch->sq->tail);
		if (!nvmev_sq_set_tail(worker->dev, watch->sq, tail))
			continue;
		watch->idle = tail;
		if (nvmev_sq_left(watch->sq))
			ready[nr++] = i;
	}
	if (!nr)
		return false;

	now_ns = nvmev_clock_ns();
	nvmev_stat_max(&worker->unseen_max_ns, now_ns - worker->polled_ns);
	for (i = 0; i < nr; i++)
		nvmev_sq_mark(worker->watches[ready[i]].sq, now_ns);
	for (i = 0; i < nr; i++) {
		struct nvmev_watch *watch = &worker->watches[ready[i]];

		if (nvmev_worker_fetch(worker, watch->sq, now_ns,
				       NVMEV_BURST)) {
			worked = true;
			nvmev_worker_complete_due(worker);
			nvmev_worker_signal(worker);
		}
		if (nvmev_sq_left(watch->sq))
			watch->idle = NVMEV_WATCH_BUSY;
	}
	return worked;
}

/* --- weighted round robin, 4.13.2 ------------------------------------------- */

/* The queue whose turn it is, and how many commands its class has left */
static struct nvmev_sq *nvmev_wrr_next(struct nvmev_worker *worker, u32 *quota)
{
	u32 arbitration = READ_ONCE(worker->dev->admin.features.arbitration);
	struct nvmev_sq *first[NVME_SQ_PRIORITIES] = { };
	struct nvmev_sq *sq;
	unsigned int round, class;

	list_for_each_entry(sq, &worker->sqs, node)
		if (!first[sq->priority] && !sq->passed_over &&
		    !list_empty(&sq->free) &&
		    nvmev_sq_pending(worker->dev, sq))
			first[sq->priority] = sq;
	*quota = NVMEV_BURST;
	if (first[NVME_SQ_URGENT])
		return first[NVME_SQ_URGENT];

	for (round = 0; round < 2; round++) {
		for (class = NVME_SQ_HIGH; class <= NVME_SQ_LOW; class++) {
			if (!first[class] || !worker->credits[class])
				continue;
			*quota = worker->credits[class];
			return first[class];
		}
		/* All that have commands have had their share: a new round */
		worker->credits[NVME_SQ_HIGH] =
			FIELD_GET(NVME_ARB_HIGH, arbitration) + 1;
		worker->credits[NVME_SQ_MEDIUM] =
			FIELD_GET(NVME_ARB_MEDIUM, arbitration) + 1;
		worker->credits[NVME_SQ_LOW] =
			FIELD_GET(NVME_ARB_LOW, arbitration) + 1;
	}
	return NULL;
}

/*
 * Commands wait in their queues until a slot is free, and then the one of the
 * class whose turn it is gets it: fetched at once, they would be served in the
 * order of their coming. Their time begins when they are seen all the same.
 */
static bool nvmev_worker_fetch_wrr(struct nvmev_worker *worker)
{
	struct nvmev_dev *dev = worker->dev;
	u32 served = 0, nr, room = 1, quota;
	struct nvmev_sq *sq;
	bool waiting = false;
	u64 now_ns;

	list_for_each_entry(sq, &worker->sqs, node) {
		sq->passed_over = false;
		if (!nvmev_sq_pending(dev, sq))
			continue;
		now_ns = nvmev_clock_ns();
		nvmev_stat_max(&worker->unseen_max_ns,
			       now_ns - worker->polled_ns);
		nvmev_sq_mark(sq, now_ns);
		waiting = true;
	}
	while (waiting && served < NVMEV_BURST) {
		now_ns = nvmev_clock_ns();
		room = nvmev_timing_room(&dev->timing, now_ns);
		sq = room ? nvmev_wrr_next(worker, &quota) : NULL;
		if (!sq)
			break;
		/* Its doorbell was read once more, and the clock before that */
		now_ns = nvmev_clock_ns();
		nvmev_sq_mark(sq, now_ns);
		nr = nvmev_worker_fetch(worker, sq, now_ns,
					min3(quota, room, (u32)NVMEV_BURST));
		if (sq->priority != NVME_SQ_URGENT)
			worker->credits[sq->priority] -=
				min(nr, worker->credits[sq->priority]);
		/* The queues of a class take turns */
		list_move_tail(&sq->node, &worker->sqs);
		nvmev_worker_complete_due(worker);
		nvmev_worker_signal(worker);
		/* A fused pair may lack room: that must not hold up the others */
		if (nr)
			served++;
		else
			sq->passed_over = true;
	}
	/* A slot comes free by itself, a completion queue by the host */
	return served || !room;
}

/* --- the worker --------------------------------------------------------- */

/**
 * nvmev_worker_poll() - one round of a worker
 * @worker: the worker
 *
 * Context: the worker's thread.
 * Return: whether there was, or is, anything to do.
 */
bool nvmev_worker_poll(struct nvmev_worker *worker)
{
	/* Pairs with the release in nvmev_worker_call() */
	struct nvmev_call *call = smp_load_acquire(&worker->call);
	u64 polled_ns, round_ns;
	bool worked = false;

	if (unlikely(call)) {
		call->fn(worker, call->arg);
		WRITE_ONCE(worker->call, NULL);
		complete(&call->done);
		worked = true;
	}

	/* Without Bus Master Enable the host's memory is not to be touched */
	if (unlikely(!READ_ONCE(worker->dev->dma)))
		return worked;

	polled_ns = nvmev_clock_ns();
	/* With its doorbells out of the host's reach nothing new can come */
	if (likely(READ_ONCE(worker->dev->mmio)))
		worked |= unlikely(READ_ONCE(worker->dev->wrr)) ?
			  nvmev_worker_fetch_wrr(worker) :
			  nvmev_worker_look(worker);
	round_ns = polled_ns - worker->polled_ns;
	worker->polled_ns = polled_ns;
	worked |= nvmev_worker_erase(worker, round_ns);
	worked |= nvmev_worker_transfer(worker);
	worked |= nvmev_worker_complete_due(worker);
	if (unlikely(worker->nr_flushes))
		nvmev_worker_check_flushes(worker);
	if (unlikely(worker->nr_blocked))
		nvmev_worker_unblock(worker);
	if (!list_empty(&worker->signals)) {
		nvmev_worker_signal(worker);
		worked = true;
	}
	return worked || nvmev_worker_first(worker);
}

static void nvmev_worker_rest(struct nvmev_worker *worker)
{
	u64 idle_ns, sleep_ns;
	ktime_t timeout;

	set_current_state(TASK_IDLE);
	/* A call or a stop that came before is seen here, a later one wakes */
	if (READ_ONCE(worker->call) || kthread_should_stop()) {
		__set_current_state(TASK_RUNNING);
		return;
	}
	if (list_empty(&worker->sqs)) {
		schedule();
		return;
	}
	idle_ns = nvmev_clock_ns() - worker->worked_ns;
	if (idle_ns < NVMEV_SPIN_NS) {
		__set_current_state(TASK_RUNNING);
		cpu_relax();
		return;
	}
	sleep_ns = max(min_t(u64, idle_ns >> NVMEV_IDLE_SHIFT,
			     NVMEV_IDLE_MAX_NS),
		       min_t(u64, idle_ns >> NVMEV_LONG_IDLE_SHIFT,
			     NVMEV_LONG_IDLE_MAX_NS));
	timeout = ns_to_ktime(sleep_ns);
	schedule_hrtimeout_range(&timeout, sleep_ns >> NVMEV_IDLE_SHIFT,
				 HRTIMER_MODE_REL);
}

static int nvmev_worker_thread(void *data)
{
	struct nvmev_worker *worker = data;

	worker->worked_ns = nvmev_clock_ns();
	worker->polled_ns = worker->worked_ns;
	while (!kthread_should_stop()) {
		if (nvmev_worker_poll(worker))
			worker->worked_ns = nvmev_clock_ns();
		else
			nvmev_worker_rest(worker);
		/* Also for those who wait until every task has paused */
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

/**
 * nvmev_worker_call() - run a function in a worker, between two commands
 * @worker: the worker
 * @fn: the function; must not sleep for long
 * @arg: its argument
 *
 * Context: any thread but the worker's own; sleeps until @fn has returned.
 */
void nvmev_worker_call(struct nvmev_worker *worker,
		       void (*fn)(struct nvmev_worker *worker, void *arg),
		       void *arg)
{
	struct nvmev_call call = { .fn = fn, .arg = arg };

	init_completion(&call.done);
	mutex_lock(&worker->call_lock);
	/* Pairs with the acquire in nvmev_worker_poll() */
	smp_store_release(&worker->call, &call);
	wake_up_process(worker->task);
	wait_for_completion(&call.done);
	mutex_unlock(&worker->call_lock);
}

static void nvmev_worker_do_add_cq(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_cq *cq = arg;

	list_add_tail(&cq->node, &worker->cqs);
}

/**
 * nvmev_worker_add_cq() - hand a completion queue to its worker
 * @cq: the queue; nobody else touches it from now on
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_worker_add_cq(struct nvmev_cq *cq)
{
	nvmev_worker_call(cq->worker, nvmev_worker_do_add_cq, cq);
}

static void nvmev_worker_do_del_cq(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_cq *cq = arg;

	list_del_init(&cq->signal);
	list_del_init(&cq->node);
}

/**
 * nvmev_worker_del_cq() - take a completion queue back
 * @cq: the queue; no submission queue completes there any more
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_worker_del_cq(struct nvmev_cq *cq)
{
	nvmev_worker_call(cq->worker, nvmev_worker_do_del_cq, cq);
}

/**
 * nvmev_worker_watch_anew() - the doorbells are elsewhere from now on
 * @worker: the worker
 *
 * Context: the worker, in nvmev_worker_call().
 */
void nvmev_worker_watch_anew(struct nvmev_worker *worker)
{
	unsigned int i;

	for (i = 0; i < worker->nr_watches; i++) {
		worker->watches[i].doorbell = worker->watches[i].sq->doorbell;
		worker->watches[i].idle = NVMEV_WATCH_BUSY;
	}
}

static void nvmev_worker_do_add_sq(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_sq *sq = arg;

	list_add_tail(&sq->node, &worker->sqs);
	worker->watches[worker->nr_watches++] = (struct nvmev_watch){
		.doorbell = sq->doorbell, .sq = sq,
	};
	/* There was nothing to be seen before */
	worker->polled_ns = nvmev_clock_ns();
}

/**
 * nvmev_worker_add_sq() - hand a submission queue to its worker
 * @sq: the queue; nobody else touches it from now on
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_worker_add_sq(struct nvmev_sq *sq)
{
	nvmev_worker_call(sq->cq->worker, nvmev_worker_do_add_sq, sq);
}

/* What waits for its time, or for its data; all else has its status already */
static bool nvmev_io_waits(const struct nvmev_io *io)
{
	return io->state == NVMEV_IO_TRANSFER || io->state == NVMEV_IO_DUE ||
	       io->state == NVMEV_IO_FLUSH;
}

/* Takes a command out of whatever it waits in */
static void nvmev_io_unqueue(struct nvmev_worker *worker, struct nvmev_io *io)
{
	switch (io->state) {
	case NVMEV_IO_TRANSFER:
		nvmev_io_take_up(worker, io);
		break;
	case NVMEV_IO_DUE:
		nvmev_io_unhold(worker, io);
		break;
	case NVMEV_IO_FLUSH:
		nvmev_flush_unwait(worker, io);
		break;
	case NVMEV_IO_BLOCKED:
		list_del(&io->node);
		worker->nr_blocked--;
		break;
	}
}

static void nvmev_worker_unwatch(struct nvmev_worker *worker,
				 const struct nvmev_sq *sq)
{
	unsigned int i = 0;

	while (worker->watches[i].sq != sq)
		i++;
	worker->nr_watches--;
	memmove(&worker->watches[i], &worker->watches[i + 1],
		(worker->nr_watches - i) * sizeof(*worker->watches));
}

static void nvmev_worker_do_del_sq(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_sq *sq = arg;
	struct nvmev_io *io;
	int kind;
	u32 i;

	for (i = 0; i < sq->ring.size; i++) {
		io = &sq->ios[i];
		if (io->state == NVMEV_IO_FREE)
			continue;
		if (io->op && io->op->write)
			nvmev_stat_add(&worker->changes, 1);
		nvmev_io_unqueue(worker, io);
		io->state = NVMEV_IO_FREE;
		nvmev_stat_add(&worker->stat[io->kind].in_flight, -1);
	}
	list_del_init(&sq->node);
	nvmev_worker_unwatch(worker, sq);
	/* What it counted stays in the sums */
	for (kind = 0; kind < NVMEV_KINDS; kind++)
		nvmev_stat_add_all(&worker->stat[kind], &sq->stat[kind]);
}

/**
 * nvmev_worker_del_sq() - take a submission queue back
 * @sq: the queue; its commands are dropped, implicitly completed (5.6)
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_worker_del_sq(struct nvmev_sq *sq)
{
	nvmev_worker_call(sq->cq->worker, nvmev_worker_do_del_sq, sq);
}

/**
 * nvmev_worker_drop_ns() - end all commands of a namespace
 * @worker: the worker
 * @ns: the namespace
 * @status: what they end with
 *
 * Context: the worker, in nvmev_worker_call().
 */
void nvmev_worker_drop_ns(struct nvmev_worker *worker, struct nvmev_ns *ns,
			  u16 status)
{
	struct nvmev_sq *sq;
	u32 i;

	list_for_each_entry(sq, &worker->sqs, node) {
		for (i = 0; i < sq->ring.size; i++) {
			struct nvmev_io *io = &sq->ios[i];

			if (io->ns != ns || !nvmev_io_waits(io))
				continue;
			nvmev_io_unqueue(worker, io);
			io->status = status;
			nvmev_io_fail(worker, io);
		}
	}
}

struct nvmev_abort {
	struct nvmev_sq *sq;
	__le16 cid;
	bool aborted;
};

static void nvmev_worker_do_abort(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_abort *abort = arg;
	u32 i;

	for (i = 0; i < abort->sq->ring.size; i++) {
		struct nvmev_io *io = &abort->sq->ios[i];

		/* What is due already completes with its own status */
		if (io->cmd.cid != abort->cid || !nvmev_io_waits(io))
			continue;
		nvmev_io_unqueue(worker, io);
		io->status = NVME_SC_ABORT_REQ;
		nvmev_io_fail(worker, io);
		abort->aborted = true;
		break;
	}
}

/**
 * nvmev_worker_abort() - abort a command that waits for its time
 * @sq: its submission queue
 * @cid: its identifier
 *
 * Context: the controller thread, sleeps.
 * Return: whether it was found; its completion is posted then.
 */
bool nvmev_worker_abort(struct nvmev_sq *sq, u16 cid)
{
	struct nvmev_abort abort = { .sq = sq, .cid = cpu_to_le16(cid) };

	nvmev_worker_call(sq->cq->worker, nvmev_worker_do_abort, &abort);
	return abort.aborted;
}

/**
 * nvmev_workers_start() - start the I/O workers
 * @dev: the device, with its parameters set
 *
 * Context: load, may sleep.
 * Return: 0 or -errno, with nothing started then.
 */
int nvmev_workers_start(struct nvmev_dev *dev)
{
	unsigned int i;
	int err;

	dev->workers = kvcalloc(dev->config.nr_workers, sizeof(*dev->workers),
				GFP_KERNEL);
	if (!dev->workers)
		return -ENOMEM;

	for (i = 0; i < dev->config.nr_workers; i++) {
		struct nvmev_worker *worker = &dev->workers[i];
		struct task_struct *task;
		unsigned int ns;
		int kind;

		worker->dev = dev;
		worker->cpu = dev->config.cpus[i + 1];
		mutex_init(&worker->call_lock);
		INIT_LIST_HEAD(&worker->sqs);
		INIT_LIST_HEAD(&worker->cqs);
		timerqueue_init_head(&worker->transfers);
		timerqueue_init_head(&worker->erasures);
		INIT_LIST_HEAD(&worker->deallocations);
		for (kind = 0; kind < NVMEV_KINDS; kind++)
			INIT_LIST_HEAD(&worker->due[kind]);
		for (ns = 0; ns < NVMEV_MAX_NS; ns++)
			INIT_LIST_HEAD(&worker->unmoved[ns]);
		timerqueue_init_head(&worker->strays);
		for (ns = 0; ns <= NVMEV_MAX_NS; ns++)
			INIT_LIST_HEAD(&worker->flushes[ns]);
		INIT_LIST_HEAD(&worker->signals);

		task = kthread_create_on_node(nvmev_worker_thread, worker,
					      cpu_to_node(worker->cpu),
					      "%s/io%u", dev->config.name, i);
		if (IS_ERR(task)) {
			err = PTR_ERR(task);
			pr_err("%sno thread for I/O worker %u: error %d\n",
			       dev->config.label, i, err);
			goto stop;
		}
		kthread_bind(task, worker->cpu);
		set_user_nice(task, MIN_NICE);
		worker->task = task;
		wake_up_process(task);
	}
	return 0;

stop:
	nvmev_workers_stop(dev);
	return err;
}

/**
 * nvmev_workers_stop() - stop the I/O workers
 * @dev: the device, with no queue left in any worker
 *
 * Context: unload, sleeps. May be called twice.
 */
void nvmev_workers_stop(struct nvmev_dev *dev)
{
	unsigned int i;

	if (!dev->workers)
		return;
	for (i = 0; i < dev->config.nr_workers; i++)
		if (dev->workers[i].task)
			kthread_stop(dev->workers[i].task);
	kvfree(dev->workers);
	dev->workers = NULL;
}
