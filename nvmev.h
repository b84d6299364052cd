/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's own types: who owns and who locks each field.
 *
 * Threads. The controller thread owns the registers, the admin queue, the
 * features and the namespaces. A worker owns its completion queues, every
 * submission queue that completes there, and their commands; nobody else
 * touches them while the worker holds them. Queues change hands only inside
 * nvmev_worker_call().
 *
 * Lock order, outermost first: nvmev_dev.queues_lock, nvmev_worker.call_lock,
 * nvmev_timing.lock, nvmev_dev.range_locks, nvmev_dev.error_lock,
 * nvmev_pci.lock. No two of the last four are ever held together today.
 */
#ifndef _NVMEV_H
#define _NVMEV_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/timerqueue.h>
#include <linux/types.h>
#include <asm/asm.h>

#include "nvme.h"
#include "nvmev_compat.h"

/* The BAR: registers, doorbells, MSI-X table and PBA, each on its own pages */
#define NVMEV_BAR_SIZE		SZ_64K
#define NVMEV_BAR_DOORBELLS	NVME_REG_DBS
#define NVMEV_BAR_MSIX_TABLE	0x8000
#define NVMEV_BAR_MSIX_PBA	0xc000
/* The storage begins here, so that a larger BAR does not move the data */
#define NVMEV_STORAGE_OFFSET	SZ_1M

/* 2048 vectors are the most MSI-X can have; doorbells and table have room */
#define NVMEV_MAX_QUEUES	256
#define NVMEV_MAX_VECTORS	(NVMEV_MAX_QUEUES + 1)
/* Messages that MSI can have at most */
#define NVMEV_MAX_MSI		32
#define NVMEV_MAX_WORKERS	64
#define NVMEV_MAX_DEVICES	8

#define NVMEV_UNIT_SHIFT	12
#define NVMEV_UNIT		BIT(NVMEV_UNIT_SHIFT)

/* Maximum data transfer: 2 MiB, as a power of two of the 4 KiB page */
#define NVMEV_MDTS		9
#define NVMEV_MAX_TRANSFER	(NVME_PAGE_SIZE << NVMEV_MDTS)

/* Copy: source ranges, blocks of each and of all */
#define NVMEV_COPY_RANGES	128
#define NVMEV_COPY_RANGE_LBAS	4096
#define NVMEV_COPY_LBAS		32768

#define NVMEV_AERL		3
#define NVMEV_AER_TYPES		7
#define NVMEV_ACL		3
#define NVMEV_ERROR_LOG_ENTRIES	64

#define NVMEV_MAX_NS		16
/* Namespaces begin at whole MiB */
#define NVMEV_NS_ALIGN		SZ_1M
/* Extents that Write Uncorrectable can keep apart in one namespace */
#define NVMEV_MAX_BAD		128

/* Locks that keep the blocks of one storage page whole, see nvmev_nvm_copy() */
#define NVMEV_RANGE_LOCKS	1024

/* Doorbell writes of one queue whose times are kept apart */
#define NVMEV_MAX_MARKS		16

/* Bounds of the timing parameters */
#define NVMEV_MAX_LATENCY_NS	(60ULL * NSEC_PER_SEC)
#define NVMEV_MAX_BW_MIB	(1024 * 1024)
#define NVMEV_MAX_SLOTS		(1024 * 1024)
#define NVMEV_DEFAULT_SLOTS	32

enum nvmev_kind {
	NVMEV_READ,
	NVMEV_WRITE,
	/* The two above have latency and bandwidth; Flush is of the rest */
	NVMEV_TIMED_KINDS,
	NVMEV_OTHER = NVMEV_TIMED_KINDS,
	NVMEV_KINDS,
};

/* --- timing: nvmev_timing.c ------------------------------------------- */

/**
 * struct nvmev_slot_group - slots that come free at the same time
 * @free_ns: when they are free
 * @count: how many they are, never 0 inside the heap
 */
struct nvmev_slot_group {
	u64 free_ns;
	u32 count;
};

/**
 * struct nvmev_slots - the slots of the device, a min-heap by free time
 * @heap: room for @nr_slots groups
 * @nr_groups: groups in use
 * @nr_slots: sum of the counts of all groups
 */
struct nvmev_slots {
	struct nvmev_slot_group *heap;
	u32 nr_groups;
	u32 nr_slots;
};

/**
 * struct nvmev_timing_config - what the user sets
 * @latency_ns: L of reads and writes
 * @bw: bandwidth target in bytes per second, 0 for what the slots give
 * @slots: N
 */
struct nvmev_timing_config {
	u64 latency_ns[NVMEV_TIMED_KINDS];
	u64 bw[NVMEV_TIMED_KINDS];
	u32 slots;
};

/**
 * struct nvmev_timing - the timing model, shared by all workers
 *
 * On cache lines of its own: every worker writes to it, and what lies beside
 * it every worker reads.
 *
 * @lock: protects every field below
 * @config: the settings in force
 * @occupancy_ns: O of reads and writes, derived from @config
 * @slots: when each slot is free
 */
struct nvmev_timing {
	spinlock_t lock; /* all of this */
	struct nvmev_timing_config config;
	u64 occupancy_ns[NVMEV_TIMED_KINDS];
	struct nvmev_slots slots;
} ____cacheline_aligned_in_smp;

int nvmev_slots_init(struct nvmev_slots *slots, u32 nr_slots);
void nvmev_slots_destroy(struct nvmev_slots *slots);
u64 nvmev_slots_serve(struct nvmev_slots *slots, u64 now_ns, u32 units,
		      u64 occupancy_ns);
void nvmev_slots_resize(struct nvmev_slots *slots,
			struct nvmev_slot_group *heap, u32 nr_slots);

u64 nvmev_timing_derive_slots(const struct nvmev_timing_config *config);
int nvmev_timing_init(struct nvmev_timing *timing,
		      const struct nvmev_timing_config *config);
void nvmev_timing_destroy(struct nvmev_timing *timing);
u64 nvmev_timing_due(struct nvmev_timing *timing, enum nvmev_kind kind,
		     u64 now_ns, u32 units, u64 *wait_ns);
u32 nvmev_timing_room(struct nvmev_timing *timing, u64 now_ns);
void nvmev_timing_get(struct nvmev_timing *timing,
		      struct nvmev_timing_config *config);
void nvmev_timing_set_latency(struct nvmev_timing *timing,
			      enum nvmev_kind kind, u64 latency_ns);
void nvmev_timing_set_bw(struct nvmev_timing *timing, enum nvmev_kind kind,
			 u64 bw);
int nvmev_timing_set_slots(struct nvmev_timing *timing, u32 nr_slots);
void nvmev_timing_reset(struct nvmev_timing *timing);

/* --- statistics: nvmev_stat.c ----------------------------------------- */

/* Lateness is kept in sixteen buckets per power of two: within 6.25 % */
#define NVMEV_HIST_SUB_BITS	4
#define NVMEV_HIST_SUB		BIT(NVMEV_HIST_SUB_BITS)
#define NVMEV_HIST_MAX_BITS	36
#define NVMEV_HIST_BUCKETS \
	((NVMEV_HIST_MAX_BITS - NVMEV_HIST_SUB_BITS + 1) * NVMEV_HIST_SUB)

/**
 * struct nvmev_stat - what was counted of one kind of command
 *
 * Each live queue has one for each kind, and so has each worker, for queues
 * that are gone. Written by the worker alone, read by anyone.
 *
 * @commands: completed with success
 * @bytes: their length
 * @errors: completed with another status
 * @wait_sum_ns: queueing delay in the model, beyond the latency
 * @wait_max_ns: the longest of them
 * @late_sum_ns: posting time minus due time
 * @late_max_ns: the largest of them
 * @intolerable: completions later than the tolerance
 * @in_flight: fetched and not yet posted; the worker's alone, as the next
 * @in_flight_max: the most there were at once
 * @late: how many were late by how much, see nvmev_hist_bucket()
 */
struct nvmev_stat {
	u64 commands;
	u64 bytes;
	u64 errors;
	u64 wait_sum_ns;
	u64 wait_max_ns;
	u64 late_sum_ns;
	u64 late_max_ns;
	u64 intolerable;
	u64 in_flight;
	u64 in_flight_max;
	u64 late[NVMEV_HIST_BUCKETS];
};

/* Counters have one writer, their owner; readers see each of them whole */
static inline void nvmev_stat_add(u64 *counter, u64 n)
{
	WRITE_ONCE(*counter, *counter + n);
}

static inline void nvmev_stat_max(u64 *counter, u64 n)
{
	if (n > *counter)
		WRITE_ONCE(*counter, n);
}

unsigned int nvmev_hist_bucket(u64 ns);
void nvmev_stat_record(struct nvmev_stat *stat, u64 bytes, u64 wait_ns,
		       u64 late_ns, bool intolerable);
void nvmev_stat_add_all(struct nvmev_stat *sum, const struct nvmev_stat *stat);
u64 nvmev_hist_upper(unsigned int bucket);

/* --- queues: nvmev_queue.c -------------------------------------------- */

struct nvmev_dev;
struct nvmev_worker;

/**
 * struct nvmev_ring - the host memory of a queue
 * @pages: address of each of its pages
 * @size: number of entries
 */
struct nvmev_ring {
	void **pages;
	u32 size;
};

/**
 * struct nvmev_cq - a completion queue
 * @worker: who owns it, NULL for the admin queue (the controller thread)
 * @ring: the entries
 * @qid: its identifier
 * @vector: the interrupt vector
 * @irq: whether completions raise it
 * @phase: the phase tag of the next entry
 * @tail: the next entry to write
 * @head: the host's head as last read from the doorbell
 * @bad_head: the last head that cannot be; the controller thread's
 * @bad_looks: how often that has been seen in a row; as @bad_head
 * @doorbell: head doorbell, in the BAR or the host's memory
 * @nr_sqs: submission queues that complete here; the controller thread's
 * @unsignalled: completions posted since the last interrupt
 * @unsignalled_ns: when the first of them was posted
 * @blocked: commands that are due and wait for room, oldest first
 * @signal: in nvmev_worker.signals while @unsignalled
 * @node: in nvmev_worker.cqs
 */
struct nvmev_cq {
	struct nvmev_worker *worker;
	struct nvmev_ring ring;
	u16 qid;
	u16 vector;
	bool irq;
	u8 phase;
	u32 tail;
	u32 head;
	u32 bad_head;
	u8 bad_looks;
	__le32 *doorbell;
	unsigned int nr_sqs;
	unsigned int unsignalled;
	u64 unsignalled_ns;
	struct list_head blocked;
	struct list_head signal;
	struct list_head node;
};

/**
 * struct nvmev_mark - when the entries before a tail were seen
 * @tail: the tail
 * @seen_ns: when it was first read from the doorbell
 */
struct nvmev_mark {
	u32 tail;
	u64 seen_ns;
};

/**
 * struct nvmev_sq - a submission queue
 * @cq: where its commands complete
 * @ring: the entries
 * @qid: its identifier
 * @priority: its class, an enum nvme_sq_priority
 * @passed_over: weighted round robin: nothing could be fetched in this round
 * @head: the next entry to fetch
 * @tail: the host's tail as last read from the doorbell
 * @stopped: nothing more is fetched: the host wrote a tail that cannot be, or
 *	the ring is gone
 * @doorbell: tail doorbell, in the BAR or the host's memory
 * @ios: one command for each entry of the ring, NULL for the admin queue
 * @free: those of @ios that are not in use
 * @nr_marks: marks in use; when all are, later tails wait to be marked
 * @marks: tails not yet fetched up to, oldest first
 * @stat: counters by kind, NULL for the admin queue
 * @in_flight: commands of all kinds, fetched and not yet posted
 * @in_flight_max: the most there were at once
 * @node: in nvmev_worker.sqs
 */
struct nvmev_sq {
	struct nvmev_cq *cq;
	struct nvmev_ring ring;
	u16 qid;
	u8 priority;
	bool passed_over;
	bool stopped;
	u32 head;
	u32 tail;
	__le32 *doorbell;
	struct nvmev_io *ios;
	struct list_head free;
	unsigned int nr_marks;
	struct nvmev_mark marks[NVMEV_MAX_MARKS];
	struct nvmev_stat *stat;
	u64 in_flight;
	u64 in_flight_max;
	struct list_head node;
};

int nvmev_ring_map(struct nvmev_dev *dev, struct nvmev_ring *ring, u64 addr,
		   u32 size, unsigned int entry_shift, bool write);
void nvmev_ring_unmap(struct nvmev_ring *ring);
struct nvmev_cq *nvmev_cq_create(struct nvmev_dev *dev, u16 qid, u64 addr,
				 u32 size, int *err);
void nvmev_cq_use_shadow(struct nvmev_dev *dev, struct nvmev_cq *cq);
void nvmev_cq_destroy(struct nvmev_cq *cq);
struct nvmev_sq *nvmev_sq_create(struct nvmev_dev *dev, u16 qid, u64 addr,
				 u32 size, struct nvmev_cq *cq, int *err);
void nvmev_sq_use_shadow(struct nvmev_dev *dev, struct nvmev_sq *sq);
void nvmev_sq_destroy(struct nvmev_sq *sq);
u32 nvmev_sq_pending(struct nvmev_dev *dev, struct nvmev_sq *sq);
bool nvmev_sq_set_tail(struct nvmev_dev *dev, struct nvmev_sq *sq, u32 tail);

/* Entries not yet fetched, by the tail as last read */
static inline u32 nvmev_sq_left(const struct nvmev_sq *sq)
{
	if (sq->tail >= sq->head)
		return sq->tail - sq->head;
	return sq->ring.size - sq->head + sq->tail;
}

void nvmev_sq_mark(struct nvmev_sq *sq, u64 now_ns);
u64 nvmev_sq_seen_ns(struct nvmev_sq *sq, u64 now_ns);
bool nvmev_sq_fetch(struct nvmev_dev *dev, struct nvmev_sq *sq,
		    struct nvme_command *cmd);
void nvmev_sq_unfetch(struct nvmev_sq *sq, u64 seen_ns);
bool nvmev_cq_full(struct nvmev_dev *dev, struct nvmev_cq *cq);
bool nvmev_cq_bad_head(struct nvmev_dev *dev, struct nvmev_cq *cq);
u32 nvmev_cq_room(struct nvmev_dev *dev, struct nvmev_cq *cq);
void nvmev_cq_post(struct nvmev_dev *dev, struct nvmev_cq *cq,
		   const struct nvmev_sq *sq, __le16 cid, u32 result,
		   u16 status);
bool nvmev_cq_signal(struct nvmev_dev *dev, struct nvmev_cq *cq, u64 now_ns);

/* --- data pointers: nvmev_prp.c --------------------------------------- */

/**
 * struct nvmev_prp - a walk along the PRP entries of a command, 4.3
 * @entry: PRP1 at first, PRP2 after it
 * @list: the next entry of the list, NULL outside of a list
 * @left: bytes of the transfer not yet walked
 * @state: how @entry is to be read
 */
struct nvmev_prp {
	u64 entry[2];
	const __le64 *list;
	u32 left;
	u8 state;
};

void nvmev_prp_start(struct nvmev_prp *prp, const struct nvme_command *cmd,
		     u32 len);
u16 nvmev_prp_next(struct nvmev_dev *dev, struct nvmev_prp *prp, bool write,
		   void **addr, u32 *len);
u16 nvmev_prp_check(struct nvmev_dev *dev, const struct nvmev_prp *prp,
		    bool write);
u16 nvmev_prp_read(struct nvmev_dev *dev, const struct nvme_command *cmd,
		   u32 offset, void *buf, u32 len);
u16 nvmev_prp_write(struct nvmev_dev *dev, const struct nvme_command *cmd,
		    const void *buf, u32 buf_len, u32 len);

/* --- namespaces: nvmev_ns.c -------------------------------------------- */

/**
 * struct nvmev_extent - blocks of a namespace
 * @lba: the first
 * @nr: how many
 */
struct nvmev_extent {
	u64 lba;
	u64 nr;
};

/**
 * struct nvmev_ns - a namespace; the controller thread's
 *
 * Workers read what is not marked otherwise while @attached and not @busy; it
 * changes only after nvmev_ns_quiesce().
 *
 * @nsid: its identifier, 0 when it does not exist
 * @attached: whether I/O commands can name it
 * @busy: the status that I/O commands get meanwhile, 0 for none
 * @lba_shift: log2 of the block size
 * @generation: how many of this identifier have been made, but for the one that
 *              the device was loaded with
 * @offset: its first byte in the storage
 * @bytes: how much of the storage it shows, see nvmev_ns_allocated()
 * @nr_lba: its size in blocks
 * @write_due_ns: latest due time of any write so far; nvmev_timing.lock
 * @bad_lock: protects @bad and @nr_bad
 * @nr_bad: extents in use; read without the lock to see that there are none
 * @bad: blocks made unreadable by Write Uncorrectable, in no order
 */
struct nvmev_ns {
	u32 nsid;
	bool attached;
	u16 busy;
	u8 lba_shift;
	u32 generation;
	u64 offset;
	u64 bytes;
	u64 nr_lba;
	u64 write_due_ns;
	spinlock_t bad_lock; /* @bad, @nr_bad */
	unsigned int nr_bad;
	struct nvmev_extent bad[NVMEV_MAX_BAD];
};

void nvmev_ns_init_all(struct nvmev_dev *dev);
struct nvmev_ns *nvmev_ns_find(struct nvmev_dev *dev, u32 nsid);
struct nvmev_ns *nvmev_ns_find_allocated(struct nvmev_dev *dev, u32 nsid);
u64 nvmev_ns_allocated(struct nvmev_dev *dev, const struct nvmev_ns *ns);
u64 nvmev_ns_unallocated(struct nvmev_dev *dev);
u16 nvmev_ns_create(struct nvmev_dev *dev, u64 nr_lba, u8 lba_shift,
		    u32 *nsid);
void nvmev_ns_delete(struct nvmev_dev *dev, struct nvmev_ns *ns);
void nvmev_ns_set_attached(struct nvmev_dev *dev, struct nvmev_ns *ns,
			   bool attached);
void nvmev_ns_quiesce(struct nvmev_dev *dev, struct nvmev_ns *ns, u16 status);
void nvmev_ns_ready(struct nvmev_ns *ns);
u16 nvmev_ns_busy(struct nvmev_ns *ns);
u16 nvmev_ns_missing(u32 nsid);
void nvmev_ns_set_format(struct nvmev_ns *ns, u8 lba_shift);
bool nvmev_ns_is_bad(struct nvmev_ns *ns, u64 lba, u64 nr, u64 *first);
u16 nvmev_ns_mark_bad(struct nvmev_ns *ns, u64 lba, u64 nr);
void nvmev_ns_clear_bad(struct nvmev_ns *ns, u64 lba, u64 nr);

/* --- NVM commands and workers: nvmev_ops_nvm.c ------------------------ */

enum nvmev_io_state {
	NVMEV_IO_FREE,
	NVMEV_IO_TRANSFER,
	NVMEV_IO_DUE,
	NVMEV_IO_FLUSH,
	NVMEV_IO_BLOCKED,
};

/**
 * struct nvmev_io - an I/O command in the device; its worker's
 *
 * In the order of use: what waits and completes, what was fetched, what it
 * comes to, and how far its data has got.
 *
 * @due: expires at the due time; node in nvmev_worker.transfers, .erasures or
 *       .strays
 * @node: in nvmev_sq.free, nvmev_worker.due, .unmoved, .deallocations or .flushes,
 *        or nvmev_cq.blocked
 * @sq: where it came from
 * @state: which structure it is in
 * @kind: read, write or other
 * @stray: NVMEV_IO_DUE: it is in nvmev_worker.strays
 * @status: what will be reported
 * @cmd: the copy that was fetched
 * @ns: the namespace that it names
 * @op: what moves the data, see nvmev_ops_nvm.c
 * @bytes: length of the current range
 * @wait_ns: queueing delay in the model
 * @seen_ns: when the submission was seen
 * @ready_ns: NVMEV_IO_BLOCKED: when it would have been posted
 * @offset: first byte in the storage
 * @pos: bytes done of the current range
 * @units: what it costs in the timing model
 * @range: Dataset Management and Copy: the current range
 * @piece: host memory that @prp gave and that is not used yet
 * @error_lba: the block that is to blame, where the status is of a block
 * @second: the piece after @piece, when that is the last
 * @piece_len: length of @piece; Copy: bytes done of the current range
 * @second_len: length of @second
 * @prp: the walk over the host's memory
 */
struct nvmev_io {
	struct timerqueue_node due;
	struct list_head node;
	struct nvmev_sq *sq;
	u8 state;
	u8 kind;
	bool stray;
	u16 status;

	struct nvme_command cmd;

	struct nvmev_ns *ns;
	const struct nvmev_nvm_op *op;
	u64 bytes;
	u64 wait_ns;
	union {
		u64 seen_ns;
		u64 ready_ns;
	};
	u64 offset;
	u64 pos;
	u32 units;
	u32 range;

	union {
		void *piece;
		u64 error_lba;
	};
	void *second;
	u32 piece_len;
	u32 second_len;
	struct nvmev_prp prp;
};

/* SLBA, for the log and the tracepoints; of no meaning without a range */
static inline u64 nvmev_io_lba(const struct nvmev_io *io)
{
	return le32_to_cpu(io->cmd.cdw10) |
	       (u64)le32_to_cpu(io->cmd.cdw11) << 32;
}

/* When it is due; until 4.10 ktime_t was no number */
static inline u64 nvmev_io_due_ns(const struct nvmev_io *io)
{
	return ktime_to_ns(io->due.expires);
}

/**
 * struct nvmev_call - a function to be run by a worker between two commands
 * @fn: the function
 * @arg: its argument
 * @done: completed when it has returned
 */
struct nvmev_call {
	void (*fn)(struct nvmev_worker *worker, void *arg);
	void *arg;
	struct completion done;
};

/**
 * struct nvmev_watch - what a worker looks at of a submission queue
 *
 * As little as can be: most of many queues are idle.
 *
 * @doorbell: its tail doorbell
 * @idle: what that reads while there is nothing to do; NVMEV_WATCH_BUSY when
 *        entries are left
 * @sq: the queue
 */
struct nvmev_watch {
	__le32 *doorbell;
	u64 idle;
	struct nvmev_sq *sq;
};

/* No doorbell reads so */
#define NVMEV_WATCH_BUSY	U64_MAX

/**
 * struct nvmev_worker - an I/O worker
 * @dev: the device
 * @cpu: where its thread is bound
 * @task: the thread
 * @call_lock: one nvmev_worker_call() at a time
 * @call: published with release, taken with acquire
 * @sqs: its submission queues, in the order of service
 * @cqs: its completion queues
 * @transfers: commands whose data has still to be moved, by due time
 * @erasures: commands that only erase, up to 65536 blocks each, by due time
 * @deallocations: those of Dataset Management, however long that takes
 * @later: the last slice of these was not for the first of them
 * @due: commands that wait for their time, by kind. Of one kind they come in
 *       the order of their times, so that each is added at the end
 * @strays: those that do not: knobs were turned, queues looked at in turns
 * @signals: completion queues with completions without an interrupt yet
 * @credits: commands that a priority class may still have fetched in this round
 * @flushes: by namespace, and for those of all, Flush commands that are due, and
 *           wait for writes before them; in the order in which they became due
 * @nr_flushes: number of @flushes
 * @nr_blocked: commands that wait for room in their CQ
 * @nr_watches: number of @sqs
 * @watches: their doorbells, in the same order
 * @gather: a page of what is written, until it has come from all of its places
 * @unmoved: by namespace the writes among @transfers and @erasures, in the order
 *           in which they came, for Flush
 * @worked_ns: when there was last something to do
 * @polled_ns: when the doorbells were last looked at
 * @unseen_max_ns: longest time since the look before, of those that found a
 *                 command: it may have waited that long unseen
 * @stat: counters by kind, of queues that are gone; in flight of all
 * @bytes_read: since load, for SMART, never reset
 * @bytes_written: the same of writes
 * @host_reads: read commands since load
 * @host_writes: write commands since load
 * @media_errors: reads of blocks that cannot be read, since load
 * @changes: commands that may have changed blocks, but for @host_writes
 */
struct nvmev_worker {
	struct nvmev_dev *dev;
	unsigned int cpu;
	struct task_struct *task;
	struct mutex call_lock; /* one call at a time */
	struct nvmev_call *call;
	/* The lines above are the caller's as well, what follows the worker's */
	struct list_head sqs ____cacheline_aligned_in_smp;
	struct list_head cqs;
	struct timerqueue_head transfers;
	struct timerqueue_head erasures;
	struct list_head deallocations;
	bool later;
	struct list_head due[NVMEV_KINDS];
	struct timerqueue_head strays;
	u32 credits[NVME_SQ_PRIORITIES];
	struct list_head flushes[NVMEV_MAX_NS + 1];
	unsigned int nr_flushes;
	struct list_head signals;
	unsigned int nr_blocked;
	unsigned int nr_watches;
	struct nvmev_watch watches[NVMEV_MAX_QUEUES];
	struct list_head unmoved[NVMEV_MAX_NS];
	u8 gather[NVME_PAGE_SIZE];
	u64 worked_ns;
	u64 polled_ns;
	u64 unseen_max_ns;
	struct nvmev_stat stat[NVMEV_KINDS];
	u64 bytes_read;
	u64 bytes_written;
	u64 host_reads;
	u64 host_writes;
	u64 media_errors;
	u64 changes;
} ____cacheline_aligned_in_smp;

int nvmev_workers_start(struct nvmev_dev *dev);
void nvmev_workers_stop(struct nvmev_dev *dev);
void nvmev_worker_call(struct nvmev_worker *worker,
		       void (*fn)(struct nvmev_worker *worker, void *arg),
		       void *arg);
bool nvmev_worker_poll(struct nvmev_worker *worker);
void nvmev_worker_add_cq(struct nvmev_cq *cq);
void nvmev_worker_del_cq(struct nvmev_cq *cq);
void nvmev_worker_add_sq(struct nvmev_sq *sq);
void nvmev_worker_watch_anew(struct nvmev_worker *worker);
void nvmev_worker_del_sq(struct nvmev_sq *sq);
void nvmev_worker_drop_ns(struct nvmev_worker *worker, struct nvmev_ns *ns,
			  u16 status);
bool nvmev_worker_abort(struct nvmev_sq *sq, u16 cid);
void nvmev_nvm_effects(__le32 *effects);

/* --- the controller: nvmev_ops_pci.c, nvmev_ops_admin.c --------------- */

/* What a worker or the PCI side asks of the controller thread */
enum nvmev_event {
	NVMEV_EVENT_BAD_DOORBELL_VALUE,
	NVMEV_EVENT_FATAL,
	NVMEV_EVENT_RESET,
};

/**
 * struct nvmev_features - settings of the host; the controller thread's
 *
 * Workers read @irq_coalesce, @irq_no_coalesce and @arbitration with
 * READ_ONCE(). @error_recovery is the one that each namespace has of its own.
 */
struct nvmev_features {
	u32 arbitration;
	u32 temp_over;
	u32 temp_under;
	u32 error_recovery[NVMEV_MAX_NS];
	u32 write_atomicity;
	u32 volatile_wc;
	u32 irq_coalesce;
	u32 async_event;
	u32 power_state;
	u64 timestamp_ms;
	u64 timestamp_set_ns;
	bool timestamp_by_host;
	u8 host_id[16];
	bool irq_no_coalesce[NVMEV_MAX_VECTORS];
};

/**
 * struct nvmev_job - an admin command that takes longer; a slice at a time
 * @running: there is one
 * @held: its completion is still owed to the host
 * @cid: the command
 * @dw0: dword 0 of its completion
 * @nsids: namespaces to be formatted, a bit for each NSID - 1
 * @lba_shift: the format that they get
 * @pos: bytes erased of the first of @nsids
 */
struct nvmev_job {
	bool running;
	bool held;
	__le16 cid;
	u32 dw0;
	unsigned long nsids;
	u8 lba_shift;
	u64 pos;
};

/**
 * struct nvmev_self_test - the device self-test; the controller thread's
 * @code: the test that is running, NVME_SELF_TEST_NONE for none
 * @nsid: what it tests beside the controller: none, a namespace or all
 * @start_ns: when it began
 * @nr_results: results in the log
 * @results: the log, newest first
 */
struct nvmev_self_test {
	u8 code;
	u32 nsid;
	u64 start_ns;
	unsigned int nr_results;
	struct nvme_self_test_result results[NVME_SELF_TEST_RESULTS];
};

/**
 * struct nvmev_sanitize - a sanitize operation; a slice at a time
 * @running: it goes on, also through a reset; workers read it
 * @status: of the last one, NVME_SANITIZE_NEVER before the first
 * @cdw10: what the host asked for
 * @pattern: what the next overwriting pass writes
 * @overwrites: passes that write a pattern
 * @passes: passes in all
 * @pass: passes that are done
 * @pos: bytes done of the present one
 * @changes: what nvmev_sanitize_changes() was when it ended
 */
struct nvmev_sanitize {
	bool running;
	u8 status;
	u32 cdw10;
	u32 pattern;
	unsigned int overwrites;
	unsigned int passes;
	unsigned int pass;
	u64 pos;
	u64 changes;
};

/**
 * struct nvmev_admin - the admin command set; the controller thread's
 * @sq: the admin queue, NULL while the controller is disabled
 * @cq: its completion queue
 * @features: settings of the host
 * @defaults: what they are after a reset
 * @aer_cids: asynchronous event requests held
 * @nr_aers: how many
 * @events: events not yet reported, by type: a bit for each information
 * @masked: types reported and not yet cleared by reading their log
 * @queues_created: an I/O queue was created since the controller was enabled
 * @changed_ns: for the Changed Namespace List log, a bit for each NSID - 1
 * @job: the command that is being worked at
 * @shadows: doorbells in the host's memory, NULL for those of the BAR, 7.13
 * @event_idxs: up to where the host need not write to the BAR
 * @self_test: the device self-test
 * @sanitize: the sanitize operation
 * @buf: the data structure being built
 */
struct nvmev_admin {
	struct nvmev_sq *sq;
	struct nvmev_cq *cq;
	struct nvmev_features features;
	struct nvmev_features defaults;
	__le16 aer_cids[NVMEV_AERL + 1];
	unsigned int nr_aers;
	unsigned long events[NVMEV_AER_TYPES];
	unsigned long masked;
	bool queues_created;
	unsigned long changed_ns;
	struct nvmev_job job;
	__le32 *shadows;
	__le32 *event_idxs;
	struct nvmev_self_test self_test;
	struct nvmev_sanitize sanitize;
	u8 *buf;
};

/* No one field of the command is to blame */
#define NVMEV_NO_LOCATION	U16_MAX

/**
 * struct nvmev_error - what the error log says of a command beyond its status
 * @location: the byte of the command that is wrong, or NVMEV_NO_LOCATION
 * @lba: the first block with the error, 0 where no block has it
 * @cs: information that is specific to the command
 */
struct nvmev_error {
	u16 location;
	u64 lba;
	u64 cs;
};

/**
 * struct nvmev_admin_result - what comes of an admin command, but its status
 * @dw0: dword 0 of the completion
 * @held: the completion comes later
 * @error: for the error log, when the command fails
 */
struct nvmev_admin_result {
	u32 dw0;
	bool held;
	struct nvmev_error error;
};

void nvmev_admin_reset(struct nvmev_dev *dev);
u16 nvmev_admin_execute(struct nvmev_dev *dev, const struct nvme_command *cmd,
			struct nvmev_admin_result *result);
void nvmev_admin_event(struct nvmev_dev *dev, u8 type, u8 info);
bool nvmev_admin_work(struct nvmev_dev *dev);
void nvmev_admin_post_events(struct nvmev_dev *dev);
u16 nvmev_log_error(struct nvmev_dev *dev, const struct nvmev_sq *sq,
		    const struct nvme_command *cmd, u16 status,
		    const struct nvmev_error *error);
void nvmev_log_busy(struct nvmev_dev *dev, u64 now_ns);

/* What the function can interrupt with; each has those before it, too */
enum nvmev_interrupts {
	NVMEV_INTERRUPTS_INTX,
	NVMEV_INTERRUPTS_MSI,
	NVMEV_INTERRUPTS_MSIX,
};

/**
 * struct nvmev_config - checked parameters, fixed from load to unload
 * @name: of its threads: nvmev, or with several devices nvmev0, nvmev1, ...
 * @label: what begins its lines in the log: nothing, or "device 1: "
 * @hotremove: the memory is the kernel's and has to be taken
 */
struct nvmev_config {
	char name[8];
	char label[12];
	bool hotremove;
	u64 start;
	u64 size;
	u8 lba_shift;
	unsigned int queues;
	u32 queue_depth;
	bool dbbuf;
	enum nvmev_interrupts interrupts;
	unsigned int nr_workers;
	unsigned int cpus[NVMEV_MAX_WORKERS + 1];
	struct nvmev_timing_config timing;
};

/**
 * struct nvmev_mem - where the memory came from; nvmev_mem.c
 * @text: the parameters, for the log
 * @taken: it was the kernel's and is to be given back
 * @movable: it was in ZONE_MOVABLE
 * @node: its NUMA node
 */
struct nvmev_mem {
	char text[96];
	bool taken;
	bool movable;
	int node;
};

struct nvmev_pci;

/**
 * struct nvmev_enable - what the controller was last to be enabled with
 * @cc: CC
 * @aqa: AQA
 * @asq: ASQ
 * @acq: ACQ
 * @again_ns: when to try the same once more, 0 for never
 */
struct nvmev_enable {
	u32 cc;
	u32 aqa;
	u64 asq;
	u64 acq;
	u64 again_ns;
};

/**
 * struct nvmev_dev - the device
 * @config: parameters
 * @mem: where the memory came from
 * @bar: the BAR, mapped write-through; the host maps the same pages
 * @hidden_bar: its content while the host cannot reach it, see
 *              nvmev_ctrl_decode()
 * @storage: the storage, mapped write-back
 * @storage_bytes: its size
 * @pci: the bus and the function; nvmev_pci_init.c
 * @dma: Bus Master Enable is set and the function is in D0; nvmev_pci.lock
 *       to write, workers and the controller thread do nothing without it
 * @mmio: the host reaches the BAR; as @dma. Without it what is written there
 *        means nothing
 * @ctrl_task: the controller thread
 * @cc: the CC that the controller last acted upon; the controller thread's
 * @csts: CSTS as it should read; the controller thread's
 * @tried: what it was last to be enabled with; the controller thread's
 * @intms: interrupts masked with INTMS; the controller thread's, read by all
 * @enabled: admin queue and workers are live; the controller thread's
 * @wrr: weighted round robin; set while no worker has a queue
 * @events: bits of enum nvmev_event, set by anyone
 * @doorbells_ns: when doorbells were last looked at; the controller thread's
 * @unused_reg: the next register without a use to be looked at; as above
 * @reset_done: completed by the controller thread for NVMEV_EVENT_RESET
 * @admin: the admin command set
 * @queues_lock: held by the controller thread to change @sqs, and by readers
 *               of the statistics to look at them
 * @sqs: I/O submission queues by qid; the controller thread's
 * @cqs: I/O completion queues by qid; the controller thread's
 * @ns: the namespaces, by NSID - 1
 * @timing: the timing model
 * @nr_workers: number of @workers
 * @workers: the I/O workers
 * @stat_reset_ns: when the statistics were reset
 * @tolerance_ns: lateness beyond which a completion counts as a violation
 * @range_locks: keep the blocks of a storage page whole
 * @error_lock: protects @errors and @nr_errors
 * @errors: the error log, a ring
 * @nr_errors: errors since load
 * @load_ns: when the module was loaded
 * @busy_ns: how long I/O commands were in flight; the controller thread's
 * @busy_seen_ns: when that was last looked at
 */
struct nvmev_dev {
	struct nvmev_config config;
	struct nvmev_mem mem;
	void *bar;
	void *hidden_bar;
	void *storage;
	u64 storage_bytes;
	struct nvmev_pci *pci;

	bool dma;
	bool mmio;
	struct task_struct *ctrl_task;
	u32 cc;
	u32 csts;
	struct nvmev_enable tried;
	u32 intms;
	bool enabled;
	bool wrr;
	unsigned long events;
	u64 doorbells_ns;
	unsigned int unused_reg;
	struct completion reset_done;
	struct nvmev_admin admin;
	struct mutex queues_lock; /* membership of @sqs */
	struct nvmev_sq *sqs[NVMEV_MAX_QUEUES + 1];
	struct nvmev_cq *cqs[NVMEV_MAX_QUEUES + 1];

	struct nvmev_ns ns[NVMEV_MAX_NS];
	struct nvmev_timing timing;
	struct nvmev_worker *workers;
	u64 stat_reset_ns;
	u64 tolerance_ns;
	spinlock_t range_locks[NVMEV_RANGE_LOCKS]; /* pages of @storage */

	spinlock_t error_lock; /* @errors, @nr_errors */
	struct nvme_error_log_entry errors[NVMEV_ERROR_LOG_ENTRIES];
	u64 nr_errors;
	u64 load_ns;
	u64 busy_ns;
	u64 busy_seen_ns;
};

int nvmev_ctrl_init(struct nvmev_dev *dev);
void nvmev_ctrl_destroy(struct nvmev_dev *dev);
int nvmev_ctrl_start(struct nvmev_dev *dev);
void nvmev_ctrl_stop(struct nvmev_dev *dev);
bool nvmev_ctrl_poll(struct nvmev_dev *dev);
void nvmev_ctrl_event(struct nvmev_dev *dev, enum nvmev_event event);
void nvmev_ctrl_fatal(struct nvmev_dev *dev, u16 qid, const char *what);
void nvmev_ctrl_reset(struct nvmev_dev *dev);
void nvmev_ctrl_reset_registers(struct nvmev_dev *dev);
void nvmev_ctrl_decode(struct nvmev_dev *dev, bool on);

/**
 * nvmev_ctrl_decodes() - whether what was just read from the BAR counts
 * @dev: the device
 *
 * A thread may have begun to look before nvmev_ctrl_decode() took the BAR away
 * and have read what was written after.
 *
 * Context: any, after the read.
 * Return: false when the BAR is gone, and what was read may be either.
 */
static inline bool nvmev_ctrl_decodes(const struct nvmev_dev *dev)
{
	/* Pairs with the end of the configuration access that turns it off */
	smp_rmb();
	return likely(READ_ONCE(dev->mmio));
}

u32 nvmev_ctrl_intms(struct nvmev_dev *dev);
bool nvmev_ctrl_has_completions(struct nvmev_dev *dev);
void nvmev_ctrl_delete_sq(struct nvmev_dev *dev, u16 qid);
void nvmev_ctrl_delete_cq(struct nvmev_dev *dev, u16 qid);
__le32 *nvmev_doorbell(struct nvmev_dev *dev, u16 qid, bool cq);

int nvmev_stat_show(struct nvmev_dev *dev, struct seq_file *m);
void nvmev_stat_reset(struct nvmev_dev *dev);

/* --- memory: nvmev_mem.c ----------------------------------------------- */

int nvmev_mem_check_kernel(const char *text);
int nvmev_mem_check_free(const char *text, u64 size);
int nvmev_mem_get(struct nvmev_dev *dev);
void nvmev_mem_put(struct nvmev_dev *dev);
int nvmev_mem_map(struct nvmev_dev *dev);
void nvmev_mem_unmap(struct nvmev_dev *dev);

/* --- parameters and knobs: nvmev_main.c, nvmev_proc.c ------------------- */

int nvmev_parse_latency(const char *text, u64 *ns);
int nvmev_parse_number(const char *text, u64 min, u64 max, u64 *value);
int nvmev_parse_bw(const char *text, u64 *bw);
int nvmev_proc_create(struct nvmev_dev **devs, unsigned int nr_devs);
void nvmev_proc_remove(void);

/* --- the host's side: nvmev_pci_init.c -------------------------------- */

int nvmev_pci_check_kernel(void);
int nvmev_pci_init(struct nvmev_dev *dev);
int nvmev_pci_add(struct nvmev_dev *dev);
void nvmev_pci_remove(struct nvmev_dev *dev);
void nvmev_pci_destroy(struct nvmev_dev *dev);
int nvmev_pci_domain(struct nvmev_dev *dev);
int nvmev_pci_node(struct nvmev_dev *dev);
void nvmev_irq_raise(struct nvmev_dev *dev, u16 vector);
bool nvmev_irq_poll(struct nvmev_dev *dev);
void *nvmev_host_ptr(struct nvmev_dev *dev, u64 addr, bool write);
u64 nvmev_clock_ns(void);

/*
 * What nvmev_host_ptr() has found may be taken from the kernel before it is
 * used: by secretmem(2), by whoever removes persistent memory. A device that
 * reads or writes there then gets an error from the memory, and so does this:
 * an access that faults goes on behind itself. tests/uspace has its own.
 */
#ifndef nvmev_host_read
bool nvmev_host_copy(void *to, const void *from, size_t len);
bool nvmev_host_zero(void *to, size_t len);

/* Reads 4 or 8 bytes at once; @gone when they are no longer there */
#define nvmev_host_read(ptr, gone) ({					\
	typeof(gone) _value = (gone);					\
	typeof(ptr) _ptr = (ptr);					\
									\
	BUILD_BUG_ON(sizeof(_value) != sizeof(*_ptr));			\
	asm volatile("1: mov %1, %0\n"					\
		     "2:\n"						\
		     _ASM_EXTABLE(1b, 2b)				\
		     : "+r" (_value) : "m" (*_ptr));			\
	_value;								\
})

/* Writes 4 or 8 bytes at once; false when they are no longer there */
#define nvmev_host_write(ptr, value) ({					\
	typeof(ptr) _ptr = (ptr);					\
	typeof(*_ptr) _value = (value);					\
	bool _gone = true;						\
									\
	asm volatile("1: mov %2, %0\n"					\
		     "   movb $0, %1\n"					\
		     "2:\n"						\
		     _ASM_EXTABLE(1b, 2b)				\
		     : "=m" (*_ptr), "+q" (_gone) : "r" (_value));	\
	!_gone;								\
})
#endif

/* A doorbell, in the BAR or a shadow; as it was read last when that is gone */
static inline u32 nvmev_doorbell_value(const __le32 *doorbell, u32 last)
{
	return le32_to_cpu(nvmev_host_read(doorbell, cpu_to_le32(last)));
}

#endif /* _NVMEV_H */
