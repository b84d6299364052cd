// SPDX-License-Identifier: GPL-2.0
/*
 * The whole device core with a host beside it: data through every form of
 * PRP, timing on a virtual clock to the nanosecond, several workers on real
 * threads. Built with the address, undefined behaviour or thread sanitizer.
 *
 *	core virtual SEED	deterministic, on a virtual clock
 *	core threads SECONDS	real threads, one host thread for each queue
 */
#include <sched.h>
#include <time.h>

#include "harness.h"

#define QUEUES		3
#define DEPTH		64
#define RINGS_AT	SZ_64K
#define DATA_AT		SZ_1M
#define LISTS_AT	(8 * SZ_1M)

static u64 seed = 1;

static u64 below(u64 n)
{
	return uspace_random(&seed) % n;
}

static struct nvmev_dev *device_create(u64 latency_ns, u32 slots)
{
	struct nvmev_config config = {
		.start = 0x100000000,
		.size = 9 << 20,
		.lba_shift = 9,
		.queues = 8,
		.queue_depth = 1024,
		.nr_workers = 2,
		.interrupts = NVMEV_INTERRUPTS_MSIX,
		.timing = {
			.latency_ns = { latency_ns, latency_ns },
			.slots = slots,
		},
	};

	return uspace_device_create(&config);
}

/*
 * Describes a buffer by PRPs, the list at an offset of its own and over as
 * many pages as it needs.
 */
static void set_prps(struct nvme_command *cmd, u64 addr, u32 len, u64 list)
{
	u32 first = min(len, (u32)(4096 - addr % 4096));
	u32 left = len - first, nr = DIV_ROUND_UP(left, 4096);
	u64 page = (addr | 4095) + 1;

	cmd->prp1 = cpu_to_le64(addr);
	cmd->prp2 = 0;
	if (nr == 1) {
		cmd->prp2 = cpu_to_le64(page);
		return;
	}
	if (!nr)
		return;
	cmd->prp2 = cpu_to_le64(list);
	while (nr) {
		if (list % 4096 == 4088 && nr > 1) {
			u64 next = (list & ~4095ULL) + 8192;

			*(__le64 *)(uspace_host + list) = cpu_to_le64(next);
			list = next;
		}
		*(__le64 *)(uspace_host + list) = cpu_to_le64(page);
		list += 8;
		page += 4096;
		nr--;
	}
}

static void set_range(struct nvme_command *cmd, u64 lba, u32 blocks)
{
	cmd->nsid = cpu_to_le32(1);
	cmd->cdw10 = cpu_to_le32(lba);
	cmd->cdw11 = cpu_to_le32(lba >> 32);
	cmd->cdw12 = cpu_to_le32(blocks - 1);
}

static int rw(struct nvmev_dev *dev, struct uspace_queue *queue, u8 opcode,
	      u64 lba, u32 blocks, u64 addr)
{
	struct nvme_command cmd = { .opcode = opcode };

	set_range(&cmd, lba, blocks);
	/* Lists begin anywhere in a page */
	set_prps(&cmd, addr, blocks << 9, LISTS_AT + 8 * below(512));
	return uspace_sync(dev, queue, &cmd, NULL);
}

/* --- data ------------------------------------------------------------------- */

static void test_data(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	u8 *shadow = malloc(dev->ns[0].bytes);
	unsigned int i;
	u32 j;

	memcpy(shadow, dev->storage, dev->ns[0].bytes);
	for (i = 0; i < 3000; i++) {
		u32 blocks = 1 + below(below(8) ? 64 : 4096);
		u64 lba = below(dev->ns[0].nr_lba - blocks + 1);
		u64 addr = DATA_AT + 4 * below(2048);
		u8 *host = uspace_host + addr;
		u32 len = blocks << 9;

		switch (below(5)) {
		case 0:
		case 1:
			for (j = 0; j < len; j++)
				host[j] = uspace_random(&seed);
			check(!rw(dev, queue, NVME_NVM_WRITE, lba, blocks,
				  addr));
			memcpy(shadow + (lba << 9), host, len);
			break;
		case 2:
			memset(host - 4, 0xa5, len + 8);
			check(!rw(dev, queue, NVME_NVM_READ, lba, blocks,
				  addr));
			check(!memcmp(host, shadow + (lba << 9), len));
			check(host[-1] == 0xa5 && host[len] == 0xa5);
			break;
		case 3:
			memcpy(host, shadow + (lba << 9), len);
			check(!rw(dev, queue, NVME_NVM_COMPARE, lba, blocks,
				  addr));
			host[below(len)] ^= 1 << below(8);
			check((rw(dev, queue, NVME_NVM_COMPARE, lba, blocks,
				  addr) & 0x7ff) == NVME_SC_COMPARE_FAILED);
			break;
		default:
			check(!rw(dev, queue, NVME_NVM_WRITE_ZEROES, lba,
				  blocks, addr));
			memset(shadow + (lba << 9), 0, len);
			break;
		}
	}
	check(!memcmp(dev->storage, shadow, dev->ns[0].bytes));
	free(shadow);
}

/* --- what must be refused, and change nothing -------------------------------- */

static void refused(struct nvmev_dev *dev, struct uspace_queue *queue,
		    struct nvme_command *cmd, u16 status)
{
	u8 *before = malloc(dev->ns[0].bytes);
	int got;

	memcpy(before, dev->storage, dev->ns[0].bytes);
	got = uspace_sync(dev, queue, cmd, NULL);
	if ((got & 0x7ff) != status) {
		fprintf(stderr, "opcode %#x: status %#x instead of %#x\n",
			cmd->opcode, got, status);
		exit(1);
	}
	check(!memcmp(before, dev->storage, dev->ns[0].bytes));
	free(before);
}

static void test_refusals(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct nvme_command good = { .opcode = NVME_NVM_WRITE }, cmd;
	__le64 *list = (void *)(uspace_host + LISTS_AT);
	unsigned int i;

	set_range(&good, 0, 64);
	for (i = 0; i < 512; i++)
		list[i] = cpu_to_le64(DATA_AT + 4096 * i);
	good.prp1 = cpu_to_le64(DATA_AT);
	good.prp2 = cpu_to_le64(LISTS_AT);

	cmd = good;
	cmd.opcode = 0x7f;
	refused(dev, queue, &cmd, NVME_SC_INVALID_OPCODE);
	cmd = good;
	cmd.nsid = 0;
	refused(dev, queue, &cmd, NVME_SC_INVALID_NS);
	cmd.nsid = cpu_to_le32(2);
	refused(dev, queue, &cmd, NVME_SC_INVALID_FIELD);
	cmd.nsid = cpu_to_le32(NVMEV_MAX_NS + 1);
	refused(dev, queue, &cmd, NVME_SC_INVALID_NS);
	cmd.nsid = cpu_to_le32(NVME_NSID_ALL);
	refused(dev, queue, &cmd, NVME_SC_INVALID_NS);
	cmd = good;
	cmd.flags = 1;
	refused(dev, queue, &cmd, NVME_SC_FUSED_MISSING);
	cmd.flags = 2;
	refused(dev, queue, &cmd, NVME_SC_FUSED_MISSING);
	cmd.flags = 3;
	refused(dev, queue, &cmd, NVME_SC_INVALID_FIELD);
	cmd.flags = 0x40;
	refused(dev, queue, &cmd, NVME_SC_INVALID_FIELD);
	cmd = good;
	set_range(&cmd, dev->ns[0].nr_lba - 63, 64);
	refused(dev, queue, &cmd, NVME_SC_LBA_RANGE);
	set_range(&cmd, ~0ULL, 64);
	refused(dev, queue, &cmd, NVME_SC_LBA_RANGE);
	set_range(&cmd, 0, NVMEV_MAX_TRANSFER / 512 + 1);
	refused(dev, queue, &cmd, NVME_SC_INVALID_FIELD);

	/* PRP1 by bytes, PRP2 and entries not at a page, no memory */
	cmd = good;
	cmd.prp1 = cpu_to_le64(DATA_AT + 2);
	refused(dev, queue, &cmd, NVME_SC_PRP_OFFSET_INVALID);
	cmd.prp1 = cpu_to_le64(USPACE_HOST_BYTES);
	refused(dev, queue, &cmd, NVME_SC_DATA_XFER_ERROR);
	cmd = good;
	set_range(&cmd, 0, 16);
	cmd.prp2 = cpu_to_le64(DATA_AT + 4);
	refused(dev, queue, &cmd, NVME_SC_PRP_OFFSET_INVALID);
	cmd = good;
	cmd.prp2 = cpu_to_le64(LISTS_AT + 4);
	refused(dev, queue, &cmd, NVME_SC_PRP_OFFSET_INVALID);
	cmd.prp2 = cpu_to_le64(~7ULL);
	refused(dev, queue, &cmd, NVME_SC_DATA_XFER_ERROR);
	cmd = good;
	list[6] = cpu_to_le64(DATA_AT + 8);
	refused(dev, queue, &cmd, NVME_SC_PRP_OFFSET_INVALID);
	list[6] = cpu_to_le64(USPACE_HOST_BYTES + 4096);
	refused(dev, queue, &cmd, NVME_SC_DATA_XFER_ERROR);

	/* A list whose last slot leads to itself has no end */
	list[511] = cpu_to_le64(LISTS_AT + 4088);
	cmd.prp2 = cpu_to_le64(LISTS_AT + 4088);
	refused(dev, queue, &cmd, NVME_SC_PRP_OFFSET_INVALID);
}

/* --- Compare and Write, Write Uncorrectable, namespaces ----------------------- */

static int status_of(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct nvme_completion cqe;
	unsigned int i;

	for (i = 0; i < 10000; i++) {
		if (uspace_reap(dev, queue, &cqe))
			return le16_to_cpu(cqe.status) >> 1 & 0x7ff;
		uspace_run(dev, 1);
		uspace_now_ns += 1000000;
	}
	return -1;
}

/* What the halves of a fused pair end with, in whatever order they come */
static void check_both(struct nvmev_dev *dev, struct uspace_queue *queue,
		       int first, int second)
{
	struct nvme_completion cqe;
	u16 first_cid = queue->next_cid - 2;
	unsigned int i, nr = 0;

	for (i = 0; i < 10000 && nr < 2; i++) {
		while (uspace_reap(dev, queue, &cqe)) {
			int status = le16_to_cpu(cqe.status) >> 1 & 0x7ff;

			check(status == (le16_to_cpu(cqe.cid) == first_cid ?
					 first : second));
			nr++;
		}
		uspace_run(dev, 1);
		uspace_now_ns += 1000000;
	}
	check(nr == 2);
}

/* NVMe 1.4, 6.2: both or nothing */
static void test_fused(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct nvme_command compare = { .opcode = NVME_NVM_COMPARE,
					.flags = 1 };
	struct nvme_command write = { .opcode = NVME_NVM_WRITE, .flags = 2 };
	u8 *storage = dev->storage;
	u8 *old = uspace_host + DATA_AT, *new = old + 8192;

	/* Over a page boundary of the storage: both pages are locked */
	set_range(&compare, 5, 8);
	set_range(&write, 5, 8);
	compare.prp1 = cpu_to_le64(DATA_AT);
	write.prp1 = cpu_to_le64(DATA_AT + 8192);
	memcpy(old, storage + 5 * 512, 4096);
	memset(new, 0x77, 4096);
	uspace_submit(dev, queue, &compare);
	uspace_submit(dev, queue, &write);
	check(status_of(dev, queue) == NVME_SC_SUCCESS);
	check(status_of(dev, queue) == NVME_SC_SUCCESS);
	check(!memcmp(storage + 5 * 512, new, 4096));

	/* Now the comparison fails, and nothing is written */
	memset(new, 0x88, 4096);
	uspace_submit(dev, queue, &compare);
	uspace_submit(dev, queue, &write);
	check(status_of(dev, queue) == NVME_SC_COMPARE_FAILED);
	check(status_of(dev, queue) == NVME_SC_FUSED_FAIL);
	check(storage[5 * 512] == 0x77);

	/* The Write is refused: the Compare is none the worse for it */
	memcpy(old, storage + 5 * 512, 4096);
	write.prp1 = cpu_to_le64(USPACE_HOST_BYTES);
	uspace_submit(dev, queue, &compare);
	uspace_submit(dev, queue, &write);
	check_both(dev, queue, NVME_SC_SUCCESS, NVME_SC_DATA_XFER_ERROR);
	old[0]++;
	uspace_submit(dev, queue, &compare);
	uspace_submit(dev, queue, &write);
	check_both(dev, queue, NVME_SC_COMPARE_FAILED, NVME_SC_DATA_XFER_ERROR);
	/* It is the other way round */
	write.prp1 = cpu_to_le64(DATA_AT + 8192);
	compare.prp1 = cpu_to_le64(USPACE_HOST_BYTES);
	uspace_submit(dev, queue, &compare);
	uspace_submit(dev, queue, &write);
	check_both(dev, queue, NVME_SC_DATA_XFER_ERROR, NVME_SC_FUSED_FAIL);
	compare.prp1 = cpu_to_le64(DATA_AT);
	check(storage[5 * 512] == 0x77);

	/* Two ranges */
	set_range(&write, 6, 8);
	uspace_submit(dev, queue, &compare);
	uspace_submit(dev, queue, &write);
	check(status_of(dev, queue) == NVME_SC_INVALID_FIELD);
	check(status_of(dev, queue) == NVME_SC_INVALID_FIELD);
}

/*
 * A pair comes between the two pages that another worker reads: 6.4. What is called
 * at each unlock there is not in the builds where time matters.
 */
#ifdef USPACE_EVENTS
static struct nvmev_dev *whole_dev;
static const u8 *whole_buf;

static void execute_pair(void)
{
	spinlock_t *locks = whole_dev->range_locks;

	if (!whole_buf[0] || locks[0].locked || locks[1].locked)
		return;
	uspace_at_unlock = NULL;
	nvmev_worker_poll(&whole_dev->workers[1]);
}

static void test_whole(void)
{
	struct nvmev_dev *dev = device_create(0, 16);
	struct nvme_command read = { .opcode = NVME_NVM_READ };
	struct nvme_command compare = { .opcode = NVME_NVM_COMPARE,
					.flags = 1 };
	struct nvme_command write = { .opcode = NVME_NVM_WRITE, .flags = 2 };
	u8 *buf = uspace_host + DATA_AT + 8192;
	struct uspace_queue admin, queues[2];
	u32 i;

	check(uspace_enable(dev, &admin));
	for (i = 0; i < 2; i++)
		check(!uspace_create_queue(dev, &admin, &queues[i], 1 + i,
					   DEPTH, RINGS_AT * (i + 1)));
	set_range(&read, 5, 8);
	set_range(&compare, 5, 8);
	set_range(&write, 5, 8);
	compare.prp1 = cpu_to_le64(DATA_AT);
	write.prp1 = cpu_to_le64(DATA_AT + 4096);
	read.prp1 = cpu_to_le64(DATA_AT + 8192);
	memset(buf, 0, 4096);
	memset(uspace_host + DATA_AT, 0x55, 4096);
	memset(uspace_host + DATA_AT + 4096, 0xaa, 4096);
	memset(dev->storage + 5 * 512, 0x55, 4096);
	uspace_submit(dev, &queues[0], &read);
	uspace_submit(dev, &queues[1], &compare);
	uspace_submit(dev, &queues[1], &write);
	whole_dev = dev;
	whole_buf = buf;
	uspace_at_unlock = execute_pair;
	nvmev_worker_poll(&dev->workers[0]);
	check(!uspace_at_unlock);
	check(status_of(dev, &queues[0]) == NVME_SC_SUCCESS);
	check(status_of(dev, &queues[1]) == NVME_SC_SUCCESS);
	check(status_of(dev, &queues[1]) == NVME_SC_SUCCESS);
	check(!memcmp(dev->storage + 5 * 512, uspace_host + DATA_AT + 4096,
		      4096));
	check(!memcmp(buf, uspace_host + DATA_AT, 4096));
	uspace_device_destroy(dev);
}

/* --- Bus Master Enable is cleared in the midst of a burst ------------------- */

static struct nvmev_dev *master_dev;

static void clear_master(void)
{
	WRITE_ONCE(master_dev->dma, false);
}

/* From then on nothing of the host's changes, until it is set again */
static void test_master(void)
{
	struct nvmev_dev *dev = device_create(0, 1024);
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct uspace_queue admin, queue;
	struct nvme_completion cqe;
	u32 i, nr = 0, moved = 0;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	memset(dev->storage, 1, SZ_64K);
	memset(uspace_host + DATA_AT, 0, 48 * 4096);
	set_range(&cmd, 0, 8);
	for (i = 0; i < 32; i++) {
		cmd.prp1 = cpu_to_le64(DATA_AT + i * 4096);
		uspace_submit(dev, &queue, &cmd);
	}
	/* And one that is put off */
	set_range(&cmd, 0, 64);
	set_prps(&cmd, DATA_AT + 32 * 4096, 32768, LISTS_AT);
	uspace_submit(dev, &queue, &cmd);
	master_dev = dev;
	uspace_at_unlock = clear_master;
	uspace_run(dev, 10);
	uspace_at_unlock = NULL;
	for (i = 0; i < 40; i++)
		moved += uspace_host[DATA_AT + i * 4096];
	check(moved <= 1);
	check(!uspace_reap(dev, &queue, &cqe));
	WRITE_ONCE(dev->dma, true);
	uspace_run(dev, 100);
	while (uspace_reap(dev, &queue, &cqe)) {
		check(!(cqe.status >> 1));
		nr++;
	}
	check(nr == 33);
	for (i = 0; i < 40 * 4096; i++)
		check(uspace_host[DATA_AT + i] == 1);
	uspace_device_destroy(dev);
}

/* --- memory that goes between the look-up and the access ------------------ */

/* One command whose page at @gone goes: it fails, the next one does not */
static void gone_once(struct nvmev_dev *dev, struct uspace_queue *queue,
		      struct nvme_command *cmd, u64 gone)
{
	uspace_gone = uspace_host + gone;
	check(uspace_sync(dev, queue, cmd, NULL) == NVME_SC_DATA_XFER_ERROR);
	uspace_gone = NULL;
	check(!uspace_sync(dev, queue, cmd, NULL));
}

static void gone_data(struct nvmev_dev *dev, struct uspace_queue *queue,
		      u8 opcode)
{
	struct nvme_command cmd = { .opcode = opcode };
	u32 i;

	memset(uspace_host + DATA_AT, 0, 4 * 4096);
	set_range(&cmd, 0, 8);
	set_prps(&cmd, DATA_AT, 4096, 0);
	gone_once(dev, queue, &cmd, DATA_AT);
	/* 4 KiB over two pages, two whole pages */
	for (i = 0; i < 2; i++) {
		set_range(&cmd, 0, 8 << i);
		set_prps(&cmd, DATA_AT + 2048 * !i, 4096 << i, 0);
		gone_once(dev, queue, &cmd, DATA_AT);
		gone_once(dev, queue, &cmd, DATA_AT + 4096);
	}
	/* A list, over two pages itself */
	set_range(&cmd, 0, 32);
	set_prps(&cmd, DATA_AT, 4 * 4096, LISTS_AT + 4080);
	gone_once(dev, queue, &cmd, DATA_AT + 3 * 4096);
	gone_once(dev, queue, &cmd, LISTS_AT);
	gone_once(dev, queue, &cmd, LISTS_AT + 8192);
}

/* A block from two pages, of which one is gone: it is as it was */
static void gone_half(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_WRITE };
	u8 *block = dev->storage;
	u32 i;

	memset(block, 0x55, 3 * 512);
	memset(uspace_host + DATA_AT, 0xaa, 2 * 4096);
	set_range(&cmd, 0, 3);
	set_prps(&cmd, DATA_AT + 4096 - 512 - 256, 3 * 512, 0);
	uspace_gone = uspace_host + DATA_AT + 4096;
	check(uspace_sync(dev, queue, &cmd, NULL) == NVME_SC_DATA_XFER_ERROR);
	uspace_gone = NULL;
	for (i = 0; i < 3; i++)
		check(!memcmp(block + i * 512, block + i * 512 + 1, 511));
	check(block[512] == 0x55 && block[2 * 512] == 0x55);
	check(!uspace_sync(dev, queue, &cmd, NULL));
	for (i = 0; i < 3 * 512; i++)
		check(block[i] == 0xaa);
	memset(uspace_host + DATA_AT, 0, 2 * 4096);
}

/* A queue that is gone, at @gone: fatal, until the controller is reset */
static void gone_queue(struct nvmev_dev *dev, u64 gone)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_FLUSH,
				    .nsid = cpu_to_le32(1) };
	struct uspace_queue admin, queue;

	check(uspace_enable(dev, &admin));
	check(!(uspace_reg_read(dev, NVME_REG_CSTS) & NVME_CSTS_CFS));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	check(!uspace_sync(dev, &queue, &cmd, NULL));
	uspace_gone = uspace_host + gone;
	uspace_submit(dev, gone < RINGS_AT ? &admin : &queue, &cmd);
	uspace_run(dev, 100);
	check(uspace_reg_read(dev, NVME_REG_CSTS) & NVME_CSTS_CFS);
	uspace_gone = NULL;
	check(uspace_disable(dev));
	check(!(uspace_reg_read(dev, NVME_REG_CSTS) & NVME_CSTS_CFS));
}

/* A doorbell that is gone has not moved */
static void gone_shadows(void)
{
	struct nvmev_config config = {
		.start = 0x100000000, .size = 9 << 20, .lba_shift = 9,
		.queues = 8, .queue_depth = 1024, .nr_workers = 2,
		.interrupts = NVMEV_INTERRUPTS_MSIX, .dbbuf = true,
		.timing = { .slots = 16 },
	};
	struct nvme_command cmd = { .opcode = NVME_ADMIN_DBBUF_CONFIG,
				    .prp1 = cpu_to_le64(DATA_AT),
				    .prp2 = cpu_to_le64(DATA_AT + 4096) };
	struct nvmev_dev *dev = uspace_device_create(&config);
	struct uspace_queue admin, queue;
	struct nvme_completion cqe;
	__le32 *shadow;
	u32 i;

	check(uspace_enable(dev, &admin));
	check(!uspace_sync(dev, &admin, &cmd, NULL));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	shadow = (__le32 *)(uspace_host + DATA_AT) + 2;
	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = NVME_NVM_FLUSH;
	cmd.nsid = cpu_to_le32(1);
	uspace_submit(dev, &queue, &cmd);
	uspace_gone = uspace_host + DATA_AT;
	*shadow = cpu_to_le32(1);
	uspace_run(dev, 100);
	check(!uspace_reap(dev, &queue, &cqe));
	uspace_gone = NULL;
	uspace_run(dev, 100);
	check(uspace_reap(dev, &queue, &cqe) && !(cqe.status >> 1));

	/* Nor has it while more was submitted than is fetched at once */
	for (i = 0; i < 40; i++)
		uspace_submit(dev, &queue, &cmd);
	*shadow = cpu_to_le32(41);
	uspace_run(dev, 1);
	uspace_gone = uspace_host + DATA_AT;
	uspace_run(dev, 100);
	for (i = 0; i < 40; i++)
		check(uspace_reap(dev, &queue, &cqe) && !(cqe.status >> 1));
	uspace_gone = NULL;

	/* And a new queue has none */
	uspace_gone = uspace_host + DATA_AT;
	cmd = (struct nvme_command){
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = cpu_to_le64(2 * RINGS_AT),
		.cdw10 = cpu_to_le32((DEPTH - 1) << 16 | 2),
		.cdw11 = cpu_to_le32(2 << 16 | NVME_CQ_IEN | NVME_QUEUE_PC),
	};
	uspace_submit(dev, &admin, &cmd);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) & NVME_CSTS_CFS);
	check(!dev->enabled);
	uspace_gone = NULL;
	uspace_device_destroy(dev);
}

static void test_gone(void)
{
	struct nvmev_dev *dev = device_create(0, 16);
	struct nvme_command cmd = { .opcode = NVME_NVM_DSM,
				    .nsid = cpu_to_le32(1),
				    .cdw11 = cpu_to_le32(4),
				    .prp1 = cpu_to_le64(DATA_AT) };
	struct uspace_queue admin, queue;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	gone_data(dev, &queue, NVME_NVM_WRITE);
	gone_data(dev, &queue, NVME_NVM_READ);
	gone_data(dev, &queue, NVME_NVM_COMPARE);
	gone_half(dev, &queue);
	gone_once(dev, &queue, &cmd, DATA_AT);
	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = NVME_ADMIN_IDENTIFY;
	cmd.cdw10 = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	gone_once(dev, &admin, &cmd, DATA_AT);
	check(uspace_disable(dev));

	/* Admin queue, I/O queue: submission and completion */
	gone_queue(dev, 0);
	gone_queue(dev, 4096);
	gone_queue(dev, RINGS_AT);
	gone_queue(dev, RINGS_AT + DEPTH * sizeof(cmd));
	uspace_device_destroy(dev);
	gone_shadows();
}
#else
static void test_whole(void)
{
}

static void test_gone(void)
{
}

static void test_master(void)
{
}
#endif

/* A read of something else, and a pair that puts @byte into block @lba */
struct fused {
	struct nvme_command read;
	struct nvme_command compare;
	struct nvme_command write;
};

static struct fused fused_pair(struct nvmev_dev *dev, u64 lba, u8 byte)
{
	struct fused fused = {
		.read = { .opcode = NVME_NVM_READ },
		.compare = { .opcode = NVME_NVM_COMPARE, .flags = 1 },
		.write = { .opcode = NVME_NVM_WRITE, .flags = 2 },
	};

	set_range(&fused.read, 0, 1);
	set_range(&fused.compare, lba, 1);
	set_range(&fused.write, lba, 1);
	fused.read.prp1 = cpu_to_le64(DATA_AT + 8192);
	fused.compare.prp1 = cpu_to_le64(DATA_AT);
	fused.write.prp1 = cpu_to_le64(DATA_AT + 4096);
	memcpy(uspace_host + DATA_AT, dev->storage + lba * 512, 512);
	memset(uspace_host + DATA_AT + 4096, byte, 512);
	return fused;
}

/* Both halves wait for room when there is some for the first half alone */
static void test_fused_room(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct fused fused = fused_pair(dev, 9, 0x99);
	u32 i, done = 0;
	int status;

	/* One entry of the queue less than it has commands, all in flight */
	for (i = 0; i < queue->size - 1; i++)
		uspace_submit(dev, queue, &fused.read);
	uspace_run(dev, 10);
	uspace_submit(dev, queue, &fused.compare);
	uspace_submit(dev, queue, &fused.write);
	while (done < queue->size + 1) {
		status = status_of(dev, queue);
		if (status) {
			fprintf(stderr, "command %u: status %#x\n", done,
				status);
			exit(1);
		}
		done++;
	}
	check(((u8 *)dev->storage)[9 * 512] == 0x99);
}

/*
 * A first half alone, last of a burst of 32, and right after it a good pair:
 * what is wrong with the one is no matter of the other.
 */
static void test_fused_burst(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct fused fused = fused_pair(dev, 10, 0x5a);
	struct nvme_completion cqe;
	u32 i, failed = 0, done = 0;
	u16 stray;

	for (i = 0; i < 31; i++)
		uspace_submit(dev, queue, &fused.read);
	stray = uspace_submit(dev, queue, &fused.compare);
	uspace_submit(dev, queue, &fused.compare);
	uspace_submit(dev, queue, &fused.write);
	while (done < 34) {
		uspace_run(dev, 10);
		uspace_now_ns += NSEC_PER_MSEC;
		while (uspace_reap(dev, queue, &cqe)) {
			done++;
			if (!(le16_to_cpu(cqe.status) >> 1))
				continue;
			failed++;
			check(le16_to_cpu(cqe.cid) == stray);
			check((le16_to_cpu(cqe.status) >> 1 & NVME_SC_MASK) ==
			      NVME_SC_FUSED_MISSING);
		}
	}
	check(failed == 1);
	check(((u8 *)dev->storage)[10 * 512] == 0x5a);
}

static bool reap_cid(struct nvmev_dev *dev, struct uspace_queue *queue, u16 cid)
{
	struct nvme_completion cqe;

	if (!uspace_reap(dev, queue, &cqe))
		return false;
	check(!(le16_to_cpu(cqe.status) >> 1));
	check(le16_to_cpu(cqe.cid) == cid);
	return true;
}

/*
 * A Flush waits for a write that is late, and for an erasure, on another queue
 * of the same worker. A read that comes after it does not wait with it.
 */
static void test_flush(struct nvmev_dev *dev, struct uspace_queue *writes,
		       struct uspace_queue *others, u8 opcode, u32 blocks)
{
	const u64 latency_ns = dev->timing.config.latency_ns[0];
	struct nvme_command write = { .opcode = opcode };
	struct nvme_command flush = { .opcode = NVME_NVM_FLUSH };
	struct nvme_command read = { .opcode = NVME_NVM_READ };
	u16 write_cid, flush_cid, read_cid;
	u32 i, all = NVME_NSID_ALL;

	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, 0);
	nvmev_timing_set_latency(&dev->timing, NVMEV_WRITE, 0);
	uspace_now_ns += NSEC_PER_SEC;
	set_range(&write, 0, blocks);
	set_range(&read, 0, 1);
	set_prps(&write, DATA_AT, opcode == NVME_NVM_WRITE ? blocks << 9 : 0,
		 LISTS_AT);
	read.prp1 = cpu_to_le64(DATA_AT);
	flush.nsid = cpu_to_le32(opcode == NVME_NVM_WRITE ? 1 : all);

	write_cid = uspace_submit(dev, writes, &write);
	uspace_run(dev, 1);
	flush_cid = uspace_submit(dev, others, &flush);
	uspace_run(dev, 1);
	read_cid = uspace_submit(dev, others, &read);
	uspace_run(dev, 2);
	check(reap_cid(dev, others, read_cid));
	for (i = 0; i < 10000 && !reap_cid(dev, writes, write_cid); i++) {
		check(!reap_cid(dev, others, flush_cid));
		uspace_run(dev, 1);
	}
	check(i > 3 && i < 10000);
	uspace_run(dev, 1);
	check(reap_cid(dev, others, flush_cid));
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, latency_ns);
	nvmev_timing_set_latency(&dev->timing, NVMEV_WRITE, latency_ns);
}

/*
 * A Flush waits for an erasure whose queue is deleted. The queue's memory may be
 * gone, and be anything, before the worker is through with its round.
 */
static struct nvmev_sq *deleted_sq;

static void reuse_ios(void)
{
	u32 i;

	uspace_at_complete = NULL;
	for (i = 0; i < deleted_sq->ring.size; i++) {
		if (!deleted_sq->ios[i].op)
			continue;
		deleted_sq->ios[i].state = NVMEV_IO_TRANSFER;
		deleted_sq->ios[i].due.expires = 0;
	}
}

static void test_flush_deleted(struct nvmev_dev *dev,
			       struct uspace_queue *admin,
			       struct uspace_queue *erasures,
			       struct uspace_queue *flushes)
{
	const u64 latency_ns = dev->timing.config.latency_ns[0];
	struct nvme_command erase = { .opcode = NVME_NVM_WRITE_ZEROES };
	struct nvme_command flush = { .opcode = NVME_NVM_FLUSH };
	struct nvme_command delete = { .opcode = NVME_ADMIN_DELETE_SQ };
	u16 cid;

	nvmev_timing_set_latency(&dev->timing, NVMEV_WRITE, 0);
	uspace_now_ns += NSEC_PER_SEC;
	set_range(&erase, 0, 16384);
	uspace_submit(dev, erasures, &erase);
	uspace_run(dev, 1);
	flush.nsid = cpu_to_le32(NVME_NSID_ALL);
	cid = uspace_submit(dev, flushes, &flush);
	uspace_run(dev, 2);
	check(!reap_cid(dev, flushes, cid));
	deleted_sq = dev->sqs[erasures->qid];
	uspace_at_complete = reuse_ios;
	delete.cdw10 = cpu_to_le32(erasures->qid);
	check(!uspace_sync(dev, admin, &delete, NULL));
	check(!uspace_at_complete);
	uspace_run(dev, 1);
	check(reap_cid(dev, flushes, cid));
	nvmev_timing_set_latency(&dev->timing, NVMEV_WRITE, latency_ns);
}

/* --- Copy ------------------------------------------------------------------------ */

static void copy_range(u32 index, u64 slba, u32 blocks)
{
	struct nvme_copy_range *range = (void *)(uspace_host + DATA_AT);

	memset(&range[index], 0, sizeof(*range));
	range[index].slba = cpu_to_le64(slba);
	range[index].nlb = cpu_to_le16(blocks - 1);
}

static void copy_command(struct nvme_command *cmd, u64 sdlba, u32 ranges)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->opcode = NVME_NVM_COPY;
	set_range(cmd, sdlba, ranges);
	cmd->prp1 = cpu_to_le64(DATA_AT);
}

static void test_copy(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	const u64 latency = dev->timing.config.latency_ns[NVMEV_READ];
	u8 *shadow = malloc(dev->ns[0].bytes), *byte = dev->storage;
	struct nvme_completion cqe;
	struct nvme_command cmd;
	u32 i, j, nr, blocks;
	u64 start, dest, pos;

	for (pos = 0; pos < dev->ns[0].bytes; pos++)
		byte[pos] = uspace_random(&seed);
	memcpy(shadow, dev->storage, dev->ns[0].bytes);

	/* Sources in the first half of the disk, the destination in the other */
	for (i = 0; i < 60; i++) {
		nr = 1 + below(below(4) ? 8 : NVMEV_COPY_RANGES);
		dest = dev->ns[0].nr_lba / 2 + below(100);
		copy_command(&cmd, dest, nr);
		pos = dest << 9;
		for (j = 0; j < nr; j++) {
			u64 slba = below(dev->ns[0].nr_lba / 2 - 64);

			blocks = 1 + below(60);
			copy_range(j, slba, blocks);
			memcpy(shadow + pos, shadow + (slba << 9),
			       blocks << 9);
			pos += blocks << 9;
		}
		check(!uspace_sync(dev, queue, &cmd, NULL));
		check(!memcmp(dev->storage, shadow, dev->ns[0].bytes));
	}

	/* One unit read and one written: both latencies, to the nanosecond */
	uspace_now_ns += NSEC_PER_SEC;
	start = uspace_now_ns;
	copy_range(0, 0, 8);
	copy_command(&cmd, 64, 1);
	uspace_submit(dev, queue, &cmd);
	uspace_run(dev, 3);
	uspace_now_ns = start + 2 * latency - 1;
	uspace_run(dev, 3);
	check(!uspace_reap(dev, queue, &cqe));
	uspace_now_ns++;
	uspace_run(dev, 3);
	check(uspace_reap(dev, queue, &cqe));

	/* What is written can be read again; what cannot be read is not copied */
	check(!rw(dev, queue, NVME_NVM_WRITE_UNCOR, 100, 1, DATA_AT));
	copy_range(0, 96, 8);
	refused(dev, queue, &cmd, NVME_SC_READ_ERROR);
	copy_range(0, 0, 8);
	copy_command(&cmd, 96, 1);
	check(!uspace_sync(dev, queue, &cmd, NULL));
	check(!dev->ns[0].nr_bad);

	/* Ranges that the host makes shorter on the way: not all is written */
	check(!rw(dev, queue, NVME_NVM_WRITE_UNCOR, 900, 1, DATA_AT));
	copy_range(0, 0, 400);
	copy_command(&cmd, 600, 1);
	uspace_submit(dev, queue, &cmd);
	uspace_run(dev, 1);
	copy_range(0, 0, 100);
	check(status_of(dev, queue) == NVME_SC_INVALID_FIELD);
	check(dev->ns[0].nr_bad);
	check(!rw(dev, queue, NVME_NVM_WRITE, 900, 1, DATA_AT));

	/* One that ends half way says where: at the end of a range, and within */
	for (i = 0; i < 4; i++)
		copy_range(i, 0, 64);
	for (i = 1; i <= 3; i++) {
		copy_command(&cmd, 600, 4);
		uspace_submit(dev, queue, &cmd);
		/* Half a range at a time */
		for (j = 0; j < i; j++)
			nvmev_worker_poll(dev->sqs[queue->qid]->cq->worker);
		nvmev_worker_drop_ns(dev->sqs[queue->qid]->cq->worker,
				     &dev->ns[0], NVME_SC_FORMAT_IN_PROGRESS);
		uspace_run(dev, 1);
		check(uspace_reap(dev, queue, &cqe));
		check((le16_to_cpu(cqe.status) >> 1 & 0x7ff) ==
		      NVME_SC_FORMAT_IN_PROGRESS);
		check(le32_to_cpu(cqe.result) == i / 2);
	}

	/* Limits, ranges, formats */
	copy_command(&cmd, 0, NVMEV_COPY_RANGES + 1);
	refused(dev, queue, &cmd, NVME_SC_CMD_SIZE_LIMIT);
	copy_range(0, 0, NVMEV_COPY_RANGE_LBAS + 1);
	copy_command(&cmd, 0, 1);
	refused(dev, queue, &cmd, NVME_SC_CMD_SIZE_LIMIT);
	for (i = 0; i < NVMEV_COPY_RANGES; i++)
		copy_range(i, 0, NVMEV_COPY_LBAS / NVMEV_COPY_RANGES + 1);
	copy_command(&cmd, 0, NVMEV_COPY_RANGES);
	refused(dev, queue, &cmd, NVME_SC_CMD_SIZE_LIMIT);
	copy_range(0, dev->ns[0].nr_lba - 7, 8);
	copy_command(&cmd, 0, 1);
	refused(dev, queue, &cmd, NVME_SC_LBA_RANGE);
	copy_range(0, ~0ULL, 8);
	refused(dev, queue, &cmd, NVME_SC_LBA_RANGE);
	copy_range(0, 0, 8);
	copy_command(&cmd, dev->ns[0].nr_lba - 7, 1);
	refused(dev, queue, &cmd, NVME_SC_LBA_RANGE);
	copy_command(&cmd, 0, 1);
	cmd.cdw12 = cpu_to_le32(1 << 8);
	refused(dev, queue, &cmd, NVME_SC_INVALID_FIELD);
	copy_command(&cmd, 0, 1);
	cmd.flags = 1;
	refused(dev, queue, &cmd, NVME_SC_FUSED_MISSING);
	copy_command(&cmd, 0, 1);
	cmd.prp1 = cpu_to_le64(USPACE_HOST_BYTES);
	refused(dev, queue, &cmd, NVME_SC_DATA_XFER_ERROR);
	free(shadow);
}

/* 6.16: unreadable until written, block by block */
static void test_uncorrectable(struct nvmev_dev *dev,
			       struct uspace_queue *queue)
{
	bool bad[4096] = { };
	unsigned int i;
	u32 j;

	for (i = 0; i < 4000; i++) {
		u32 nr = 1 + below(below(4) ? 8 : 500);
		u32 lba = below(4096 - nr + 1);
		bool any = false;
		int status;

		switch (below(3)) {
		case 0:
			status = rw(dev, queue, NVME_NVM_WRITE_UNCOR, lba, nr,
				    DATA_AT);
			if ((status & 0x7ff) == NVME_SC_CAP_EXCEEDED)
				break;
			check(!status);
			memset(bad + lba, true, nr);
			break;
		case 1:
			check(!rw(dev, queue, NVME_NVM_WRITE, lba, nr,
				  DATA_AT));
			memset(bad + lba, false, nr);
			break;
		default:
			for (j = 0; j < nr; j++)
				any |= bad[lba + j];
			status = rw(dev, queue, below(2) ? NVME_NVM_READ :
				    NVME_NVM_VERIFY, lba, nr, DATA_AT);
			/* Without room for all extents some count as good */
			check((status & 0x7ff) == NVME_SC_READ_ERROR ?
			      any : !status);
			if (dev->ns[0].nr_bad < NVMEV_MAX_BAD - 1)
				check(!any || status);
			break;
		}
		if (dev->ns[0].nr_bad >= NVMEV_MAX_BAD - 2) {
			check(!rw(dev, queue, NVME_NVM_WRITE_ZEROES, 0, 4096,
				  DATA_AT));
			memset(bad, false, sizeof(bad));
		}
	}
	check(!rw(dev, queue, NVME_NVM_WRITE_ZEROES, 0, 4096, DATA_AT));
	check(!dev->ns[0].nr_bad);

	/* Only what is apart counts, and what is unreadable already does not */
	for (i = 0; i < 2 * NVMEV_MAX_BAD; i++)
		check(!rw(dev, queue, NVME_NVM_WRITE_UNCOR, i, 1, DATA_AT));
	check(dev->ns[0].nr_bad == 1);
	for (i = 1; i < NVMEV_MAX_BAD - 1; i++)
		check(!rw(dev, queue, NVME_NVM_WRITE_UNCOR, 1000 + 2 * i, 1,
			  DATA_AT));
	check((rw(dev, queue, NVME_NVM_WRITE_UNCOR, 2000, 1, DATA_AT) &
	       0x7ff) == NVME_SC_CAP_EXCEEDED);
	check(!rw(dev, queue, NVME_NVM_READ, 2000, 1, DATA_AT));
	check(!rw(dev, queue, NVME_NVM_WRITE_UNCOR, 1002, 1, DATA_AT));
	check(!rw(dev, queue, NVME_NVM_WRITE_UNCOR, 1003, 1, DATA_AT));
	check(!rw(dev, queue, NVME_NVM_WRITE_UNCOR, 2000, 1, DATA_AT));
	check(!rw(dev, queue, NVME_NVM_WRITE_ZEROES, 0, 4096, DATA_AT));
	check(!dev->ns[0].nr_bad);
}

static int ns_command(struct nvmev_dev *dev, struct uspace_queue *admin,
		      u8 opcode, u32 nsid, u32 cdw10, u32 *result)
{
	struct nvme_command cmd = { .opcode = opcode };

	cmd.nsid = cpu_to_le32(nsid);
	cmd.cdw10 = cpu_to_le32(cdw10);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	return uspace_sync(dev, admin, &cmd, result) & 0x7ff;
}

static int ns_create(struct nvmev_dev *dev, struct uspace_queue *admin,
		     u64 nr_lba, u8 flbas, u32 *nsid)
{
	struct nvme_id_ns *id = (void *)(uspace_host + DATA_AT);

	memset(id, 0, sizeof(*id));
	id->nsze = cpu_to_le64(nr_lba);
	id->ncap = id->nsze;
	id->flbas = flbas;
	return ns_command(dev, admin, NVME_ADMIN_NS_MGMT, 0, 0, nsid);
}

static int ns_attach(struct nvmev_dev *dev, struct uspace_queue *admin,
		     u32 nsid, u32 sel)
{
	__le16 *list = (void *)(uspace_host + DATA_AT);

	list[0] = cpu_to_le16(1);
	list[1] = cpu_to_le16(0);
	return ns_command(dev, admin, NVME_ADMIN_NS_ATTACH, nsid, sel, NULL);
}

/* 5.19, 5.20, 5.23 */
static void test_namespaces(struct nvmev_dev *dev, struct uspace_queue *admin,
			    struct uspace_queue *queue)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	u32 first, second;
	u64 i;

	/* All taken, then all given back */
	check(ns_create(dev, admin, 2048, 0, &first) ==
	      NVME_SC_NS_INSUFFICIENT_CAP);
	check(!ns_command(dev, admin, NVME_ADMIN_NS_MGMT, NVME_NSID_ALL, 1,
			  NULL));
	set_range(&cmd, 0, 1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	refused(dev, queue, &cmd, NVME_SC_INVALID_FIELD);

	memset(dev->storage, 0xee, dev->storage_bytes);
	check(!ns_create(dev, admin, 3000, 0, &first));
	check(!ns_create(dev, admin, 500, 1, &second));
	check(first == 1 && second == 2);
	check(dev->ns[0].nr_lba == 3000 && dev->ns[1].nr_lba == 500);
	check(dev->ns[1].offset >= 3000 << 9);
	for (i = 0; i < 3000 << 9; i++)
		check(!((u8 *)dev->storage)[i]);
	check(((u8 *)dev->storage)[3000 << 9] == 0xee);
	check(ns_attach(dev, admin, 3, 0) == NVME_SC_INVALID_FIELD);
	check(!ns_attach(dev, admin, 1, 0));
	check(ns_attach(dev, admin, 1, 0) == NVME_SC_NS_ALREADY_ATTACHED);
	check(!ns_attach(dev, admin, 2, 0));

	/* The last block, and the first beyond it, of 4 KiB blocks */
	cmd.nsid = cpu_to_le32(2);
	cmd.cdw10 = cpu_to_le32(499);
	check(!uspace_sync(dev, queue, &cmd, NULL));
	cmd.cdw10 = cpu_to_le32(500);
	refused(dev, queue, &cmd, NVME_SC_LBA_RANGE);

	/* A read in flight ends with Format in Progress, and all is erased */
	memset(dev->storage + dev->ns[1].offset, 0x55, dev->ns[1].bytes);
	cmd.cdw10 = 0;
	uspace_submit(dev, queue, &cmd);
	for (i = 0; i < 10; i++)
		nvmev_worker_poll(&dev->workers[(queue->qid - 1) % 2]);
	check(!ns_command(dev, admin, NVME_ADMIN_FORMAT_NVM, 2, 0, NULL));
	check(status_of(dev, queue) == NVME_SC_FORMAT_IN_PROGRESS);
	check(dev->ns[1].lba_shift == 9 && dev->ns[1].nr_lba == 4000);
	for (i = 0; i < dev->ns[1].bytes; i++)
		check(!((u8 *)dev->storage)[dev->ns[1].offset + i]);
	check(!uspace_sync(dev, queue, &cmd, NULL));

	check(!ns_attach(dev, admin, 2, 1));
	check(ns_attach(dev, admin, 2, 1) == NVME_SC_NS_NOT_ATTACHED);
	refused(dev, queue, &cmd, NVME_SC_INVALID_FIELD);
	check(!ns_command(dev, admin, NVME_ADMIN_NS_MGMT, 2, 1, NULL));
	check(!ns_command(dev, admin, NVME_ADMIN_NS_MGMT, 1, 1, NULL));

	/* And as it was */
	check(!ns_create(dev, admin, dev->storage_bytes >> 9, 0, &first));
	check(!ns_attach(dev, admin, first, 0));
}

/* --- timing -------------------------------------------------------------------- */

/* Completes at the due time: not a nanosecond before, and then at once */
static void test_due(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	const u64 latency = dev->timing.config.latency_ns[NVMEV_READ];
	const u32 slots = dev->timing.config.slots;
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;
	u32 i, done = 0;
	u64 start;

	set_range(&cmd, 0, 8);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	uspace_now_ns += 10 * latency;
	start = uspace_now_ns;
	for (i = 0; i < 3 * slots; i++)
		uspace_submit(dev, queue, &cmd);
	uspace_run(dev, 3);
	for (i = 1; i <= 3; i++) {
		uspace_now_ns = start + i * latency - 1;
		uspace_run(dev, 3);
		check(!uspace_reap(dev, queue, &cqe));
		uspace_now_ns++;
		uspace_run(dev, 3);
		while (uspace_reap(dev, queue, &cqe))
			done++;
		check(done == i * slots);
	}
}

/* More commands than the CQ takes before the host reads: none is lost */
static void test_full_cq(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;
	u32 sent = 0, done = 0, i;

	set_range(&cmd, 0, 1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	for (i = 0; i < 4; i++) {
		u32 n = queue->size - 1;

		while (n--) {
			uspace_submit(dev, queue, &cmd);
			sent++;
		}
		uspace_run(dev, 8);
		uspace_now_ns += NSEC_PER_SEC;
		uspace_run(dev, 8);
		/* One entry is read: one comes after it, in order */
		check(uspace_reap(dev, queue, &cqe));
		check(le16_to_cpu(cqe.cid) == (u16)(queue->next_cid - sent +
						    done));
		done++;
		uspace_run(dev, 8);
		while (done < sent && uspace_reap(dev, queue, &cqe)) {
			done++;
			uspace_run(dev, 2);
		}
		check(done == sent);
	}
	check(!uspace_reap(dev, queue, &cqe));
}

/* --- arbitration, 4.13 ------------------------------------------------------------ */

/* Fills queues with commands of one slot each, which is a millisecond's work */
static void arbitrate(struct nvmev_dev *dev, struct uspace_queue *queues,
		      unsigned int nr, u32 each)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	unsigned int i;

	set_range(&cmd, 0, 1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	while (each--)
		for (i = 0; i < nr; i++)
			uspace_submit(dev, &queues[i], &cmd);
}

/* Lets the device work for some milliseconds: what each queue got done */
static void get_served(struct nvmev_dev *dev, struct uspace_queue *queues,
		       unsigned int nr, u32 ms, u32 *served)
{
	struct nvme_completion cqe;
	unsigned int i;

	memset(served, 0, nr * sizeof(*served));
	while (ms--) {
		uspace_run(dev, 2);
		uspace_now_ns += NSEC_PER_MSEC;
		uspace_run(dev, 2);
		for (i = 0; i < nr; i++)
			while (uspace_reap(dev, &queues[i], &cqe))
				served[i]++;
	}
}

/* CAP.AMS, CC.AMS, QPRIO and the weights of the Arbitration feature */
static void test_arbitration(void)
{
	/* Queues of one worker: two of high, one of medium, one of low priority */
	static const u8 priorities[] = { 1, 1, 2, 3 };
	struct nvmev_dev *dev = device_create(NSEC_PER_MSEC, 1);
	struct nvme_command cmd = { .opcode = NVME_ADMIN_SET_FEATURES };
	struct uspace_queue admin, queues[4];
	unsigned int i, ams;
	u32 served[4];

	for (ams = NVME_CC_AMS_RR; ams <= NVME_CC_AMS_WRR; ams++) {
		check(uspace_enable_ams(dev, &admin, ams));
		check(uspace_reg_read(dev, NVME_REG_CAP) & NVME_CAP_AMS_WRR);
		/* Weights 8, 4 and 1, one command at a time */
		cmd.cdw10 = cpu_to_le32(NVME_FEAT_ARBITRATION);
		cmd.cdw11 = cpu_to_le32(7U << 24 | 3 << 16);
		check(!uspace_sync(dev, &admin, &cmd, NULL));
		for (i = 0; i < 4; i++)
			check(!uspace_create_queue_of(dev, &admin, &queues[i],
						      1 + 2 * i, DEPTH,
						      RINGS_AT * (i + 1),
						      priorities[i]));
		if (ams == NVME_CC_AMS_RR) {
			/* One after the other, whatever their priority */
			arbitrate(dev, queues, 4, 50);
			get_served(dev, queues, 4, 100, served);
			for (i = 0; i < 4; i++)
				check(served[i] == 25);
			check(uspace_disable(dev));
			continue;
		}
		arbitrate(dev, queues, 4, 62);
		get_served(dev, queues, 4, 130, served);
		check(served[0] == 40 && served[1] == 40);
		check(served[2] == 40 && served[3] == 10);
	}
	uspace_device_destroy(dev);
}

/* What is urgent comes first, also when it comes last */
static void test_urgent(void)
{
	struct nvmev_dev *dev = device_create(NSEC_PER_MSEC, 1);
	struct uspace_queue admin, queues[2];
	u32 served[2];

	check(uspace_enable_ams(dev, &admin, NVME_CC_AMS_WRR));
	check(!uspace_create_queue_of(dev, &admin, &queues[0], 1, DEPTH,
				      RINGS_AT, NVME_SQ_HIGH));
	check(!uspace_create_queue_of(dev, &admin, &queues[1], 3, DEPTH,
				      2 * RINGS_AT, NVME_SQ_URGENT));
	arbitrate(dev, &queues[0], 1, 50);
	get_served(dev, queues, 2, 10, served);
	check(served[0] == 10);
	uspace_run(dev, 2);
	arbitrate(dev, &queues[1], 1, 10);
	get_served(dev, queues, 2, 11, served);
	/* One was being served already */
	check(served[0] == 1 && served[1] == 10);
	uspace_device_destroy(dev);
}

/* A Flush waits for its turn; that is delay, and no lateness of the device's */
static void test_wrr_flush(void)
{
	struct nvmev_dev *dev = device_create(NSEC_PER_MSEC, 1);
	struct nvme_command flush = { .opcode = NVME_NVM_FLUSH,
				      .nsid = cpu_to_le32(1) };
	struct uspace_queue admin, queues[1];
	u32 served, i;

	check(uspace_enable_ams(dev, &admin, NVME_CC_AMS_WRR));
	check(!uspace_create_queue_of(dev, &admin, &queues[0], 1, DEPTH,
				      RINGS_AT, NVME_SQ_HIGH));
	arbitrate(dev, &queues[0], 1, 20);
	uspace_submit(dev, &queues[0], &flush);
	for (i = 0; i < 21000; i++) {
		uspace_run(dev, 1);
		uspace_now_ns += NSEC_PER_USEC;
	}
	get_served(dev, queues, 1, 2, &served);
	check(served == 21);
	check(dev->sqs[1]->stat[NVMEV_OTHER].commands == 1);
	check(dev->sqs[1]->stat[NVMEV_OTHER].late_max_ns < 10 * NSEC_PER_USEC);
	check(dev->sqs[1]->stat[NVMEV_OTHER].wait_max_ns > NSEC_PER_MSEC);
	uspace_device_destroy(dev);
}

/* --- workers: their time, what is dropped, what is counted ----------------- */

/* Few large commands make a burst, so that the next is not kept waiting */
static void test_burst_units(void)
{
	struct nvmev_dev *dev = device_create(NSEC_PER_SEC, 4);
	struct nvme_command zeroes = { .opcode = NVME_NVM_WRITE_ZEROES };
	struct uspace_queue admin, queue;
	u32 i;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	set_range(&zeroes, 0, 1024);
	for (i = 0; i < 16; i++)
		uspace_submit(dev, &queue, &zeroes);
	/* 128 units each, and a burst has 256 */
	for (i = 2; i <= 16; i += 2) {
		nvmev_worker_poll(dev->sqs[1]->cq->worker);
		check(dev->sqs[1]->in_flight == i);
	}
	uspace_device_destroy(dev);
}

/*
 * Erasing goes on beside as many reads as there can be: it has a share of the
 * time, not a slice in each round of the worker, which may be long.
 */
static void test_erase_share(void)
{
	struct nvmev_dev *dev = device_create(0, 1024);
	struct nvme_command read = { .opcode = NVME_NVM_READ };
	struct nvme_command zeroes = { .opcode = NVME_NVM_WRITE_ZEROES };
	struct uspace_queue admin, queues[2];
	struct nvme_completion cqe;
	u32 i, rounds = 0;

	check(uspace_enable(dev, &admin));
	/* Both of one worker */
	for (i = 0; i < 2; i++)
		check(!uspace_create_queue(dev, &admin, &queues[i], 1 + 2 * i,
					   DEPTH, RINGS_AT * (i + 1)));
	set_range(&read, 0, 8);
	read.prp1 = cpu_to_le64(DATA_AT);
	set_range(&zeroes, 0, 16384);
	uspace_submit(dev, &queues[0], &zeroes);
	while (!uspace_reap(dev, &queues[0], &cqe)) {
		for (i = 0; i < 32; i++)
			uspace_submit(dev, &queues[1], &read);
		nvmev_worker_poll(dev->sqs[1]->cq->worker);
		uspace_now_ns += 100 * NSEC_PER_USEC;
		while (uspace_reap(dev, &queues[1], &cqe))
			;
		rounds++;
	}
	/* 8 MiB, of which no round does more than one */
	check(rounds >= 8 && rounds < 32);
	uspace_device_destroy(dev);
}

/* What is deallocated keeps neither a Write Zeroes, a Flush nor another waiting */
static void test_deallocate_beside(void)
{
	struct nvmev_dev *dev = device_create(0, 1024);
	struct nvme_command dsm = { .opcode = NVME_NVM_DSM };
	struct nvme_command zeroes = { .opcode = NVME_NVM_WRITE_ZEROES };
	struct nvme_command flush = { .opcode = NVME_NVM_FLUSH };
	struct nvme_dsm_range *range = (void *)(uspace_host + DATA_AT);
	struct uspace_queue admin, queues[2];
	u16 dsm_cid, one_cid, zeroes_cid, flush_cid;
	u32 i;

	check(uspace_enable(dev, &admin));
	/* Both of one worker */
	for (i = 0; i < 2; i++)
		check(!uspace_create_queue(dev, &admin, &queues[i], 1 + 2 * i,
					   DEPTH, RINGS_AT * (i + 1)));
	memset(range, 0, sizeof(*range));
	range->nlb = cpu_to_le32(16384);
	dsm.nsid = cpu_to_le32(1);
	dsm.cdw11 = cpu_to_le32(NVME_DSM_AD);
	dsm.prp1 = cpu_to_le64(DATA_AT);
	set_range(&zeroes, 0, 64);
	flush.nsid = cpu_to_le32(1);
	memset(dev->storage, 1, 16384 << 9);

	dsm_cid = uspace_submit(dev, &queues[0], &dsm);
	uspace_run(dev, 1);
	zeroes_cid = uspace_submit(dev, &queues[1], &zeroes);
	uspace_run(dev, 4);
	check(reap_cid(dev, &queues[1], zeroes_cid));
	flush_cid = uspace_submit(dev, &queues[1], &flush);
	uspace_run(dev, 1);
	check(reap_cid(dev, &queues[1], flush_cid));
	/* Due after the first, which has 511 slices to go */
	range[256] = (struct nvme_dsm_range){ .nlb = cpu_to_le32(1) };
	dsm.prp1 = cpu_to_le64(DATA_AT + 4096);
	one_cid = uspace_submit(dev, &queues[1], &dsm);
	dsm.prp1 = cpu_to_le64(DATA_AT);
	uspace_run(dev, 2);
	check(reap_cid(dev, &queues[1], one_cid));
	check(!reap_cid(dev, &queues[0], dsm_cid));
	uspace_run(dev, 1000);
	check(reap_cid(dev, &queues[0], dsm_cid));
	for (i = 0; i < 16384 << 9; i++)
		check(!((u8 *)dev->storage)[i]);

	/* Nor does the time that it takes */
	nvmev_timing_set_latency(&dev->timing, NVMEV_WRITE, NSEC_PER_SEC);
	range->nlb = cpu_to_le32(8);
	dsm_cid = uspace_submit(dev, &queues[0], &dsm);
	uspace_run(dev, 1);
	flush_cid = uspace_submit(dev, &queues[1], &flush);
	uspace_run(dev, 2);
	check(reap_cid(dev, &queues[1], flush_cid));
	check(!reap_cid(dev, &queues[0], dsm_cid));
	uspace_now_ns += NSEC_PER_SEC;
	uspace_run(dev, 2);
	check(reap_cid(dev, &queues[0], dsm_cid));
	uspace_device_destroy(dev);
}

/* Of many that are large the first is done long before the last */
static void test_deallocate_many(void)
{
	struct nvmev_dev *dev = device_create(0, 1024);
	struct nvme_command dsm = { .opcode = NVME_NVM_DSM };
	struct nvme_dsm_range *range = (void *)(uspace_host + DATA_AT);
	struct uspace_queue admin, queue;
	struct nvme_completion cqe;
	u32 i, rounds = 0, first = 0, nr = 0;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	memset(range, 0, sizeof(*range));
	range->nlb = cpu_to_le32(16384);
	dsm.nsid = cpu_to_le32(1);
	dsm.cdw11 = cpu_to_le32(NVME_DSM_AD);
	dsm.prp1 = cpu_to_le64(DATA_AT);
	for (i = 0; i < 8; i++)
		uspace_submit(dev, &queue, &dsm);
	while (nr < 8) {
		uspace_run(dev, 1);
		rounds++;
		while (uspace_reap(dev, &queue, &cqe)) {
			check(!(cqe.status >> 1));
			if (!nr++)
				first = rounds;
		}
	}
	check(first < rounds / 2);
	uspace_device_destroy(dev);
}

/* Flushes do not wait for late reads, nor for late writes of another namespace */
static void test_flush_among(u8 opcode, bool other_ns)
{
	struct nvmev_dev *dev = device_create(0, 1024);
	struct nvme_command late = { .opcode = opcode };
	struct nvme_command flush = { .opcode = NVME_NVM_FLUSH };
	struct uspace_queue admin, queues[4];
	struct nvme_completion cqe;
	u32 i, j, id, done = 0, flushed = 0;
	bool between = false;

	check(uspace_enable(dev, &admin));
	if (other_ns) {
		check(!ns_command(dev, &admin, NVME_ADMIN_NS_MGMT,
				  NVME_NSID_ALL, 1, NULL));
		for (i = 1; i <= 2; i++) {
			check(!ns_create(dev, &admin, 2048, 0, &id));
			check(!ns_attach(dev, &admin, i, 0));
		}
	}
	/* All of one worker */
	for (i = 0; i < 4; i++)
		check(!uspace_create_queue(dev, &admin, &queues[i], 1 + 2 * i,
					   1024, 2 * RINGS_AT * (i + 1)));
	set_range(&late, 0, 16);
	late.prp1 = cpu_to_le64(8 * SZ_1M);
	late.prp2 = cpu_to_le64(8 * SZ_1M + 4096);
	flush.nsid = cpu_to_le32(1 + other_ns);
	for (i = 0; i < 1023; i++) {
		for (j = 0; j < 2; j++)
			uspace_submit(dev, &queues[j], &late);
		for (j = 2; j < 4; j++)
			uspace_submit(dev, &queues[j], &flush);
	}
	while (done < 4 * 1023) {
		nvmev_worker_poll(dev->sqs[1]->cq->worker);
		for (i = 0; i < 4; i++)
			while (uspace_reap(dev, &queues[i], &cqe)) {
				check(!(le16_to_cpu(cqe.status) >> 1));
				done++;
				flushed += i >= 2;
			}
		between |= flushed && done - flushed < 1023;
	}
	check(between);
	uspace_device_destroy(dev);
}

/* A write of another queue that comes in between does not let a Flush pass its own */
static void test_flush_order(void)
{
	struct nvmev_dev *dev = device_create(0, 1024);
	struct nvme_command write = { .opcode = NVME_NVM_WRITE };
	struct nvme_command flush = { .opcode = NVME_NVM_FLUSH };
	struct uspace_queue admin, queues[2];
	struct nvme_completion cqe;
	u32 i, done = 0;
	u16 cid;

	check(uspace_enable(dev, &admin));
	/* Both of one worker, which looks at the first before the second */
	for (i = 0; i < 2; i++)
		check(!uspace_create_queue(dev, &admin, &queues[i], 1 + 2 * i,
					   DEPTH, RINGS_AT * (i + 1)));
	set_range(&write, 0, 16);
	write.prp1 = cpu_to_le64(DATA_AT);
	write.prp2 = cpu_to_le64(DATA_AT + 4096);
	flush.nsid = cpu_to_le32(1);
	for (i = 0; i < DEPTH - 2; i++)
		uspace_submit(dev, &queues[1], &write);
	cid = uspace_submit(dev, &queues[1], &flush);
	/* A burst of them, and before the rest the other */
	nvmev_worker_poll(dev->sqs[1]->cq->worker);
	uspace_now_ns += 1000;
	uspace_submit(dev, &queues[0], &write);
	for (;;) {
		nvmev_worker_poll(dev->sqs[1]->cq->worker);
		uspace_now_ns += 1000;
		if (!uspace_reap(dev, &queues[1], &cqe))
			continue;
		if (le16_to_cpu(cqe.cid) == cid)
			break;
		done++;
	}
	check(done == DEPTH - 2);
	uspace_device_destroy(dev);
}

/* What is dropped with its namespace is nothing that a Flush waits for */
static void test_dropped_writes(void)
{
	const u64 latency = 20 * NSEC_PER_SEC;
	struct nvmev_dev *dev = device_create(latency, 4);
	struct nvme_command write = { .opcode = NVME_NVM_WRITE };
	struct nvme_command flush = { .opcode = NVME_NVM_FLUSH,
				      .nsid = cpu_to_le32(1) };
	struct nvme_command format = { .opcode = NVME_ADMIN_FORMAT_NVM,
				       .nsid = cpu_to_le32(1) };
	struct uspace_queue admin, queue;
	struct nvme_completion cqe;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	set_range(&write, 0, 1);
	write.prp1 = cpu_to_le64(DATA_AT);
	uspace_submit(dev, &queue, &write);
	uspace_run(dev, 3);
	check(!uspace_sync(dev, &admin, &format, NULL));
	uspace_run(dev, 3);
	check(uspace_reap(dev, &queue, &cqe));
	check(le16_to_cpu(cqe.status) >> 1);
	uspace_submit(dev, &queue, &flush);
	uspace_run(dev, 3);
	check(uspace_reap(dev, &queue, &cqe));
	check(!(le16_to_cpu(cqe.status) >> 1));
	uspace_device_destroy(dev);
}

/* A host that does not take completions does not make the device late */
static void test_full_cq_late(void)
{
	struct nvmev_dev *dev = device_create(0, 64);
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct uspace_queue admin, queue;
	struct nvme_completion cqe;
	u32 i, done = 0;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	set_range(&cmd, 0, 1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	for (i = 0; i < DEPTH + 10; i++) {
		uspace_submit(dev, &queue, &cmd);
		uspace_run(dev, 3);
	}
	uspace_now_ns += NSEC_PER_SEC;
	while (uspace_reap(dev, &queue, &cqe)) {
		done++;
		uspace_run(dev, 3);
	}
	check(done == DEPTH + 10);
	check(dev->sqs[1]->stat[NVMEV_READ].late_max_ns < NSEC_PER_USEC);
	uspace_device_destroy(dev);
}

/*
 * A write that fails within its first page, by a list that the host changes
 * while it waits behind a read, has changed blocks: Global Data Erased, 8.15.
 */
static void test_partial_write(void)
{
	struct nvmev_dev *dev = device_create(NSEC_PER_MSEC, 64);
	struct nvme_command read = { .opcode = NVME_NVM_READ };
	struct nvme_command write = { .opcode = NVME_NVM_WRITE };
	struct uspace_queue admin, queue;
	struct nvme_completion cqe;
	u64 changes;
	u32 done;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	set_range(&read, 0, 256);
	set_prps(&read, DATA_AT, 256 << 9, LISTS_AT);
	set_range(&write, 512, 24);
	set_prps(&write, DATA_AT + SZ_1M + 512, 24 << 9, LISTS_AT + 4096);
	memset(uspace_host + DATA_AT + SZ_1M, 0x21, 4096);
	uspace_submit(dev, &queue, &read);
	uspace_submit(dev, &queue, &write);
	uspace_run(dev, 1);
	changes = dev->sqs[1]->cq->worker->changes;
	check(((u8 *)dev->storage)[512 << 9] != 0x21);
	*(__le64 *)(uspace_host + LISTS_AT + 4096) =
		cpu_to_le64(USPACE_HOST_BYTES);
	for (done = 0; done < 2; uspace_now_ns += NSEC_PER_MSEC) {
		uspace_run(dev, 20);
		while (uspace_reap(dev, &queue, &cqe))
			done++;
	}
	check(((u8 *)dev->storage)[512 << 9] == 0x21);
	check(dev->sqs[1]->cq->worker->changes > changes);
	uspace_device_destroy(dev);
}

/* At most, of all kinds together: not the most of each, at different times */
static void test_in_flight(void)
{
	struct nvmev_dev *dev = device_create(NSEC_PER_MSEC, 64);
	struct nvme_command cmd = { };
	struct uspace_queue admin, queue;
	struct nvme_completion cqe;
	u32 i, done, kind;

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	for (kind = 0; kind < 2; kind++) {
		cmd.opcode = kind ? NVME_NVM_READ : NVME_NVM_WRITE;
		set_range(&cmd, 0, 1);
		cmd.prp1 = cpu_to_le64(DATA_AT);
		for (i = 0; i < 32; i++)
			uspace_submit(dev, &queue, &cmd);
		for (done = 0; done < 32; uspace_now_ns += NSEC_PER_MSEC) {
			uspace_run(dev, 3);
			while (uspace_reap(dev, &queue, &cqe))
				done++;
		}
	}
	check(dev->sqs[1]->in_flight_max == 32 && !dev->sqs[1]->in_flight);
	uspace_device_destroy(dev);
}

/* The host's writes count only while it can reach the BAR */
static void test_decode(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	__le32 *unused = nvmev_doorbell(dev, dev->config.queues, false);
	u8 *before = malloc(NVMEV_BAR_MSIX_PBA);
	struct nvme_completion cqe;
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	u32 csts = uspace_reg_read(dev, NVME_REG_CSTS);
	u16 cid;

	/* One command in flight, which completes all the same */
	set_range(&cmd, 0, 1);
	set_prps(&cmd, DATA_AT, 512, LISTS_AT);
	cid = uspace_submit(dev, queue, &cmd);
	uspace_run(dev, 2);
	memcpy(before, dev->bar, NVMEV_BAR_MSIX_PBA);
	nvmev_ctrl_decode(dev, false);
	memset(dev->bar, 0xff, NVMEV_BAR_MSIX_PBA);
	uspace_reg_write(dev, NVME_REG_CC, 0);
	uspace_reg_write(dev, NVME_REG_NSSR, NVME_NSSR_RESET);
	WRITE_ONCE(*unused, cpu_to_le32(1));
	uspace_now_ns += NSEC_PER_SEC;
	uspace_run(dev, 10);
	check(dev->enabled);
	nvmev_ctrl_decode(dev, true);
	check(!memcmp(before, dev->bar, NVMEV_BAR_MSIX_PBA));
	uspace_run(dev, 10);
	check(uspace_reap(dev, queue, &cqe));
	check(le16_to_cpu(cqe.cid) == cid);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == csts);
	check(!*unused);
	check(!uspace_sync(dev, queue, &cmd, NULL));
	free(before);
}

/*
 * A doorbell written right before the BAR goes, and read by a worker that finds
 * it gone: the command is taken when the BAR is back.
 */
static struct nvmev_dev *decode_amid_dev;

static void decode_off(void)
{
	uspace_at_rmb = NULL;
	nvmev_ctrl_decode(decode_amid_dev, false);
}

static void test_decode_amid(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;
	u16 cid;

	set_range(&cmd, 0, 1);
	set_prps(&cmd, DATA_AT, 512, LISTS_AT);
	cid = uspace_submit(dev, queue, &cmd);
	decode_amid_dev = dev;
	uspace_at_rmb = decode_off;
	uspace_run(dev, 1);
	check(!uspace_at_rmb && !dev->mmio);
	nvmev_ctrl_decode(dev, true);
	uspace_run(dev, 2);
	uspace_now_ns += NSEC_PER_SEC;
	uspace_run(dev, 10);
	check(uspace_reap(dev, queue, &cqe));
	check(le16_to_cpu(cqe.cid) == cid);
}

/* The host masks and unmasks while the device looks at an earlier unmask */
static struct nvmev_dev *intms_amid_dev;

static void mask_and_unmask(void)
{
	uspace_at_rmb = NULL;
	uspace_reg_write(intms_amid_dev, NVME_REG_INTMS, 1);
	uspace_reg_write(intms_amid_dev, NVME_REG_INTMC, 1);
}

static void test_intms_amid(struct nvmev_dev *dev)
{
	intms_amid_dev = dev;
	uspace_reg_write(dev, NVME_REG_INTMC, U32_MAX);
	uspace_run(dev, 1);
	uspace_reg_write(dev, NVME_REG_INTMC, 1);
	uspace_at_rmb = mask_and_unmask;
	uspace_run(dev, 1);
	check(!uspace_at_rmb);
	uspace_run(dev, 2);
	check(!nvmev_ctrl_intms(dev));
	check(!uspace_reg_read(dev, NVME_REG_INTMS));
	check(!uspace_reg_read(dev, NVME_REG_INTMC));
}

/*
 * What the host writes to AQA stays, also while the device looks at it. Time is
 * virtual, but this host is a thread of its own.
 */
struct aqa_host {
	struct nvmev_dev *dev;
	unsigned int looks;
	bool done;
};

static void *aqa_thread(void *data)
{
	struct aqa_host *host = data;
	unsigned int i, seen;

	for (i = 0; i < 20000; i++) {
		u32 aqa = i & 1 ? 0x001f001f : 0x00030007;

		uspace_reg_write(host->dev, NVME_REG_AQA, aqa);
		seen = READ_ONCE(host->looks);
		while (READ_ONCE(host->looks) - seen < 2)
			sched_yield();
		check(uspace_reg_read(host->dev, NVME_REG_AQA) == aqa);
	}
	WRITE_ONCE(host->done, true);
	return NULL;
}

static void test_aqa_amid(struct nvmev_dev *dev)
{
	struct aqa_host host = { .dev = dev };
	pthread_t thread;

	check(!pthread_create(&thread, NULL, aqa_thread, &host));
	while (!READ_ONCE(host.done)) {
		uspace_run(dev, 1);
		WRITE_ONCE(host.looks, host.looks + 1);
	}
	pthread_join(thread, NULL);
}

/* INTMS sets, INTMC clears, also before the device has looked (3.1.3) */
static void test_intms(struct nvmev_dev *dev)
{
	uspace_reg_write(dev, NVME_REG_INTMS, 5);
	check(nvmev_ctrl_intms(dev) == 5);
	uspace_run(dev, 1);
	check(uspace_reg_read(dev, NVME_REG_INTMS) == 5);
	uspace_reg_write(dev, NVME_REG_INTMS, 2);
	uspace_run(dev, 1);
	check(uspace_reg_read(dev, NVME_REG_INTMS) == 7);
	uspace_reg_write(dev, NVME_REG_INTMS, 0);
	uspace_run(dev, 1);
	check(uspace_reg_read(dev, NVME_REG_INTMS) == 7);
	/* The same value as the mask: it must be seen nevertheless */
	uspace_reg_write(dev, NVME_REG_INTMC, 7);
	check(!nvmev_ctrl_intms(dev));
	uspace_run(dev, 1);
	check(!uspace_reg_read(dev, NVME_REG_INTMS));
	uspace_reg_write(dev, NVME_REG_INTMS, 3);
	uspace_reg_write(dev, NVME_REG_INTMC, 1);
	uspace_run(dev, 1);
	check(nvmev_ctrl_intms(dev) == 2);
	check(uspace_reg_read(dev, NVME_REG_INTMS) == 2);
	check(!uspace_reg_read(dev, NVME_REG_INTMC));
}

/* The interrupt line: asserted while there are completions to take (7.5.1) */
static void test_line(struct nvmev_dev *dev, struct uspace_queue *queue)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_FLUSH };
	struct nvme_completion cqe;
	unsigned int i;

	cmd.nsid = cpu_to_le32(1);
	check(!nvmev_ctrl_has_completions(dev));
	for (i = 0; i < 2 * DEPTH; i++) {
		uspace_submit(dev, queue, &cmd);
		uspace_run(dev, 4);
		check(nvmev_ctrl_has_completions(dev));
		check(uspace_reap(dev, queue, &cqe));
		check(!nvmev_ctrl_has_completions(dev));
	}
}

/* What the registers do besides, all with live queues (3.1.5 to 3.1.10) */
static void test_registers(struct nvmev_dev *dev, struct uspace_queue *admin,
			   struct uspace_queue *queue)
{
	const u32 cc = NVME_CC_EN | 6 << 16 | 4 << 20;
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;

	set_range(&cmd, 0, 1);
	set_prps(&cmd, DATA_AT, 512, LISTS_AT);

	/* While enabled these are looked at by nobody */
	uspace_reg_write(dev, NVME_REG_AQA, 0);
	uspace_reg_write(dev, NVME_REG_ASQ, 0x123);
	uspace_reg_write(dev, NVME_REG_ACQ, U32_MAX);
	uspace_reg_write(dev, NVME_REG_CC, cc | 3 << 7 | 5 << 4 | 1 << 11);
	uspace_reg_write(dev, NVME_REG_CAP, 0);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_RDY);
	check(FIELD_GET(NVME_CAP_TO, uspace_reg_read(dev, NVME_REG_CAP)));
	check(!uspace_sync(dev, queue, &cmd, NULL));

	/* And the next time they are wrong: fatal, and over with the next */
	check(uspace_disable(dev));
	check(!uspace_reg_read(dev, NVME_REG_CSTS));
	uspace_reg_write(dev, NVME_REG_CC, cc);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_CFS);
	/* It can be shut down all the same */
	uspace_reg_write(dev, NVME_REG_CC, cc | 1 << 14);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) ==
	      (NVME_CSTS_CFS |
	       FIELD_PREP(NVME_CSTS_SHST, NVME_CSTS_SHST_COMPLETE)));
	uspace_reg_write(dev, NVME_REG_CC, 0);
	uspace_run(dev, 10);
	check(!uspace_reg_read(dev, NVME_REG_CSTS));

	/* An admin queue that is no memory */
	uspace_reg_write(dev, NVME_REG_AQA, 31 << 16 | 31);
	uspace_reg_write(dev, NVME_REG_ASQ, USPACE_HOST_BYTES);
	uspace_reg_write(dev, NVME_REG_ACQ, 4096);
	uspace_reg_write(dev, NVME_REG_CC, cc);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_CFS);
	/* It is not ready: the next host, with one that is, need not wait for that */
	uspace_reg_write(dev, NVME_REG_CC, 0);
	uspace_reg_write(dev, NVME_REG_ASQ, 0);
	uspace_reg_write(dev, NVME_REG_CC, cc);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_RDY);
	check(uspace_disable(dev));

	/* No memory, and some for the next, who asks for the same */
	uspace_fail_alloc = 1;
	uspace_reg_write(dev, NVME_REG_CC, cc);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_CFS);
	uspace_reg_write(dev, NVME_REG_CC, 0);
	uspace_reg_write(dev, NVME_REG_CC, cc);
	uspace_now_ns += 10 * NSEC_PER_MSEC;
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_RDY);
	check(uspace_disable(dev));

	/* Shutdown with a command in flight: it never completes (7.6.2) */
	check(uspace_enable(dev, admin));
	check(!uspace_create_queue(dev, admin, queue, 1, DEPTH, RINGS_AT));
	uspace_submit(dev, queue, &cmd);
	uspace_run(dev, 2);
	uspace_reg_write(dev, NVME_REG_CC, cc | 1 << 14);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) ==
	      (NVME_CSTS_RDY |
	       FIELD_PREP(NVME_CSTS_SHST, NVME_CSTS_SHST_COMPLETE)));
	uspace_now_ns += NSEC_PER_SEC;
	uspace_run(dev, 10);
	check(!uspace_reap(dev, queue, &cqe));
	/* Until the next reset it stays so, whatever SHN says */
	uspace_reg_write(dev, NVME_REG_CC, cc);
	uspace_run(dev, 10);
	check(FIELD_GET(NVME_CSTS_SHST, uspace_reg_read(dev, NVME_REG_CSTS)) ==
	      NVME_CSTS_SHST_COMPLETE);
	check(uspace_disable(dev));

	/* A subsystem reset with live queues, then with anything else */
	check(uspace_enable(dev, admin));
	check(!uspace_create_queue(dev, admin, queue, 1, DEPTH, RINGS_AT));
	uspace_submit(dev, queue, &cmd);
	uspace_run(dev, 2);
	uspace_reg_write(dev, NVME_REG_NSSR, NVME_NSSR_RESET ^ 1);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_RDY);
	check(!uspace_reg_read(dev, NVME_REG_NSSR));
	uspace_reg_write(dev, NVME_REG_NSSR, NVME_NSSR_RESET);
	uspace_run(dev, 10);
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_NSSRO);
	check(!uspace_reg_read(dev, NVME_REG_CC));
	check(!uspace_reg_read(dev, NVME_REG_AQA));
	check(!uspace_reg_read(dev, NVME_REG_NSSR));
	check(!dev->enabled);
	check(uspace_enable(dev, admin));
	check(uspace_reg_read(dev, NVME_REG_CSTS) == NVME_CSTS_RDY);
	/* NSSRO is cleared by writing 1 beside other bits */
	uspace_reg_write(dev, NVME_REG_NSSR, NVME_NSSR_RESET);
	uspace_run(dev, 10);
	uspace_reg_write(dev, NVME_REG_CSTS, U32_MAX);
	uspace_run(dev, 10);
	check(!uspace_reg_read(dev, NVME_REG_CSTS));
	check(uspace_enable(dev, admin));
}

static void run_virtual(void)
{
	struct nvmev_dev *dev = device_create(1000000, 4);
	struct uspace_queue admin, queues[QUEUES];
	unsigned int i;

	check(uspace_enable(dev, &admin));
	for (i = 0; i < QUEUES; i++)
		check(!uspace_create_queue(dev, &admin, &queues[i], i + 1,
					   DEPTH, RINGS_AT * (i + 1)));
	test_data(dev, &queues[0]);
	test_refusals(dev, &queues[1]);
	test_fused(dev, &queues[1]);
	test_fused_room(dev, &queues[1]);
	test_fused_burst(dev, &queues[1]);
	test_flush(dev, &queues[0], &queues[2], NVME_NVM_WRITE, 4096);
	test_flush(dev, &queues[0], &queues[2], NVME_NVM_WRITE_ZEROES, 16384);
	test_copy(dev, &queues[1]);
	test_uncorrectable(dev, &queues[1]);
	test_namespaces(dev, &admin, &queues[1]);
	test_due(dev, &queues[2]);
	test_full_cq(dev, &queues[2]);
	test_flush_deleted(dev, &admin, &queues[0], &queues[2]);
	check(uspace_disable(dev));
	test_aqa_amid(dev);

	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queues[0], 1, DEPTH,
				   RINGS_AT));
	test_decode(dev, &queues[0]);
	test_decode_amid(dev, &queues[0]);
	test_intms(dev);
	test_intms_amid(dev);
	test_line(dev, &queues[0]);
	test_registers(dev, &admin, &queues[0]);
	check(uspace_disable(dev));

	/* And once more, from the beginning */
	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queues[0], 1, DEPTH,
				   RINGS_AT));
	test_data(dev, &queues[0]);
	uspace_device_destroy(dev);
}

/* --- threads --------------------------------------------------------------------- */

struct host_thread {
	struct nvmev_dev *dev;
	struct uspace_queue queue;
	pthread_t thread;
	u64 commands;
	bool stop;
};

/* Writes and reads back blocks of its own, many in flight */
static void *host_thread(void *data)
{
	struct host_thread *host = data;
	struct uspace_queue *queue = &host->queue;
	u64 base = queue->qid * 1000, round = 0;
	u64 addr = DATA_AT + queue->qid * (256 << 10);
	struct nvme_completion cqe;
	u32 i, done;

	while (!READ_ONCE(host->stop)) {
		bool write = !(round & 1);

		for (i = 0; i < 32; i++) {
			struct nvme_command cmd = {
				.opcode = write ? NVME_NVM_WRITE :
						  NVME_NVM_READ,
			};
			u64 *buf = (void *)(uspace_host + addr + i * 4096);

			*buf = write ? round + i : 0;
			set_range(&cmd, base + 8 * i, 8);
			cmd.prp1 = cpu_to_le64(addr + i * 4096);
			uspace_submit(host->dev, queue, &cmd);
		}
		for (done = 0; done < 32; ) {
			if (!uspace_reap(host->dev, queue, &cqe)) {
				uspace_run(host->dev, 1);
				continue;
			}
			check(le16_to_cpu(cqe.status) >> 1 == 0);
			done++;
		}
		if (!write)
			for (i = 0; i < 32; i++)
				check(*(u64 *)(uspace_host + addr + i * 4096)
				      == round - 1 + i);
		round++;
		host->commands += 32;
	}
	return NULL;
}

static void run_threads(unsigned int seconds)
{
	struct host_thread hosts[QUEUES] = { };
	struct seq_file null = { .file = fopen("/dev/null", "w") };
	struct uspace_queue admin;
	u64 end, commands = 0;
	struct nvmev_dev *dev;
	unsigned int i;

	uspace_threads = true;
	dev = device_create(20000, 16);
	check(uspace_enable(dev, &admin));
	for (i = 0; i < QUEUES; i++) {
		hosts[i].dev = dev;
		check(!uspace_create_queue(dev, &admin, &hosts[i].queue, i + 1,
					   DEPTH, RINGS_AT * (i + 1)));
		check(!pthread_create(&hosts[i].thread, NULL, host_thread,
				      &hosts[i]));
	}

	/* Meanwhile the knobs turn and the statistics are read and reset */
	end = nvmev_clock_ns() + seconds * (u64)NSEC_PER_SEC;
	while (nvmev_clock_ns() < end) {
		nvmev_timing_set_latency(&dev->timing, below(2), below(50000));
		check(!nvmev_timing_set_slots(&dev->timing, 1 + below(64)));
		nvmev_timing_set_bw(&dev->timing, below(2), below(2) << 30);
		check(!nvmev_stat_show(dev, &null));
		if (!below(100))
			nvmev_stat_reset(dev);
		uspace_run(dev, 1);
	}
	for (i = 0; i < QUEUES; i++) {
		WRITE_ONCE(hosts[i].stop, true);
		pthread_join(hosts[i].thread, NULL);
		commands += hosts[i].commands;
	}
	check(uspace_disable(dev));
	uspace_device_destroy(dev);
	fclose(null.file);
	printf("threads: ok, %llu commands\n", commands);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "virtual")) {
		seed = strtoull(argv[2], NULL, 0) ?: 1;
		run_virtual();
		test_whole();
		test_master();
		test_gone();
		test_arbitration();
		test_urgent();
		test_wrr_flush();
		test_burst_units();
		test_erase_share();
		test_deallocate_beside();
		test_deallocate_many();
		test_flush_order();
		test_flush_among(NVME_NVM_READ, false);
		test_flush_among(NVME_NVM_WRITE, true);
		test_dropped_writes();
		test_in_flight();
		test_full_cq_late();
		test_partial_write();
		puts("virtual: ok");
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "threads")) {
		run_threads(strtoul(argv[2], NULL, 0));
		return 0;
	}
	fprintf(stderr, "usage: %s virtual SEED | threads SECONDS\n", argv[0]);
	return 2;
}
